//! The sliding window that replicas share: slots of the last second, in Redis.
//!
//! A slot is reserved before a call is dispatched, by one script for all calls that could be
//! (`reserve.lua`). It expires a period after its call was written (`sent.lua`), and is removed at
//! once when the call was cancelled. Slots of a replica that crashed expire with their leases;
//! those of a response that was lost are removed by the next request, which has the same name.
//! While Redis is unavailable, each replica falls back to its share of the rate:
//!
//! - After the failure nothing is sent for a period, since the other replicas
//!   may have sent the whole rate until then.
//! - When Redis is back, the share applies beside it until every replica can
//!   have noticed: others may still be in fallback.
//! - A Redis that came back empty, perhaps unnoticed, grants nothing for a
//!   period and then shares (`reserve.lua`).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::window::PERIOD;
use crate::replicas::{RESPONSE_TIMEOUT, RETRY_INTERVAL, Redis, Script, in_background};

/// Time for which a reserved slot waits for its call to be written: above the connect timeout
/// (`client`).
const LEASE: Duration = Duration::from_secs(10);
/// Time until every replica that sends has noticed that Redis is back.
const RECOVERY: Duration = RETRY_INTERVAL
    .saturating_add(RESPONSE_TIMEOUT)
    .saturating_add(PERIOD);

/// The window of one credential, as one replica sees it; clones share it.
#[derive(Clone)]
pub(crate) struct SharedWindow(Arc<Inner>);

struct Inner {
    redis: Redis,
    reserve: Script,
    sent: Script,
    slots: String,
    waiting: String,
    since: String,
    limit: u32,
    share: u32,
    mode: Mutex<Mode>,
    /// Name of the next request; a new one after each response.
    name: Mutex<String>,
}

/// How this replica counts.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// With the other replicas, in Redis.
    Shared,
    /// Alone: Redis failed. Nothing is sent before `blocked_until`; Redis is tried again at
    /// `retry_at`.
    Fallback {
        blocked_until: Instant,
        retry_at: Instant,
    },
    /// In Redis again; the share applies too until this moment.
    Recovering(Instant),
}

/// What this replica may send.
#[derive(Debug)]
pub(super) struct Grant {
    /// Slots that were reserved, up to as many as requested.
    pub(super) slots: Vec<SharedSlot>,
    /// When to request again, if fewer slots were granted than requested.
    pub(super) next: Option<Instant>,
    /// Replicas that wait for slots, this one included.
    pub(super) replicas: u32,
    /// Limit of the window of this replica alone.
    pub(super) limit: u32,
    /// Until when nothing may be sent at all.
    pub(super) blocked_until: Option<Instant>,
}

/// A slot in the shared window; dropped before its call is written, it is free.
pub(super) struct SharedSlot {
    /// `None` in fallback.
    reserved: Option<(SharedWindow, String)>,
}

// === impl SharedWindow ===

impl SharedWindow {
    /// Creates the window of a credential with this rate, which replicas find by a digest of its
    /// API key. The key itself is not stored.
    pub(crate) fn new(redis: Redis, api_key: &str, qps: u32) -> Self {
        let digest = Sha256::digest(api_key);
        let name: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let share = (qps / redis.replicas()).max(1);
        SharedWindow(Arc::new(Inner {
            name: Mutex::new(redis.unique_name()),
            redis,
            reserve: Script::new(include_str!("reserve.lua")),
            sent: Script::new(include_str!("sent.lua")),
            // The braces put all keys on one node of a cluster.
            slots: format!("samegate:{{{name}}}:slots"),
            waiting: format!("samegate:{{{name}}}:waiting"),
            since: format!("samegate:{{{name}}}:since"),
            limit: qps,
            share,
            mode: Mutex::new(Mode::Shared),
        }))
    }

