//! One request to the vendor, as traces and metrics see it.
//!
//! Each has a client span, whose context travels with it, and counts by how it
//! ended; a request whose caller goes away ends as cancelled. Nothing here
//! knows what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::call::CallStats;
use crate::error::Result;
use crate::telemetry::{self, Metrics, names::attribute};

/// Outcome of a request that its caller did not wait for.
const CANCELLED: &str = "CANCELLED";

/// Watches the requests of one credential.
#[derive(Clone, Debug)]
pub(super) struct Attempts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    library: Arc<str>,
    metrics: Metrics,
    in_flight: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// How many requests there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) in_flight: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// A request that is watched.
struct Attempt<'a> {
    inner: &'a Inner,
    stats: Option<&'a CallStats>,
    operation: &'static str,
    span: Span,
    begin: Instant,
    outcome: &'static str,
}

// === impl Attempts ===

impl Attempts {
    pub(super) fn new(library: &str, metrics: Metrics) -> Self {
        Attempts(Arc::new(Inner {
            library: library.into(),
            metrics,
            in_flight: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// Watches the request of an operation, made for the call of `stats` if
    /// for any.
    pub(super) async fn watch<T>(
        &self,
        operation: &'static str,
        stats: Option<&CallStats>,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut attempt = Attempt::begin(&self.0, operation, stats);
        let result = request.instrument(attempt.span.clone()).await;
        attempt.outcome = match &result {
            Ok(_) => "OK",
            Err(error) => error.kind().reason(),
        };
        result
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            in_flight: self.0.in_flight.load(Relaxed),
            succeeded: self.0.succeeded.load(Relaxed),
            failed: self.0.failed.load(Relaxed),
        }
    }
}

// === impl Attempt ===

impl<'a> Attempt<'a> {
    fn begin(inner: &'a Inner, operation: &'static str, stats: Option<&'a CallStats>) -> Self {
        let span = tracing::info_span!("attempt", otel.kind = "client", operation);
        telemetry::name_span(&span, operation);
        telemetry::attribute(&span, attribute::HTTP_METHOD, "POST");
        telemetry::attribute(&span, attribute::LIBRARY, inner.library.clone());
        inner.in_flight.fetch_add(1, Relaxed);
        Attempt {
            inner,
            stats,
            operation,
            span,
            begin: Instant::now(),
            outcome: CANCELLED,
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let Attempt {
            inner,
            stats,
            operation,
            span,
            begin,
            outcome,
        } = self;
        let took = begin.elapsed();
        inner.in_flight.fetch_sub(1, Relaxed);
        let count = match *outcome {
            "OK" => &inner.succeeded,
            _ => &inner.failed,
        };
        count.fetch_add(1, Relaxed);
        inner
            .metrics
            .attempted(&inner.library, operation, outcome, took);
        telemetry::attribute(span, attribute::OUTCOME, *outcome);
        if *outcome != "OK" {
            telemetry::failed(span, outcome);
        }
        if let Some(stats) = stats {
            stats.add_attempt(took);
        }
    }
}
