//! Fields of a query string, an urlencoded body or a multipart body.
//!
//! Values stay slices of the body, escaped as they came, until a field is
//! asked for: an image of megabytes is unescaped and decoded in one pass and
//! never copied as text. Names that mean nothing here are dropped unread. A
//! body that claims to be JSON, or nothing, is read as urlencoded too: the
//! vendor finds no field in JSON either, and answers that one is missing.

use std::collections::BTreeMap;

use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, header};

use super::image;
use crate::domain::RawSource;
use crate::error::{Error, Kind, Result, Violation};

/// Every name that a field of this API has.
const NAMES: [&str; 13] = [
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
/// The fields of a request by name; of a repeated field the first counts.
#[derive(Default)]
pub(super) struct Fields(BTreeMap<&'static str, Value>);

/// One field's text as it came.
struct Value {
    text: Bytes,
    encoding: Encoding,
}

/// How a field's text is written.
#[derive(Clone, Copy)]
enum Encoding {
    /// With `+` for a space and percent escapes.
    Form,
    /// As it is.
    Plain,
}

/// Reads the body of a request of at most `max_bytes`.
///
/// # Errors
///
/// `MessageTooLarge` for a longer one; `InvalidParameter` for one that breaks
/// off, is not UTF-8, or claims to be a multipart body and is none.
pub(super) async fn read(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Fields> {
    let body = collect(body, max_bytes).await?;
    let content_type = headers.get(header::CONTENT_TYPE);
    let kind = content_type.map_or(&b""[..], |value| value.as_bytes());
    let multipart = b"multipart/form-data";
    match kind.get(..multipart.len()) {
        Some(kind) if kind.eq_ignore_ascii_case(multipart) => {
            let mut request = Request::new(Body::from(body));
            *request.headers_mut() = headers.clone();
            read_multipart(request).await
        }
        Some(_) | None => Fields::of_form(&body),
    }
}

async fn collect(body: Body, max_bytes: usize) -> Result<Bytes> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut collected = Vec::with_capacity(announced.min(max_bytes));
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| broken("the body breaks off").with_source(error))?;
        if collected.len() + frame.len() > max_bytes {
            let message = format!("the body is longer than {max_bytes} bytes");
            return Err(Error::new(Kind::MessageTooLarge, message));
        }
        collected.extend_from_slice(&frame);
    }
    Ok(collected.into())
}

async fn read_multipart(mut request: Request) -> Result<Fields> {
    let malformed = || broken("the multipart body is malformed");
    // The body was measured above; axum's own limit is 2 MB.
    DefaultBodyLimit::disable().apply(&mut request);
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|error| malformed().with_source(error))?;
    let mut fields = Fields::default();
    loop {
        let part = parts.next_field().await;
        let Some(part) = part.map_err(|error| malformed().with_source(error))? else {
            return Ok(fields);
        };
        let Some(name) = known(&part.name().unwrap_or_default().bytes()) else {
            continue;
        };
        let text = part.bytes().await;
        let text = text.map_err(|error| malformed().with_source(error))?;
        fields.keep(name, text, Encoding::Plain);
    }
}

fn broken(message: &str) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

// === impl Fields ===

