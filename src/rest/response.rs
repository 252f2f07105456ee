//! Responses in the same_hq format, for successful and for failed calls.
//!
//! Each is JSON with HTTP status 200. Codes and messages of failures come from the error table; the
//! message of the [`Error`] itself goes to our log only, because SDKs decide by the code.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::form;
use super::token::SIGNATURE;
use crate::call::new_log_id;
use crate::domain::{Added, Deleted, SearchResults};
use crate::error::{Error, Kind, Rejection, Result};
use crate::wire::{AddResponse, ApiError, LogResponse, NoErrorCode, SearchHit, SearchResponse};

/// Codes below this come from the vendor's platform, which adds no log id; services add one.
const FIRST_SERVICE_CODE: i64 = 1000;

/// Writes the result of an addition; an image that was stored before is an error with its sign.
pub(super) fn added(added: &Added) -> Response {
    let cont_sign = added.cont_sign.to_string();
    if added.existed {
        let error = Error::new(
            Kind::ImageAlreadyExists,
            "the image is in the library already",
        );
        return rejection(&error.with_cont_sign(cont_sign), Some(added.log_id));
    }
    Json(AddResponse {
        log_id: added.log_id,
        cont_sign,
        error_code: NoErrorCode,
    })
    .into_response()
}

/// Writes the results of a search.
pub(super) fn search_results(results: SearchResults) -> Response {
    let hits: Vec<_> = results
        .matches
        .into_iter()
        .map(|matched| SearchHit {
            cont_sign: matched.cont_sign.to_string(),
            score: matched.score,
            brief: matched.brief,
        })
        .collect();
    Json(SearchResponse {
        log_id: results.log_id,
        result_num: hits.len() as u64,
        result: hits,
        has_more: results.has_more,
        error_code: NoErrorCode,
    })
    .into_response()
}

/// Writes the result of an update, which has no content.
pub(super) fn success(log_id: u64) -> Response {
    Json(LogResponse {
        log_id,
        error_code: NoErrorCode,
    })
    .into_response()
}

/// Writes the result of a deletion.
///
/// The format has one outcome for all signs. If some signs are stored and deleted, the call
/// succeeds and signs that are not stored are ignored: the caller wants them deleted, and they are
/// not there. If none is stored, the signs are probably wrong and the call fails.
///
/// # Errors
///
/// Any failure other than a missing image, so that an incomplete deletion is never a success;
/// `ImageNotFound` when nothing was deleted.
pub(super) fn deleted(deleted: Deleted) -> Result<Response> {
    let log_id = deleted.log_ids.first().copied();
    let mut not_found = None;
    let mut any_deleted = false;
    for outcome in deleted.outcomes {
        match outcome {
            Ok(()) => any_deleted = true,
            Err(error) if error.kind() == Kind::ImageNotFound => not_found = Some(error),
            Err(error) => return Err(error),
        }
    }
    match not_found {
        Some(error) if !any_deleted => Ok(rejection(&error, log_id)),
        Some(_) | None => Ok(success(log_id.unwrap_or_else(new_log_id))),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        reject(&self)
    }
}

/// Writes an error as the response to a call.
pub fn reject(error: &Error) -> Response {
    rejection(error, None)
}

fn rejection(error: &Error, log_id: Option<u64>) -> Response {
    let (error_code, error_msg) = code_and_message(error);
    let vendor_log_id = error.vendor_code().and_then(|vendor| vendor.log_id);
    let log_id = || vendor_log_id.or(log_id).unwrap_or_else(new_log_id);
    let log_id = (error_code >= FIRST_SERVICE_CODE).then(log_id);
    let mut response = Json(ApiError {
        error_code,
        error_msg,
        log_id,
        cont_sign: error.cont_sign().map(str::to_owned),
    })
    .into_response();
    response.extensions_mut().insert(Rejection {
        kind: error.kind(),
        message: error.message().into(),
        log_id,
    });
    response
}

/// Returns code and message: those of the table, except where the vendor's message names the field.
fn code_and_message(error: &Error) -> (i64, String) {
    let (code, message) = error.kind().same_hq();
    let field = error.violations().first().map(|first| first.field.as_str());
    match (error.kind(), field) {
        // An SDK whose keys were rejected signs its calls. The vendor's code for an invalid
        // signature points its user to the keys; "invalid parameter" would not.
        (Kind::CredentialsMissing, Some(SIGNATURE)) => (14, "IAM Certification failed".to_owned()),
        // Only the gateway's own rules; the vendor has no messages for them.
        (Kind::InvalidParameter, Some(field @ form::CONTENT_TYPE)) => {
            (code, format!("{message}: {field} {}", form::CONTENT_TYPES))
        }
        (Kind::InvalidParameter, Some(field @ form::CHARSET)) => {
            (code, format!("{message}: {field} {}", form::CHARSETS))
        }
        (Kind::MissingParameter, Some("brief")) => (code, "param brief not exist".to_owned()),
        (Kind::ParameterTooLong, Some(field @ ("brief" | "cont_sign"))) => {
            (code, format!("{field} too long"))
        }
        _ => (code, message.to_owned()),
    }
}
