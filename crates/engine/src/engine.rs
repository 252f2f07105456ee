//! The public API: one library of images, opened from a directory.
//!
//! Order of events for an add: [`Engine::prepare`] on the caller's thread → [`Engine::add`] queues
//! the write (`writer`) → commit → `done`. For a search: [`Engine::prepare_query`] →
//! [`Engine::search`]. Compaction of the index runs in the background (`merger`). This module does
//! not depend on networks, tenants or configuration files.

mod candidate;
mod checked;
mod compare;
mod disk_space;
mod documents;
mod duplicates;
mod effort;
mod judge;
mod listing;
mod merger;
#[cfg(test)]
mod power_cuts;
mod ranking;
mod records;
mod search;
mod stored_images;
mod whole;
mod writer;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use checked::{CheckError, CheckedAdd, CheckedImage};
pub use compare::{Compared, Comparison};
pub use documents::{DocumentMatch, DocumentRanking, DocumentSearch, ImageDocument};
pub use duplicates::{
    DuplicateGroup, DuplicatePair, DuplicateQuery, InvalidCursor, Join, JoinBlock, JoinCursor,
    JoinError, MAX_ROUND, OpenGroup, Round,
};
pub use effort::Effort;
pub use judge::Profile;
pub use records::{Cursor, ImageRef, ListQuery, Page, Record, Selection, StoredImage};
pub use search::{Hit, MAX_RESULTS, Query, Response, SearchError};
pub use whole::{Insertion, WholeImage};

use crate::decode::{DecodeError, LARGEST_MAX_SIDE, MAX_PREVIEW_SIDE, MAX_SIDE};
use crate::identity::{ContentHash, LibraryId, Sign};
use crate::maintenance::{BackupError, BackupInfo, Progress, backup_of};
use crate::prepare::{PreparedImage, PreparedQuery};
use crate::search_state::SearchState;
use crate::store::{
    Added, NewRecord, OpenError, RecordUpdate, StorageHealth, Store, StoreError, Target, WriteError,
};

use disk_space::{DiskSpace, free_bytes};
use merger::Merger;
use stored_images::StoredImages;
use writer::Writer;

/// The options of opening a library.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Maximum number of images in the library; a library that already has more remains readable.
    /// Default 500,000.
    pub capacity: u64,
    /// Size of the cache of database pages in bytes. Default 256 MiB.
    pub cache_bytes: usize,
    /// Number of images in the memtable of the index at which it is written to a segment; each
    /// feature uses 8 to 16 bytes of memory. The same number of deleted images triggers a full
    /// merge. Small numbers cause many small files. Default 8192: about 80 MB.
    pub segment_images: u64,
    /// Free space of the disk in bytes below which adds are rejected; deletes and updates need some
    /// of it. Default 0: none.
    pub min_free_disk: u64,
    /// Maximum side of an image in pixels, up to [`LARGEST_MAX_SIDE`]. Memory and time of a decoder
    /// grow with its square. Default [`MAX_SIDE`].
    pub max_side: u32,
    /// Longer side in pixels of the previews that are stored of new images, up to
    /// [`MAX_PREVIEW_SIDE`]; see [`Engine::preview`]. Default 0: none.
    pub preview_side: u32,
}

/// One open library.
///
/// All methods take `&self` and may be called from any thread; share it in an `Arc`. Reads and
/// searches never wait for a disk sync of a write. One thread of the engine does the writes in
/// groups, in the order of the queue. A write that returned success survives a crash of the process
/// and, if the disk honours syncs, of the machine.
///
/// ```
/// use same_image::{Engine, NewRecord, Options, Query};
/// # use std::sync::mpsc;
/// # let dir = tempfile::tempdir()?;
/// # let mut png = std::io::Cursor::new(Vec::new());
/// # image::RgbImage::from_fn(96, 64, |x, y| image::Rgb([(x * 2) as u8, (y * 3) as u8, (x * y / 9) as u8]))
/// #     .write_to(&mut png, image::ImageFormat::Png)?;
/// # let bytes = png.into_inner();
/// let engine = Engine::open(dir.path(), Options::default())?;
///
/// let image = engine.prepare(&bytes)?;
/// let record = NewRecord { brief: "poster 7".to_owned(), tags: vec![3] };
/// let (done, result) = mpsc::channel();
/// engine.add(image, record, move |added| done.send(added).unwrap());
/// let sign = result.recv()??.sign;
///
/// let query = engine.prepare_query(&bytes)?;
/// let found = engine.search(&query, &Query::default())?;
/// assert_eq!(found.matches[0].sign, sign);
/// assert_eq!(found.matches[0].score, 1.0);
/// assert_eq!(found.matches[0].brief, "poster 7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Engine {
    store: Arc<Store>,
    state: Arc<SearchState>,
    writer: Writer,
    merger: Mutex<Option<Merger>>,
    dir: PathBuf,
    capacity: u64,
    max_side: u32,
    preview_side: u32,
}

