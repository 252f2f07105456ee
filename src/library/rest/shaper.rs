//! The pace of one credential: nobody sends before its turn.
//!
//! The vendor counts calls per account and interface, and answers code 18 above
//! the limit. One queue serves all interfaces of a credential, token requests
//! and repeats included: whether accounts share a count across interfaces is
//! not documented for every service, and a limit that is kept on the whole is
//! kept on each part. In order: a call enters the queue, or is rejected when
//! its turn would come too late; the queue lets it go; its permit is stamped
//! when the request is written (`client`). While anybody waits, one task
//! watches the clock. Rules are in `queue`, `fair` and `window`; here are only
//! the lock, the waiting and the waking. Where replicas count together, that
//! task takes a place in the window of all (`shared`) before it lets a call go.

mod fair;
mod queue;
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

use self::queue::{Crowd, Queue, Rejected};
use self::shared::Place;
use crate::error::{Error, Kind, Result};

pub(super) use self::queue::{Entrant, Lane};
pub(super) use self::shared::SharedWindow;

/// Least time that is kept free for a response, before any was seen too: a call
/// that is sent with nothing left is a turn wasted.
const SHORTEST_RESPONSE: Duration = Duration::from_millis(20);

/// Lets calls of one credential go, at most `qps` in any second.
#[derive(Clone)]
pub(super) struct Shaper(Arc<Shared>);

/// Leave to send one request. Dropped before it is stamped, it costs nothing.
pub(super) struct Permit {
    shared: Arc<Shared>,
    stamped: AtomicBool,
    /// In the window of all replicas, where they count together.
    place: Mutex<Option<Place>>,
}

struct Shared {
    state: Mutex<State>,
    /// Something changed that no clock tells.
    changed: Notify,
    /// The window of all replicas, where they count together.
    window: Option<SharedWindow>,
}

struct State {
    queue: Queue<oneshot::Sender<Permit>>,
    /// Whether a task watches the clock.
    watched: bool,
    responses: ResponseTime,
}

/// How long answers take, after RFC 6298 section 2: a smoothed mean and its
/// deviation.
#[derive(Clone, Copy, Default)]
struct ResponseTime {
    mean: Duration,
    deviation: Duration,
}

/// A call in the queue; dropped, it leaves.
struct Waiting<'a> {
    shared: &'a Shared,
    entrant: &'a Entrant,
    number: u64,
}

// === impl Shaper ===

impl Shaper {
    /// Makes the shaper of a credential that may send this often a second:
    /// this process alone, or all replicas that share the window.
    pub(super) fn new(qps: u32, window: Option<SharedWindow>) -> Self {
        Shaper(Arc::new(Shared {
            state: Mutex::new(State {
                queue: Queue::new(qps),
                watched: false,
                responses: ResponseTime::default(),
            }),
            changed: Notify::new(),
            window,
        }))
    }

    /// Waits for a turn. Dropping the future leaves the queue at once.
    ///
    /// # Errors
    ///
    /// `PacingRejected` with the wait, at once when the turn would come too
    /// late for a response before `deadline`, later when others came in between.
    pub(super) async fn turn(&self, entrant: &Entrant, deadline: Instant) -> Result<Permit> {
        let now = Instant::now();
        let (response, turn) = oneshot::channel();
        let (number, send_by) = {
            let mut state = self.0.lock();
            let send_by = state.responses.send_by(now, deadline);
            let entered = state.queue.enter(entrant, now, send_by, response);
            (entered.map_err(rejection)?, send_by)
        };
        let waiting = Waiting {
            shared: &self.0,
            entrant,
            number,
        };
        match self.0.window {
            None => self.0.let_go(),
            // Only the task that watches takes places.
            Some(_) => self.0.changed.notify_one(),
        }
        self.watch();
        // Only the queue drops the sender, and only when the call leaves it.
        if let Ok(Ok(permit)) = timeout_at(send_by, turn).await {
            return Ok(permit);
        }
        drop(waiting);
        let wait = self.wait(entrant);
        Err(rejection(Rejected { wait, full: false }))
    }

    /// How long a call that comes now would wait, if nobody comes after it.
    pub(super) fn wait(&self, entrant: &Entrant) -> Duration {
        self.0.lock().queue.wait(entrant, Instant::now())
    }

    /// Notes how long a response took; calls that could not get theirs in time
    /// are rejected by that.
    pub(super) fn answered_in(&self, time: Duration) {
        self.0.lock().responses.note(time);
    }

    /// Calls that wait, and places of the window that are taken.
    pub(super) fn load(&self) -> (usize, usize) {
        let mut state = self.0.lock();
        (state.queue.len(), state.queue.taken(Instant::now()))
    }

    /// Whether replicas count together as configured; `None` where each counts
    /// for itself.
    pub(super) fn is_whole(&self) -> Option<bool> {
        self.0.window.as_ref().map(SharedWindow::is_whole)
    }

    /// Starts the task that watches the clock, while anybody waits.
    fn watch(&self) {
        let mut state = self.0.lock();
        if state.queue.len() > 0 && !state.watched {
            state.watched = true;
            tokio::spawn(self.0.clone().watch());
        }
    }
}

