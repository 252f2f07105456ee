//! The queue of one credential: which call is dispatched next, and when.
//!
//! Three lanes share one window: token requests first, since no call works without a token and
//! there is one a second at the maximum; then single calls; then items of bulk loads, which get
//! every tenth slot also while single calls wait. Within a lane, tenants are served by fair
//! queueing. A call that cannot be sent in time is rejected before it is queued. Pure: no clock, no
//! lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::window::{PERIOD, Window};
use crate::library::fair_queue::FairQueue;

/// Single calls that may overtake one queued bulk item: bulk keeps a tenth of the rate, so a load
/// under pressure progresses and does not time out as a whole.
pub(super) const UNARY_PER_BULK: usize = 9;
/// Seconds of the credential's whole rate that one tenant may have queued; bounds the queue,
/// whatever deadlines callers set.
pub(super) const MAX_QUEUE_SECONDS: usize = 60;
/// Cost of a call in the fair queue: each uses one slot, whatever it holds.
const COST: u64 = 1;

/// Priority class of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A request for an access token.
    Token,
    /// A single call.
    Unary,
    /// An item of a bulk load.
    Bulk,
}

/// A call that requests a slot: its lane, and its tenant's share.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) lane: Lane,
    pub(crate) tenant: Arc<str>,
    /// Share among tenants, at least 1.
    pub(crate) weight: u32,
}

/// Why a call is not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// How long it would wait.
    pub(super) wait: Duration,
    /// Whether its tenant has `max_queue_len` calls queued already.
    pub(super) queue_full: bool,
}

/// Other replicas have used up the shared window: why calls wait although this process could send
/// them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contention {
    /// When the next slot is available.
    pub(super) next: Instant,
    /// Replicas that wait for slots, this one included.
    pub(super) replicas: u32,
}

/// Queued calls, and the sends of the last second.
#[derive(Debug)]
pub(super) struct Queue<T> {
    qps: u32,
    window: Window,
    contention: Option<Contention>,
    tokens: VecDeque<(u64, T)>,
    unary: FairQueue<T>,
    bulk: FairQueue<T>,
    /// Consecutive single calls that overtook a queued bulk item; 0 while none is queued.
    overtakes: usize,
    last_number: u64,
    max_queue_len: usize,
}

// === impl Queue ===

impl<T> Queue<T> {
    /// Creates the queue of a credential with this rate per second.
    pub(super) fn new(qps: u32) -> Self {
        Queue {
            qps: qps.max(1),
            window: Window::new(qps),
            contention: None,
            tokens: VecDeque::new(),
            unary: FairQueue::new(),
            bulk: FairQueue::new(),
            overtakes: 0,
            last_number: 0,
            max_queue_len: MAX_QUEUE_SECONDS.saturating_mul(qps.max(1) as usize),
        }
    }

