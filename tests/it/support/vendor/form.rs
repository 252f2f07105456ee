//! Decodes the form of a call and records violations of the format.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::journal::Operation;

/// Maximum length of the base64 text, escaped as it is sent.
const MAX_ENCODED: usize = 4 * 1024 * 1024;

/// A decoded form.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Every field but `image`.
    pub(super) fields: BTreeMap<String, String>,
    /// The `image` field.
    pub(super) image: Image,
    /// Violations of the format.
    pub(super) violations: Vec<String>,
}

/// The `image` field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Image {
    #[default]
    Absent,
    /// Longer than the vendor accepts.
    TooLong,
    /// Not base64.
    Undecodable,
    Bytes(Bytes),
}

// === impl Form ===

impl Form {
    pub(super) fn read(operation: Operation, content_type: &str, body: &[u8]) -> Self {
        let mut form = Form::default();
        form.check_content_type(content_type);
        for pair in body.split(|byte| *byte == b'&') {
            if !pair.is_empty() {
                form.read_pair(operation, pair);
            }
        }
        form
    }

    fn check_content_type(&mut self, content_type: &str) {
        let media_type = content_type.split(';').next().unwrap_or_default();
        if media_type.trim() != "application/x-www-form-urlencoded" {
            self.add_violation(format!("the content type is `{content_type}`"));
        }
    }

    /// Reads one `name=value`; the body is split by hand because the limit of the image applies to
    /// the escaped text.
    fn read_pair(&mut self, operation: Operation, pair: &[u8]) {
        let Some((name, value)) = form_urlencoded::parse(pair).next() else {
            return;
        };
        if !allowed(operation).contains(&name.as_ref()) {
            self.add_violation(format!("unknown form field `{name}`"));
        }
        if name == "image" {
            if self.image != Image::Absent {
                self.add_violation("two `image` fields".to_owned());
            }
            self.image = self.read_image(&value, pair.len() - "image=".len());
            return;
        }
        let (name, value) = (name.into_owned(), value.into_owned());
        if self.fields.insert(name.clone(), value).is_some() {
            self.add_violation(format!("two `{name}` fields"));
        }
    }

    fn read_image(&mut self, text: &str, encoded_bytes: usize) -> Image {
        if encoded_bytes > MAX_ENCODED {
            self.add_violation(format!("`image` has {encoded_bytes} bytes"));
            return Image::TooLong;
        }
        let Ok(image) = STANDARD.decode(text) else {
            self.add_violation("`image` is not base64".to_owned());
            return Image::Undecodable;
        };
        Image::Bytes(image.into())
    }

    fn add_violation(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// The documented fields of an operation.
fn allowed(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Token => &["grant_type", "client_id", "client_secret"],
        Operation::Add => &["image", "url", "brief", "tags"],
        Operation::Search => &["image", "url", "tags", "tag_logic", "pn", "rn"],
        Operation::Update => &["image", "url", "cont_sign", "brief", "tags"],
        Operation::Delete => &["image", "url", "cont_sign"],
    }
}
