//! The journal: the images that a library has acknowledged, one JSON object per line.
//!
//! ```text
//! {"samegate_import":1,"endpoint":"http://127.0.0.1:50051","library":"","id":"00c0ffee00c0ffee"}
//! {"key":"photos/a.jpg","size":48211,"mtime_ms":1718000000000,"sign":"1122,33"}
//! {"key":"photos/b.jpg","size":7,"mtime_ms":1718000000000,"rejected":{"reason":"IMAGE_FORMAT",…}}
//! ```
//!
//! If several lines have the same key, the last one counts. Each line is written with one write
//! when its acknowledgement arrives. When the journal is opened, an incomplete last line is removed
//! and its image is sent again, which is idempotent. A journal of another library identity is
//! started again: its lines say nothing about this library. A running import holds a lock on the
//! file.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file_version::FileVersion;
use crate::cli::client::LibraryTarget;
use crate::cli::failure::Failure;
use crate::error::Kind;

/// Version of the format, in the header.
const VERSION: u32 = 1;

/// A journal that is open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    library_id: Option<String>,
    entries: HashMap<String, Entry>,
    is_restarted: bool,
}

/// First line: the library that the acknowledgements belong to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    samegate_import: u32,
    endpoint: String,
    library: String,
    /// Identity of an embedded library. A new or restored one has another: it may lack images of the
    /// journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct JournalLine {
    key: String,
    #[serde(flatten)]
    entry: Entry,
}

/// The outcome of one item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    version: FileVersion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sign: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejected: Option<Rejection>,
}

/// Why an image is rejected permanently.
#[derive(Debug, Serialize, Deserialize)]
struct Rejection {
    reason: String,
    message: String,
}

// === impl Journal ===

impl Journal {
    /// Opens or creates the journal of one library, whose identity is `id` if it has one. A journal
    /// of another identity loses its entries.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, belongs to another library without an identity, is
    /// not a journal, or is in use by another import.
    pub(super) fn open(
        path: &Path,
        target: &LibraryTarget,
        id: Option<String>,
    ) -> Result<Self, Failure> {
        let header = Header::of(target, id);
        let mut file = open_locked(path)?;
        let text = read(&mut file).map_err(|error| unusable(path, &error))?;
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        let is_restarted =
            check_header(path, text.lines().next().unwrap_or_default(), &header)? == Owner::Other;
        let kept = if is_restarted { "" } else { &text[..end] };
        // After the check of the header, so that other files are not changed.
        truncate(&mut file, kept.len()).map_err(|error| unusable(path, &error))?;

        let mut journal = Journal {
            path: path.to_owned(),
            file,
            library_id: header.id.clone(),
            entries: HashMap::new(),
            is_restarted,
        };
        if kept.is_empty() {
            journal.append(&header)?;
        }
        for line in kept.lines().skip(1) {
            // A line that cannot be parsed is ignored: its image is sent again.
            if let Ok(line) = serde_json::from_str::<JournalLine>(line) {
                journal.entries.insert(line.key, line.entry);
            }
        }
        Ok(journal)
    }

    /// Returns whether the file belonged to a library of another identity.
    pub(super) fn is_restarted(&self) -> bool {
        self.is_restarted
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the identity of the library, if it has one.
    pub(super) fn library_id(&self) -> Option<&str> {
        self.library_id.as_deref()
    }

    /// Returns the entry of an item whose file has not changed since.
    pub(super) fn entry(&self, key: &str, version: FileVersion) -> Option<&Entry> {
        self.entries
            .get(key)
            .filter(|entry| entry.version == version)
    }

    /// Records a stored image.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub(super) fn record_stored(
        &mut self,
        key: &str,
        version: FileVersion,
        sign: &str,
    ) -> Result<(), Failure> {
        let entry = Entry {
            version,
            sign: Some(sign.to_owned()),
            rejected: None,
        };
        self.append(&JournalLine::of(key, entry))
    }

