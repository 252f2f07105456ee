//! What a call has cost so far, for its line in the access log.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Collects what layers and backends measure of a call; clones share it.
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
    /// 0 for none.
    log_id: AtomicU64,
}

// === impl CallStats ===

impl CallStats {
    /// Records the tenant; the first call of this wins.
    pub fn set_tenant(&self, name: &str) {
        self.0.tenant.get_or_init(|| name.into());
    }

    /// Records the library; the first call of this wins, and returns true.
    pub fn set_library(&self, name: &Arc<str>) -> bool {
        self.0.library.set(name.clone()).is_ok()
    }

    /// Records bytes of the request's body.
    pub fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Relaxed);
    }

    /// Records a wait in a queue: for the vendor's rate limit or for a CPU core.
    pub fn add_wait(&self, wait: Duration) {
        self.0.queue_us.fetch_add(micros(wait), Relaxed);
    }

    /// Records a request to the vendor.
    pub fn add_attempt(&self, took: Duration) {
        self.0.attempts.fetch_add(1, Relaxed);
        self.0.upstream_us.fetch_add(micros(took), Relaxed);
    }

    /// Records the number of the call's operation.
    pub fn set_log_id(&self, log_id: u64) {
        self.0.log_id.store(log_id, Relaxed);
    }

    /// Returns the tenant; `None` before authentication.
    pub fn tenant(&self) -> Option<Arc<str>> {
        self.0.tenant.get().cloned()
    }

    /// Returns the library; `None` for a call that has reached none.
    pub fn library(&self) -> Option<Arc<str>> {
        self.0.library.get().cloned()
    }

    /// Returns the bytes of the request's body that were read.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// Returns the number of requests to the vendor.
    pub fn attempts(&self) -> u32 {
        self.0.attempts.load(Relaxed)
    }

    /// Returns the time that the call has waited in queues.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.0.queue_us.load(Relaxed))
    }

    /// Returns the time of all requests to the vendor.
    pub fn upstream(&self) -> Duration {
        Duration::from_micros(self.0.upstream_us.load(Relaxed))
    }

    /// Returns the number of the call's operation; `None` for a call that has reached no library,
    /// and for a bulk load, whose items have numbers of their own.
    pub fn log_id(&self) -> Option<u64> {
        Some(self.0.log_id.load(Relaxed)).filter(|log_id| *log_id > 0)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
