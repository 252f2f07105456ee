//! What the vendor's responses mean.
//!
//! Its own answers have HTTP status 200 also when they reject; any other
//! status speaks for whatever stands before it, unless the body names one of
//! the vendor's errors. What may quote a secret is withheld here.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::client::Response;
use super::token::Token;
use crate::error::{Error, Kind, Result};
use crate::wire::{ApiError, TokenGrant, TokenRejection, read_response};

/// Reads the response of an operation.
///
/// # Errors
///
/// The vendor's rejection, or what the status says, or `VendorProtocol`.
pub(super) fn response<T: DeserializeOwned>(response: &Response) -> Result<T> {
    if response.status == StatusCode::OK || names_error(response) {
        return read_response(&response.body);
    }
    let kind = match response.status {
        StatusCode::TOO_MANY_REQUESTS => Kind::VendorBusy,
        status if status.is_server_error() => Kind::VendorUnavailable,
        _ => Kind::VendorProtocol,
    };
    let message = format!(
        "the vendor answered with HTTP status {}",
        response.status.as_u16()
    );
    Err(Error::new(kind, message))
}

/// Whether the body is one of the vendor's errors.
pub(super) fn names_error(response: &Response) -> bool {
    serde_json::from_slice::<ApiError>(&response.body).is_ok()
}

/// Reads the response of the token endpoint.
///
/// # Errors
///
/// `VendorSetup` naming the setting for keys that the vendor does not know;
/// otherwise like [`answer`].
pub(super) fn grant(given: &Response) -> Result<TokenGrant> {
    if given.status == StatusCode::OK
        && let Ok(grant) = serde_json::from_slice(&given.body)
    {
        return Ok(grant);
    }
    let Ok(rejection) = serde_json::from_slice::<TokenRejection>(&given.body) else {
        return response(given).map_err(without_words);
    };
    if rejection.error != "invalid_client" {
        return Err(Error::new(
            Kind::VendorProtocol,
            "the token endpoint rejected the request for another reason than its keys",
        ));
    }
    let setting = match rejection.error_description.as_str() {
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
