//! What a call has cost so far, for the one line that is written about it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Gathers what layers and backends learn of a call; clones share it.
#[derive(Clone, Debug, Default)]
pub struct CallStats(Arc<Entries>);

#[derive(Debug, Default)]
struct Entries {
    tenant: OnceLock<Arc<str>>,
    library: OnceLock<Arc<str>>,
    bytes: AtomicU64,
    attempts: AtomicU32,
    queue_us: AtomicU64,
    upstream_us: AtomicU64,
}

// === impl CallStats ===

impl CallStats {
    /// Notes who asks; the first response stays.
    pub fn set_tenant(&self, name: &str) {
        self.0.tenant.get_or_init(|| name.into());
    }

    /// Notes who answers; the first response stays.
    pub fn set_library(&self, name: &Arc<str>) {
        self.0.library.get_or_init(|| name.clone());
    }

    /// Notes bytes of the request's body.
    pub fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Relaxed);
    }

    /// Notes a wait for the call's turn, at the vendor or for a core.
    pub fn add_wait(&self, wait: Duration) {
        self.0.queue_us.fetch_add(micros(wait), Relaxed);
    }

    /// Notes a request to the vendor.
    pub fn add_attempt(&self, took: Duration) {
        self.0.attempts.fetch_add(1, Relaxed);
        self.0.upstream_us.fetch_add(micros(took), Relaxed);
    }

    /// Who asks; `None` until somebody was recognised.
    pub fn tenant(&self) -> Option<Arc<str>> {
        self.0.tenant.get().cloned()
    }

    /// Who answers; `None` for a call that reached no library.
    pub fn library(&self) -> Option<Arc<str>> {
        self.0.library.get().cloned()
    }

    /// Bytes of the request's body that were read.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// Requests to the vendor.
    pub fn attempts(&self) -> u32 {
        self.0.attempts.load(Relaxed)
    }

    /// Time that the call waited for its turn.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.0.queue_us.load(Relaxed))
    }

    /// Time that the vendor took.
    pub fn upstream(&self) -> Duration {
        Duration::from_micros(self.0.upstream_us.load(Relaxed))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
