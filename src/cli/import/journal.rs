//! The journal: what a library has acknowledged, one JSON object per line.
//!
//! ```text
//! {"samegate_import":1,"endpoint":"http://127.0.0.1:50051","library":""}
//! {"key":"photos/a.jpg","size":48211,"mtime_ms":1718000000000,"sign":"1122,33"}
//! {"key":"photos/b.jpg","size":7,"mtime_ms":1718000000000,"rejected":{"reason":"IMAGE_FORMAT",…}}
//! ```
//!
//! The last line with a key counts. A line is written in one piece when its
//! acknowledgement arrives; a torn last line is cut off when the journal is
//! opened, and its image is sent again, which is harmless. While an import
//! runs it holds a lock on the file.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::client::Target;
use crate::cli::failure::Failure;
use crate::error::Kind;

/// Version of the format, in the header.
const VERSION: u32 = 1;

/// A journal that is open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    entries: HashMap<String, Entry>,
}

/// First line: whose acknowledgements these are.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    samegate_import: u32,
    endpoint: String,
    library: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    entry: Entry,
}

/// What became of one item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    stamp: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sign: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejected: Option<Rejection>,
}

/// What tells a changed file from an unchanged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of the last change, in milliseconds since 1970.
    pub(super) mtime_ms: u64,
}

/// Why an image will not be taken, however often it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Rejection {
    reason: String,
    message: String,
}

// === impl Journal ===

impl Journal {
    /// Opens or starts the journal of one library.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written, belongs to another library, is some
    /// other file, or is in use by another import.
    pub(super) fn open(path: &Path, target: &Target) -> Result<Self, Failure> {
        let header = Header::of(target);
        let mut file = open_locked(path)?;
        let text = read(&mut file).map_err(|error| unusable(path, &error))?;
        let whole_lines = match text.rfind('\n') {
            Some(end) => &text[..=end],
            None => "",
        };
        let mut lines = whole_lines.lines();
        check_header(path, lines.next().unwrap_or(&text), &header)?;
        // Only now, as the file of somebody else must stay as it is.
        cut(&mut file, whole_lines.len()).map_err(|error| unusable(path, &error))?;

        let mut journal = Journal {
            path: path.to_owned(),
            file,
            entries: HashMap::new(),
        };
        if whole_lines.is_empty() {
            journal.append(&header)?;
        }
        for line in lines {
            // A line that cannot be read says nothing: its image goes again.
            if let Ok(line) = serde_json::from_str::<Line>(line) {
                journal.entries.insert(line.key, line.entry);
            }
        }
        Ok(journal)
    }

    /// What is known about an item whose file has not changed since.
    pub(super) fn entry(&self, key: &str, stamp: Stamp) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.stamp == stamp)
    }

    /// Books a stored image.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub(super) fn book_stored(
        &mut self,
        key: &str,
        stamp: Stamp,
        sign: &str,
    ) -> Result<(), Failure> {
        let entry = Entry {
            stamp,
            sign: Some(sign.to_owned()),
            rejected: None,
        };
        self.append(&Line::of(key, entry))
    }

    /// Books an image that was rejected for good.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub(super) fn book_rejected(
        &mut self,
        key: &str,
        stamp: Stamp,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let reason = failure.kind().map(Kind::reason).unwrap_or_default();
        let rejection = Rejection {
            reason: reason.to_owned(),
            message: failure.message().to_owned(),
        };
        let entry = Entry {
            stamp,
            sign: None,
            rejected: Some(rejection),
        };
        self.append(&Line::of(key, entry))
    }

    /// Writes one line in one piece. The file has no buffer of its own, so an
    /// acknowledgement outlives the process once this returns.
    fn append(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let written = serde_json::to_string(line)
            .map_err(std::io::Error::from)
            .and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()));
        written.map_err(|error| unusable(&self.path, &error))
    }
}

fn read(file: &mut File) -> std::io::Result<String> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    // A tear may go through a character, and a broken disk through anything;
    // a text of another length than the file's must not be used to cut it.
    Ok(String::from_utf8(content).unwrap_or_else(|error| {
        let intact = error.utf8_error().valid_up_to();
        String::from_utf8_lossy(&error.as_bytes()[..intact]).into_owned()
    }))
}

fn cut(file: &mut File, length: usize) -> std::io::Result<u64> {
    file.set_len(length as u64)?;
    file.seek(SeekFrom::End(0))
}

/// Opens the file for this process alone: two imports would mix their lines.
fn open_locked(path: &Path) -> Result<File, Failure> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(|error| unusable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another import is using the journal `{}`", path.display());
            Err(Failure::local(message).advise("wait for it, or give another --journal"))
        }
        // Some network file systems know no locks; the rest works there.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
    }
}

