//! The token endpoint, for the three ways in which SDKs request a token.
//!
//! GET with a query, POST with a query, POST with a form: fields of query and body are read in the
//! same way, whatever the content type is (the vendor's own samples declare JSON and send nothing).
//! Errors here are in the format of OAuth (RFC 6749 section 5.2), not of same_hq. Failed attempts are
//! limited (`attempts`).

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};

use super::attempts::{Attempt, TokenAttempts};
use super::form::{self, Fields};
use super::token::Keys;
use crate::call::Connection;
use crate::error::{Kind, Rejection};
use crate::telemetry::Metrics;
use crate::wire::TokenRejection;

/// Maximum size of a token request's body in bytes; our limit, many times the size of two keys. The
/// caller is not authenticated yet.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Time limit for reading that body; no middleware before this endpoint sets a deadline.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The token endpoint.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    /// The key pairs that it grants tokens for.
    pub keys: Keys,
    /// Its failed attempts.
    pub attempts: TokenAttempts,
    /// Failures that an address may have with one key in a minute.
    pub max_failures_per_minute: u32,
    /// Metrics that rejections are counted in.
    pub metrics: Metrics,
}

/// Why a request was rejected, as the metric names it.
#[derive(Clone, Copy, Debug)]
enum Rejected {
    UnknownKey,
    WrongSecret,
    RateLimited,
}

/// Grants an access token, or writes the OAuth error.
pub(super) async fn grant(endpoint: &TokenEndpoint, request: Request, now: SystemTime) -> Response {
    let (head, body) = request.into_parts();
    let query = Fields::from_query(head.uri.query());
    let body = form::read_any(&head.headers, body, MAX_BODY_BYTES);
    let Ok(Ok(form)) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
        let description = "The body cannot be read";
        return bad_request("invalid_request", description);
    };
    let field = |name| {
        [&query, &form]
            .into_iter()
            .find_map(|fields| fields.text(name).ok().flatten())
            .unwrap_or_default()
    };
    if field("grant_type") != "client_credentials" {
        let description = "The authorization grant type is not supported";
        return bad_request("unsupported_grant_type", description);
    }
    let api_key = field("client_id");
    let attempt = Attempt {
        address: address(&head),
        app_id: endpoint.keys.app_id(&api_key),
        max_failures: endpoint.max_failures_per_minute,
    };
    if let Some(wait) = endpoint.attempts.wait(&attempt) {
        endpoint.reject(Rejected::RateLimited);
        return too_many_failures(wait);
    }
    match endpoint.keys.issue(&api_key, &field("client_secret"), now) {
        // RFC 6749 section 5.1: no cache may store a token.
        Ok(grant) => ([(header::CACHE_CONTROL, "no-store")], Json(grant)).into_response(),
        Err(rejection) => {
            endpoint.attempts.failed(&attempt);
            endpoint.reject(match attempt.app_id {
                Some(_) => Rejected::WrongSecret,
                None => Rejected::UnknownKey,
            });
            rejected(
                StatusCode::UNAUTHORIZED,
                Kind::CredentialsInvalid,
                rejection,
            )
        }
    }
}

/// Returns the address of the caller; a server that is not ours does not say it.
fn address(head: &Parts) -> IpAddr {
    let connection = head.extensions.get::<Connection>();
    connection.map_or(Ipv4Addr::UNSPECIFIED.into(), |connection| {
        connection.address
    })
}

/// Writes the rejection of an attempt over the limit. The status is that of RFC 6585; OAuth's name
/// for an overload is from RFC 6749 section 4.1.2.1.
fn too_many_failures(wait: Duration) -> Response {
    let rejection = oauth_error("temporarily_unavailable", "Too many failed attempts");
    let response = rejected(
        StatusCode::TOO_MANY_REQUESTS,
        Kind::CredentialsInvalid,
        rejection,
    );
    // Rounded up: an attempt after the wait is not over the limit.
    let seconds = wait.as_secs() + 1;
    ([(header::RETRY_AFTER, seconds)], response).into_response()
}

fn bad_request(error: &str, description: &str) -> Response {
    let rejection = oauth_error(error, description);
    rejected(StatusCode::BAD_REQUEST, Kind::InvalidParameter, rejection)
}

fn oauth_error(error: &str, description: &str) -> TokenRejection {
    TokenRejection {
        error: error.to_owned(),
        error_description: description.to_owned(),
    }
}

/// Writes an OAuth error; its description goes to the log too.
fn rejected(status: StatusCode, kind: Kind, rejection: TokenRejection) -> Response {
    let message = rejection.error_description.as_str().into();
    let mut response = (status, Json(rejection)).into_response();
    response.extensions_mut().insert(Rejection {
        kind,
        message,
        log_id: None,
    });
    response
}

// === impl TokenEndpoint ===

impl TokenEndpoint {
    /// Makes the counters of the metric, so that the first rejection is an increase too.
    #[must_use]
    pub fn with_counters(self) -> Self {
        for reason in Rejected::ALL {
            self.metrics.token_rejections(reason.name());
        }
        self
    }

    fn reject(&self, reason: Rejected) {
        self.metrics.token_rejections(reason.name()).inc();
    }
}

// === impl Rejected ===

impl Rejected {
    const ALL: [Rejected; 3] = [
        Rejected::UnknownKey,
        Rejected::WrongSecret,
        Rejected::RateLimited,
    ];

    fn name(self) -> &'static str {
        match self {
            Rejected::UnknownKey => "unknown_key",
            Rejected::WrongSecret => "wrong_secret",
            Rejected::RateLimited => "rate_limited",
        }
    }
}
