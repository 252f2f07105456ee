//! Names the class of a failure on the way to the vendor: DNS, connect, TLS, timeout, or a
//! connection that broke.
//!
//! The class is in the message, which callers and the access log get. The details are the cause of
//! the error, for the operator's log: they may name addresses.

use std::error::Error as StdError;
use std::io;

use crate::error::{Error, Kind};

/// Classifies an error of the HTTP library.
pub(super) fn unavailable(error: reqwest::Error) -> Error {
    let message = if error.is_timeout() && error.is_connect() {
        "the vendor could not be reached: connecting timed out (timeout)"
    } else if error.is_dns() {
        "the vendor could not be reached: its name was not resolved (DNS)"
    } else if is_tls(&error) {
        "the vendor could not be reached: the TLS handshake failed (TLS)"
    } else if error.is_connect() {
        "the vendor could not be reached: no connection was made (connect)"
    } else {
        "the connection to the vendor broke"
    };
    Error::new(Kind::VendorUnavailable, message).with_source(error.without_url())
}

fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = Some(error as &(dyn StdError + 'static));
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inside {
            // Its source is that of the error inside, which it skips.
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    false
}
