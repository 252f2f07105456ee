//! The list of images that were not stored, as JSON lines.
//!
//! ```text
//! {"key":"photos/b.jpg","path":"photos/b.jpg","error":{"code":…,"reason":…,"message":…}}
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::plan::Location;
use crate::cli::failure::Failure;

/// An open list.
pub(super) struct FailureList {
    path: PathBuf,
    file: File,
    count: u64,
}

// === impl FailureList ===

impl FailureList {
    /// Creates the list, or empties the one of an earlier run.
    pub(super) fn create(path: PathBuf) -> Result<Self, Failure> {
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(FailureList {
            path,
            file,
            count: 0,
        })
    }

    /// Writes one image.
    pub(super) fn write(
        &mut self,
        key: &str,
        location: Option<&Location>,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let mut line = json!({ "key": key, "error": failure.to_json() });
        match location {
            Some(Location::File(path)) => line["path"] = Value::from(path.to_string_lossy()),
            Some(Location::Url(url)) => line["url"] = Value::from(url.as_str()),
            None => {}
        }
        self.count += 1;
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| unwritable(&self.path, &error))
    }

    /// Closes the list and returns its path; removes an empty one.
    pub(super) fn finish(self) -> Result<Option<PathBuf>, Failure> {
        if self.count > 0 {
            return Ok(Some(self.path));
        }
        std::fs::remove_file(&self.path).map_err(|error| unwritable(&self.path, &error))?;
        Ok(None)
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let cause = error.to_string().to_lowercase();
    let message = format!(
        "cannot write the failure list `{}`: {cause}",
        path.display()
    );
    Failure::local(message).with_advice("give a writable path with --failures")
}
