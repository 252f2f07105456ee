//! The last calls of each tenant, for its own eyes.
//!
//! Bounded: a fixed number for each tenant, and tenants are those of the configuration. It holds
//! names and times; nothing that a caller has sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Calls that are kept for each tenant: about 40 KiB.
const MAX_CALLS: usize = 200;

/// The last calls of all tenants; clones share them.
#[derive(Clone, Debug, Default)]
pub struct RecentCalls(Arc<Mutex<BTreeMap<Arc<str>, VecDeque<RecentCall>>>>);

/// A call that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentCall {
    /// When it ended.
    pub time: SystemTime,
    /// Full name of the method, one of a known set.
    pub method: Arc<str>,
    /// Name of the canonical code.
    pub code: &'static str,
    /// Reason of a failure.
    pub reason: Option<Arc<str>>,
    /// Time from its begin to the last byte of its response.
    pub took: Duration,
    /// Number of its operation.
    pub log_id: Option<u64>,
    /// Library that it has reached.
    pub library: Option<Arc<str>>,
}

// === impl RecentCalls ===

impl RecentCalls {
    /// Records a call of a tenant, and forgets its oldest one if it has too many.
    pub fn record(&self, tenant: &Arc<str>, call: RecentCall) {
        let mut tenants = self.lock();
        let calls = tenants.entry(tenant.clone()).or_default();
        if calls.len() == MAX_CALLS {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// Returns the last calls of a tenant, the newest first.
    pub fn of(&self, tenant: &str) -> Vec<RecentCall> {
        let tenants = self.lock();
        let calls = tenants.get(tenant).into_iter().flatten();
        calls.rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, VecDeque<RecentCall>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(log_id: u64) -> RecentCall {
        RecentCall {
            time: SystemTime::UNIX_EPOCH,
            method: "Search".into(),
            code: "OK",
            reason: None,
            took: Duration::ZERO,
            log_id: Some(log_id),
            library: None,
        }
    }

    #[test]
    fn the_last_calls_of_a_tenant_are_kept_apart_and_bounded() {
        let recent = RecentCalls::default();
        let (me, them) = (Arc::from("me"), Arc::from("them"));
        for number in 0..1000 {
            recent.record(&me, call(number));
        }
        recent.record(&them, call(5000));

        let kept: Vec<u64> = recent
            .of("me")
            .iter()
            .filter_map(|one| one.log_id)
            .collect();
        assert_eq!(kept, (800..1000).rev().collect::<Vec<_>>());
        assert_eq!(recent.of("them").len(), 1);
        assert!(recent.of("nobody").is_empty());
    }
}