fn check_header(path: &Path, line: &str, expected: &Header) -> Result<(), Failure> {
    let path = path.display();
    // A new journal, or one that was torn while its first line was written.
    if serde_json::to_string(expected).is_ok_and(|header| header.starts_with(line)) {
        return Ok(());
    }
    let Ok(found) = serde_json::from_str::<Header>(line) else {
        let message = format!("`{path}` is not a journal of an import");
        return Err(Failure::local(message).advise("give another --journal"));
    };
    if found.samegate_import != VERSION {
        let message = format!("`{path}` was written by another version of samegate");
        return Err(Failure::local(message).advise("give another --journal, or delete it"));
    }
    if found != *expected {
        let message = format!(
            "the journal `{path}` belongs to library `{}` at {}, not to `{}` at {}",
            found.library, found.endpoint, expected.library, expected.endpoint
        );
        return Err(Failure::local(message)
            .advise("give another --journal for this library, or delete that one to start anew"));
    }
    Ok(())
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let cause = error.to_string().to_lowercase();
    let message = format!("cannot use the journal `{}`: {cause}", path.display());
    Failure::local(message).advise("give a writable place with --journal")
}

// === impl Header ===

impl Header {
    fn of(target: &Target) -> Self {
        let endpoint = target.connection.endpoint.trim_end_matches('/').to_owned();
        Header {
            samegate_import: VERSION,
            endpoint,
            library: target.library.clone(),
        }
    }
}

// === impl Line ===

impl Line {
    fn of(key: &str, entry: Entry) -> Self {
        let key = key.to_owned();
        Line { key, entry }
    }
}

// === impl Entry ===

impl Entry {
    /// Why the image was rejected; none when it was stored.
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

// === impl Stamp ===

impl Stamp {
    /// Of what is not a file, or of one that is not there.
    pub(super) const NONE: Stamp = Stamp {
        size: 0,
        mtime_ms: 0,
    };
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const STAMP: Stamp = Stamp {
        size: 7,
        mtime_ms: 1_718_000_000_000,
    };

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        target: Target,
    }

    fn target(library: &str) -> Target {
        let line = ["x", "--endpoint", "http://h:1/", "--library", library];
        Flags::parse_from(line).target
    }

    fn open(path: &Path) -> Result<Journal, Failure> {
        Journal::open(path, &target("cats"))
    }

    fn book(path: &Path, key: &str) {
        let mut journal = open(path).unwrap();
        journal.book_stored(key, STAMP, "1,2").unwrap();
    }

    #[test]
    fn what_was_booked_is_known_to_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        book(&path, "a");
        let rejected = Failure::of_kind(Kind::ImageFormat, "not an image");
        let mut journal = open(&path).unwrap();
        journal.book_rejected("b", STAMP, &rejected).unwrap();
        drop(journal);

        let journal = open(&path).unwrap();

        assert!(journal.entry("a", STAMP).unwrap().rejection().is_none());
        let rejection = journal.entry("b", STAMP).unwrap().rejection().unwrap();
        assert_eq!(rejection.kind(), Some(Kind::ImageFormat));
        assert!(journal.entry("c", STAMP).is_none());
    }

    #[test]
    fn a_changed_file_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        book(&path, "a");

        let journal = open(&path).unwrap();

        assert!(journal.entry("a", Stamp { size: 8, ..STAMP }).is_none());
        let later = Stamp {
            mtime_ms: STAMP.mtime_ms + 1,
            ..STAMP
        };
        assert!(journal.entry("a", later).is_none());
    }

    #[test]
    fn a_journal_torn_at_any_byte_keeps_its_whole_lines_and_takes_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        book(&path, "a");
        let first = std::fs::read(&path).unwrap().len();
        book(&path, "图");
        let whole = std::fs::read(&path).unwrap();

        for length in first..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            book(&path, "c");

            let journal = open(&path).unwrap();
            assert!(journal.entry("a", STAMP).is_some(), "cut at {length}");
            assert!(journal.entry("图", STAMP).is_none(), "cut at {length}");
            assert!(journal.entry("c", STAMP).is_some(), "cut at {length}");
        }
    }

    #[test]
    fn a_journal_torn_in_its_first_line_is_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        drop(open(&path).unwrap());
        let header = std::fs::read(&path).unwrap();

        std::fs::write(&path, &header[..header.len() / 2]).unwrap();
        drop(open(&path).unwrap());

        assert_eq!(std::fs::read(&path).unwrap(), header);
    }

    #[test]
    fn the_journal_of_another_library_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        book(&path, "a");

        let error = Journal::open(&path, &target("dogs")).unwrap_err();

        assert!(error.to_string().contains("belongs to library `cats`"));
    }

    #[test]
    fn a_file_that_is_no_journal_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        for content in ["precious", "precious\n", "{}\n{}"] {
            std::fs::write(&path, content).unwrap();

            assert!(open(&path).is_err());

            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn two_imports_do_not_share_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let _first = open(&path).unwrap();

        assert!(
            open(&path)
                .unwrap_err()
                .to_string()
                .contains("another import")
        );
    }
}
