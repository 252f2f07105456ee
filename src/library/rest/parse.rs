//! Parses the vendor's responses.
//!
//! Responses of the API have HTTP status 200, also its rejections. Any other status comes from a
//! proxy in front of it, unless the body is one of the vendor's errors. Messages that may quote a
//! secret are withheld here.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::client::Response;
use super::token::CachedToken;
use crate::error::{Error, Kind, Result};
use crate::wire::{ApiError, TokenGrant, TokenRejection, read_response};

/// Parses the response of an operation.
///
/// # Errors
///
/// The vendor's rejection, or the class of the status, or `VendorProtocol`.
pub(super) fn response<T: DeserializeOwned>(response: &Response) -> Result<T> {
    if response.status == StatusCode::OK || is_api_error(response) {
        return read_response(&response.body);
    }
    let kind = match response.status {
        StatusCode::TOO_MANY_REQUESTS => Kind::VendorBusy,
        status if status.is_server_error() => Kind::VendorUnavailable,
        _ => Kind::VendorProtocol,
    };
    let message = format!(
        "the vendor returned HTTP status {}",
        response.status.as_u16()
    );
    Err(Error::new(kind, message))
}

/// Returns whether the body is one of the vendor's errors.
pub(super) fn is_api_error(response: &Response) -> bool {
    serde_json::from_slice::<ApiError>(&response.body).is_ok()
}

/// Parses the response of the token endpoint.
///
/// # Errors
///
/// `VendorSetup` naming the setting for keys that the vendor does not know; otherwise like
/// [`response`].
pub(super) fn token_grant(received: &Response) -> Result<TokenGrant> {
    if received.status == StatusCode::OK
        && let Ok(grant) = read_response(&received.body)
    {
        return Ok(grant);
    }
    let rejection = serde_json::from_slice::<TokenRejection>(&received.body).ok();
    // The status of a rate limit says more than OAuth's errors, which have none for it.
    let rejection = rejection.filter(|_| received.status != StatusCode::TOO_MANY_REQUESTS);
    let Some(rejection) = rejection else {
        return response(received).map_err(without_message);
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

/// Withholds the vendor's message if it quotes the token.
pub(super) fn without_token(error: Error, token: &CachedToken) -> Error {
    match error.message().contains(token.expose()) {
        true => without_message(error),
        false => error,
    }
}

/// Withholds the vendor's message; at the token endpoint it may quote keys.
fn without_message(error: Error) -> Error {
    match error.vendor_code() {
        Some(vendor) => Error::vendor(vendor.code, "(withheld: may hold secrets)", vendor.log_id),
        None => error,
    }
}