impl Fields {
    /// Reads the query of an address.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        let query = Bytes::copy_from_slice(query.as_bytes());
        // It was a text already, so nothing is rejected.
        Fields::of_form(&query).unwrap_or_default()
    }

    /// Reads an urlencoded text; every UTF-8 text is one.
    fn of_form(body: &Bytes) -> Result<Self> {
        // Text is searched 20 times as fast as bytes are (measured on 4 MB).
        let text = std::str::from_utf8(body);
        let text = text.map_err(|error| broken("the body is not UTF-8").with_source(error))?;
        let mut fields = Fields::default();
        for pair in text.split('&') {
            // Java's SDK writes an empty value without its `=`.
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known(&unescape(name.as_bytes())) else {
                continue;
            };
            fields.keep(name, body.slice_ref(value.as_bytes()), Encoding::Form);
        }
        Ok(fields)
    }

    fn keep(&mut self, name: &'static str, text: Bytes, encoding: Encoding) {
        self.0.entry(name).or_insert(Value { text, encoding });
    }

    /// Text of a field; `None` when it was not sent.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` when it is not UTF-8: what is stored must come back
    /// as it was, so nothing is replaced.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let bytes = match value.encoding {
            Encoding::Form => unescape(&value.text).collect(),
            Encoding::Plain => value.text.to_vec(),
        };
        let violation = |_| Violation::new(name, Kind::InvalidParameter, "not UTF-8");
        let text = String::from_utf8(bytes).map_err(violation);
        text.map(Some)
            .map_err(|violation| Error::invalid(vec![violation]))
    }

    /// Whether a field was sent with something in it.
    pub(super) fn is_filled(&self, name: &str) -> bool {
        let value = self.0.get(name);
        value.is_some_and(|value| !value.text.is_empty())
    }

    /// Whether a field was sent, perhaps empty.
    pub(super) fn is_sent(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// ImageFile in a field: base64 text, decoded; no bytes when it was not sent.
    pub(super) fn image(&self, name: &str) -> RawSource {
        let Some(value) = self.0.get(name) else {
            return RawSource::Content(Bytes::new());
        };
        // Base64 has no `%`, so escapes are undone in multipart bodies too.
        let image = image::decode(&value.text);
        image.map_or(RawSource::Undecodable, RawSource::Content)
    }
}

/// Finds the name that a field of this API has, among texts of any length.
fn known(name: &(impl Iterator<Item = u8> + Clone)) -> Option<&'static str> {
    let mut names = NAMES.into_iter();
    names.find(|known| name.clone().eq(known.bytes()))
}

/// Undoes form encoding byte by byte; what is no escape stays as it is
/// (WHATWG URL standard, application/x-www-form-urlencoded parsing).
fn unescape(text: &[u8]) -> impl Iterator<Item = u8> + Clone {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, tail) = rest.split_first()?;
        rest = tail;
        match first {
            b'+' => Some(b' '),
            b'%' => match escape(tail) {
                Some(byte) => {
                    rest = &tail[2..];
                    Some(byte)
                }
                None => Some(b'%'),
            },
            byte => Some(*byte),
        }
    })
}

/// Reads the two hex digits behind a `%`.
pub(super) fn escape(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*digits.get(index)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(text: impl AsRef<[u8]>) -> Fields {
        Fields::of_form(&Bytes::copy_from_slice(text.as_ref())).unwrap()
    }

    fn text(fields: &Fields, name: &str) -> Option<String> {
        fields.text(name).unwrap()
    }

    #[test]
    fn escapes_are_undone_in_names_and_values_and_broken_ones_stay() {
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
    fn the_first_of_repeated_fields_counts_and_unknown_ones_do_not() {
        let fields = form("brief=a=b&brief=c&Brief=d&x=y&&=");

        assert_eq!(text(&fields, "brief").unwrap(), "a=b");
        assert_eq!(fields.0.len(), 1);
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
        fn any_text_is_read_as_the_url_standard_reads_them(
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
        fn no_bytes_whatever_make_the_reader_panic(
            name in 0..NAMES.len(),
            value in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let body = [NAMES[name].as_bytes(), b"=", &value].concat();
            let Ok(fields) = Fields::of_form(&body.into()) else {
                return Ok(());
            };
            for name in NAMES {
                let _ = (fields.text(name).is_ok(), fields.is_filled(name));
                let _ = fields.image(name).check().is_ok();
            }
        }

        #[test]
        fn a_broken_or_cut_escape_never_reaches_past_the_end(body in "[%0-9a-g+=&]{0,24}") {
            let ours: Vec<u8> = unescape(body.as_bytes()).collect();
            let wrapped = format!("x={}", body.replace(['&', '='], "_"));
            let standard = form_urlencoded::parse(wrapped.as_bytes()).next().unwrap().1;
            let again: Vec<u8> = unescape(body.replace(['&', '='], "_").as_bytes()).collect();

            prop_assert!(ours.len() <= body.len());
            prop_assert_eq!(String::from_utf8_lossy(&again), standard);
        }
    }
}
