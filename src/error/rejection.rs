//! What the layers around an API learn of a rejected call.

use std::sync::Arc;

use super::kind::Kind;

/// Why a call was rejected, in the extensions of a response that does not say so to everyone: the
/// caller gets a code, the log the message too.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Class of the failure.
    pub kind: Kind,
    /// Message of the error.
    pub message: Arc<str>,
    /// Number of the operation in the response; `None` where it has none.
    pub log_id: Option<u64>,
}
