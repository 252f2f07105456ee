//! Finds the file of an image by its sign, which is a hash of its content.
//!
//! Only signs of embedded libraries are hashes of content. The files are read at the first search,
//! so a manifest without signs costs nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use same_image::ContentHash;

use super::plan::Location;
use super::source;
use crate::cli::failure::Failure;

/// The files of one folder, by sign.
pub(super) struct FileFinder {
    folder: PathBuf,
    hidden: bool,
    files: Option<HashMap<String, PathBuf>>,
}

// === impl FileFinder ===

impl FileFinder {
    /// Finds files in a folder and its subfolders, with `hidden` also hidden ones.
    pub(super) fn new(folder: &Path, hidden: bool) -> Self {
        FileFinder {
            folder: folder.to_owned(),
            hidden,
            files: None,
        }
    }

    /// Returns the first file with the content that a sign means.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub(super) fn find(&mut self, sign: &str) -> Result<Option<PathBuf>, Failure> {
        let files = match self.files.take() {
            Some(files) => files,
            None => read(&self.folder, self.hidden)?,
        };
        let found = files.get(sign).cloned();
        self.files = Some(files);
        Ok(found)
    }
}

fn read(folder: &Path, hidden: bool) -> Result<HashMap<String, PathBuf>, Failure> {
    let plan = source::find(&[folder.to_owned()], &[], hidden)?;
    let mut files = HashMap::new();
    for item in plan.items {
        let Location::File(path) = &item.location else {
            continue;
        };
        // A file that cannot be read is no match; its image is reported as missing.
        if let Ok(content) = std::fs::read(path) {
            let sign = ContentHash::of(&content).first_sign().to_string();
            files.entry(sign).or_insert_with(|| path.clone());
        }
    }
    Ok(files)
}
