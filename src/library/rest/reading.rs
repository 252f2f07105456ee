//! What the vendor's answers mean.
//!
//! Its own answers have HTTP status 200 also when they refuse; any other
//! status speaks for whatever stands before it, unless the body names one of
//! the vendor's errors. What may quote a secret is withheld here.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::client::Answer;
use super::token::Token;
use crate::error::{Error, Kind, Result};
use crate::wire::{ApiError, TokenGrant, TokenRefusal, read_answer};

/// Reads the answer of an operation.
///
/// # Errors
///
/// The vendor's refusal, or what the status says, or `VendorProtocol`.
pub(super) fn answer<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    if answer.status == StatusCode::OK || names_error(answer) {
        return read_answer(&answer.body);
    }
    let kind = match answer.status {
        StatusCode::TOO_MANY_REQUESTS => Kind::VendorBusy,
        status if status.is_server_error() => Kind::VendorUnavailable,
        _ => Kind::VendorProtocol,
    };
    let message = format!(
        "the vendor answered with HTTP status {}",
        answer.status.as_u16()
    );
    Err(Error::new(kind, message))
}

/// Whether the body is one of the vendor's errors.
pub(super) fn names_error(answer: &Answer) -> bool {
    serde_json::from_slice::<ApiError>(&answer.body).is_ok()
}

/// Reads the answer of the token endpoint.
///
/// # Errors
///
/// `VendorSetup` naming the setting for keys that the vendor does not know;
/// otherwise like [`answer`].
pub(super) fn grant(given: &Answer) -> Result<TokenGrant> {
    if given.status == StatusCode::OK
        && let Ok(grant) = serde_json::from_slice(&given.body)
    {
        return Ok(grant);
    }
    let Ok(refusal) = serde_json::from_slice::<TokenRefusal>(&given.body) else {
        return answer(given).map_err(without_words);
    };
    if refusal.error != "invalid_client" {
        return Err(Error::new(
            Kind::VendorProtocol,
            "the token endpoint refused the request for another reason than its keys",
        ));
    }
    let setting = match refusal.error_description.as_str() {
        "unknown client id" => "`api_key`",
        _ => "`api_key` and `secret_key`",
    };
    let message = format!(
        "the vendor does not know this pair of keys: check {setting} of the library's `credentials`"
    );
    Err(Error::new(Kind::VendorSetup, message))
}

/// Withholds words of the vendor that quote the token.
pub(super) fn without_token(error: Error, token: &Token) -> Error {
    match error.message().contains(token.expose()) {
        true => without_words(error),
        false => error,
    }
}

/// Withholds the vendor's words; at the token endpoint they may quote keys.
fn without_words(error: Error) -> Error {
    match error.vendor_code() {
        Some(vendor) => Error::vendor(vendor.code, "(withheld: may hold secrets)", vendor.log_id),
        None => error,
    }
}
