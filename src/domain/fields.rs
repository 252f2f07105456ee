//! Checked fields of requests: brief, tags, sign, URL.

use std::fmt;

use super::limits::ImageLimits;
use crate::error::{Kind, Violation};

/// Maximum length of a brief in bytes (vendor's limit).
const MAX_BRIEF_BYTES: usize = 256;
/// Maximum number of tags per image (vendor's limit).
const MAX_TAGS: usize = 2;
/// Maximum length of a URL in bytes (vendor's limit).
const MAX_URL_BYTES: usize = 1024;
/// Maximum length of a sign in bytes; our limit, six times the length that the vendor uses.
const MAX_SIGN_BYTES: usize = 128;

/// Text stored with an image and returned with each match; up to 256 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief(String);

/// Numbers that searches filter by; up to 2, each in 1..=65535.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<u16>);

/// Identifier that a backend assigned to a stored image; opaque text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContSign(String);

/// URL of an image: http or https, up to 1024 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageUrl {
    url: url::Url,
    limits: ImageLimits,
}

// === impl Brief ===

impl Brief {
    /// Checks the length.
    ///
    /// # Errors
    ///
    /// `ParameterTooLong` above 256 bytes; nothing is truncated.
    pub fn new(text: String) -> Result<Self, Violation> {
        if text.len() > MAX_BRIEF_BYTES {
            let message = format!("{} bytes; max {MAX_BRIEF_BYTES}", text.len());
            return Err(Violation::new("brief", Kind::ParameterTooLong, message));
        }
        Ok(Brief(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

// === impl Tags ===

impl Tags {
    /// Checks count and range; equal tags are valid.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for more than 2 tags, for a 0, and for a number above 65535.
    pub fn new(tags: &[u32]) -> Result<Self, Violation> {
        let violation = |message| Violation::new("tags", Kind::InvalidParameter, message);
        if tags.len() > MAX_TAGS {
            return Err(violation(format!("{} tags; max {MAX_TAGS}", tags.len())));
        }
        let checked = tags.iter().map(|tag| match u16::try_from(*tag) {
            Ok(tag @ 1..) => Ok(tag),
            Ok(0) | Err(_) => Err(violation(format!("{tag}; each must be 1 to 65535"))),
        });
        Ok(Tags(checked.collect::<Result<_, _>>()?))
    }

    /// Returns the numbers, in the caller's order.
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }
}

// === impl ContSign ===

impl ContSign {
    /// Checks a sign; white space around it is removed.
    ///
    /// # Errors
    ///
    /// `MissingParameter` when empty, `ParameterTooLong` above 128 bytes, `InvalidParameter` when
    /// it contains a control character or a `;`, which separates signs in the same_hq format.
    pub fn new(text: &str) -> Result<Self, Violation> {
        let violation = |kind, message: String| Err(Violation::new("cont_sign", kind, message));
        let text = text.trim();
        if text.is_empty() {
            return violation(Kind::MissingParameter, "the sign is empty".to_owned());
        }
        if text.len() > MAX_SIGN_BYTES {
            return violation(
                Kind::ParameterTooLong,
                format!("{} bytes; max {MAX_SIGN_BYTES}", text.len()),
            );
        }
        if text.contains(|c: char| c == ';' || c.is_control()) {
            return violation(
                Kind::InvalidParameter,
                "a sign contains no `;` and no control character".to_owned(),
            );
        }
        Ok(ContSign(text.to_owned()))
    }

    /// Returns the sign as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl ImageUrl ===

impl ImageUrl {
    /// Checks length, syntax and scheme; whether the URL may be fetched is checked where it is
    /// fetched.
    ///
    /// # Errors
    ///
    /// `UrlSize` when empty or above 1024 bytes, `UrlFormat` when it is not an absolute http or
    /// https URL.
    pub fn new(text: impl AsRef<str>, limits: ImageLimits) -> Result<Self, Violation> {
        let violation = |kind, message: String| Err(Violation::new("url", kind, message));
        let text = text.as_ref();
        if text.is_empty() || text.len() > MAX_URL_BYTES {
            return violation(
                Kind::UrlSize,
                format!("{} bytes; 1 to {MAX_URL_BYTES}", text.len()),
            );
        }
        match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(ImageUrl { url, limits })
            }
            Ok(_) | Err(_) => violation(
                Kind::UrlFormat,
                "not an absolute http or https URL".to_owned(),
            ),
        }
    }

    /// Returns the parsed URL.
    pub fn as_url(&self) -> &url::Url {
        &self.url
    }

    /// Returns the limits of the image at the URL.
    pub fn limits(&self) -> ImageLimits {
        self.limits
    }
}

impl fmt::Debug for ImageUrl {
    /// Writes the host only: path and query can contain a caller's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageUrl({})", self.url.host_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_brief_is_counted_in_bytes_not_characters() {
        Brief::new("x".repeat(256)).unwrap();
        Brief::new(format!("{}图", "x".repeat(253))).unwrap();

        for text in ["x".repeat(257), format!("{}图", "x".repeat(254))] {
            assert_eq!(Brief::new(text).unwrap_err().kind, Kind::ParameterTooLong);
        }
    }

    #[test]
    fn up_to_two_tags_from_1_to_65535_are_accepted_also_equal_ones() {
        for tags in [&[][..], &[1], &[1, 1], &[1, 65_535]] {
            assert_eq!(Tags::new(tags).unwrap().as_slice().len(), tags.len());
        }
        for tags in [&[0][..], &[65_536], &[1, 2, 3], &[1, u32::MAX]] {
            assert_eq!(Tags::new(tags).unwrap_err().kind, Kind::InvalidParameter);
        }
    }

    #[test]
    fn a_sign_is_trimmed_and_cannot_contain_a_second_sign() {
        assert_eq!(ContSign::new(" 1,2\n").unwrap().as_str(), "1,2");
        assert_eq!(
            ContSign::new("1,2;3,4").unwrap_err().kind,
            Kind::InvalidParameter
        );
        assert_eq!(
            ContSign::new("  ").unwrap_err().kind,
            Kind::MissingParameter
        );
        assert_eq!(
            ContSign::new(&"1".repeat(129)).unwrap_err().kind,
            Kind::ParameterTooLong
        );
    }

    #[test]
    fn only_absolute_http_and_https_urls_are_accepted() {
        ImageUrl::new("https://example.org/a.jpg?x=1", ImageLimits::VENDOR).unwrap();

        for text in [
            "a.jpg",
            "ftp://example.org/a",
            "file:///etc/passwd",
            "http://",
            "data:image/png;base64,",
        ] {
            assert_eq!(
                ImageUrl::new(text, ImageLimits::VENDOR).unwrap_err().kind,
                Kind::UrlFormat,
                "{text}"
            );
        }
        for text in [String::new(), format!("http://a/{}", "x".repeat(1024))] {
            assert_eq!(
                ImageUrl::new(text, ImageLimits::VENDOR).unwrap_err().kind,
                Kind::UrlSize
            );
        }
    }
}
