//! The window that replicas share: places of the last second, in Redis.
//!
//! A place is taken before a call is let go, by one script for all calls that
//! could go (`reserve.lua`); it frees a period after its call was written
//! (`sent.lua`), and at once when the call was given up. A replica that crashes
//! frees its places when their leases run out; those of a response that was lost
//! are freed by the next question, which has the same name. While Redis does
//! not answer, each replica goes on with its share of the rate:
//!
//! - From the failure on nothing is sent for a period, since the others may
//!   have sent all that was allowed until then.
//! - When Redis is back, the share holds beside it until every replica can
//!   have noticed that: others may still be on their own.
//! - A Redis that came back empty, perhaps without anybody noticing, gives
//!   nothing for a period and then shares (`reserve.lua`).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::window::PERIOD;
use crate::replicas::{PAUSE, RESPONSE_TIME, Redis, Script, in_background};

/// Time for which a place waits for its call to be written: longer than a
/// connection takes at most (`client`).
const LEASE: Duration = Duration::from_secs(10);
/// Time until every replica that sends has noticed that Redis is back.
const NOTICED: Duration = PAUSE.saturating_add(RESPONSE_TIME).saturating_add(PERIOD);

/// The window of one credential, as one replica sees it; clones share it.
#[derive(Clone)]
pub(in crate::library::rest) struct SharedWindow(Arc<Inner>);

struct Inner {
    redis: Redis,
    reserve: Script,
    sent: Script,
    places: String,
    waiting: String,
    since: String,
    limit: u32,
    share: u32,
    standing: Mutex<Standing>,
    /// Name of the next question; a new one after each response.
    name: Mutex<String>,
}

/// How this replica stands to Redis.
#[derive(Clone, Copy, Debug)]
enum Standing {
    /// Places are taken there.
    Together,
    /// It failed; nothing is sent before `pause`, and it is asked from `again`.
    Alone { pause: Instant, again: Instant },
    /// It answers again; the share holds too until then.
    Returning(Instant),
}

/// What this replica may send.
#[derive(Debug)]
pub(super) struct Granted {
    /// Places that were taken, at most as many as wanted.
    pub(super) places: Vec<Place>,
    /// When to ask again, if places were wanting.
    pub(super) next: Option<Instant>,
    /// Replicas that wait for places, this one with them.
    pub(super) replicas: u32,
    /// Bound of the window of this replica alone.
    pub(super) limit: u32,
    /// Until when nothing at all may be sent.
    pub(super) pause: Option<Instant>,
}

/// A place in the shared window; dropped before its call is written, it frees.
pub(super) struct Place {
    /// `None` while Redis does not answer.
    taken: Option<(SharedWindow, String)>,
}

// === impl SharedWindow ===

impl SharedWindow {
    /// The window of a credential with this rate, which replicas find by its
    /// key. The key itself goes nowhere.
    pub(in crate::library::rest) fn new(redis: Redis, api_key: &str, qps: u32) -> Self {
        let digest = Sha256::digest(api_key);
        let name: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let share = (qps / redis.replicas()).max(1);
        SharedWindow(Arc::new(Inner {
            name: Mutex::new(redis.name()),
            redis,
            reserve: Script::new(include_str!("reserve.lua")),
            sent: Script::new(include_str!("sent.lua")),
            // The braces put all on one node of a cluster.
            places: format!("samegate:{{{name}}}:places"),
            waiting: format!("samegate:{{{name}}}:waiting"),
            since: format!("samegate:{{{name}}}:since"),
            limit: qps,
            share,
            standing: Mutex::new(Standing::Together),
        }))
    }

