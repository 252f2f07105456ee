//! The image argument: a file, `-` for standard input, or a URL.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;

use super::failure::Failure;
use crate::error::Kind;

/// Largest image that the contract allows (`AddImageRequest.content`), in
/// bytes.
pub(super) const MAX_FILE_BYTES: u64 = 3_145_728;
/// Longest brief that the contract allows, in bytes.
const MAX_BRIEF_BYTES: usize = 256;

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageArg {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// An address that the gateway fetches.
    Url(String),
}

/// An image as it is sent.
pub(super) enum Image {
    Content(Bytes),
    Url(String),
}

// === impl ImageArg ===

impl ImageArg {
    /// Reads the image; only the gateway looks into it.
    pub(super) fn read(&self) -> Result<Image, Failure> {
        let content = match self {
            ImageArg::Url(url) => return Ok(Image::Url(url.clone())),
            ImageArg::Stdin => read_at_most(std::io::stdin().lock()),
            ImageArg::File(path) => std::fs::File::open(path).and_then(read_at_most),
        };
        let content = content.map_err(|error| {
            Failure::local(format!(
                "cannot read `{self}`: {}",
                error.to_string().to_lowercase()
            ))
        })?;
        check_size(content.len() as u64)?;
        Ok(Image::Content(content.into()))
    }

    /// The brief for an image that was given none: the argument itself, so
    /// that search results are readable.
    pub(super) fn default_brief(&self) -> String {
        fit_brief(&self.to_string())
    }
}

impl From<&str> for ImageArg {
    fn from(text: &str) -> Self {
        if text == "-" {
            return ImageArg::Stdin;
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return ImageArg::Url(text.to_owned());
        }
        ImageArg::File(PathBuf::from(text))
    }
}

impl fmt::Display for ImageArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageArg::Stdin => f.write_str("-"),
            ImageArg::File(path) => path.display().fmt(f),
            ImageArg::Url(url) => f.write_str(url),
        }
    }
}

/// Tells whether the contract allows an image of this many bytes, so that no
/// upload is wasted on one that will be rejected.
pub(super) fn check_size(size_bytes: u64) -> Result<(), Failure> {
    if size_bytes == 0 {
        return Err(Failure::of_kind(Kind::ImageEmpty, "the file is empty"));
    }
    if size_bytes > MAX_FILE_BYTES {
        let message = format!("more than {MAX_FILE_BYTES} bytes");
        return Err(Failure::of_kind(Kind::ImageSize, message));
    }
    Ok(())
}

/// Shortens a brief to what the contract allows; the end of a path tells more
/// than its beginning.
pub(super) fn fit_brief(text: &str) -> String {
    let mut start = text.len().saturating_sub(MAX_BRIEF_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// Reads one byte past the limit at most, enough to see that it is passed.
fn read_at_most(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_file_standard_input_or_an_address() {
        assert_eq!(ImageArg::from("-"), ImageArg::Stdin);
        assert_eq!(ImageArg::from("a.jpg"), ImageArg::File("a.jpg".into()));
        assert!(matches!(
            ImageArg::from("https://example.com/a.jpg"),
            ImageArg::Url(_)
        ));
    }

    #[test]
    fn sizes_are_checked_at_the_limit() {
        assert!(check_size(0).is_err());
        assert!(check_size(MAX_FILE_BYTES).is_ok());
        assert!(check_size(MAX_FILE_BYTES + 1).is_err());
    }

    #[test]
    fn a_long_path_keeps_its_end_as_the_brief() {
        let path = format!("{}图/image.jpg", "x/".repeat(200));

        let brief = fit_brief(&path);

        assert!(brief.len() <= 256 && brief.ends_with("图/image.jpg"));
        assert_eq!(fit_brief(&"图".repeat(90)).len(), 255);
    }
}