    /// Returns whether slots are counted with the other replicas.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(*self.0.mode(), Mode::Fallback { .. })
    }

    /// Reserves slots for calls that could be sent now. `used` are the slots that this replica
    /// occupies.
    pub(super) async fn reserve(&self, requested: usize, used: usize) -> Grant {
        if self.0.may_try() {
            let response = self.reserve_in_redis(requested, used).await;
            self.0
                .record_outcome(response.as_ref().err().map(String::as_str));
            if let Ok(grant) = response {
                return grant;
            }
        }
        let (limit, blocked_until) = self.0.local_limit();
        Grant {
            slots: (0..requested)
                .map(|_| SharedSlot { reserved: None })
                .collect(),
            next: None,
            replicas: 1,
            limit,
            blocked_until,
        }
    }

    async fn reserve_in_redis(&self, requested: usize, used: usize) -> Result<Grant, String> {
        let name = self.0.name().clone();
        let mut call = self.0.reserve.prepare_invoke();
        call.key(&self.0.slots)
            .key(&self.0.waiting)
            .key(&self.0.since)
            .arg(self.0.limit)
            .arg(requested)
            .arg(used)
            .arg(self.0.redis.replica())
            .arg(format!("{name}-"))
            .arg(PERIOD.as_secs_f64())
            .arg(LEASE.as_secs_f64())
            .arg(self.0.share)
            .arg(RECOVERY.as_secs_f64());
        let (granted, wait, replicas): (usize, u64, u32) = self.0.redis.run(&call).await?;
        *self.0.name() = self.0.redis.unique_name();
        let slot = |number| SharedSlot {
            reserved: Some((self.clone(), format!("{name}-{number}"))),
        };
        let (limit, blocked_until) = self.0.local_limit();
        Ok(Grant {
            slots: (1..=granted).map(slot).collect(),
            next: (granted < requested).then(|| Instant::now() + Duration::from_micros(wait)),
            replicas,
            limit,
            blocked_until,
        })
    }
}

impl fmt::Debug for SharedWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedWindow")
            .field(&*self.0.mode())
            .finish()
    }
}

// === impl Inner ===

impl Inner {
    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> MutexGuard<'_, String> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_try(&self) -> bool {
        match *self.mode() {
            Mode::Fallback { retry_at, .. } => retry_at <= Instant::now(),
            Mode::Shared | Mode::Recovering(_) => true,
        }
    }

    /// Returns the limit of this replica's own window, and the moment before which it sends
    /// nothing.
    fn local_limit(&self) -> (u32, Option<Instant>) {
        let mut mode = self.mode();
        match *mode {
            Mode::Shared => (self.limit, None),
            Mode::Fallback { blocked_until, .. } => (self.share, Some(blocked_until)),
            Mode::Recovering(end) if Instant::now() < end => (self.share, None),
            Mode::Recovering(_) => {
                *mode = Mode::Shared;
                (self.limit, None)
            }
        }
    }

    /// Records whether Redis responded; logs each change of the mode once.
    fn record_outcome(&self, failure: Option<&str>) {
        let now = Instant::now();
        let mut mode = self.mode();
        let before = *mode;
        match (before, failure) {
            (Mode::Fallback { blocked_until, .. }, Some(_)) => {
                *mode = Mode::Fallback {
                    blocked_until,
                    retry_at: now + RETRY_INTERVAL,
                };
            }
            (_, Some(error)) => {
                *mode = Mode::Fallback {
                    blocked_until: now + PERIOD,
                    retry_at: now + RETRY_INTERVAL,
                };
                drop(mode);
                tracing::error!(error, "rate limiting fell back to local");
            }
            (Mode::Fallback { .. }, None) => {
                *mode = Mode::Recovering(now + RECOVERY);
                drop(mode);
                tracing::info!("rate limiting is shared again");
            }
            (Mode::Shared | Mode::Recovering(_), None) => {}
        }
    }
}

// === impl SharedSlot ===

impl SharedSlot {
    /// Records in Redis that the call is being written. If that is lost, the slot is occupied until
    /// its lease ends.
    pub(super) fn mark_sent(&mut self) {
        let Some((window, name)) = self.reserved.take() else {
            return;
        };
        in_background(async move {
            let Inner {
                redis, sent, slots, ..
            } = &*window.0;
            let mut call = sent.prepare_invoke();
            call.key(slots)
                .arg(name)
                .arg(PERIOD.as_secs_f64())
                .arg(LEASE.as_secs() + 1);
            let _ = redis.run::<()>(&call).await;
        });
    }
}

impl Drop for SharedSlot {
    fn drop(&mut self) {
        if let Some((window, name)) = self.reserved.take() {
            window.0.redis.remove(window.0.slots.clone(), name);
        }
    }
}

impl fmt::Debug for SharedSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSlot(reserved: {})", self.reserved.is_some())
    }
}