    /// Records an image that was rejected permanently.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub(super) fn record_rejected(
        &mut self,
        key: &str,
        version: FileVersion,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let rejection = Rejection {
            reason: failure
                .kind()
                .map(Kind::reason)
                .unwrap_or_default()
                .to_owned(),
            message: failure.message().to_owned(),
        };
        let entry = Entry {
            version,
            sign: None,
            rejected: Some(rejection),
        };
        self.append(&JournalLine::of(key, entry))
    }

    /// Writes one line with one write. The file is not buffered in the process, so an
    /// acknowledgement survives a crash of the process once this returns.
    fn append(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_string(line)
            .map_err(std::io::Error::from)
            .and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()))
            .map_err(|error| unusable(&self.path, &error))
    }
}

fn read(file: &mut File) -> std::io::Result<String> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    // An incomplete write may split a character. Only the valid start is used, since its length in
    // bytes is the length to truncate the file to.
    Ok(String::from_utf8(content).unwrap_or_else(|error| {
        let valid = error.utf8_error().valid_up_to();
        String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned()
    }))
}

fn truncate(file: &mut File, length: usize) -> std::io::Result<u64> {
    file.set_len(length as u64)?;
    file.seek(SeekFrom::End(0))
}

/// Opens the file with an exclusive lock: two imports would mix their lines.
fn open_locked(path: &Path) -> Result<File, Failure> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| unusable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another import is using the journal `{}`", path.display());
            Err(Failure::local(message)
                .with_advice("wait until it ends, or give another --journal"))
        }
        // Some network file systems do not support locks; everything else works.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
    }
}

/// Which library a journal belongs to.
#[derive(PartialEq, Eq)]
enum Owner {
    /// The one of this import.
    Same,
    /// Another one: of another identity, or the previous one of that name and endpoint.
    Other,
}

fn check_header(path: &Path, line: &str, expected: &Header) -> Result<Owner, Failure> {
    let path = path.display();
    // A new journal, or one whose first line is incomplete.
    if serde_json::to_string(expected).is_ok_and(|header| header.starts_with(line)) {
        return Ok(Owner::Same);
    }
    let Ok(found) = serde_json::from_str::<Header>(line) else {
        let message = format!("`{path}` is not a journal of an import");
        return Err(Failure::local(message).with_advice("give another --journal"));
    };
    if found.samegate_import != VERSION {
        let message = format!("`{path}` was written by another version of samegate");
        return Err(Failure::local(message).with_advice("give another --journal, or delete it"));
    }
    // An identity decides alone: a library may have several names and endpoints.
    if let (Some(found), Some(expected)) = (&found.id, &expected.id) {
        return Ok(Owner::of(found == expected));
    }
    if found.endpoint != expected.endpoint || found.library != expected.library {
        let message = format!(
            "the journal `{path}` belongs to library `{}` at {}, not to `{}` at {}",
            found.library, found.endpoint, expected.library, expected.endpoint
        );
        return Err(Failure::local(message).with_advice(
            "give another --journal for this library, or delete that one to start again",
        ));
    }
    Ok(Owner::of(found.id == expected.id))
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let cause = error.to_string().to_lowercase();
    let message = format!("cannot use the journal `{}`: {cause}", path.display());
    Failure::local(message).with_advice("give a writable path with --journal")
}

// === impl Owner ===

impl Owner {
    fn of(is_same: bool) -> Self {
        if is_same { Owner::Same } else { Owner::Other }
    }
}

// === impl Header ===

impl Header {
    fn of(target: &LibraryTarget, id: Option<String>) -> Self {
        Header {
            samegate_import: VERSION,
            endpoint: target.connection.endpoint.trim_end_matches('/').to_owned(),
            library: target.library.clone(),
            id,
        }
    }
}

// === impl JournalLine ===

impl JournalLine {
    fn of(key: &str, entry: Entry) -> Self {
        JournalLine {
            key: key.to_owned(),
            entry,
        }
    }
}

// === impl Entry ===

impl Entry {
    /// Returns the sign of a stored image.
    pub(super) fn sign(&self) -> Option<&str> {
        self.sign.as_deref()
    }

    /// Returns why the image was rejected; none when it was stored.
    pub(super) fn rejection(&self) -> Option<Failure> {
        let rejection = self.rejected.as_ref()?;
        let message = format!("{} (in an earlier run)", rejection.message);
        let kind = Kind::all().find(|kind| kind.reason() == rejection.reason);
        Some(match kind {
            Some(kind) => Failure::of_kind(kind, message),
            None => Failure::local(message),
        })
    }
}

#[cfg(test)]
mod tests;
