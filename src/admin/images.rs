//! `/libraries/NAME/images`: copies of images from one library to another, for `samegate library copy`.
//!
//! GET returns everything that a library stores of some images, as a small backup: a page after
//! `after`, of up to `limit` images, or those with a `sign`. POST adds the images of such a page.
//! Headers tell which library it is, its size, and where the next page begins. Searches have
//! priority: the work is that of a bulk load on the CPU pool.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
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

/// Requests at once, of all libraries. Each needs up to 60 MB, and a response its size, up to 18 MB,
/// until it is sent.
const MAX_REQUESTS: usize = 4;
/// Timeout of a request, its body included.
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
        let (library, _slot) = images.begin(&name)?;
        let parameters = Parameters::parse(query.0.as_deref().unwrap_or_default())?;
        let call = call();
        match parameters.signs {
            Some(signs) => library.whole_images_of(&call, &signs).await,
            None => {
                let (after, limit) = (parameters.after, parameters.limit);
                library.whole_images(&call, &after, limit).await
            }
        }
    };
    match page.await {
        Ok(page) => respond(page),
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

fn respond(page: ImagePage) -> Response {
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
    (headers, page.images).into_response()
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
