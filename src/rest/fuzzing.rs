//! Entry points for the fuzz targets (`fuzz/`) into private parts; compiled only for them.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::form::{self, NAMES};
use super::{image, params};

/// Length up to which a fuzzed body is read.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads a body as every operation reads it; returns the text of each field that can be read, or
/// `None` for a body that is rejected.
pub async fn read(
    content_type: &'static str,
    body: &[u8],
) -> Option<Vec<(&'static str, Option<String>)>> {
    let content_type = HeaderValue::from_static(content_type);
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
    let body = Body::from(body.to_vec());
    let form = form::read(&headers, body, MAX_BYTES).await.ok()?;
    let _ = (params::add(&form).is_ok(), params::search(&form).is_ok());
    let _ = (params::update(&form).is_ok(), params::delete(&form).is_ok());
    let texts = NAMES.map(|name| form.text(name).ok().map(|text| (name, text)));
    Some(texts.into_iter().flatten().collect())
}

/// Decodes the text of an image.
pub fn decode(text: &[u8]) -> Option<Bytes> {
    image::decode(text)
}
