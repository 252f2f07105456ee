//! When the gateway accepts traffic: from the end of its start to its lame duck period, except
//! while the storage of a library fails persistently.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::components::Components;
use crate::admin::{Phase, Readiness};
use crate::config;
use crate::grpc;
use crate::library::{Libraries, Library};

/// Wait before another attempt at a library that does not say when to retry.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which failing storage is detected and tried again: the usual period of probes or
/// less.
const STORAGE_INTERVAL: Duration = Duration::from_secs(1);

/// Reports to probes when traffic is accepted and when it no longer is; returns at the end of the
/// lame duck period, whose length `shutdown` returns.
pub(super) async fn serve_until(
    shutdown: impl Future<Output = Duration>,
    components: &Components,
    readiness: &Readiness,
    limits: &config::Limits,
) {
    let start = async {
        wait_for_libraries(&components.libraries, limits.warmup_timeout).await;
        readiness.enter(Phase::Ready);
        set_status(&components.health, ServingStatus::Serving).await;
        watch_storage(components, readiness).await
    };
    let lame_duck = tokio::select! {
        lame_duck = shutdown => lame_duck,
        never = start => never,
    };
    tracing::info!(
        lame_duck_ms = lame_duck.as_millis(),
        "graceful shutdown started"
    );
    readiness.enter(Phase::Draining);
    set_status(&components.health, ServingStatus::NotServing).await;
    sleep(lame_duck).await;
}

/// Reports "not ready" while the storage of a library fails, and tries to write to it.
///
/// Without traffic no write shows that the storage works again, so each round makes one.
async fn watch_storage(components: &Components, readiness: &Readiness) -> ! {
    let mut failing = BTreeSet::new();
    loop {
        sleep(STORAGE_INTERVAL).await;
        let mut failing_now = BTreeSet::new();
        for (name, library) in components.libraries.iter() {
            // A disk that hangs fails too.
            if library.is_storage_failing()
                && !matches!(
                    timeout(STORAGE_INTERVAL, library.warm_up()).await,
                    Ok(Ok(()))
                )
            {
                failing_now.insert(name);
            }
        }
        for name in failing_now.difference(&failing) {
            tracing::error!(library = name, "storage of library failing, not ready");
        }
        for name in failing.difference(&failing_now) {
            tracing::info!(library = name, "storage of library works again");
        }
        if failing.is_empty() != failing_now.is_empty() {
            readiness.set_storage_failing(!failing_now.is_empty());
            let status = if failing_now.is_empty() {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            set_status(&components.health, status).await;
        }
        failing = failing_now;
    }
}

/// Ends the streams of health checks that watch; they have received the last status.
pub(super) async fn end_health_streams(mut health: HealthReporter) {
    health.clear_service_status("").await;
    health.clear_service_status(grpc::NAME).await;
}

/// Sets the status of the whole server and of the service.
async fn set_status(health: &HealthReporter, status: ServingStatus) {
    health.set_service_status("", status).await;
    health.set_service_status(grpc::NAME, status).await;
}

/// Waits until every library has what its first call needs, up to `max_wait`: an outage of a vendor
/// is no reason for one of the gateway.
async fn wait_for_libraries(libraries: &Libraries, max_wait: Duration) {
    let libraries = libraries.iter();
    let all = join_all(libraries.map(|(name, library)| wait_for_library(name, library)));
    if timeout(max_wait, all).await.is_err() {
        tracing::warn!(
            wait_ms = max_wait.as_millis(),
            "accepting traffic before every library is ready"
        );
    }
}

async fn wait_for_library(name: &str, library: &Arc<dyn Library>) {
    while let Err(error) = library.warm_up().await {
        let reason = error.kind().reason();
        tracing::warn!(library = name, reason, "library not ready yet");
        sleep(error.retry_after().unwrap_or(RETRY_INTERVAL)).await;
    }
}
