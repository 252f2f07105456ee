//! The images of an import, and which of them are still to be sent.
//!
//! Only names are held in memory; the stream reads the bytes of an image when it sends it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::file_version::FileVersion;
use super::journal::Journal;
use super::left_out::LeftOut;
use crate::cli::failure::Failure;

/// One image to send.
#[derive(Debug)]
pub(super) struct Item {
    /// Identifies the item in the stream, the journal and the failure list.
    pub(super) key: Arc<str>,
    pub(super) location: Location,
    pub(super) brief: String,
    pub(super) tags: Vec<u32>,
}

/// Where the bytes of an image are.
#[derive(Clone, Debug)]
pub(super) enum Location {
    File(PathBuf),
    Url(String),
}

/// All images of an import.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Arc<Item>>,
    /// Version of each item's file when it was found, by the index in `items`.
    pub(super) versions: Vec<FileVersion>,
    /// Indices of the items to send.
    pub(super) pending: Vec<usize>,
    /// Names of what was found but cannot be sent, with the reason.
    pub(super) unusable: Vec<(String, Failure)>,
    /// What was found and is no image.
    pub(super) left_out: LeftOut,
}

/// What became of the items that the journal contains.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Number of items that an earlier run stored and the library has lost since: they are sent.
    pub(super) lost: u64,
    /// Number of items that an earlier run stored: they are not sent.
    pub(super) stored: u64,
    /// Indices of items that an earlier run recorded as rejected: they are not sent.
    pub(super) rejected: Vec<(usize, Failure)>,
    /// Whether the library was asked for the images.
    pub(super) is_verified: bool,
}

// === impl Plan ===

impl Plan {
    /// Adds an item whose file version is not known yet. A file that cannot be read fails when it
    /// is sent.
    pub(super) fn push(&mut self, item: Item) {
        let version = match &item.location {
            Location::File(path) => std::fs::metadata(path)
                .map_or(FileVersion::NONE, |metadata| FileVersion::of(&metadata)),
            Location::Url(_) => FileVersion::NONE,
        };
        self.push_with_version(item, version);
    }

    /// Adds an item.
    pub(super) fn push_with_version(&mut self, item: Item, version: FileVersion) {
        self.pending.push(self.items.len());
        self.items.push(Arc::new(item));
        self.versions.push(version);
    }

    /// Returns the signs that the journal has of the items whose files have not changed.
    pub(super) fn recorded_signs<'a>(&self, journal: &'a Journal) -> HashSet<&'a str> {
        let items = self.items.iter().zip(&self.versions);
        items
            .filter_map(|(item, version)| journal.entry(&item.key, *version)?.sign())
            .collect()
    }

    /// Removes the items from `pending` that the journal contains, unless their files have changed
    /// or the library has lost their signs.
    pub(super) fn skip_recorded(
        &mut self,
        journal: &Journal,
        lost: &HashSet<&str>,
        retry_failed: bool,
    ) -> Skipped {
        let mut skipped = Skipped::default();
        let (items, versions) = (&self.items, &self.versions);
        self.pending.retain(|&index| {
            let Some(entry) = journal.entry(&items[index].key, versions[index]) else {
                return true;
            };
            match entry.rejection() {
                None if entry.sign().is_none_or(|sign| lost.contains(sign)) => {
                    skipped.lost += 1;
                    return true;
                }
                None => skipped.stored += 1,
                Some(_) if retry_failed => return true,
                Some(failure) => skipped.rejected.push((index, failure)),
            }
            false
        });
        skipped
    }
}
