//! The admin port: probes, metrics, state, log level.
//!
//! `/livez` answers as long as the process can answer at all; `/readyz` is 200
//! between the end of the start and the begin of the drain, so that load
//! balancers look elsewhere before connections are closed. Neither looks at a
//! vendor: an outage there is no reason to restart anything here. There is no
//! authentication: the port is for the inside, and by default for this machine.

mod gauges;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::{Map, json};

use self::gauges::{Gauges, OfBounds};
use crate::admission::Budget;
use crate::config;
use crate::library::Libraries;
use crate::quota::{self, Rejections};
use crate::telemetry::{self, Metrics, OPEN_METRICS, StartError};

/// Whether the gateway wants traffic.
#[derive(Clone, Debug)]
pub struct Readiness {
    phase: Arc<AtomicU8>,
    metrics: Metrics,
}

/// Where the gateway is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Libraries get ready.
    Starting = 0,
    /// Traffic is wanted.
    Ready = 1,
    /// No new traffic is wanted.
    Draining = 2,
}

/// What the port tells of.
#[derive(Clone, Debug)]
struct Admin {
    readiness: Readiness,
    libraries: Libraries,
    metrics: Metrics,
}

/// What is asked for its numbers when the metrics are read.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Libraries; also asked for `/state`.
    pub libraries: Libraries,
    /// What the process holds.
    pub budget: Budget,
    /// Where quotas are counted.
    pub quotas: Arc<dyn quota::Store>,
    /// Who was over them.
    pub rejections: Rejections,
}

// === impl Readiness ===

impl Readiness {
    /// Begins with the start.
    pub fn new(metrics: Metrics) -> Self {
        let phase = Arc::new(AtomicU8::new(Phase::Starting as u8));
        Readiness { phase, metrics }
    }

    /// Goes on to a later phase; an earlier one changes nothing.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Release);
        self.metrics.ready(self.phase() == Phase::Ready);
    }

    /// Where the gateway is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}

/// Makes the admin service; the sources are asked at each look.
pub fn router(readiness: Readiness, sources: Sources, metrics: Metrics) -> Router {
    let libraries = sources.libraries.clone();
    metrics.ask(Gauges(libraries.clone()));
    metrics.ask(OfBounds(sources));
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/state", get(state))
        .route("/log-level", get(log_level).put(set_log_level))
        .with_state(Admin {
            readiness,
            libraries,
            metrics,
        })
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match admin.readiness.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready => (StatusCode::OK, "ok\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], admin.metrics.text()).into_response()
}

async fn state(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let libraries = admin.libraries.iter();
    let libraries: Map<_, _> = libraries
        .map(|(name, library)| (name.to_owned(), json!(library.state())))
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "phase": match admin.readiness.phase() {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Draining => "draining",
        },
        "libraries": libraries,
    }))
}

async fn log_level() -> Response {
    match telemetry::log_level() {
        Some(level) => format!("{level}\n").into_response(),
        None => not_started(),
    }
}

/// Takes the directives of `telemetry.log_level` as the body.
async fn set_log_level(body: String) -> Response {
    let level = match config::log_level(body.trim()) {
        Ok(level) => level,
        Err(message) => return (StatusCode::BAD_REQUEST, message + "\n").into_response(),
    };
    match telemetry::set_log_level(&level) {
        Ok(()) => {
            tracing::info!(level, "the log level was changed");
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
