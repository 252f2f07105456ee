//! The state that a tenant may see, as a message: only of what it may use.

use std::time::SystemTime;

use crate::call::{RecentCall, RecentCalls, Tenant};
use crate::library::{BreakerState, CredentialState, Libraries, State};
use crate::proto::v1;
use crate::quota::Quotas;
use crate::telemetry::Reload;

/// Where the state of the gateway is read.
#[derive(Clone, Debug)]
pub struct StateSources {
    /// When the gateway was started.
    pub started: SystemTime,
    /// Reloads of the configuration.
    pub config: Reload,
    /// The last calls of each tenant.
    pub recent_calls: RecentCalls,
}

// === impl StateSources ===

impl StateSources {
    pub(super) fn read(
        &self,
        tenant: &Tenant,
        libraries: &Libraries,
        quotas: &Quotas,
    ) -> v1::GetStateResponse {
        let own = libraries.of(tenant);
        let recent = self.recent_calls.of(&tenant.name);
        v1::GetStateResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(self.started.into()),
            config_time: Some(self.config.last_success().into()),
            config_failed: self.config.is_failed(),
            tenant: tenant.name.clone(),
            libraries: own.map(|(name, one)| library(name, one.state())).collect(),
            quota: Some(quota(quotas, &tenant.name)),
            calls: recent.iter().map(call).collect(),
        }
    }
}

fn library(name: &str, state: State) -> v1::LibraryState {
    v1::LibraryState {
        library: name.to_owned(),
        backend: state.backend.to_owned(),
        image_count: state.images,
        image_capacity: state.capacity,
        size_bytes: state.size_bytes,
        storage_failing: state.is_storage_failing.unwrap_or_default(),
        credentials: state.credentials.into_iter().map(credential).collect(),
    }
}

fn credential(state: CredentialState) -> v1::CredentialState {
    let breaker = match state.breaker {
        None => v1::CircuitBreaker::Unspecified,
        Some(BreakerState::Closed) => v1::CircuitBreaker::Closed,
        Some(BreakerState::HalfOpen) => v1::CircuitBreaker::HalfOpen,
        Some(BreakerState::Open) => v1::CircuitBreaker::Open,
    };
    v1::CredentialState {
        name: state.name,
        breaker: breaker.into(),
        in_cooldown: state.in_cooldown,
        queue_length: state.queue.unwrap_or_default(),
        available_slots: state.available_slots,
        token_age_seconds: state.token_age_seconds,
        token_remaining_seconds: state.token_remaining_seconds,
        in_flight: state.in_flight,
        succeeded: state.succeeded,
        failed: state.failed,
    }
}

fn quota(quotas: &Quotas, tenant: &str) -> v1::QuotaState {
    let (limits, usage, rejected) = quotas.of_tenant(tenant);
    v1::QuotaState {
        requests_per_second: limits.requests_per_second,
        burst: limits.burst,
        requests_per_day: limits.requests_per_day,
        bytes_per_second: limits.bytes_per_second,
        concurrent: limits.concurrent,
        requests_today: usage.map(|usage| usage.requests_today),
        running: usage.map(|usage| usage.running),
        rejected,
    }
}

fn call(recent: &RecentCall) -> v1::RecentCall {
    v1::RecentCall {
        time: Some(recent.time.into()),
        method: recent.method.to_string(),
        code: recent.code.to_owned(),
        reason: recent.reason.as_deref().unwrap_or_default().to_owned(),
        milliseconds: recent.took.as_secs_f64() * 1e3,
        log_id: recent.log_id.unwrap_or_default(),
        library: recent.library.as_deref().unwrap_or_default().to_owned(),
    }
}
