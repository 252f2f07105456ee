//! The query images of a command: files, folders, URLs, standard input, or signs of stored images.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use samegate_client::Image;

use super::failure::Failure;
use super::image::ImageArg;
use super::import;
use super::output::Output;
use super::scale::{Loader, Scaled};

/// A query image as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryArg {
    /// A file, a folder, a URL or standard input.
    Image(ImageArg),
    /// The sign of a stored image.
    Sign(String),
}

/// Query images, and what was named and cannot be one.
pub(super) struct Queries {
    pub(super) images: Vec<QueryArg>,
    pub(super) unusable: Vec<(String, Failure)>,
}

// === impl QueryArg ===

impl QueryArg {
    /// Returns whether it is a folder, which stands for the images in it.
    pub(super) fn is_folder(&self) -> bool {
        self.file().is_some_and(Path::is_dir)
    }

    /// Reads the image, and scales it down if the library takes only smaller ones.
    pub(super) async fn load(
        &self,
        loader: &mut Loader,
    ) -> Result<(Image, Option<Scaled>), Failure> {
        match self {
            QueryArg::Sign(sign) => Ok((Image::sign(sign), None)),
            QueryArg::Image(image) => loader.load(image).await,
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            QueryArg::Image(ImageArg::File(path)) => Some(path),
            QueryArg::Image(ImageArg::Stdin | ImageArg::Url(_)) | QueryArg::Sign(_) => None,
        }
    }
}

impl From<OsString> for QueryArg {
    fn from(argument: OsString) -> Self {
        match argument.to_str() {
            Some(text) if is_sign(text) && !Path::new(text).exists() => {
                QueryArg::Sign(text.to_owned())
            }
            _ => QueryArg::Image(argument.into()),
        }
    }
}

impl fmt::Display for QueryArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryArg::Image(image) => image.fmt(f),
            QueryArg::Sign(sign) => f.write_str(sign),
        }
    }
}

// === impl Queries ===

impl Queries {
    /// Replaces folders by the images in them, in the order of names.
    ///
    /// # Errors
    ///
    /// When a folder has no image.
    pub(super) fn find(args: &[QueryArg]) -> Result<Self, Failure> {
        let mut queries = Queries {
            images: Vec::new(),
            unusable: Vec::new(),
        };
        for arg in args {
            match arg.file().filter(|path| path.is_dir()) {
                None => queries.images.push(arg.clone()),
                Some(folder) => {
                    let found = import::find_files(&[folder.to_owned()], false)?;
                    queries.add_files(found.files);
                    queries.unusable.extend(found.unusable);
                }
            }
        }
        Ok(queries)
    }

    fn add_files(&mut self, files: Vec<PathBuf>) {
        let images = files.into_iter().map(ImageArg::File);
        self.images.extend(images.map(QueryArg::Image));
    }

    /// Shows what cannot be a query.
    pub(super) fn show_unusable(&self, json: bool, output: &mut Output) {
        for (name, failure) in &self.unusable {
            show_failure(name, failure, json, output);
        }
    }
}

/// Shows the failure of one image of many.
pub(super) fn show_failure(name: &str, failure: &Failure, json: bool, output: &mut Output) {
    if json {
        output.json(&serde_json::json!({ "file": name, "error": failure.to_json() }));
    } else {
        output.note(&format!("error: `{name}`: {failure}"));
    }
}

/// Returns whether a text has the form of a sign: two numbers with a comma.
fn is_sign(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once(',')
        .is_some_and(|(first, second)| is_number(first) && is_number(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_with_a_comma_are_a_sign_unless_a_file_has_this_name() {
        let parsed = |text: &str| QueryArg::from(OsString::from(text));

        assert_eq!(parsed("12,34"), QueryArg::Sign("12,34".to_owned()));
        for other in ["12", "12,", "a,1", "12,34.jpg", "-", "http://h/1,2"] {
            assert!(matches!(parsed(other), QueryArg::Image(_)), "{other}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("12,34");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(parsed(file.to_str().unwrap()), QueryArg::Image(_)));
    }
}
