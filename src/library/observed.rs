//! A span around every call of a library: which, what, how it ended.
//!
//! It wraps any backend, and sees neither images nor secrets: the span holds
//! names, the reason of a failure and milliseconds. A call that is dropped
//! before its end says so.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::call::Call;
use crate::domain::{
    Add, Added, ContSign, Delete, Deleted, LibraryStats, List, Listing, Record, Search,
    SearchResults, Update, Updated,
};
use crate::error::{Error, Origin, Result, chain};
use crate::library::{Library, State};
use crate::telemetry::{self, names::attribute};

/// Outcome of a call that its caller did not wait for.
const CANCELLED: &str = "CANCELLED";

/// A library whose calls are traced.
#[derive(Debug)]
pub struct Observed {
    name: Arc<str>,
    inner: Box<dyn Library>,
}

// === impl Observed ===

impl Observed {
    /// Traces the calls of `inner` under the library's configured name.
    pub fn new(name: impl Into<Arc<str>>, inner: impl Library + 'static) -> Self {
        Observed {
            name: name.into(),
            inner: Box::new(inner),
        }
    }

    async fn observe<T>(
        &self,
        call: &Call,
        operation: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        call.stats.set_library(&self.name);
        let span = tracing::info_span!(
            "library",
            library = &*self.name,
            operation,
            id = %call.request_id,
            outcome = Empty,
            duration_ms = Empty,
        );
        telemetry::name_span(&span, operation);
        telemetry::attribute(&span, attribute::LIBRARY, self.name.clone());
        telemetry::attribute(&span, attribute::OPERATION, operation);
        let mut ending = Ending {
            span: span.clone(),
            begin: Instant::now(),
            outcome: CANCELLED,
        };
        let result = work.instrument(span).await;
        ending.outcome = match &result {
            Ok(_) => "OK",
            Err(error) => error.kind().reason(),
        };
        if let Err(error) = &result {
            report(&ending.span, error);
        }
        result
    }
}

#[async_trait]
impl Library for Observed {
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        self.observe(call, "add", self.inner.add(call, request))
            .await
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        self.observe(call, "search", self.inner.search(call, query))
            .await
    }

    async fn update(&self, call: &Call, request: Update) -> Result<Updated> {
        self.observe(call, "update", self.inner.update(call, request))
            .await
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        self.observe(call, "delete", self.inner.delete(call, request))
            .await
    }

    async fn stats(&self, call: &Call) -> Result<LibraryStats> {
        self.observe(call, "stats", self.inner.stats(call)).await
    }

    async fn list(&self, call: &Call, request: List) -> Result<Listing> {
        self.observe(call, "list", self.inner.list(call, request))
            .await
    }

    async fn get(&self, call: &Call, cont_sign: ContSign) -> Result<Record> {
        self.observe(call, "get", self.inner.get(call, cont_sign))
            .await
    }

    async fn prepare(&self) -> Result<()> {
        self.inner.prepare().await
    }

    fn state(&self) -> State {
        self.inner.state()
    }
}

/// Logs a failure that somebody other than the caller has to look at; the
/// caller is told the message, and only the log the causes.
fn report(span: &Span, error: &Error) {
    if matches!(error.kind().origin(), Origin::Gateway | Origin::Vendor) {
        let reason = error.kind().reason();
        span.in_scope(|| tracing::warn!(error = chain(error), reason, "library call failed"));
    }
}

/// Writes into the span how the call ended, also when it is dropped.
struct Ending {
    span: Span,
    begin: Instant,
    outcome: &'static str,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.span.record("outcome", self.outcome);
        self.span
            .record("duration_ms", self.begin.elapsed().as_secs_f64() * 1e3);
        let outcome = self.outcome;
        telemetry::attribute(&self.span, attribute::OUTCOME, outcome);
        self.span
            .in_scope(|| tracing::debug!(outcome, "library call ended"));
    }
}
