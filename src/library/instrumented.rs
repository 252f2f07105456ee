//! A span around every call of a library whose trace is exported, with its operation and outcome.
//!
//! It wraps any backend, and sees neither images nor secrets: the span holds names, the reason of a
//! failure and milliseconds. A call that is dropped before its end has the outcome `CANCELLED`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::call::Call;
use crate::domain::{
    Add, Added, Capability, Compare, Comparison, ContSign, Delete, DeleteByFilter, Deleted,
    DeletedByFilter, FindDuplicates, Get, ImageLimits, LibraryStats, List, Listing, Record, Search,
    SearchResults, TagCount, Update, Updated,
};
use crate::error::{Error, Origin, Result, chain};
use crate::library::image_page::{ImagePage, Insertion};
use crate::library::outcome::{CANCELLED, outcome};
use crate::library::{BackupStream, DuplicateStream, Library, State};
use crate::telemetry::{self, OnOutcome, OutcomeGuard, names::attribute};

/// A library whose calls are traced and logged.
#[derive(Debug)]
pub struct InstrumentedLibrary {
    name: Arc<str>,
    inner: Box<dyn Library>,
}

// === impl InstrumentedLibrary ===

impl InstrumentedLibrary {
    /// Traces the calls of `inner` under the library's configured name.
    pub fn new(name: impl Into<Arc<str>>, inner: impl Library + 'static) -> Self {
        InstrumentedLibrary {
            name: name.into(),
            inner: Box::new(inner),
        }
    }

    async fn instrument<T>(
        &self,
        call: &Call,
        operation: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if call.stats.set_library(&self.name) {
            // For every line that is logged within the call.
            Span::current().record("library", &*self.name);
        }
        let span = telemetry::exported_span(Some(&call.trace), || self.span(call, operation));
        let mut guard = OutcomeGuard::new(
            CANCELLED,
            OperationSpan {
                span: span.clone(),
                begin: Instant::now(),
            },
        );
        let result = work.instrument(span.clone()).await;
        guard.outcome = outcome(&result);
        if let Err(error) = &result {
            span.in_scope(|| log_failure(error));
        }
        result
    }

    fn span(&self, call: &Call, operation: &'static str) -> Span {
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
        span
    }
}

#[async_trait]
impl Library for InstrumentedLibrary {
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        let added = self
            .instrument(call, "add", self.inner.add(call, request))
            .await;
        with_log_id(call, added, |added| Some(added.log_id))
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        let found = self
            .instrument(call, "search", self.inner.search(call, query))
            .await;
        with_log_id(call, found, |found| Some(found.log_id))
    }

    async fn compare(&self, call: &Call, request: Compare) -> Result<Comparison> {
        let compared = self
            .instrument(call, "compare", self.inner.compare(call, request))
            .await;
        with_log_id(call, compared, |compared| Some(compared.log_id))
    }

    async fn update(&self, call: &Call, request: Update) -> Result<Updated> {
        let updated = self
            .instrument(call, "update", self.inner.update(call, request))
            .await;
        with_log_id(call, updated, |updated| Some(updated.log_id))
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        let deleted = self
            .instrument(call, "delete", self.inner.delete(call, request))
            .await;
        with_log_id(call, deleted, |deleted| deleted.log_ids.first().copied())
    }

    async fn delete_by_filter(
        &self,
        call: &Call,
        request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
        let deletion = self.inner.delete_by_filter(call, request);
        let deleted = self.instrument(call, "delete_by_filter", deletion).await;
        with_log_id(call, deleted, |deleted| Some(deleted.log_id))
    }

    fn capabilities(&self) -> &'static [Capability] {
        self.inner.capabilities()
    }

    fn image_limits(&self, max_bytes: usize) -> ImageLimits {
        self.inner.image_limits(max_bytes)
    }

    fn min_score(&self) -> f64 {
        self.inner.min_score()
    }

    async fn stats(&self, call: &Call) -> Result<LibraryStats> {
        self.instrument(call, "stats", self.inner.stats(call)).await
    }

    async fn list(&self, call: &Call, request: List) -> Result<Listing> {
        self.instrument(call, "list", self.inner.list(call, request))
            .await
    }

    async fn tags(&self, call: &Call) -> Result<Vec<TagCount>> {
        self.instrument(call, "tags", self.inner.tags(call)).await
    }

    async fn get(&self, call: &Call, request: Get) -> Result<Record> {
        self.instrument(call, "get", self.inner.get(call, request))
            .await
    }

    /// The span ends when the stream begins; the access log tells how the call ended.
    async fn find_duplicates(
        &self,
        call: &Call,
        request: FindDuplicates,
    ) -> Result<DuplicateStream> {
        let started = self.inner.find_duplicates(call, request);
        self.instrument(call, "find_duplicates", started).await
    }

    async fn warm_up(&self) -> Result<()> {
        self.inner.warm_up().await
    }

    fn reset_cooldowns(&self) -> usize {
        self.inner.reset_cooldowns()
    }

    fn backup(&self) -> Result<BackupStream> {
        let library = &*self.name;
        tracing::info_span!("library", library, operation = "backup")
            .in_scope(|| self.inner.backup())
    }

    async fn whole_images(&self, call: &Call, after: &str, limit: usize) -> Result<ImagePage> {
        let page = self.inner.whole_images(call, after, limit);
        self.instrument(call, "copy", page).await
    }

    async fn whole_images_of(&self, call: &Call, signs: &[ContSign]) -> Result<ImagePage> {
        let page = self.inner.whole_images_of(call, signs);
        self.instrument(call, "copy", page).await
    }

    async fn insert_images(
        &self,
        call: &Call,
        images: Bytes,
        replace: bool,
    ) -> Result<Vec<Insertion>> {
        let inserted = self.inner.insert_images(call, images, replace);
        self.instrument(call, "insert", inserted).await
    }

    fn is_storage_failing(&self) -> bool {
        self.inner.is_storage_failing()
    }

    fn state(&self) -> State {
        self.inner.state()
    }
}

/// Records the number of a call's operation for the access log: of its result, or of the vendor's
/// error. The line of a bulk load has none, since each item has its own.
fn with_log_id<T>(call: &Call, result: Result<T>, of: impl FnOnce(&T) -> Option<u64>) -> Result<T> {
    let log_id = match &result {
        Ok(response) => of(response),
        Err(error) => error.vendor_code().and_then(|vendor| vendor.log_id),
    };
    if let Some(log_id) = log_id
        && !call.bulk
    {
        call.stats.set_log_id(log_id);
    }
    result
}

/// Logs a failure that the operator has to look at, with its causes; the caller gets the message
/// alone.
fn log_failure(error: &Error) {
    if matches!(error.kind().origin(), Origin::Gateway | Origin::Vendor) {
        let reason = error.kind().reason();
        tracing::warn!(error = chain(error), reason, "library call failed");
    }
}

/// Records in the span how the operation ended.
struct OperationSpan {
    span: Span,
    begin: Instant,
}

impl OnOutcome<&'static str> for OperationSpan {
    fn on_outcome(&mut self, outcome: &&'static str) {
        let duration_ms = self.begin.elapsed().as_secs_f64() * 1e3;
        self.span.record("outcome", *outcome);
        self.span.record("duration_ms", duration_ms);
        telemetry::attribute(&self.span, attribute::OUTCOME, *outcome);
        self.span
            .in_scope(|| tracing::debug!(outcome, "library call ended"));
    }
}
