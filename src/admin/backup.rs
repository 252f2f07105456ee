//! `POST /libraries/NAME/backup`: streams a backup of an embedded library.
//!
//! The response is a backup file for `samegate library restore`. If it ends early, for whatever
//! reason, it lacks its checksum and is never restored. A shutdown does not wait for backups.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::{StatusCode, header};

use crate::error::{Error, Kind};
use crate::library::Libraries;

/// Starts a backup of a library and sends it, until `is_draining`.
pub(super) fn send(
    libraries: &Libraries,
    name: &str,
    is_draining: impl Fn() -> bool + Send + 'static,
) -> Response {
    let Some((_, library)) = libraries.iter().find(|(known, _)| *known == name) else {
        let message = format!("no library `{name}`\n");
        return (StatusCode::NOT_FOUND, message).into_response();
    };
    match library.backup() {
        Ok(chunks) => {
            let chunks = chunks.map(move |chunk| match is_draining() {
                true => Err(Error::new(Kind::ShuttingDown, "the gateway shuts down")),
                false => chunk,
            });
            let content_type = [(header::CONTENT_TYPE, "application/octet-stream")];
            (content_type, Body::from_stream(chunks)).into_response()
        }
        Err(error) => (status_of(&error), format!("{error}\n")).into_response(),
    }
}

fn status_of(error: &Error) -> StatusCode {
    if error.kind() == Kind::OperationUnsupported {
        return StatusCode::NOT_IMPLEMENTED;
    }
    // The only other error: a backup of the library is running.
    StatusCode::TOO_MANY_REQUESTS
}
