//! What calls and streams need of the settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

/// Deadline of a unary call, its retries included.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Times that a call is sent, as the retry policies of the other packages have it.
const DEFAULT_CALL_ATTEMPTS: u32 = 4;
/// Streams in a row without a result: they wait 53 to 105 s, in which a gateway restarts.
const DEFAULT_STREAM_ATTEMPTS: u32 = 12;
/// Is called before each wait for a retry.
type RetryHook = dyn Fn(&Error, Duration) + Send + Sync;

/// What calls and streams need of the settings.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) library: String,
    pub(crate) timeout: Duration,
    pub(crate) call_attempts: u32,
    pub(crate) stream_attempts: u32,
    pub(crate) on_retry: Option<Arc<RetryHook>>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Settings {
            library: String::new(),
            timeout: DEFAULT_TIMEOUT,
            call_attempts: DEFAULT_CALL_ATTEMPTS,
            stream_attempts: DEFAULT_STREAM_ATTEMPTS,
            on_retry: None,
        }
    }
}

impl Settings {
    /// Tells the caller that something is sent again after `wait`.
    pub(crate) fn notify(&self, error: &Error, wait: Duration) {
        if let Some(hook) = &self.on_retry {
            hook(error, wait);
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("library", &self.library)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