    /// Returns the number of queued calls.
    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.unary.len() + self.bulk.len()
    }

    /// Returns the number of used slots of the window.
    pub(super) fn used(&mut self, now: Instant) -> usize {
        self.window.used(now)
    }

    /// Returns how many calls could be dispatched now, as far as this process knows.
    pub(super) fn ready(&mut self, now: Instant) -> usize {
        self.window.available(now).min(self.len())
    }

    /// Sets what this process may send, and the contention with other replicas.
    pub(super) fn set_limit(
        &mut self,
        qps: u32,
        blocked_until: Option<Instant>,
        contention: Option<Contention>,
    ) {
        self.window.set_limit(qps, blocked_until);
        self.contention = contention;
    }

    /// Returns how long a call would wait, if no call comes after it. Other replicas are assumed to
    /// have as many calls as this one.
    pub(super) fn wait(&mut self, waiter: &Waiter, now: Instant) -> Duration {
        let ahead = self.ahead(waiter);
        let mut dispatch = self.window.dispatch_time(now, ahead);
        if let Some(contention) = self.contention {
            let before = ahead as u128 * u128::from(contention.replicas);
            let periods = u32::try_from(before / u128::from(self.qps)).unwrap_or(u32::MAX);
            dispatch = dispatch.max(contention.next + PERIOD.saturating_mul(periods));
        }
        dispatch.saturating_duration_since(now)
    }

    /// Queues a call; the number identifies it in [`Queue::cancel`].
    ///
    /// # Errors
    ///
    /// When it would be sent after `send_by`, or its tenant's queue is full.
    pub(super) fn push(
        &mut self,
        waiter: &Waiter,
        now: Instant,
        send_by: Instant,
        call: T,
    ) -> Result<u64, Rejected> {
        let wait = self.wait(waiter, now);
        let Waiter { tenant, weight, .. } = waiter;
        let queued = self.unary.len_of(tenant) + self.bulk.len_of(tenant);
        let queue_full = waiter.lane != Lane::Token && queued >= self.max_queue_len;
        if queue_full || now + wait > send_by {
            return Err(Rejected { wait, queue_full });
        }
        self.last_number += 1;
        let number = self.last_number;
        match waiter.lane {
            Lane::Token => self.tokens.push_back((number, call)),
            Lane::Unary => self.unary.push(tenant, *weight, COST, number, call),
            Lane::Bulk => self.bulk.push(tenant, *weight, COST, number, call),
        }
        Ok(number)
    }

    /// Removes a queued call; does nothing if it was dispatched already.
    pub(super) fn cancel(&mut self, waiter: &Waiter, number: u64) {
        match waiter.lane {
            Lane::Token => self.tokens.retain(|(other, _)| *other != number),
            Lane::Unary => {
                self.unary.remove(&waiter.tenant, number);
            }
            Lane::Bulk => {
                self.bulk.remove(&waiter.tenant, number);
                if self.bulk.len() == 0 {
                    self.overtakes = 0;
                }
            }
        }
    }

    /// Removes the next call, if it may be sent now, and reserves its slot.
    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        if self.window.available(now) == 0 {
            return None;
        }
        let call = self.pop_by_priority()?;
        self.window.reserve();
        Some(call)
    }

    /// Returns when to call [`Queue::pop`] again; `None` while only a send or a cancellation can
    /// change anything.
    pub(super) fn next_dispatch(&self) -> Option<Instant> {
        self.window.next_available()
    }

    /// Records that a dispatched call is being written.
    pub(super) fn mark_sent(&mut self, now: Instant) {
        self.window.mark_sent(now);
    }

    /// Frees the slot of a dispatched call that was cancelled before it was written.
    pub(super) fn cancel_dispatched(&mut self) {
        self.window.cancel();
    }

    fn pop_by_priority(&mut self) -> Option<T> {
        if let Some((_, call)) = self.tokens.pop_front() {
            return Some(call);
        }
        let bulk_waits = self.bulk.len() > 0;
        if bulk_waits && (self.overtakes >= UNARY_PER_BULK || self.unary.len() == 0) {
            self.overtakes = 0;
            return self.bulk.pop().map(|(_, call)| call);
        }
        self.overtakes = if bulk_waits { self.overtakes + 1 } else { 0 };
        self.unary.pop().map(|(_, call)| call)
    }

    /// Returns how many calls are dispatched before one that comes now, if no call comes after it:
    /// exactly what [`Queue::pop_by_priority`] would do.
    fn ahead(&self, waiter: &Waiter) -> usize {
        let (tenant, weight) = (&waiter.tenant, waiter.weight);
        let of_other_lanes = match waiter.lane {
            Lane::Token => return self.tokens.len(),
            Lane::Unary => {
                let unary = calls(self.unary.ahead(tenant, weight));
                unary
                    + self
                        .bulk
                        .len()
                        .min((unary + self.overtakes) / UNARY_PER_BULK)
            }
            Lane::Bulk => {
                let bulk = calls(self.bulk.ahead(tenant, weight));
                let unary = UNARY_PER_BULK * (bulk + 1) - self.overtakes;
                bulk + self.unary.len().min(unary)
            }
        };
        self.tokens.len() + of_other_lanes
    }
}

/// Returns the number of calls of this cost.
fn calls(cost: u64) -> usize {
    usize::try_from(cost / COST).unwrap_or(usize::MAX)
}
