//! What the layers know of the API that they wrap.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Response;

use crate::call::RecentCalls;
use crate::error::Error;
use crate::telemetry::{Metrics, names::OTHER};

/// Writes an error in the format of an API.
pub type Reject<B> = fn(&Error) -> Response<B>;

/// One API: how its calls are named and counted.
#[derive(Clone, Debug)]
pub struct ApiInfo {
    /// Protocol: `grpc`, or `same_hq` for the REST API.
    pub system: &'static str,
    /// Every method that it serves, as a path without the leading slash.
    pub methods: Arc<BTreeSet<Arc<str>>>,
    /// Metrics that its calls are counted in.
    pub metrics: Metrics,
    /// Where the last calls of each tenant are kept.
    pub recent_calls: RecentCalls,
}

// === impl ApiInfo ===

impl ApiInfo {
    /// Returns the method that a path calls. Callers choose paths, so all unknown ones share one
    /// name.
    pub(super) fn method(&self, path: &str) -> Arc<str> {
        self.methods
            .get(path.strip_prefix('/').unwrap_or(path))
            .cloned()
            .unwrap_or_else(|| OTHER.into())
    }
}
