//! The marker file beside the library file: the identity of the library that the folder contains.
//!
//! The library file stores the same identity. A folder with a marker or an index but without a
//! library file has lost its library, for example because a volume is not mounted; it must not
//! become an empty library. This module does not read the library file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::identity::LibraryId;

/// Name of the library file in its directory.
pub(crate) const FILE_NAME: &str = "library.redb";
/// Name of the marker file.
pub(crate) const MARKER_NAME: &str = "library.id";
/// Folder of the index; it is created after the library file.
pub(crate) const INDEX_FOLDER: &str = "index";

/// The marker of one library folder.
pub(super) struct Marker {
    dir: PathBuf,
}

// === impl Marker ===

impl Marker {
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Returns the first file of the folder that only a folder with a library has.
    pub(super) fn trace_of_library(&self) -> Option<&'static str> {
        [MARKER_NAME, INDEX_FOLDER]
            .into_iter()
            .find(|name| self.dir.join(name).symlink_metadata().is_ok())
    }

    /// Returns the text of the marker; `None` when there is no marker or an empty one.
    pub(super) fn read(&self) -> io::Result<Option<String>> {
        match fs::read(self.dir.join(MARKER_NAME)) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text).trim().to_owned();
                Ok(Some(text).filter(|text| !text.is_empty()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the marker in one step, so that a crash leaves no half of it.
    pub(super) fn write(&self, id: LibraryId) -> io::Result<()> {
        let partial = self.dir.join(format!("{MARKER_NAME}.partial"));
        let mut file = create_private(OpenOptions::new().create(true).truncate(true), &partial)?;
        writeln!(file, "{id}")?;
        file.sync_all()?;
        fs::rename(partial, self.dir.join(MARKER_NAME))
    }
}

/// Opens a file for reading and writing; if the options create it, only its owner may read it.
pub(crate) fn create_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.write(true).open(path)
}
