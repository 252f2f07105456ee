//! The queue of one credential: who goes next, and when.
//!
//! Three lanes share one window: token requests before everything, since
//! nothing moves without a token and there is at most one a second; then
//! single calls; then items of bulk loads, which get every tenth turn also
//! while single calls wait. Within a lane, tenants take fair turns. A call that
//! cannot go before its time is rejected at the door. Pure: no clock, no lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fair::Fair;
use super::window::{PERIOD, Window};

/// Single calls that may overtake one waiting bulk item: bulk keeps a tenth of
/// the rate, so a load under pressure goes on and does not time out whole.
pub(super) const UNARY_PER_BULK: usize = 9;
/// Seconds of the credential's whole rate that one tenant may have waiting;
/// bounds the queue, whatever deadlines callers bring.
pub(super) const MAX_LINE_SECONDS: usize = 60;

/// Which calls go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::library::rest) enum Lane {
    /// A request for an access token.
    Token,
    /// A call that somebody waits for.
    Unary,
    /// An item of a bulk load.
    Bulk,
}

/// A call that asks for a turn.
#[derive(Clone, Debug)]
pub(in crate::library::rest) struct Entrant {
    pub(in crate::library::rest) lane: Lane,
    pub(in crate::library::rest) tenant: Arc<str>,
    /// Share among tenants, at least 1.
    pub(in crate::library::rest) weight: u32,
}

/// Why a call may not even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// How long it would wait.
    pub(super) wait: Duration,
    /// Whether its tenant has too many calls waiting already.
    pub(super) full: bool,
}

/// Why calls wait although this process could send them: other replicas have
/// taken the places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    /// When the next place can be taken.
    pub(super) next: Instant,
    /// Replicas that wait for places, this one with them.
    pub(super) replicas: u32,
}

/// Calls that wait, and the sends of the last second.
#[derive(Debug)]
pub(super) struct Queue<T> {
    qps: u32,
    window: Window,
    crowd: Option<Crowd>,
    tokens: VecDeque<(u64, T)>,
    unary: Fair<T>,
    bulk: Fair<T>,
    /// Single calls in a row that went before a waiting bulk item; 0 while
    /// none waits.
    run: usize,
    number: u64,
    longest_line: usize,
}

// === impl Queue ===

impl<T> Queue<T> {
    /// Makes the queue of a credential with this rate per second.
    pub(super) fn new(qps: u32) -> Self {
        Queue {
            qps: qps.max(1),
            window: Window::new(qps),
            crowd: None,
            tokens: VecDeque::new(),
            unary: Fair::new(),
            bulk: Fair::new(),
            run: 0,
            number: 0,
            longest_line: MAX_LINE_SECONDS.saturating_mul(qps.max(1) as usize),
        }
    }

    /// Calls that wait.
    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.unary.len() + self.bulk.len()
    }

    /// Places of the window that are taken.
    pub(super) fn taken(&mut self, now: Instant) -> usize {
        self.window.taken(now)
    }

    /// Calls that could go now, as far as this process knows.
    pub(super) fn ready(&mut self, now: Instant) -> usize {
        self.window.free(now).min(self.len())
    }

    /// Notes what this process may send, and what others leave it.
    pub(super) fn bound(&mut self, qps: u32, pause: Option<Instant>, crowd: Option<Crowd>) {
        self.window.bound(qps, pause);
        self.crowd = crowd;
    }

    /// How long a call that comes now would wait, if nobody comes after it.
    /// Where others take places too, they are taken to want as many.
    pub(super) fn wait(&mut self, entrant: &Entrant, now: Instant) -> Duration {
        let ahead = self.ahead(entrant);
        let mut turn = self.window.turn(now, ahead);
        if let Some(crowd) = self.crowd {
            let before = ahead as u128 * u128::from(crowd.replicas);
            let rounds = u32::try_from(before / u128::from(self.qps)).unwrap_or(u32::MAX);
            turn = turn.max(crowd.next + PERIOD.saturating_mul(rounds));
        }
        turn.saturating_duration_since(now)
    }

    /// Lets a call wait; the number is its name in [`Queue::leave`].
    ///
    /// # Errors
    ///
    /// When it would be sent after `send_by`, or its tenant's line is full.
    pub(super) fn enter(
        &mut self,
        entrant: &Entrant,
        now: Instant,
        send_by: Instant,
        call: T,
    ) -> Result<u64, Rejected> {
        let wait = self.wait(entrant, now);
        let Entrant { tenant, weight, .. } = entrant;
        let standing = self.unary.len_of(tenant) + self.bulk.len_of(tenant);
        let full = entrant.lane != Lane::Token && standing >= self.longest_line;
        if full || now + wait > send_by {
            return Err(Rejected { wait, full });
        }
        self.number += 1;
        match entrant.lane {
            Lane::Token => self.tokens.push_back((self.number, call)),
            Lane::Unary => self.unary.push(tenant, *weight, self.number, call),
            Lane::Bulk => self.bulk.push(tenant, *weight, self.number, call),
        }
        Ok(self.number)
    }

    /// Takes out a call that gave up; nothing happens if it has gone already.
    pub(super) fn leave(&mut self, entrant: &Entrant, number: u64) {
        match entrant.lane {
            Lane::Token => self.tokens.retain(|(other, _)| *other != number),
            Lane::Unary => self.unary.remove(&entrant.tenant, number),
            Lane::Bulk => {
                self.bulk.remove(&entrant.tenant, number);
                if self.bulk.len() == 0 {
                    self.run = 0;
                }
            }
        }
    }

    /// Takes the next call, if it may go now, and reserves its place.
    pub(super) fn next(&mut self, now: Instant) -> Option<T> {
        if self.window.free(now) == 0 {
            return None;
        }
        let call = self.pop()?;
        self.window.reserve();
        Some(call)
    }

    /// When to call [`Queue::next`] again; `None` while only a stamp or a
    /// place given back can change anything.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        self.window.next_free()
    }

    /// A call that went is being written.
    pub(super) fn stamp(&mut self, now: Instant) {
        self.window.stamp(now);
    }

    /// A call that went was given up before it was written.
    pub(super) fn give_back(&mut self) {
        self.window.give_back();
    }

    fn pop(&mut self) -> Option<T> {
        if let Some((_, call)) = self.tokens.pop_front() {
            return Some(call);
        }
        let bulk_waits = self.bulk.len() > 0;
        if bulk_waits && (self.run >= UNARY_PER_BULK || self.unary.len() == 0) {
            self.run = 0;
            return self.bulk.pop();
        }
        self.run = if bulk_waits { self.run + 1 } else { 0 };
        self.unary.pop()
    }

    /// Calls that go before one that comes now, if nobody comes after it:
    /// exactly what [`Queue::pop`] would do.
    fn ahead(&self, entrant: &Entrant) -> usize {
        let (tenant, weight) = (&entrant.tenant, entrant.weight);
        let overtaking = match entrant.lane {
            Lane::Token => return self.tokens.len(),
            Lane::Unary => {
                let unary = self.unary.ahead(tenant, weight);
                unary + self.bulk.len().min((unary + self.run) / UNARY_PER_BULK)
            }
            Lane::Bulk => {
                let bulk = self.bulk.ahead(tenant, weight);
                let unary = UNARY_PER_BULK * (bulk + 1) - self.run;
                bulk + self.unary.len().min(unary)
            }
        };
        self.tokens.len() + overtaking
    }
}
