//! The four operations: read the form, call the library, write the response.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::response::Response;

use super::form::{self, Fields};
use super::{params, response};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::library::{Libraries, Library, check_change};

/// What the operations share.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) libraries: Libraries,
    pub(super) max_body_bytes: usize,
}

/// A call of an operation, with its body read.
pub(super) struct FormCall {
    call: Call,
    library: Arc<dyn Library>,
    form: Fields,
}

impl FromRequest<Api> for FormCall {
    type Rejection = Error;

    async fn from_request(request: Request, api: &Api) -> Result<Self> {
        let (mut head, body) = request.into_parts();
        // A missing context means that the middleware did not run and nothing was authenticated.
        let call = head
            .extensions
            .remove::<Call>()
            .ok_or_else(|| Error::new(Kind::Internal, "the call has no context"))?;
        let form = form::read(&head.headers, body, api.max_body_bytes).await?;
        // The image is decoded beside its text, which is charged already.
        call.permit.charge(form.max_image_bytes()).await?;
        let name = params::library(&Fields::from_query(head.uri.query()), &form)?;
        let (_, library) = api.libraries.resolve(&call.tenant, &name)?;
        Ok(FormCall {
            library: Arc::clone(library),
            call,
            form,
        })
    }
}

impl FormCall {
    /// Charges the response instead of the form, which is dropped.
    fn respond(self, response: Response) -> Response {
        let bytes = response.body().size_hint().lower();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.call.permit.respond(bytes);
        response
    }
}

/// Stores an image.
pub(super) async fn add(request: FormCall) -> Result<Response> {
    check_change(&request.call.tenant)?;
    let added = request
        .library
        .add(&request.call, params::add(&request.form)?)
        .await?;
    Ok(request.respond(response::added(&added)))
}

/// Finds the stored images that are the same as the query image.
pub(super) async fn search(request: FormCall) -> Result<Response> {
    let results = request
        .library
        .search(&request.call, params::search(&request.form)?)
        .await?;
    Ok(request.respond(response::search_results(results)))
}

/// Changes the brief or the tags of a stored image.
pub(super) async fn update(request: FormCall) -> Result<Response> {
    check_change(&request.call.tenant)?;
    let updated = request
        .library
        .update(&request.call, params::update(&request.form)?)
        .await?;
    Ok(request.respond(response::success(updated.log_id)))
}

/// Deletes stored images.
pub(super) async fn delete(request: FormCall) -> Result<Response> {
    check_change(&request.call.tenant)?;
    let deleted = request
        .library
        .delete(&request.call, params::delete(&request.form)?)
        .await?;
    response::deleted(deleted).map(|response| request.respond(response))
}