/// The size of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The identity of the library.
    pub id: LibraryId,
    /// Images stored.
    pub images: u64,
    /// Maximum number of images.
    pub capacity: u64,
    /// Size of the library's files in bytes.
    pub disk_bytes: u64,
    /// Images that had no usable local features when the library was opened, because another
    /// version of the engine added them. Searches find whole copies of them, but no parts; delete
    /// and add them again to find parts too.
    pub unindexed: u64,
    /// Images that were described at a smaller size than this version does when the library was
    /// opened, because an earlier version added them. They are found, but small or cropped parts of
    /// them less often; delete and add them again to find these too.
    pub coarse: u64,
}

// === impl Engine ===

impl Engine {
    /// Opens the library in a directory; creates an empty one if there is none.
    ///
    /// Cost: reads a record of 170 bytes per image and every segment file of the index once (about
    /// one second per gigabyte), looks up every sign and hash, and indexes the newest images from the library file. Segments that
    /// are missing, damaged or of another version are rebuilt from it and logged: about one second
    /// of one core for 10,000 images. A library of an earlier format is converted: reads the whole
    /// file, about 20 kB per image.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] when another process has the library open, [`OpenError::Format`] when
    /// another version of the engine wrote it, [`OpenError::Lost`] when the directory belonged to a
    /// library whose file is missing or empty, [`OpenError::OtherLibrary`] when the file is that of
    /// another library, [`OpenError::Storage`] when the disk fails or the file is damaged: an image
    /// cannot be read or found.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::with_store(Store::open(dir, options.cache_bytes)?, dir, options)
    }

    /// Opens a library whose file is open; tests pass one on a failing disk.
    fn with_store(store: Store, dir: &Path, options: Options) -> Result<Self, OpenError> {
        let storage = |source| OpenError::Storage {
            dir: dir.to_owned(),
            source,
        };
        let store = Arc::new(store);
        let state = SearchState::load(&store, dir, options.segment_images).map_err(storage)?;
        let state = Arc::new(state);
        let (merger, wake) =
            Merger::start(Arc::clone(&state)).map_err(|error| storage(error.into()))?;
        let writer = Writer::start(
            Arc::clone(&store),
            Arc::clone(&state),
            wake,
            options.capacity,
            DiskSpace::new(dir, options.min_free_disk),
        )
        .map_err(storage)?;
        Ok(Self {
            store,
            state,
            writer,
            merger: Mutex::new(Some(merger)),
            dir: dir.to_owned(),
            capacity: options.capacity,
            max_side: options.max_side.min(LARGEST_MAX_SIDE),
            preview_side: options.preview_side.min(MAX_PREVIEW_SIDE),
        })
    }

    /// Decodes an image and extracts what the library stores.
    ///
    /// Cost: 40–90 ms of one core for a megapixel, a preview included. Needs no lock.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not an image within the limits.
    pub fn prepare(&self, bytes: &[u8]) -> Result<PreparedImage, DecodeError> {
        PreparedImage::with_preview(bytes, self.max_side, self.preview_side)
    }

    /// Decodes an image and extracts what a search compares.
    ///
    /// Cost: 60–120 ms of one core for a megapixel. Needs no lock.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not an image within the limits.
    pub fn prepare_query(&self, bytes: &[u8]) -> Result<PreparedQuery, DecodeError> {
        PreparedQuery::new(bytes, self.max_side)
    }

    /// Returns the sign of the stored image with exactly these bytes, without decoding them.
    ///
    /// With it a caller can detect a duplicate for the cost of one hash.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn find_exact(&self, bytes: &[u8]) -> Result<Option<Sign>, StoreError> {
        let content = ContentHash::of(bytes);
        self.store.read(|snapshot| {
            let found = snapshot.by_content(&content)?;
            Ok(found.map(|(_, record)| record.sign))
        })
    }

    /// Queues an add; calls `done` when the image is durable and searchable, or the add failed.
    ///
    /// A duplicate (same bytes) is no error: the stored record is unchanged and [`Added::existed`]
    /// is true. Never blocks. The queue uses about 20 kB per image, and up to 1 MiB for its preview
    /// ([`PreparedImage::preview_bytes`]), and has no limit, so callers must bound the adds that they
    /// have in flight. `done` is called exactly once, usually on the writer thread: it must be quick
    /// and must not panic. Its error is [`WriteError::Full`], [`WriteError::DiskReserve`],
    /// [`WriteError::BriefTooLong`], [`WriteError::InvalidTags`], [`WriteError::Storage`] or
    /// [`WriteError::Closed`].
    pub fn add(
        &self,
        image: PreparedImage,
        record: NewRecord,
        done: impl FnOnce(Result<Added, WriteError>) + Send + 'static,
    ) {
        self.writer
            .queue(move |batch| batch.add(&image, &record), done);
    }

    /// Queues a change of brief or tags; calls `done` with the image's sign when it is durable.
    ///
    /// The rules of [`Engine::add`] apply to `done`; its error may also be
    /// [`WriteError::NotFound`].
    pub fn update(
        &self,
        target: Target,
        update: RecordUpdate,
        done: impl FnOnce(Result<Sign, WriteError>) + Send + 'static,
    ) {
        self.writer
            .queue(move |batch| batch.update(&target, &update), done);
    }

    /// Queues deletes in one transaction; calls `done` with the sign of the deleted image per
    /// target.
    ///
    /// It is `None` for a target that matches no stored image. The rules of [`Engine::add`] apply
    /// to `done`.
    pub fn delete(
        &self,
        targets: Vec<Target>,
        done: impl FnOnce(Result<Vec<Option<Sign>>, WriteError>) + Send + 'static,
    ) {
        self.writer.queue(
            move |batch| targets.iter().map(|target| batch.delete(target)).collect(),
            done,
        );
    }

    /// Finds stored images that are the same as the query, best first.
    ///
    /// Finds every image whose add completed before the call, and no deleted image. Compares the
    /// features of the 200 best candidates, or of 1000 when the page ends at the 200th match or
    /// later. Cost: 20–50 ms of one core, up to about half a second more when many images share
    /// features; the features of the candidates and one record per returned match are read.
    /// Searches, writes and merges do not wait for each other.
    ///
    /// # Errors
    ///
    /// [`SearchError::InvalidQuery`] for an offset, limit or score out of range,
    /// [`SearchError::Storage`] when the library cannot be read.
    pub fn search(&self, image: &PreparedQuery, query: &Query) -> Result<Response, SearchError> {
        search::check(query)?;
        let response = self
            .store
            .read(|snapshot| search::run(snapshot, &self.state, image, query))?;
        Ok(response)
    }

    /// Returns what a search compares of a stored image; `None` when no image has that sign.
    ///
    /// No file is needed: descriptors are estimated from the stored words, and the thumbnail stands
    /// for the pixels. The search leaves the image itself out. The library has up to 400 features
    /// of an image, a query 1,200, so small parts and badly distorted copies are found less often
    /// (docs/engine.md). Cost: one record, about 20 kB.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn stored_query(&self, sign: Sign) -> Result<Option<PreparedQuery>, StoreError> {
        self.store.read(|snapshot| {
            let Some((id, record)) = snapshot.by_sign(sign)? else {
                return Ok(None);
            };
            let features = StoredImages::features(snapshot, id)?;
            let thumbnail = snapshot.thumbnail(id, &record)?;
            Ok(Some(PreparedQuery::of_stored(
                id,
                &record,
                features.as_ref(),
                &thumbnail,
            )))
        })
    }

    /// Begins a join, which finds the groups of same images: the pairs of an image that the query
    /// selects and any other image.
    ///
    /// Work on it with [`Engine::step_join`], [`Engine::step_group`] and [`Engine::close_group`], on
    /// as many threads as there are blocks. Images that are added later are not joined; those that
    /// are deleted meanwhile are left out from then on. Cost: 0.3 s and 150 MB for a million
    /// images; each block that is worked on uses up to 430 MB more: probes of 12
    /// bytes, a filter of 64 MiB and 1,000 votes for each image.
    ///
    /// # Errors
    ///
    /// [`JoinError::ForeignCursor`] and [`JoinError::MinScore`] for an invalid query.
    pub fn join(&self, query: &DuplicateQuery) -> Result<Join, JoinError> {
        duplicates::join(&self.state, query)
    }

    /// Works on a block of a join for some ten milliseconds; returns whether anything is left to do.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn step_join(&self, block: &mut JoinBlock) -> Result<bool, StoreError> {
        block.step(&self.store, &self.state)
    }

    /// Compares the images of a group with each other for some ten milliseconds; returns whether
    /// anything is left to do.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn step_group(&self, group: &mut OpenGroup) -> Result<bool, StoreError> {
        group.step(&self.store)
    }

    /// Reads the records of a group; returns `None` when fewer than two of its images are left.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn close_group(&self, group: OpenGroup) -> Result<Option<DuplicateGroup>, StoreError> {
        group.close(&self.store)
    }

    /// Returns one stored image; `None` when no image has that sign.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn get(&self, sign: Sign) -> Result<Option<StoredImage>, StoreError> {
        self.store.read(|snapshot| {
            let Some((id, record)) = snapshot.by_sign(sign)? else {
                return Ok(None);
            };
            Ok(Some(StoredImage {
                thumbnail: snapshot.thumbnail(id, &record)?,
                record: record.into(),
            }))
        })
    }

    /// Returns the identity of the library.
    pub fn id(&self) -> LibraryId {
        self.state.library_id()
    }

    /// Returns the size of the library.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the size of the file cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let described = self.state.described();
        Ok(Stats {
            id: self.id(),
            images: self.state.catalog().len() as u64,
            capacity: self.capacity,
            disk_bytes: self.store.size_bytes()? + self.state.index().file_bytes(),
            unindexed: described.unindexed,
            coarse: described.coarse,
        })
    }

    /// Writes a backup: every image of one committed state, with which [`crate::restore`] makes a
    /// library.
    ///
    /// Searches and writes continue; writes that are committed meanwhile are not in the backup.
    /// Until it ends, the library file keeps the space of what they delete or change. `progress` is
    /// called after each image. An error of `out` ends the backup, so a caller can stop it there.
    /// Cost: one core for about a second per gigabyte, and the memory of one image.
    ///
    /// # Errors
    ///
    /// [`BackupError::Library`] when the library cannot be read, [`BackupError::Io`] when `out`
    /// fails. What was written until then is not accepted as a backup.
    pub fn backup(
        &self,
        out: &mut dyn Write,
        progress: Progress<'_>,
    ) -> Result<BackupInfo, BackupError> {
        backup_of(&self.store, out, progress)
    }

    /// Returns whether the library file works. Needs no disk operation.
    pub fn health(&self) -> StorageHealth {
        self.store.health()
    }

    /// Queues a commit without changes, which shows whether the disk accepts writes again after
    /// [`StorageHealth::is_failing`]; the rules of [`Engine::add`] apply to `done`.
    pub fn probe(&self, done: impl FnOnce(Result<(), WriteError>) + Send + 'static) {
        self.writer.queue(
            |batch| {
                batch.force_commit();
                Ok(())
            },
            done,
        );
    }

    /// Returns the free space of the library's disk in bytes; `None` where the system does not
    /// tell.
    pub fn free_disk_bytes(&self) -> Option<u64> {
        free_bytes(&self.dir)
    }

    /// Does the queued writes and closes the library.
    ///
    /// Blocks until they are durable. Later calls return `Closed` errors; a second close does
    /// nothing. Dropping the engine closes it.
    pub fn close(&self) {
        self.writer.close();
        let merger = self.merger.lock();
        if let Some(merger) = merger.unwrap_or_else(PoisonError::into_inner).take() {
            merger.close();
        }
        self.store.close();
    }

    pub(crate) fn search_state(&self) -> &SearchState {
        &self.state
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            capacity: 500_000,
            cache_bytes: 256 << 20,
            segment_images: 8192,
            min_free_disk: 0,
            max_side: MAX_SIDE,
            preview_side: 0,
        }
    }
}
