//! The media type of a request. What decides whether a request may be a call, and what reads the call,
//! must agree on it.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Returns the content type without parameters, which may be of any bytes; none without the header.
pub fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let kind = headers.get(CONTENT_TYPE)?.as_bytes();
    Some(kind.split(|byte| *byte == b';').next()?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn parameters_do_not_count() {
        for kind in [
            &b"application/json"[..],
            b"application/json;",
            b"application/json ; charset=utf-8",
            b"application/json; name=\xff; b=c",
        ] {
            let value = HeaderValue::from_bytes(kind).unwrap();
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);

            assert_eq!(media_type(&headers), Some(&b"application/json"[..]));
        }
        assert_eq!(media_type(&HeaderMap::new()), None);
    }
}
