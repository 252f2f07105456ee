//! `/libraries/NAME/images`: copies of images from one library to another, for `samegate library copy`.
//!
//! GET returns everything that a library stores of some images, as a small backup: a page after
//! `after`, of up to `limit` images, or those with a `sign`. POST adds the images of such a page.
//! Headers tell which library it is, its size, and where the next page begins. Searches have
//! priority: the work is that of a bulk load on the CPU pool.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::admission::CallPermit;
use crate::call::{Call, CallStats, RequestId, Tenant};
use crate::domain::ContSign;
use crate::error::{Error, Kind, Result};
use crate::library::image_page::{
    CAPACITY_HEADER, ImagePage, LAST_PAGE, LIBRARY_HEADER, MAX_PAGE_BYTES, MAX_PAGE_IMAGES,
    MAX_PAGE_SIGNS, NEXT_HEADER, TOTAL_HEADER,
};
use crate::library::{Libraries, Library};
use crate::telemetry::CallTrace;

/// Requests at once, of all libraries: a slot is held until the response is sent. A request needs up
/// to 60 MB, its response up to 18 MB.
const MAX_REQUESTS: usize = 4;
/// Bytes of a response that are copied for the connection at once. It buffers one or two pieces, and
/// takes the last one when nearly all of the others are sent.
const PIECE: usize = 1 << 20;
/// Timeout of a request, its body included, and of its response.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Images {
    libraries: Libraries,
    slots: Arc<Semaphore>,
}

/// Which images a request reads, and how a page is written.
#[derive(Default)]
struct Parameters {
    after: String,
    limit: usize,
    /// Those with these signs instead; `None` without a `sign`.
    signs: Option<Vec<ContSign>>,
    replace: bool,
}

/// Makes the routes.
pub(super) fn router<S: Clone + Send + Sync + 'static>(libraries: Libraries) -> Router<S> {
    Router::new()
        .route("/libraries/{name}/images", get(read).post(insert))
        .with_state(Images {
            libraries,
            slots: Arc::new(Semaphore::new(MAX_REQUESTS)),
        })
}

async fn read(State(images): State<Images>, Path(name): Path<String>, query: RawQuery) -> Response {
    let page = async {
        let (library, slot) = images.begin(&name)?;
        let parameters = Parameters::parse(query.0.as_deref().unwrap_or_default())?;
        let call = call();
        let page = match parameters.signs {
            Some(signs) => library.whole_images_of(&call, &signs).await?,
            None => {
                let (after, limit) = (parameters.after, parameters.limit);
                library.whole_images(&call, &after, limit).await?
            }
        };
        Ok((page, slot))
    };
    match page.await {
        Ok((page, slot)) => respond(page, slot),
        Err(error) => rejection(&error),
    }
}

async fn insert(
    State(images): State<Images>,
    Path(name): Path<String>,
    query: RawQuery,
    body: Body,
) -> Response {
    let inserted = async {
        let (library, _slot) = images.begin(&name)?;
        let parameters = Parameters::parse(query.0.as_deref().unwrap_or_default())?;
        let call = call();
        let body =
            tokio::time::timeout_at(call.deadline, axum::body::to_bytes(body, MAX_PAGE_BYTES));
        let page = body.await.map_err(|_| {
            let message = format!("the page did not arrive within {} s", TIMEOUT.as_secs());
            Error::new(Kind::DeadlineExceeded, message)
        })?;
        let page = page.map_err(|error| {
            let message = format!("the page is cut off, or has more than {MAX_PAGE_BYTES} bytes");
            Error::violation("images", Kind::InvalidParameter, message).with_source(error)
        })?;
        let inserted = library
            .insert_images(&call, page, parameters.replace)
            .await?;
        tracing::info!(
            library = name,
            count = inserted.len(),
            "copies of images received"
        );
        Ok(inserted)
    };
    match inserted.await {
        Ok(inserted) => Json(json!({ "images": inserted })).into_response(),
        Err(error) => rejection(&error),
    }
}

// === impl Images ===

impl Images {
    fn begin(&self, name: &str) -> Result<(&Arc<dyn Library>, OwnedSemaphorePermit)> {
        let mut libraries = self.libraries.iter();
        let (_, library) = libraries
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Error::new(Kind::LibraryNotFound, format!("no library `{name}`")))?;
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|busy| {
            let message = format!("{MAX_REQUESTS} requests for images at once, the maximum");
            Error::new(Kind::Overloaded, message).with_source(busy)
        })?;
        Ok((library, slot))
    }
}

// === impl Parameters ===

