//! Traces and metrics of one request to the vendor.
//!
//! Each request has a client span, whose context is sent with it, and is counted by its outcome; a
//! request whose caller goes away ends as cancelled. Nothing here knows what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::call::{Call, CallStats};
use crate::error::Result;
use crate::library::outcome::{CANCELLED, OK, outcome};
use crate::telemetry::{self, Metrics, OnOutcome, OutcomeGuard, names::attribute};

/// Records the requests of one credential; clones share the counts.
#[derive(Clone, Debug)]
pub(in crate::library) struct AttemptRecorder(Arc<Totals>);

#[derive(Debug)]
struct Totals {
    library: Arc<str>,
    metrics: Metrics,
    in_flight: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// Numbers of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttemptCounts {
    pub(super) in_flight: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// A request that is being recorded.
struct Attempt<'a> {
    totals: &'a Totals,
    stats: Option<&'a CallStats>,
    operation: &'static str,
    span: Span,
    begin: Instant,
}

// === impl AttemptRecorder ===

impl AttemptRecorder {
    /// Creates the recorder of a credential of this library.
    pub(in crate::library) fn new(library: &str, metrics: Metrics) -> Self {
        AttemptRecorder(Arc::new(Totals {
            library: library.into(),
            metrics,
            in_flight: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// Records the request of an operation; `call` is the one that it is made for, if for any.
    pub(in crate::library) async fn record<T>(
        &self,
        operation: &'static str,
        call: Option<&Call>,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let attempt = Attempt::begin(&self.0, operation, call);
        let span = attempt.span.clone();
        let mut guard = OutcomeGuard::new(CANCELLED, attempt);
        let result = request.instrument(span).await;
        guard.outcome = outcome(&result);
        result
    }

    /// Returns the numbers so far.
    pub(super) fn counts(&self) -> AttemptCounts {
        AttemptCounts {
            in_flight: self.0.in_flight.load(Relaxed),
            succeeded: self.0.succeeded.load(Relaxed),
            failed: self.0.failed.load(Relaxed),
        }
    }
}

// === impl Attempt ===

impl<'a> Attempt<'a> {
    fn begin(totals: &'a Totals, operation: &'static str, call: Option<&'a Call>) -> Self {
        let span = telemetry::exported_span(call.map(|call| &call.trace), || {
            let span = tracing::info_span!("attempt", otel.kind = "client", operation);
            telemetry::name_span(&span, operation);
            telemetry::attribute(&span, attribute::HTTP_METHOD, "POST");
            telemetry::attribute(&span, attribute::LIBRARY, totals.library.clone());
            span
        });
        totals.in_flight.fetch_add(1, Relaxed);
        Attempt {
            totals,
            stats: call.map(|call| &call.stats),
            operation,
            span,
            begin: Instant::now(),
        }
    }
}

impl OnOutcome<&'static str> for Attempt<'_> {
    fn on_outcome(&mut self, outcome: &&'static str) {
        let totals = self.totals;
        let duration = self.begin.elapsed();
        totals.in_flight.fetch_sub(1, Relaxed);
        if *outcome == OK {
            totals.succeeded.fetch_add(1, Relaxed);
        } else {
            totals.failed.fetch_add(1, Relaxed);
            telemetry::failed(&self.span, outcome);
        }
        totals
            .metrics
            .attempted(&totals.library, self.operation, outcome, duration);
        telemetry::attribute(&self.span, attribute::OUTCOME, *outcome);
        if let Some(stats) = self.stats {
            stats.add_attempt(duration);
        }
    }
}
