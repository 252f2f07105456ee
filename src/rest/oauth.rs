//! The token endpoint, in the three styles in which SDKs ask.
//!
//! GET with a query, POST with a query, POST with a form: the fields of query
//! and body are read alike, whatever content type is claimed (the vendor's own
//! samples claim JSON and send nothing). Rejections here are OAuth's (RFC 6749
//! section 5.2), not the API's.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::form::{self, Fields};
use super::token::Keys;
use crate::wire::TokenRejection;

/// Greatest body of a token request; ours, many times what keys need. The
/// sender is not known yet.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Longest time for that body; no layer before this endpoint sets one.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Answers a token request.
pub(super) async fn grant(keys: &Keys, request: Request, now: SystemTime) -> Response {
    let (head, body) = request.into_parts();
    let query = Fields::of_query(head.uri.query());
    let body = form::read(&head.headers, body, MAX_BODY_BYTES);
    let Ok(Ok(form)) = tokio::time::timeout(BODY_TIME, body).await else {
        return rejected(StatusCode::BAD_REQUEST, unreadable());
    };
    let field = |name| {
        let sent = [&query, &form].map(|fields| fields.text(name).ok().flatten());
        sent.into_iter().flatten().next().unwrap_or_default()
    };
    if field("grant_type") != "client_credentials" {
        return rejected(StatusCode::BAD_REQUEST, unsupported_grant());
    }
    match keys.issue(&field("client_id"), &field("client_secret"), now) {
        // RFC 6749 section 5.1: no cache may keep a token.
        Ok(grant) => ([(header::CACHE_CONTROL, "no-store")], Json(grant)).into_response(),
        Err(rejection) => rejected(StatusCode::UNAUTHORIZED, rejection),
    }
}

fn rejected(status: StatusCode, rejection: TokenRejection) -> Response {
    (status, Json(rejection)).into_response()
}

fn unsupported_grant() -> TokenRejection {
    TokenRejection {
        error: "unsupported_grant_type".to_owned(),
        error_description: "The authorization grant type is not supported".to_owned(),
    }
}

fn unreadable() -> TokenRejection {
    TokenRejection {
        error: "invalid_request".to_owned(),
        error_description: "The body cannot be read".to_owned(),
    }
}
