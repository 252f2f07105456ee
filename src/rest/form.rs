//! Fields of a query string, an urlencoded body or a multipart body.
//!
//! Values are slices of the body, still escaped, until a field is read: an image of megabytes is
//! unescaped and decoded in one pass and never copied as text. Fields with unknown names are
//! ignored. A body without a content type is read as urlencoded. Others are rejected: an operation
//! reads forms only, and a web page sends `text/plain` anywhere without asking.
//!
//! Text is UTF-8, unless an urlencoded body declares another charset: programs in China send GBK. A
//! charset that is no superset of ASCII is rejected, since `&`, `=` and `%` could be parts of
//! characters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use futures_util::StreamExt;
use http::{HeaderMap, header};

use super::escape::unescape;
use super::image;
use crate::domain::RawSource;
use crate::error::{Error, Kind, Result};

/// The name of every field of this API.
pub(super) const NAMES: [&str; 13] = [
    "access_token",
    "brief",
    "client_id",
    "client_secret",
    "cont_sign",
    "grant_type",
    "image",
    "library",
    "pn",
    "rn",
    "tag_logic",
    "tags",
    "url",
];
const URLENCODED: &[u8] = b"application/x-www-form-urlencoded";
const MULTIPART: &[u8] = b"multipart/form-data";
/// The field of an error about the content type.
pub(super) const CONTENT_TYPE: &str = "content-type";
/// Which content types are valid.
pub(super) const CONTENT_TYPES: &str =
    "must be application/x-www-form-urlencoded or multipart/form-data";

/// The field of an error about the charset.
pub(super) const CHARSET: &str = "charset";
/// Which charsets are valid.
pub(super) const CHARSETS: &str =
    "must be one of the WHATWG Encoding Standard that contains ASCII, such as UTF-8 or GBK";

/// The fields of a request by name; the first of several fields with the same name is used.
pub(super) struct Fields {
    values: BTreeMap<&'static str, FieldValue>,
    charset: &'static Encoding,
}

/// The text of one field, as it was sent.
struct FieldValue {
    text: Bytes,
    escapes: Escapes,
}

/// How the bytes of a field are escaped.
#[derive(Clone, Copy)]
enum Escapes {
    /// With `+` for a space and percent-encoding.
    Form,
    /// Not escaped.
    None,
}

/// Reads the fields of an operation's body of up to `max_bytes`.
///
/// # Errors
///
/// As [`read_any`], and `InvalidParameter` for a content type that is no form's, or whose charset is
/// unknown.
pub(super) async fn read(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Fields> {
    let (media_type, parameters) = content_type(headers).unwrap_or((URLENCODED, &[]));
    let kind = Kind::InvalidParameter;
    if media_type.eq_ignore_ascii_case(MULTIPART) {
        return read_any(headers, body, max_bytes).await;
    }
    if !media_type.eq_ignore_ascii_case(URLENCODED) {
        return Err(Error::violation(CONTENT_TYPE, kind, CONTENT_TYPES));
    }
    let charset = charset(parameters).ok_or_else(|| Error::violation(CHARSET, kind, CHARSETS))?;
    Fields::from_form(&collect(body, max_bytes).await?, charset)
}

/// Splits the content type into media type and parameters.
fn content_type(headers: &HeaderMap) -> Option<(&[u8], &[u8])> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let end = value.iter().position(|byte| *byte == b';');
    let (media_type, parameters) = value.split_at(end.unwrap_or(value.len()));
    Some((media_type.trim_ascii(), parameters))
}

/// Returns the charset in the parameters of a content type, UTF-8 without one; `None` for one that
/// cannot be read.
fn charset(parameters: &[u8]) -> Option<&'static Encoding> {
    let mut values = parameters.split(|byte| *byte == b';').filter_map(|pair| {
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        name.trim_ascii()
            .eq_ignore_ascii_case(CHARSET.as_bytes())
            .then(|| value[1..].trim_ascii())
    });
    let Some(label) = values.next() else {
        return Some(UTF_8);
    };
    let label = label.strip_prefix(b"\"").unwrap_or(label);
    let charset = Encoding::for_label(label.strip_suffix(b"\"").unwrap_or(label))?;
    if charset == WINDOWS_1252 {
        // US-ASCII or ISO 8859-1: HTTP libraries declare them by default, for escapes of UTF-8.
        return Some(UTF_8);
    }
    charset.is_ascii_compatible().then_some(charset)
}