impl Parameters {
    fn parse(query: &str) -> Result<Self> {
        let mut parameters = Parameters {
            limit: MAX_PAGE_IMAGES,
            ..Parameters::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" => parameters.after = value.into_owned(),
                "limit" => {
                    let limit = value.parse().ok();
                    let limit = limit.filter(|limit| (1..=MAX_PAGE_IMAGES).contains(limit));
                    let range = || format!("not in 1..={MAX_PAGE_IMAGES}");
                    parameters.limit = limit.ok_or_else(|| invalid("limit", range()))?;
                }
                // Empty: no image, only the headers.
                "sign" if value.is_empty() => parameters.signs = Some(Vec::new()),
                "sign" => {
                    let signs = parameters.signs.get_or_insert_default();
                    if signs.len() == MAX_PAGE_SIGNS {
                        return Err(invalid("sign", format!("more than {MAX_PAGE_SIGNS}")));
                    }
                    signs.push(ContSign::new(&value)?);
                }
                "replace" => parameters.replace = value == "true",
                other => return Err(invalid(other, "no such parameter".to_owned())),
            }
        }
        Ok(parameters)
    }
}

fn invalid(parameter: &str, message: String) -> Error {
    Error::violation(parameter, Kind::InvalidParameter, message)
}

/// Makes the call of a request, which waits like an item of a bulk load.
fn call() -> Call {
    let tenant = Tenant {
        name: "admin port".to_owned(),
        libraries: Vec::new(),
        weight: 1,
        read_only: false,
    };
    Call {
        tenant: Arc::new(tenant),
        request_id: RequestId::default(),
        deadline: Instant::now() + TIMEOUT,
        stream_deadline: None,
        timeout: TIMEOUT,
        bulk: true,
        permit: CallPermit::default(),
        stats: CallStats::default(),
        trace: CallTrace::default(),
    }
}

/// Responds with a page, which holds the slot until it is sent; a slow reader is cut off.
fn respond(page: ImagePage, slot: OwnedSemaphorePermit) -> Response {
    let length = page.images.len().to_string();
    let deadline = Instant::now() + TIMEOUT;
    let pieces = stream::unfold((page.images, slot), move |(mut rest, slot)| async move {
        let piece = rest.split_to(PIECE.min(rest.len()));
        if piece.is_empty() {
            return None;
        }
        // Copies, so that the page is freed with its slot.
        let piece = match Instant::now() < deadline {
            true => Ok(Bytes::copy_from_slice(&piece)),
            false => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        Some((piece, (rest, slot)))
    });
    // Responds with 500 to a value that no header can have.
    let headers = [
        (LIBRARY_HEADER, page.library),
        (TOTAL_HEADER, page.total.to_string()),
        (CAPACITY_HEADER, page.capacity.to_string()),
        (
            NEXT_HEADER,
            page.next.unwrap_or_else(|| LAST_PAGE.to_owned()),
        ),
    ];
    let length = [(header::CONTENT_LENGTH, length)];
    (length, headers, Body::from_stream(pieces)).into_response()
}

/// Responds to a request that failed: 429 and 503 are worth a retry.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other kinds of a library are failures inside the gateway"
)]
fn rejection(error: &Error) -> Response {
    let status = match error.kind() {
        Kind::LibraryNotFound => StatusCode::NOT_FOUND,
        Kind::OperationUnsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::InvalidParameter | Kind::MissingParameter | Kind::ParameterTooLong => {
            StatusCode::BAD_REQUEST
        }
        Kind::ImageAlreadyExists => StatusCode::CONFLICT,
        Kind::LibraryFull | Kind::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Overloaded | Kind::RateLimitDeadline => StatusCode::TOO_MANY_REQUESTS,
        Kind::ClusterUnavailable
        | Kind::ClusterBusy
        | Kind::DeadlineExceeded
        | Kind::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{error}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// Responds with a page of two pieces, which takes the only slot.
    fn response(slots: &Arc<Semaphore>) -> Response {
        let page = ImagePage {
            images: Bytes::from(vec![7; PIECE + 1]),
            next: None,
            library: "library".to_owned(),
            total: 1,
            capacity: 2,
        };
        respond(page, Arc::clone(slots).try_acquire_owned().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_is_read_slowly_is_cut_off() {
        let slots = Arc::new(Semaphore::new(1));
        let mut pieces = response(&slots).into_body().into_data_stream();
        assert!(pieces.next().await.unwrap().is_ok());

        tokio::time::advance(TIMEOUT).await;

        assert!(pieces.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_page_that_is_not_read_to_its_end_holds_its_slot() {
        let slots = Arc::new(Semaphore::new(1));

        let response = response(&slots);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "1048577");
        let mut pieces = response.into_body().into_data_stream();
        for length in [PIECE, 1] {
            assert_eq!(pieces.next().await.unwrap().unwrap().len(), length);
            assert_eq!(slots.available_permits(), 0);
        }
        assert!(pieces.next().await.is_none());
        drop(pieces);
        assert_eq!(slots.available_permits(), 1);
    }
}