    /// Whether places are taken together with the other replicas.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(*self.0.standing(), Standing::Alone { .. })
    }

    /// Takes places for calls that could be sent now. `held` are those of this
    /// replica that are taken.
    pub(super) async fn reserve(&self, wanted: usize, held: usize) -> Granted {
        if self.0.may_ask() {
            let response = self.ask(wanted, held).await;
            self.0.note(response.as_ref().err().map(String::as_str));
            if let Ok(granted) = response {
                return granted;
            }
        }
        let alone = || Place { taken: None };
        let (limit, pause) = self.0.bound();
        Granted {
            places: (0..wanted).map(|_| alone()).collect(),
            next: None,
            replicas: 1,
            limit,
            pause,
        }
    }

    async fn ask(&self, wanted: usize, held: usize) -> Result<Granted, String> {
        let name = self.0.name().clone();
        let mut call = self.0.reserve.prepare_invoke();
        call.key(&self.0.places)
            .key(&self.0.waiting)
            .key(&self.0.since)
            .arg(self.0.limit)
            .arg(wanted)
            .arg(held)
            .arg(self.0.redis.replica())
            .arg(format!("{name}-"))
            .arg(PERIOD.as_secs_f64())
            .arg(LEASE.as_secs_f64())
            .arg(self.0.share)
            .arg(NOTICED.as_secs_f64());
        let (taken, wait, replicas): (usize, u64, u32) = self.0.redis.run(&call).await?;
        *self.0.name() = self.0.redis.name();
        let place = |number| Place {
            taken: Some((self.clone(), format!("{name}-{number}"))),
        };
        let (limit, pause) = self.0.bound();
        Ok(Granted {
            places: (1..=taken).map(place).collect(),
            next: (taken < wanted).then(|| Instant::now() + Duration::from_micros(wait)),
            replicas,
            limit,
            pause,
        })
    }
}

impl fmt::Debug for SharedWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedWindow")
            .field(&*self.0.standing())
            .finish()
    }
}

// === impl Inner ===

impl Inner {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> MutexGuard<'_, String> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_ask(&self) -> bool {
        match *self.standing() {
            Standing::Alone { again, .. } => again <= Instant::now(),
            Standing::Together | Standing::Returning(_) => true,
        }
    }

    /// Bound of this replica's own window, and the end of a pause.
    fn bound(&self) -> (u32, Option<Instant>) {
        let mut standing = self.standing();
        match *standing {
            Standing::Together => (self.limit, None),
            Standing::Alone { pause, .. } => (self.share, Some(pause)),
            Standing::Returning(end) if Instant::now() < end => (self.share, None),
            Standing::Returning(_) => {
                *standing = Standing::Together;
                (self.limit, None)
            }
        }
    }

    /// Notes how Redis answered. Operators hear of both turns, once each.
    fn note(&self, failure: Option<&str>) {
        let now = Instant::now();
        let mut standing = self.standing();
        let before = *standing;
        match (before, failure) {
            (Standing::Alone { pause, .. }, Some(_)) => {
                let again = now + PAUSE;
                *standing = Standing::Alone { pause, again };
            }
            (_, Some(error)) => {
                let (pause, again) = (now + PERIOD, now + PAUSE);
                *standing = Standing::Alone { pause, again };
                drop(standing);
                tracing::error!(error, "calls to the vendor are no longer paced together");
            }
            (Standing::Alone { .. }, None) => {
                *standing = Standing::Returning(now + NOTICED);
                drop(standing);
                tracing::info!("calls to the vendor are paced together again");
            }
            (Standing::Together | Standing::Returning(_), None) => {}
        }
    }
}

// === impl Place ===

impl Place {
    /// Says that the call is being written now. Where that is lost, the place
    /// is held longer than it need be.
    pub(super) fn sent(&mut self) {
        let Some((window, name)) = self.taken.take() else {
            return;
        };
        in_background(async move {
            let Inner {
                redis,
                sent,
                places,
                ..
            } = &*window.0;
            let mut call = sent.prepare_invoke();
            call.key(places)
                .arg(name)
                .arg(PERIOD.as_secs_f64())
                .arg(LEASE.as_secs() + 1);
            let _ = redis.run::<()>(&call).await;
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((window, name)) = self.taken.take() {
            window.0.redis.remove(window.0.places.clone(), name);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place(taken: {})", self.taken.is_some())
    }
}