/// Reads the fields of a body of up to `max_bytes`, whatever its content type is.
///
/// # Errors
///
/// `MessageTooLarge` for a longer body; `InvalidParameter` for a body that is incomplete, is not
/// UTF-8, or has a multipart content type and is malformed.
pub(super) async fn read_any(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Fields> {
    let body = collect(body, max_bytes).await?;
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    match content_type.get(..MULTIPART.len()) {
        Some(start) if start.eq_ignore_ascii_case(MULTIPART) => {
            let mut request = Request::new(Body::from(body));
            *request.headers_mut() = headers.clone();
            read_multipart(request).await
        }
        Some(_) | None => Fields::from_form(&body, UTF_8),
    }
}

async fn collect(body: Body, max_bytes: usize) -> Result<Bytes> {
    let content_length = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut collected = Vec::with_capacity(content_length.min(max_bytes));
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| invalid("the body is incomplete").with_source(error))?;
        if collected.len() + frame.len() > max_bytes {
            let message = format!("the body is longer than {max_bytes} bytes");
            return Err(Error::new(Kind::MessageTooLarge, message));
        }
        collected.extend_from_slice(&frame);
    }
    Ok(collected.into())
}

async fn read_multipart(mut request: Request) -> Result<Fields> {
    // `collect` has checked the size; axum's own limit is 2 MB.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(malformed)?;
    let mut fields = Fields::new(UTF_8);
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        if let Some(name) = known_name(&part.name().unwrap_or_default().bytes()) {
            fields.insert(name, part.bytes().await.map_err(malformed)?, Escapes::None);
        }
    }
    Ok(fields)
}

fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    invalid("the multipart body is malformed").with_source(error)
}

fn invalid(message: &str) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

// === impl Fields ===

impl Fields {
    /// Reads the query of a URL.
    pub(super) fn from_query(query: Option<&str>) -> Self {
        let query = Bytes::copy_from_slice(query.unwrap_or_default().as_bytes());
        // Cannot fail: a `str` is UTF-8.
        Fields::from_form(&query, UTF_8).unwrap_or_else(|_| Fields::new(UTF_8))
    }

    fn new(charset: &'static Encoding) -> Self {
        Fields {
            values: BTreeMap::new(),
            charset,
        }
    }

    /// Reads an urlencoded text; every UTF-8 text is valid, and all bytes in another charset are.
    fn from_form(body: &Bytes, charset: &'static Encoding) -> Result<Self> {
        let mut fields = Fields::new(charset);
        match std::str::from_utf8(body) {
            // Splitting a `str` is 20 times as fast as splitting bytes (measured on 4 MB).
            Ok(text) => {
                let pairs = text.split('&').map(str::as_bytes);
                pairs.for_each(|pair| fields.insert_pair(body, pair));
            }
            // Characters that are not escaped; mostly the body is ASCII in any charset.
            Err(_) if charset != UTF_8 => {
                let pairs = body.split(|byte| *byte == b'&');
                pairs.for_each(|pair| fields.insert_pair(body, pair));
            }
            Err(error) => return Err(invalid("the body is not UTF-8").with_source(error)),
        }
        Ok(fields)
    }

    fn insert_pair(&mut self, body: &Bytes, pair: &[u8]) {
        let equals = pair.iter().position(|byte| *byte == b'=');
        // The Java SDK writes an empty value without its `=`.
        let (name, value) = equals.map_or((pair, &pair[pair.len()..]), |equals| {
            (&pair[..equals], &pair[equals + 1..])
        });
        if let Some(name) = known_name(&unescape(name)) {
            self.insert(name, body.slice_ref(value), Escapes::Form);
        }
    }

    /// Returns the text of a field; `None` when it was not sent.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` when it is not in the charset: no character is replaced, so that a stored
    /// text is returned unchanged.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.values.get(name) else {
            return Ok(None);
        };
        let bytes = match value.escapes {
            Escapes::Form => unescape(&value.text).collect(),
            Escapes::None => value.text.to_vec(),
        };
        let text = if self.charset == UTF_8 {
            String::from_utf8(bytes).ok()
        } else {
            let text = self
                .charset
                .decode_without_bom_handling_and_without_replacement(&bytes);
            text.map(Cow::into_owned)
        };
        let invalid = || {
            let message = format!("not {}", self.charset.name());
            Error::violation(name, Kind::InvalidParameter, message)
        };
        text.ok_or_else(invalid).map(Some)
    }

    /// Returns whether a field was sent and is not empty.
    pub(super) fn is_filled(&self, name: &str) -> bool {
        self.values
            .get(name)
            .is_some_and(|value| !value.text.is_empty())
    }

    /// Returns whether a field was sent, also when it is empty.
    pub(super) fn is_sent(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns how many bytes the image may have when it is decoded.
    pub(super) fn max_image_bytes(&self) -> usize {
        let text = self.values.get("image").map_or(0, |value| value.text.len());
        text.div_ceil(4) * 3
    }

    /// Decodes the image in a field from base64; a field that was not sent is an empty image.
    pub(super) fn image(&self, name: &str) -> RawSource {
        let Some(value) = self.values.get(name) else {
            return RawSource::Content(Bytes::new());
        };
        // Base64 contains no `%`, so escapes are undone in multipart bodies too.
        image::decode(&value.text).map_or(RawSource::Undecodable, RawSource::Content)
    }

    fn insert(&mut self, name: &'static str, text: Bytes, escapes: Escapes) {
        let value = FieldValue { text, escapes };
        self.values.entry(name).or_insert(value);
    }
}

