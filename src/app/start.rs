//! Waiting at start for what libraries need before their first call.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use crate::library::{Libraries, Library};

/// Wait between two tries of a library that does not say when to come again.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until every library has what its first call needs, or `longest` is
/// over: a vendor that is away is no reason to stay away too.
pub(super) async fn prepare(libraries: &Libraries, longest: Duration) {
    let libraries = libraries.iter();
    let all = join_all(libraries.map(|(name, library)| prepare_one(name, library)));
    if timeout(longest, all).await.is_err() {
        let wait_ms = longest.as_millis();
        tracing::warn!(wait_ms, "serving with libraries that are not ready");
    }
}

async fn prepare_one(name: &str, library: &Arc<dyn Library>) {
    while let Err(error) = library.warm_up().await {
        let reason = error.kind().reason();
        tracing::warn!(library = name, reason, "the library is not ready yet");
        sleep(error.retry_after().unwrap_or(PAUSE)).await;
    }
}
