//! Answers and rejections in the same_hq wire format.
//!
//! Every one is JSON with HTTP status 200. Codes and messages follow the error
//! table; what a rejection says beyond them is for our log, not for the caller,
//! whose SDK decides on the code.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::token::SIGNATURE;
use crate::domain::{Added, Deleted, SearchResults};
use crate::error::{Error, Kind, Result};
use crate::wire::{AddResponse, ApiError, LogResponse, SearchHit, SearchResponse};

/// Codes below this come from the platform before any service, which has given
/// the call no log id then.
const FIRST_SERVICE_CODE: i64 = 1000;

/// Answers an addition; one that found its image stored is rejected with the
/// stored image's sign.
pub(super) fn added(added: &Added) -> Response {
    let cont_sign = added.cont_sign.to_string();
    if added.existed {
        let error = Error::new(Kind::ImageAlreadyExists, "the image is stored already");
        return rejection(&error.with_cont_sign(cont_sign), Some(added.log_id));
    }
    let log_id = added.log_id;
    Json(AddResponse { log_id, cont_sign }).into_response()
}

/// Answers a search.
pub(super) fn found(page: SearchResults) -> Response {
    let hits = page.matches.into_iter().map(|found| SearchHit {
        cont_sign: found.cont_sign.to_string(),
        score: found.score,
        brief: found.brief,
    });
    let result: Vec<_> = hits.collect();
    let response = SearchResponse {
        log_id: page.log_id,
        result_num: result.len() as u64,
        result,
        has_more: page.has_more,
    };
    Json(response).into_response()
}

/// Answers an update, which has nothing to tell.
pub(super) fn done(log_id: u64) -> Response {
    Json(LogResponse { log_id }).into_response()
}

/// Answers a deletion. The format has no room for an outcome per sign: signs
/// that are not stored are passed over as long as one was, because the caller
/// wants them gone and gone they are; when none was stored, the signs are
/// likely wrong and the caller is told so.
///
/// # Errors
///
/// Any failure other than an absent image, so that a caller never takes a
/// deletion for done that is not; `ImageNotFound` when nothing was deleted.
pub(super) fn deleted(deleted: Deleted) -> Result<Response> {
    let log_id = deleted.log_ids.first().copied();
    let mut absent = None;
    let mut any_deleted = false;
    for outcome in deleted.outcomes {
        match outcome {
            Ok(()) => any_deleted = true,
            Err(error) if error.kind() == Kind::ImageNotFound => absent = Some(error),
            Err(error) => return Err(error),
        }
    }
    match absent {
        Some(error) if !any_deleted => Ok(rejection(&error, log_id)),
        Some(_) | None => Ok(done(log_id.unwrap_or_else(new_log_id))),
    }
}

/// Answers a call that failed.
pub fn reject(error: &Error) -> Response {
    rejection(error, None)
}

fn rejection(error: &Error, log_id: Option<u64>) -> Response {
    let (code, message) = words(error);
    let vendors = error.vendor_code().and_then(|vendor| vendor.log_id);
    let log_id = || vendors.or(log_id).unwrap_or_else(new_log_id);
    let body = ApiError {
        error_code: code,
        error_msg: message,
        log_id: (code >= FIRST_SERVICE_CODE).then(log_id),
        cont_sign: error.cont_sign().map(str::to_owned),
    };
    let mut response = Json(body).into_response();
    response.extensions_mut().insert(error.kind());
    response
}

/// Code and message: the table's, save where the vendor names the parameter.
fn words(error: &Error) -> (i64, String) {
    let (code, message) = error.kind().same_hq();
    let first = error.violations().first();
    match (
        error.kind(),
        first.map(|violation| violation.field.as_str()),
    ) {
        // An SDK whose keys were rejected signs its calls; the vendor's code for
        // a bad signature tells its user so, "invalid parameter" would not.
        (Kind::CredentialsMissing, Some(SIGNATURE)) => (14, "IAM Certification failed".to_owned()),
        (Kind::MissingParameter, Some("brief")) => (code, "param brief not exist".to_owned()),
        (Kind::ParameterTooLong, Some(field @ ("brief" | "cont_sign"))) => {
            (code, format!("{field} too long"))
        }
        _ => (code, message.to_owned()),
    }
}

/// Numbers a response that no backend has numbered: nanoseconds since 1970 have
/// the 19 digits of the vendor's numbers and do not repeat in practice.
fn new_log_id() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(1, |since| since.as_nanos());
    u64::try_from(nanos).unwrap_or(u64::MAX)
}