/// Finds the name of a field of this API, without a copy of what was sent.
fn known_name(sent: &(impl Iterator<Item = u8> + Clone)) -> Option<&'static str> {
    NAMES.into_iter().find(|name| sent.clone().eq(name.bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(text: impl AsRef<[u8]>) -> Fields {
        Fields::from_form(&Bytes::copy_from_slice(text.as_ref()), UTF_8).unwrap()
    }

    fn text(fields: &Fields, name: &str) -> Option<String> {
        fields.text(name).unwrap()
    }

    #[test]
    fn escapes_are_undone_in_names_and_values_and_invalid_ones_are_unchanged() {
        let fields = form("%62rief=a+b%2Bc%e5%9b%be&tags=%&pn=%4&rn=%zz1&url=%+%25");

        assert_eq!(text(&fields, "brief").unwrap(), "a b+c图");
        assert_eq!(text(&fields, "tags").unwrap(), "%");
        assert_eq!(text(&fields, "pn").unwrap(), "%4");
        assert_eq!(text(&fields, "rn").unwrap(), "%zz1");
        assert_eq!(text(&fields, "url").unwrap(), "% %");
    }

    #[test]
    fn a_key_without_an_equals_sign_is_an_empty_value() {
        let fields = form("brief&tags=&url");

        for name in ["brief", "tags", "url"] {
            assert_eq!(text(&fields, name).unwrap(), "");
            assert!(fields.is_sent(name) && !fields.is_filled(name));
        }
        assert!(!fields.is_sent("image"));
    }

    #[test]
    fn the_first_of_several_fields_with_one_name_is_used_and_unknown_names_are_ignored() {
        let fields = form("brief=a=b&brief=c&Brief=d&x=y&&=");

        assert_eq!(text(&fields, "brief").unwrap(), "a=b");
        assert_eq!(fields.values.len(), 1);
    }

    #[test]
    fn a_text_that_is_not_utf8_is_rejected_rather_than_changed() {
        let error = form("brief=%c4%e3").text("brief").unwrap_err();

        assert_eq!(error.kind(), Kind::InvalidParameter);
    }

    proptest! {
        #[test]
        fn what_a_client_writes_is_read_back(
            values in proptest::collection::vec((0..NAMES.len(), ".{0,40}"), 0..6),
        ) {
            let pairs = values.iter().map(|(name, value)| (NAMES[*name], value));
            let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let fields = form(written);

            for name in NAMES {
                let first = values.iter().find(|(index, _)| NAMES[*index] == name);
                prop_assert_eq!(text(&fields, name), first.map(|(_, value)| value.clone()));
            }
        }

        #[test]
        fn any_text_is_parsed_as_the_url_standard_says(
            names in proptest::collection::vec(0..NAMES.len(), 1..4),
            values in proptest::collection::vec("([^&]|%[0-9a-f]{2}){0,40}", 1..4),
        ) {
            let pairs = names.iter().zip(&values).map(|(name, value)| format!("{}={value}&", NAMES[*name]));
            let body: String = pairs.collect();
            let fields = form(&body);

            for name in NAMES {
                let mut standard = form_urlencoded::parse(body.as_bytes());
                let expected = standard.find(|(found, _)| found == name).map(|(_, value)| value);
                if let Ok(read) = fields.text(name) {
                    prop_assert_eq!(read.as_deref(), expected.as_deref());
                }
            }
        }

        #[test]
        fn no_input_makes_the_parser_panic(
            name in 0..NAMES.len(),
            value in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let body = [NAMES[name].as_bytes(), b"=", &value].concat();
            let Ok(fields) = Fields::from_form(&body.into(), UTF_8) else {
                return Ok(());
            };
            for name in NAMES {
                let _ = (fields.text(name).is_ok(), fields.is_filled(name));
                let _ = fields.image(name).check(crate::domain::ImageLimits::VENDOR).is_ok();
            }
        }
    }
}
