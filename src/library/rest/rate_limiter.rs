//! The rate limiter of one credential.
//!
//! The vendor counts calls per account and interface, and returns code 18 above the limit. One
//! queue serves all interfaces of a credential, token requests and retries included: whether
//! accounts share a count across interfaces is not documented for every service, and a limit that
//! holds for the sum holds for each part. In order: a call is queued, or rejected when it would be
//! sent too late for its deadline; the queue dispatches it; its permit is marked as sent when the
//! request is written (`client`). While calls are queued, one task waits for the next slot. The
//! rules are in `queue`, `window` and `library::fair_queue`; here are only the lock, the waiting and
//! the waking. Where replicas share the rate limit, that task reserves a slot in the window of all
//! replicas (`shared`) before it dispatches a call.

mod queue;
mod response_time;
mod shared;
mod window;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
#[cfg(not(interleavings))]
use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};
use std::time::Duration;

#[cfg(interleavings)]
use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::queue::{Contention, Queue, Rejected};
use self::response_time::ResponseTime;
use self::shared::SharedSlot;
use crate::error::{Error, Kind, Result};

pub(super) use self::queue::{Lane, Waiter};
pub(super) use self::shared::SharedWindow;

/// Dispatches calls of one credential, up to `qps` in any second.
#[derive(Clone)]
pub(super) struct RateLimiter(Arc<Inner>);

/// Permission to send one request. Dropped before it is marked as sent, it frees its slot.
pub(super) struct Permit {
    limiter: Arc<Inner>,
    sent: AtomicBool,
    /// The slot in the window of all replicas, where they share the rate limit.
    slot: Mutex<Option<SharedSlot>>,
}

struct Inner {
    state: Mutex<State>,
    /// Notified of every change that is not the passing of time.
    changed: Notify,
    /// The window of all replicas, where they share the rate limit.
    window: Option<SharedWindow>,
}

struct State {
    queue: Queue<oneshot::Sender<Permit>>,
    /// Whether the dispatch task runs.
    dispatching: bool,
    response_time: ResponseTime,
}

/// A queued call; dropped, it leaves the queue.
struct Queued<'a> {
    limiter: &'a Inner,
    waiter: &'a Waiter,
    number: u64,
}

// === impl RateLimiter ===

impl RateLimiter {
    /// Creates the rate limiter of a credential: `qps` calls a second by this process alone, or by
    /// all replicas that share the window.
    pub(super) fn new(qps: u32, window: Option<SharedWindow>) -> Self {
        RateLimiter(Arc::new(Inner {
            state: Mutex::new(State {
                queue: Queue::new(qps),
                dispatching: false,
                response_time: ResponseTime::default(),
            }),
            changed: Notify::new(),
            window,
        }))
    }

    /// Waits for a slot. Dropping the future leaves the queue at once.
    ///
    /// # Errors
    ///
    /// `RateLimitQueueFull` at once when too many calls of the tenant are queued;
    /// `RateLimitDeadline` when the call would be sent too late for a response before `deadline`:
    /// at once, or later when other calls came in between. Both with the wait.
    pub(super) async fn acquire(&self, waiter: &Waiter, deadline: Instant) -> Result<Permit> {
        let now = Instant::now();
        let (sender, permit) = oneshot::channel();
        let (number, send_by) = {
            let mut state = self.0.lock();
            let send_by = state.response_time.send_by(now, deadline);
            let queued = state.queue.push(waiter, now, send_by, sender);
            (queued.map_err(rejection)?, send_by)
        };
        let queued = Queued {
            limiter: &self.0,
            waiter,
            number,
        };
        match self.0.window {
            None => self.0.dispatch(),
            // Only the dispatch task reserves shared slots.
            Some(_) => self.0.changed.notify_one(),
        }
        self.start_dispatching();
        // Only the queue drops the sender, and only when the call leaves it.
        if let Ok(Ok(permit)) = timeout_at(send_by, permit).await {
            return Ok(permit);
        }
        drop(queued);
        Err(rejection(Rejected {
            wait: self.wait(waiter),
            queue_full: false,
        }))
    }

    /// Returns how long a call would wait, if no call comes after it.
    pub(super) fn wait(&self, waiter: &Waiter) -> Duration {
        self.0.lock().queue.wait(waiter, Instant::now())
    }

    /// Records the time of a response; calls that could not get theirs in time are rejected by it.
    pub(super) fn record_response_time(&self, time: Duration) {
        self.0.lock().response_time.record(time);
    }

    /// Returns the number of queued calls, and of used slots.
    pub(super) fn load(&self) -> (usize, usize) {
        let mut state = self.0.lock();
        (state.queue.len(), state.queue.used(Instant::now()))
    }

    /// Returns whether the rate limit is shared with the other replicas at present; `None` where it
    /// is not configured to be.
    pub(super) fn is_shared(&self) -> Option<bool> {
        self.0.window.as_ref().map(SharedWindow::is_shared)
    }

    /// Starts the dispatch task, which runs while calls are queued.
    fn start_dispatching(&self) {
        let mut state = self.0.lock();
        if state.queue.len() > 0 && !state.dispatching {
            state.dispatching = true;
            tokio::spawn(self.0.clone().run());
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimiter(..)")
    }
}

// === impl Inner ===

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything in it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dispatches every call that may be sent now.
    fn dispatch(self: &Arc<Self>) {
        while self.dispatch_one(None) {}
    }

