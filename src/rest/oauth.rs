//! The token endpoint, for the three ways in which SDKs request a token.
//!
//! GET with a query, POST with a query, POST with a form: fields of query and body are read in the
//! same way, whatever the content type is (the vendor's own samples declare JSON and send nothing).
//! Errors here are in the format of OAuth (RFC 6749 section 5.2), not of same_hq.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::form::{self, Fields};
use super::token::Keys;
use crate::wire::TokenRejection;

/// Maximum size of a token request's body in bytes; our limit, many times the size of two keys. The
/// caller is not authenticated yet.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Time limit for reading that body; no middleware before this endpoint sets a deadline.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Grants an access token, or writes the OAuth error.
pub(super) async fn grant(keys: &Keys, request: Request, now: SystemTime) -> Response {
    let (head, body) = request.into_parts();
    let query = Fields::from_query(head.uri.query());
    let body = form::read_any(&head.headers, body, MAX_BODY_BYTES);
    let Ok(Ok(form)) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
        let description = "The body cannot be read";
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_request", description);
    };
    let field = |name| {
        [&query, &form]
            .into_iter()
            .find_map(|fields| fields.text(name).ok().flatten())
            .unwrap_or_default()
    };
    if field("grant_type") != "client_credentials" {
        let description = "The authorization grant type is not supported";
        return oauth_error(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            description,
        );
    }
    match keys.issue(&field("client_id"), &field("client_secret"), now) {
        // RFC 6749 section 5.1: no cache may store a token.
        Ok(grant) => ([(header::CACHE_CONTROL, "no-store")], Json(grant)).into_response(),
        Err(rejection) => (StatusCode::UNAUTHORIZED, Json(rejection)).into_response(),
    }
}

fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    let rejection = TokenRejection {
        error: error.to_owned(),
        error_description: description.to_owned(),
    };
    (status, Json(rejection)).into_response()
}
