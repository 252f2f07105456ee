//! What both APIs are built around and what survives a reload of the configuration.

use std::sync::Arc;
use std::time::SystemTime;

use tonic_health::server::HealthReporter;

use crate::admin::MetricSources;
use crate::admission::InFlightBudget;
use crate::call::RecentCalls;
use crate::config::Config;
use crate::library::Libraries;
use crate::library::embedded::CpuPool;
use crate::quota::{self, Rejections};
use crate::replicas::Redis;
use crate::rest::TokenAttempts;
use crate::telemetry::Metrics;

/// The parts of a gateway that exist once per process; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Components {
    pub(super) libraries: Libraries,
    pub(super) cpu: CpuPool,
    pub(super) quotas: Arc<dyn quota::Store>,
    pub(super) rejections: Rejections,
    pub(super) budget: InFlightBudget,
    pub(super) token_attempts: TokenAttempts,
    pub(super) health: HealthReporter,
    pub(super) metrics: Metrics,
    pub(super) recent_calls: RecentCalls,
    pub(super) started: SystemTime,
}

// === impl Components ===

impl Components {
    /// Makes the parts around libraries that are open.
    pub(super) fn new(
        config: &Config,
        libraries: Libraries,
        cpu: CpuPool,
        redis: Option<&Redis>,
        metrics: Metrics,
    ) -> Self {
        let limits = &config.limits;
        Components {
            libraries,
            cpu,
            // No call runs longer than its deadline.
            quotas: quota::open(&config.quota, redis, limits.max_deadline),
            rejections: Rejections::default(),
            budget: InFlightBudget::new(limits.max_requests_in_flight, limits.max_bytes_in_flight),
            token_attempts: TokenAttempts::default(),
            health: HealthReporter::new(),
            metrics,
            recent_calls: RecentCalls::default(),
            started: SystemTime::now(),
        }
    }

    /// Returns the parts whose numbers the admin port shows.
    pub(super) fn metric_sources(&self) -> MetricSources {
        MetricSources {
            libraries: self.libraries.clone(),
            cpu: self.cpu.clone(),
            budget: self.budget.clone(),
            quotas: self.quotas.clone(),
            rejections: self.rejections.clone(),
        }
    }
}
