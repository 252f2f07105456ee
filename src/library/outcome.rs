//! How an operation or an attempt ended, as spans and metrics name it.

use crate::error::Result;

/// It succeeded.
pub(super) const OK: &str = "OK";
/// Its caller cancelled it.
pub(super) const CANCELLED: &str = "CANCELLED";

/// Returns [`OK`], or the reason of a failure.
pub(super) fn outcome<T>(result: &Result<T>) -> &'static str {
    match result {
        Ok(_) => OK,
        Err(error) => error.kind().reason(),
    }
}