    /// Dispatches the next call, if one may be sent. The permit is handed over without the lock:
    /// one whose call has gone away is dropped, which takes the lock to free its slot.
    fn dispatch_one(self: &Arc<Self>, slot: Option<SharedSlot>) -> bool {
        let next = self.lock().queue.pop(Instant::now());
        let Some(sender) = next else {
            return false;
        };
        // A call that has gone away returns the permit, which is dropped here.
        let _ = sender.send(Permit {
            limiter: self.clone(),
            sent: AtomicBool::new(false),
            slot: Mutex::new(slot),
        });
        true
    }

    /// Reserves shared slots and dispatches calls with them. Slots are reserved first, so that they
    /// go to the calls that are next by then. Returns when to reserve more.
    async fn dispatch_shared(self: &Arc<Self>, window: &SharedWindow) -> Option<Instant> {
        let (ready, used) = {
            let (mut state, now) = (self.lock(), Instant::now());
            (state.queue.ready(now), state.queue.used(now))
        };
        if ready == 0 {
            return None;
        }
        let grant = window.reserve(ready, used).await;
        let contention = grant.next.map(|next| Contention {
            next,
            replicas: grant.replicas,
        });
        self.lock()
            .queue
            .set_limit(grant.limit, grant.blocked_until, contention);
        for slot in grant.slots {
            // Without a call for it, the slot is dropped and free again.
            self.dispatch_one(Some(slot));
        }
        grant.next
    }

    /// Dispatches calls as slots become available, until the queue is empty.
    async fn run(self: Arc<Self>) {
        let mut retry_at: Option<Instant> = None;
        loop {
            match &self.window {
                None => self.dispatch(),
                // No shared slot is available before.
                Some(_) if retry_at.is_some_and(|retry_at| Instant::now() < retry_at) => {}
                Some(window) => retry_at = self.dispatch_shared(window).await,
            }
            let next = {
                let mut state = self.lock();
                if state.queue.len() == 0 {
                    state.dispatching = false;
                    return;
                }
                retry_at.or_else(|| state.queue.next_dispatch())
            };
            let slot = async {
                match next {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = slot => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

// === impl Permit ===

impl Permit {
    /// Records that the request is being written now.
    pub(super) fn mark_sent(&self) {
        if !self.sent.swap(true, Ordering::AcqRel) {
            self.limiter.lock().queue.mark_sent(Instant::now());
            let slot = self.slot.lock();
            if let Some(mut slot) = slot.unwrap_or_else(PoisonError::into_inner).take() {
                slot.mark_sent();
            }
            self.limiter.changed.notify_one();
        }
    }

    /// Returns whether any of the request was written: if not, the vendor cannot have seen it.
    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.was_sent() {
            self.limiter.lock().queue.cancel_dispatched();
            self.limiter.changed.notify_one();
        }
    }
}

// === impl Queued ===

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.limiter.lock().queue.cancel(self.waiter, self.number);
        self.limiter.changed.notify_one();
    }
}

fn rejection(Rejected { wait, queue_full }: Rejected) -> Error {
    let (kind, message) = if queue_full {
        (
            Kind::RateLimitQueueFull,
            "too many calls of this tenant wait for the vendor's rate limit".to_owned(),
        )
    } else {
        (
            Kind::RateLimitDeadline,
            format!(
                "the wait for the vendor's rate limit is {wait:.1?}, too long for this call's deadline"
            ),
        )
    };
    Error::new(kind, message).with_retry_after(wait)
}

/// All interleavings of threads (`make loom`).
#[cfg(all(test, interleavings))]
mod interleavings {
    use loom::thread::spawn;

    use super::*;

    /// A rate limiter of one send a second, and a call in its queue.
    fn with_queued_call() -> (RateLimiter, Waiter, u64, oneshot::Receiver<Permit>) {
        let limiter = RateLimiter::new(1, None);
        let waiter = Waiter {
            lane: Lane::Unary,
            tenant: "ann".into(),
            weight: 1,
        };
        let (sender, permit) = oneshot::channel();
        let now = Instant::now();
        let late = now + Duration::from_secs(60);
        let mut state = limiter.0.lock();
        let number = state.queue.push(&waiter, now, late, sender).ok().unwrap();
        drop(state);
        (limiter, waiter, number, permit)
    }

    #[test]
    fn no_interleaving_counts_a_send_twice() {
        loom::model(|| {
            let (limiter, _, _, mut permit) = with_queued_call();
            limiter.0.dispatch();
            let permit = Arc::new(permit.try_recv().unwrap());
            let sends = [(); 2].map(|()| {
                let permit = permit.clone();
                spawn(move || permit.mark_sent())
            });
            drop(permit);

            for send in sends {
                send.join().unwrap();
            }

            assert_eq!(limiter.load(), (0, 1));
        });
    }

    #[test]
    fn no_interleaving_leaks_the_slot_of_a_cancelled_call() {
        loom::model(|| {
            let (limiter, waiter, number, permit) = with_queued_call();
            let other = limiter.clone();
            let dispatch = spawn(move || other.0.dispatch());

            drop(permit);
            drop(Queued {
                limiter: &limiter.0,
                waiter: &waiter,
                number,
            });

            dispatch.join().unwrap();
            assert_eq!(limiter.load(), (0, 0));
        });
    }
}

#[cfg(test)]
mod tests;
