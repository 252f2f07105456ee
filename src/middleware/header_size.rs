//! Rejects calls whose headers are too large, in the words of the API.
//!
//! The server ends streams with far larger headers by itself, with HTTP status 431, which gRPC
//! clients report as an error of the transport. Up to that limit, a caller learns the reason.

use http::request::Parts;

use super::guard::Check;
use crate::error::{Error, Kind};

/// Maximum size of the headers of a call: gRPC's C core sends and accepts 8 KiB by default, and a
/// large token needs a few more.
const MAX_BYTES: usize = 16 * 1024;
/// What RFC 9113 section 6.5.2 adds for each field.
const FIELD_BYTES: usize = 32;

/// Rejects calls with larger headers.
#[derive(Clone, Copy, Debug)]
pub struct HeaderSizeCheck;

impl Check for HeaderSizeCheck {
    type Hold = ();
    type Observer = ();

    async fn check(&self, head: &mut Parts) -> Result<((), ()), Error> {
        let bytes = size(head);
        if bytes <= MAX_BYTES {
            return Ok(((), ()));
        }
        let message = format!("{bytes} bytes of metadata; max {MAX_BYTES}");
        Err(Error::new(Kind::MessageTooLarge, message))
    }
}

fn size(head: &Parts) -> usize {
    let path = head.uri.path_and_query();
    let path = path.map_or(0, |path| path.as_str().len());
    let fields = head.headers.iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD_BYTES);
    path + fields.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http::Request;

    use super::*;

    fn checked(value_bytes: usize) -> Result<((), ()), Error> {
        let request = Request::builder()
            .uri("/")
            .header("k", "v".repeat(value_bytes));
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        HeaderSizeCheck.check(&mut head).now_or_never().unwrap()
    }

    #[test]
    fn headers_are_accepted_up_to_the_limit() {
        let rest = "/".len() + "k".len() + FIELD_BYTES;

        checked(MAX_BYTES - rest).unwrap();
        let rejected = checked(MAX_BYTES - rest + 1).unwrap_err();
        assert_eq!(rejected.kind(), Kind::MessageTooLarge);
    }
}