impl fmt::Debug for Shaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shaper(..)")
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything in it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody go who may.
    fn let_go(self: &Arc<Self>) {
        while self.let_one_go(None) {}
    }

    /// Lets the next call go, if one may. The permit is sent without the lock:
    /// one that nobody takes any more gives its place back, which wants the
    /// lock.
    fn let_one_go(self: &Arc<Self>, place: Option<Place>) -> bool {
        let next = self.lock().queue.next(Instant::now());
        let Some(response) = next else {
            return false;
        };
        let permit = Permit {
            shared: self.clone(),
            stamped: AtomicBool::new(false),
            place: Mutex::new(place),
        };
        // Who does not wait any more hands the permit back by this.
        let _ = response.send(permit);
        true
    }

    /// Lets those go for whom there are places in the window of all replicas;
    /// places come first, so that they go to whose turn it is then. Tells when
    /// to ask for more.
    async fn let_go_together(self: &Arc<Self>, window: &SharedWindow) -> Option<Instant> {
        let (ready, taken) = {
            let (mut state, now) = (self.lock(), Instant::now());
            (state.queue.ready(now), state.queue.taken(now))
        };
        if ready == 0 {
            return None;
        }
        let granted = window.reserve(ready, taken).await;
        let crowd = granted.next.map(|next| Crowd {
            next,
            replicas: granted.replicas,
        });
        let (limit, pause) = (granted.limit, granted.pause);
        self.lock().queue.bound(limit, pause, crowd);
        for place in granted.places {
            // A place that nobody wants any more frees when it is dropped.
            self.let_one_go(Some(place));
        }
        granted.next
    }

    /// Lets calls go as their turns come, until nobody waits.
    async fn watch(self: Arc<Self>) {
        let mut asked: Option<Instant> = None;
        loop {
            match &self.window {
                None => self.let_go(),
                // Before, there is no place for anybody.
                Some(_) if asked.is_some_and(|again| Instant::now() < again) => {}
                Some(window) => asked = self.let_go_together(window).await,
            }
            let next_turn = {
                let mut state = self.lock();
                if state.queue.len() == 0 {
                    state.watched = false;
                    return;
                }
                asked.or_else(|| state.queue.next_turn())
            };
            let turn = async {
                match next_turn {
                    Some(turn) => sleep_until(turn).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = turn => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

// === impl Permit ===

impl Permit {
    /// Says that the request is being written now.
    pub(super) fn stamp(&self) {
        if !self.stamped.swap(true, Ordering::AcqRel) {
            self.shared.lock().queue.stamp(Instant::now());
            let place = self.place.lock();
            if let Some(mut place) = place.unwrap_or_else(PoisonError::into_inner).take() {
                place.sent();
            }
            self.shared.changed.notify_one();
        }
    }

    /// Whether any of the request was written: if not, the vendor cannot have
    /// seen it.
    pub(super) fn is_stamped(&self) -> bool {
        self.stamped.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_stamped() {
            self.shared.lock().queue.give_back();
            self.shared.changed.notify_one();
        }
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.lock().queue.leave(self.entrant, self.number);
        self.shared.changed.notify_one();
    }
}

// === impl AnswerTime ===

impl ResponseTime {
    fn note(&mut self, time: Duration) {
        if self.mean.is_zero() {
            (self.mean, self.deviation) = (time, time / 2);
            return;
        }
        self.deviation = (self.deviation * 3 + self.mean.abs_diff(time)) / 4;
        self.mean = (self.mean * 7 + time) / 8;
    }

    /// The latest moment for sending a call. Half of its time is always for
    /// waiting, so that a vendor who was slow once can show that it is not.
    fn send_by(&self, now: Instant, deadline: Instant) -> Instant {
        let expected = (self.mean + self.deviation * 4).max(SHORTEST_RESPONSE);
        let left = deadline.saturating_duration_since(now);
        deadline - expected.min(left / 2)
    }
}

fn rejection(rejected: Rejected) -> Error {
    let wait = rejected.wait;
    let message = if rejected.full {
        "too many calls of this tenant wait for the vendor already".to_owned()
    } else {
        format!(
            "the queue to the vendor is {wait:.1?} long, which this call's deadline does not allow"
        )
    };
    Error::new(Kind::PacingRejected, message).with_retry_after(wait)
}

/// All orders in which threads can meet (`make loom`).
#[cfg(all(test, interleavings))]
mod interleavings {
    use loom::thread::spawn;

    use super::*;

    /// A shaper of one send a second, and a call in its queue.
    fn waiting() -> (Shaper, Entrant, u64, oneshot::Receiver<Permit>) {
        let shaper = Shaper::new(1, None);
        let entrant = Entrant {
            lane: Lane::Unary,
            tenant: "ann".into(),
            weight: 1,
        };
        let (response, turn) = oneshot::channel();
        let now = Instant::now();
        let late = now + Duration::from_secs(60);
        let mut state = shaper.0.lock();
        let number = state
            .queue
            .enter(&entrant, now, late, response)
            .ok()
            .unwrap();
        drop(state);
        (shaper, entrant, number, turn)
    }

    #[test]
    fn no_order_of_stamps_counts_a_send_twice() {
        loom::model(|| {
            let (shaper, _, _, mut turn) = waiting();
            shaper.0.let_go();
            let permit = Arc::new(turn.try_recv().unwrap());
            let stamps = [(); 2].map(|()| {
                let permit = permit.clone();
                spawn(move || permit.stamp())
            });
            drop(permit);

            stamps.map(|stamp| stamp.join().unwrap());

            assert_eq!(shaper.load(), (0, 1));
        });
    }

    #[test]
    fn no_order_leaves_a_place_with_a_call_that_gave_up() {
        loom::model(|| {
            let (shaper, entrant, number, turn) = waiting();
            let queue = shaper.clone();
            let clock = spawn(move || queue.0.let_go());

            drop(turn);
            drop(Waiting {
                shared: &shaper.0,
                entrant: &entrant,
                number,
            });

            clock.join().unwrap();
            assert_eq!(shaper.load(), (0, 0));
        });
    }
}

#[cfg(test)]
mod tests;
