//! The list of images that are not in the library, as JSON lines.
//!
//! ```text
//! {"key":"photos/b.jpg","path":"photos/b.jpg","error":{"code":…,"reason":…,"message":…}}
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::source::Origin;
use crate::cli::failure::Failure;

/// An open list.
pub(super) struct Failures {
    path: PathBuf,
    file: File,
    count: u64,
}

// === impl Failures ===

impl Failures {
    /// Starts the list anew: it tells what is missing after this run.
    pub(super) fn create(path: PathBuf) -> Result<Self, Failure> {
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Failures {
            path,
            file,
            count: 0,
        })
    }

    /// Lists one image.
    pub(super) fn write(
        &mut self,
        key: &str,
        origin: Option<&Origin>,
        why: &Failure,
    ) -> Result<(), Failure> {
        let mut line = json!({ "key": key, "error": why.to_json() });
        match origin {
            Some(Origin::File(path)) => line["path"] = Value::from(path.to_string_lossy()),
            Some(Origin::Url(url)) => line["url"] = Value::from(url.as_str()),
            None => {}
        }
        self.count += 1;
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| unwritable(&self.path, &error))
    }

    /// Closes the list; an empty one is removed.
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
    let message = format!("cannot write the failures to `{}`: {cause}", path.display());
    Failure::local(message).advise("give a writable place with --failures")
}
