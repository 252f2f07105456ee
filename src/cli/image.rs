//! The image argument: a file, `-` for standard input, or a URL.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;

use super::failure::Failure;
use crate::error::Kind;

/// Maximum size of a file that is read, in bytes: the engine decodes no larger one.
pub(super) const MAX_READ_BYTES: u64 = same_image::MAX_FILE_BYTES as u64;
/// Maximum length of a brief in the contract, in bytes.
const MAX_BRIEF_BYTES: usize = 256;

/// An image as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageArg {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// A URL that the gateway fetches.
    Url(String),
}

/// An image as it is sent.
pub(super) enum ImageSource {
    Content(Bytes),
    Url(String),
}

// === impl ImageArg ===

impl ImageArg {
    /// Reads the image without decoding it.
    pub(super) fn read(&self) -> Result<ImageSource, Failure> {
        let result = match self {
            ImageArg::Url(url) => return Ok(ImageSource::Url(url.clone())),
            ImageArg::Stdin => read_limited(std::io::stdin().lock()),
            ImageArg::File(path) => std::fs::File::open(path).and_then(read_limited),
        };
        let content = result.map_err(|error| {
            Failure::local(format!(
                "cannot read `{self}`: {}",
                error.to_string().to_lowercase()
            ))
        })?;
        check_size(content.len() as u64)?;
        Ok(ImageSource::Content(content.into()))
    }

    /// Returns the brief of an image without a `--brief`: the argument itself, so that search
    /// results are readable.
    pub(super) fn default_brief(&self) -> String {
        fit_brief(&self.to_string())
    }
}

impl From<OsString> for ImageArg {
    fn from(argument: OsString) -> Self {
        match argument.to_str() {
            Some("-") => ImageArg::Stdin,
            Some(text) if text.starts_with("http://") || text.starts_with("https://") => {
                ImageArg::Url(text.to_owned())
            }
            // The name of a file is bytes.
            _ => ImageArg::File(PathBuf::from(argument)),
        }
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

/// Checks that a file of this size can be sent, as it is or scaled down.
pub(super) fn check_size(size_bytes: u64) -> Result<(), Failure> {
    if size_bytes == 0 {
        return Err(Failure::of_kind(Kind::ImageEmpty, "the file is empty"));
    }
    if size_bytes > MAX_READ_BYTES {
        let message = format!("more than {MAX_READ_BYTES} bytes");
        return Err(Failure::of_kind(Kind::ImageSize, message));
    }
    Ok(())
}

/// Shortens a brief to its maximum length. Keeps the end, which identifies a path better than its
/// beginning.
pub(super) fn fit_brief(text: &str) -> String {
    let mut start = text.len().saturating_sub(MAX_BRIEF_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// Reads up to one byte past the limit, enough to detect that it is exceeded.
fn read_limited(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(MAX_READ_BYTES + 1).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_file_standard_input_or_a_url() {
        let parsed = |text: &str| ImageArg::from(OsString::from(text));
        assert_eq!(parsed("-"), ImageArg::Stdin);
        assert_eq!(parsed("a.jpg"), ImageArg::File("a.jpg".into()));
        assert!(matches!(
            parsed("https://example.com/a.jpg"),
            ImageArg::Url(_)
        ));
    }

    #[test]
    fn sizes_are_checked_at_the_limit() {
        assert!(check_size(0).is_err());
        assert!(check_size(MAX_READ_BYTES).is_ok());
        assert!(check_size(MAX_READ_BYTES + 1).is_err());
    }

    #[test]
    fn a_long_path_keeps_its_end_as_the_brief() {
        let path = format!("{}图/image.jpg", "x/".repeat(200));

        let brief = fit_brief(&path);

        assert!(brief.len() <= 256 && brief.ends_with("图/image.jpg"));
        assert_eq!(fit_brief(&"图".repeat(90)).len(), 255);
    }
}
