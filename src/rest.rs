//! The REST API: the same_hq wire format in front of any library.
//!
//! The vendor's official SDKs work here unchanged. Order of events for a
//! call: the layers check the token in the query (`token`) before a byte of
//! the body is read; the body becomes fields (`form`), the fields a checked
//! request (`params`), the library answers, and the response is written
//! (`answer`). No rule about images, briefs or tags stands here, and no
//! backend is known.
//!
//! The HTTP status is 200 for every rejected call, so layers outside read how
//! a call went from the response's [`Kind`] extension; a success has none.

mod discard;
mod form;
mod image;
mod oauth;
mod params;
mod response;
mod token;

use std::time::SystemTime;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::map_request;
use axum::response::Response;
use axum::routing::{get, post};

use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::library::Libraries;
use crate::wire::{SAME_HQ_PATH, TOKEN_PATH};

use form::Fields;
pub use response::reject;
pub use token::{KeyPair, Keys};

/// What every call at this door needs.
#[derive(Clone, Debug)]
struct Door {
    libraries: Libraries,
    max_body_bytes: usize,
}

/// The operations of the API.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Add,
    Search,
    Update,
    Delete,
}

/// Every path of the door, without the leading slash.
pub fn methods() -> Vec<String> {
    let operations = ["add", "search", "update", "delete"];
    let operations = operations.map(|name| format!("{SAME_HQ_PATH}/{name}"));
    let paths = operations.into_iter().chain([TOKEN_PATH.to_owned()]);
    let paths = paths.map(|path| path.trim_start_matches('/').to_owned());
    paths.collect()
}

/// Makes the four operations, to be wrapped in the layers that check the token
/// ([`Keys::authenticate`]) and make the [`Call`].
///
/// `max_body_bytes` bounds the body of a call; a longer one is answered with
/// 216202.
pub fn calls(libraries: Libraries, max_body_bytes: usize) -> Router {
    let operation = |operation| {
        post(
            move |State(door): State<Door>, request: Request| async move {
                let response = door.serve(operation, request).await;
                response.unwrap_or_else(|error| reject(&error))
            },
        )
    };
    let path = |name: &str| format!("{SAME_HQ_PATH}/{name}");
    Router::new()
        .route(&path("add"), operation(Operation::Add))
        .route(&path("search"), operation(Operation::Search))
        .route(&path("update"), operation(Operation::Update))
        .route(&path("delete"), operation(Operation::Delete))
        .with_state(Door {
            libraries,
            max_body_bytes,
        })
}

/// Makes the door: the layered [`calls`], the token endpoint, and the vendor's
/// code 3 for every other path and HTTP method.
pub fn routes(calls: Router, keys: Keys) -> Router {
    Router::new()
        .route(TOKEN_PATH, get(token).post(token))
        .with_state(keys)
        .merge(calls)
        .fallback(unsupported)
        .method_not_allowed_fallback(unsupported)
        .layer(map_request(discard::unread_body))
}

async fn token(State(keys): State<Keys>, request: Request) -> Response {
    oauth::grant(&keys, request, SystemTime::now()).await
}

async fn unsupported() -> Response {
    reject(&Error::new(
        Kind::OperationUnsupported,
        "no such path or HTTP method",
    ))
}

// === impl Door ===

impl Door {
    async fn serve(&self, operation: Operation, request: Request) -> Result<Response> {
        let (head, body) = request.into_parts();
        let call = head.extensions.get::<Call>();
        let call = call.ok_or_else(|| Error::new(Kind::Internal, "no layer made a call"))?;
        let query = Fields::of_query(head.uri.query());
        let form = form::read(&head.headers, body, self.max_body_bytes).await?;
        let name = params::library(&query, &form)?;
        let (_, library) = self.libraries.resolve(&call.tenant, &name)?;
        match operation {
            Operation::Add => {
                let added = library.add(call, params::add(&form)?).await?;
                Ok(response::added(&added))
            }
            Operation::Search => {
                let page = library.search(call, params::search(&form)?).await?;
                Ok(response::found(page))
            }
            Operation::Update => {
                let updated = library.update(call, params::update(&form)?).await?;
                Ok(response::done(updated.log_id))
            }
            Operation::Delete => {
                let deleted = library.delete(call, params::delete(&form)?).await?;
                response::deleted(deleted)
            }
        }
    }
}
