//! The admin port: probes, metrics, state, log level, reset of cool-downs, backups, copies of images.
//!
//! `/livez` is 200 as long as the process can respond at all. `/readyz` is 200 between the end of
//! the start and the begin of the graceful shutdown, so that load balancers stop sending calls
//! before connections are closed, and while no storage of a library fails persistently. Neither
//! depends on a vendor: a restart repairs no outage there.
//! There is no authentication: the port is for internal use, and by default for this machine.

mod accept;
mod backup;
mod collectors;
mod images;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, json};

use self::collectors::{LibraryCollector, LimitsCollector};
use crate::config;
use crate::library::Libraries;
use crate::library::embedded::CpuPool;
use crate::telemetry::{self, Metrics, StartError};

pub use self::collectors::MetricSources;

/// The phase of the gateway, as probes and metrics show it; clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    phase: Arc<AtomicU8>,
    is_storage_failing: Arc<AtomicBool>,
    metrics: Metrics,
}

/// Phases of a gateway's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Libraries are not ready yet.
    Starting = 0,
    /// Traffic is accepted.
    Ready = 1,
    /// New traffic should go elsewhere: lame duck period and drain.
    Draining = 2,
}

/// State of the handlers.
#[derive(Clone, Debug)]
struct Admin {
    readiness: Readiness,
    libraries: Libraries,
    cpu: CpuPool,
    metrics: Metrics,
}

// === impl Readiness ===

impl Readiness {
    /// Starts in [`Phase::Starting`].
    pub fn new(metrics: Metrics) -> Self {
        Readiness {
            phase: Arc::new(AtomicU8::new(Phase::Starting as u8)),
            is_storage_failing: Arc::default(),
            metrics,
        }
    }

    /// Enters a later phase; an earlier one changes nothing.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Release);
        self.metrics.ready(self.is_ready());
    }

    /// Sets whether the storage of a library fails for longer than a moment.
    pub fn set_storage_failing(&self, is_failing: bool) {
        self.is_storage_failing.store(is_failing, Ordering::Release);
        self.metrics.ready(self.is_ready());
    }

    fn is_ready(&self) -> bool {
        self.phase() == Phase::Ready && !self.is_storage_failing.load(Ordering::Acquire)
    }

    /// Returns the current phase.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}

/// Makes the admin service; the sources are read at each request.
pub fn router(readiness: Readiness, sources: MetricSources, metrics: Metrics) -> Router {
    let (libraries, cpu) = (sources.libraries.clone(), sources.cpu.clone());
    metrics.register_collector(LibraryCollector(libraries.clone()));
    metrics.register_collector(LimitsCollector(sources));
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/state", get(state))
        .route("/credentials/reset", post(reset_cooldowns))
        .route("/log-level", get(log_level).put(set_log_level))
        .route("/libraries/{name}/backup", post(backup))
        .merge(images::router(libraries.clone()))
        .with_state(Admin {
            readiness,
            libraries,
            cpu,
            metrics,
        })
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match admin.readiness.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready if admin.readiness.is_ready() => (StatusCode::OK, "ok\n"),
        Phase::Ready => (StatusCode::SERVICE_UNAVAILABLE, "storage failing\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics_text(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let format = accept::text_format(&headers);
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    (content_type, admin.metrics.text(format)).into_response()
}

async fn state(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let libraries: Map<_, _> = admin
        .libraries
        .iter()
        .map(|(name, library)| (name.to_owned(), json!(library.state())))
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "phase": match admin.readiness.phase() {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Draining => "draining",
        },
        "cpu": admin.cpu.state(),
        "libraries": libraries,
    }))
}

/// Ends the cool-downs of all credentials, for an operator who has corrected their cause.
async fn reset_cooldowns(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let libraries = admin.libraries.iter();
    let count: usize = libraries
        .map(|(_, library)| library.reset_cooldowns())
        .sum();
    tracing::info!(count, "credential cool-downs reset");
    Json(json!({ "credentials": count }))
}

async fn backup(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    let readiness = admin.readiness;
    let is_draining = move || readiness.phase() == Phase::Draining;
    backup::send(&admin.libraries, &name, is_draining)
}

async fn log_level() -> Response {
    match telemetry::log_level() {
        Some(level) => format!("{level}\n").into_response(),
        None => not_started(),
    }
}

/// Sets the log level; the body has the form of `telemetry.log_level`.
async fn set_log_level(body: String) -> Response {
    let level = match config::log_level(body.trim()) {
        Ok(level) => level,
        Err(message) => return (StatusCode::BAD_REQUEST, message + "\n").into_response(),
    };
    match telemetry::set_log_level(&level) {
        Ok(()) => {
            tracing::info!(level, "log level changed");
            format!("{level}\n").into_response()
        }
        Err(StartError::Level(error)) => {
            (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response()
        }
        Err(_) => not_started(),
    }
}

fn not_started() -> Response {
    let message = "this process does not log\n";
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}
