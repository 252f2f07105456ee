//! The REST API: the same_hq format in front of any library.
//!
//! The vendor's official SDKs work here unchanged. Order of events for a call: the middleware
//! checks the token in the query (`token`) before a byte of the body is read; the body becomes
//! fields (`form`), the fields become a checked request (`params`); the library runs it
//! (`operations`), and `response` writes the result. No rule about images, briefs or tags is here,
//! and no backend is known.
//!
//! The HTTP status is 200 also for every failed call, so the middleware reads the outcome of a call
//! from the response's [`Rejection`](crate::error::Rejection) extension; a successful response has
//! none.

mod attempts;
mod escape;
mod form;
mod image;
mod oauth;
mod operations;
mod params;
mod response;
mod token;

#[cfg(fuzzing)]
pub mod fuzzing;

use std::time::SystemTime;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use self::operations::Api;
use crate::error::{Error, Kind};
use crate::library::Libraries;
use crate::wire::{SAME_HQ_PATH, TOKEN_PATH};

pub use self::attempts::TokenAttempts;
pub use self::oauth::TokenEndpoint;
pub use self::response::reject;
pub use self::token::{KeyPair, Keys};

/// Lists every path of the API, without the leading slash.
pub fn methods() -> Vec<String> {
    ["add", "search", "update", "delete"]
        .map(operation_path)
        .into_iter()
        .chain([TOKEN_PATH.to_owned()])
        .map(|path| path.trim_start_matches('/').to_owned())
        .collect()
}

/// Routes to the four operations; the caller wraps them in the middleware that checks the token
/// ([`Keys::authenticate`]) and makes the [`Call`](crate::call::Call).
///
/// A body of more than `max_body_bytes` is rejected with code 216202.
pub fn calls(libraries: Libraries, max_body_bytes: usize) -> Router {
    Router::new()
        .route(&operation_path("add"), post(operations::add))
        .route(&operation_path("search"), post(operations::search))
        .route(&operation_path("update"), post(operations::update))
        .route(&operation_path("delete"), post(operations::delete))
        .with_state(Api {
            libraries,
            max_body_bytes,
        })
}

/// Routes to [`calls`] with their middleware, to the token endpoint, and rejects every other path
/// and HTTP method with the vendor's code 3.
pub fn routes(calls: Router, tokens: TokenEndpoint) -> Router {
    Router::new()
        .route(TOKEN_PATH, get(grant_token).post(grant_token))
        .with_state(tokens.with_counters())
        .merge(calls)
        .fallback(reject_unsupported)
        .method_not_allowed_fallback(reject_unsupported)
}

fn operation_path(name: &str) -> String {
    format!("{SAME_HQ_PATH}/{name}")
}

async fn grant_token(State(endpoint): State<TokenEndpoint>, request: Request) -> Response {
    oauth::grant(&endpoint, request, SystemTime::now()).await
}

async fn reject_unsupported() -> Error {
    Error::new(Kind::OperationUnsupported, "no such path or HTTP method")
}
