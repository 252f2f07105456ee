//! The public face: one library of images, opened from a directory.
//!
//! Order of events for an add: [`Engine::prepare`] on the caller's thread → [`Engine::add`] queues →
//! commit → `done`. For a search: [`Engine::prepare_query`] → [`Engine::search`]. Nothing here knows
//! of networks, tenants or configuration files.

mod search;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

pub use search::{Hit, MAX_RESULTS, Query, Response, SearchError};

use crate::catalog::ImageId;
use crate::identity::{ContentHash, Sign};
use crate::memory::{Memory, Merger};
use crate::picture::DecodeError;
use crate::prepare::{Prepared, PreparedQuery};
use crate::store::{
    Added, Change, NewRecord, OpenError, Store, StoreError, StoredRecord, Target, WriteError,
    Writer,
};
use crate::tags::TagFilter;

/// How a library is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most images the library may hold; a library that holds more already stays readable.
    /// Default 500,000.
    pub capacity: u64,
    /// Memory for pages of the database file, in bytes. Default 256 MiB.
    pub cache_bytes: usize,
    /// How many of the newest images stay in memory before they are written to a segment of the
    /// index, 24 to 32 bytes a feature; as many deleted ones are worth a clean-up. Small numbers make
    /// many small files. Default 8192: about 80 MB.
    pub segment_images: u64,
}

/// One open library.
///
/// All methods take `&self` and may be called from any thread; share it in an `Arc`. Reads and
/// searches never wait for writes to reach the disk. Writes are done in the order they are queued,
/// in groups, by one thread of the engine; an answered write survives the death of the process and,
/// as far as the disk keeps its promises, of the machine.
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
/// let (done, answer) = mpsc::channel();
/// engine.add(image, record, move |added| done.send(added).unwrap());
/// let sign = answer.recv()??.sign;
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
    memory: Arc<Memory>,
    writer: Writer,
    merger: Mutex<Option<Merger>>,
    capacity: u64,
}

/// What the library knows of one stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The image's name.
    pub sign: Sign,
    /// The hash of its file bytes.
    pub content: ContentHash,
    /// The text given by the caller.
    pub brief: String,
    /// Up to [`crate::MAX_TAGS`] tags, in the caller's order.
    pub tags: Vec<u16>,
    /// Size of the file in bytes; the file itself is not kept.
    pub size_bytes: u64,
    /// Width of the upright image in pixels.
    pub width: u32,
    /// Height of the upright image in pixels.
    pub height: u32,
    /// When it was added, milliseconds since 1970-01-01 UTC.
    pub added_at_ms: u64,
}

/// A record with its small image.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// The record.
    pub record: Record,
    /// JPEG, longest side at most 256 pixels, upright.
    pub thumbnail: Vec<u8>,
}

/// A part of the library, in the order of adding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Records, oldest first.
    pub records: Vec<Record>,
    /// Where the next page starts; `None` when this is the last one.
    pub next: Option<Cursor>,
}

/// A place in a listing. It stays valid while images come and go, also over a restart: no image
/// that stays is listed twice or left out.
///
/// Its text form (`Display`, `FromStr`) is for page tokens and promises nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(ImageId);

/// The size of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Images stored.
    pub images: u64,
    /// The most images it may hold.
    pub capacity: u64,
    /// Size of the library's files in bytes.
    pub disk_bytes: u64,
    /// Images that had no usable local features when the library was opened, because another
    /// version of the engine added them: whole copies of them are found, parts are not. Add them
    /// again (delete, then add) to find parts too.
    pub unindexed: u64,
}

// === impl Engine ===

impl Engine {
    /// Opens the library in a directory; makes an empty one if there is none.
    ///
    /// Cost: reads a record of 150 bytes an image and every segment file of the index once (about a
    /// second a gigabyte), and indexes the newest images from the library file. Segments that are
    /// missing, damaged or of another version are made again from it, with a line in the log: about
    /// a second of one core for 10,000 images.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] when another process has it open, [`OpenError::Format`] when another
    /// version of the engine wrote it, [`OpenError::Storage`] when the disk or the file fails.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let Options {
            capacity,
            cache_bytes,
            segment_images,
        } = options;
        let storage = |source| OpenError::Storage {
            dir: dir.to_owned(),
            source,
        };
        let store = Arc::new(Store::open(dir, cache_bytes)?);
        let memory = Arc::new(Memory::load(&store, dir, segment_images).map_err(storage)?);
        let (merger, wake) =
            Merger::start(Arc::clone(&memory)).map_err(|error| storage(error.into()))?;
        let writer = Writer::start(Arc::clone(&store), Arc::clone(&memory), wake, capacity)
            .map_err(storage)?;
        Ok(Self {
            store,
            memory,
            writer,
            merger: Mutex::new(Some(merger)),
            capacity,
        })
    }

    /// Decodes an image and computes all that the library keeps of it.
    ///
    /// Cost: 40–90 ms of one core for a megapixel. Takes no lock.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not an image within the limits.
    pub fn prepare(&self, bytes: &[u8]) -> Result<Prepared, DecodeError> {
        Prepared::new(bytes)
    }

    /// Decodes an image and computes what a search compares.
    ///
    /// Cost: 60–120 ms of one core for a megapixel. Takes no lock.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not an image within the limits.
    pub fn prepare_query(&self, bytes: &[u8]) -> Result<PreparedQuery, DecodeError> {
        PreparedQuery::new(bytes)
    }

    /// Returns the sign of the stored image with exactly these bytes, without decoding them.
    ///
    /// Lets a caller answer a duplicate for the price of a hash.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn find_exact(&self, bytes: &[u8]) -> Result<Option<Sign>, StoreError> {
        let content = ContentHash::of(bytes);
        self.store.read(|snapshot| {
            let Some(id) = snapshot.by_content(&content)? else {
                return Ok(None);
            };
            Ok(snapshot.record(id)?.map(|record| record.sign))
        })
    }

    /// Queues an image to be stored; `done` hears once it is durable and searchable, or has failed.
    ///
    /// A duplicate (same bytes) is no error: the stored record stays as it is and
    /// [`Added::existed`] says so. Never blocks; the queue holds about 20 kB an image and has no
    /// limit of its own, so callers bound the adds they have in flight. `done` is called exactly
    /// once, on the writer thread as a rule: it must be quick and must not panic. It gets
    /// [`WriteError::Full`], [`WriteError::BriefTooLong`], [`WriteError::InvalidTags`],
    /// [`WriteError::Storage`] or [`WriteError::Closed`].
    pub fn add(
        &self,
        image: Prepared,
        record: NewRecord,
        done: impl FnOnce(Result<Added, WriteError>) + Send + 'static,
    ) {
        self.writer
            .queue(move |batch| batch.add(&image, &record), done);
    }

    /// Queues a change of brief or tags; `done` hears the image's sign once it is durable.
    ///
    /// The rules of [`Engine::add`] hold for `done`; it also gets [`WriteError::NotFound`].
    pub fn update(
        &self,
        target: Target,
        change: Change,
        done: impl FnOnce(Result<Sign, WriteError>) + Send + 'static,
    ) {
        self.writer
            .queue(move |batch| batch.update(&target, &change), done);
    }

    /// Queues deletes, done together; `done` hears per target the sign of what was deleted.
    ///
    /// `None` stands for a target that meant no stored image. The rules of [`Engine::add`] hold
    /// for `done`.
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
    /// Images whose add was answered before the call are found, deleted ones are not. Compares the
    /// 200 likeliest images closely, or 1000 when the page ends at the 200th match or later. Cost:
    /// 20–50 ms of one core for some hundred thousand features, at most about half a second more for
    /// crowded libraries, and one record read a match returned. Searches, writes and the merging of
    /// segments do not wait for each other.
    ///
    /// # Errors
    ///
    /// [`SearchError::InvalidQuery`] for an offset, limit or score out of range,
    /// [`SearchError::Storage`] when the library cannot be read.
    pub fn search(&self, image: &PreparedQuery, query: &Query) -> Result<Response, SearchError> {
        search::check(query)?;
        let response = self
            .store
            .read(|snapshot| search::run(snapshot, &self.memory, image, query))?;
        Ok(response)
    }

    /// Returns one stored image, `None` when there is none of that sign.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn get(&self, sign: Sign) -> Result<Option<StoredImage>, StoreError> {
        self.store.read(|snapshot| {
            let Some(id) = snapshot.by_sign(sign)? else {
                return Ok(None);
            };
            let Some(record) = snapshot.record(id)? else {
                return Ok(None);
            };
            let thumbnail = snapshot.thumbnail(id)?.unwrap_or_default();
            Ok(Some(StoredImage {
                record: record.into(),
                thumbnail,
            }))
        })
    }

    /// Lists up to `limit` stored images after a place, oldest first; from the start with `None`.
    ///
    /// A page may be shorter than `limit` and still not the last: look at [`Page::next`]. Cost: one
    /// record read an image listed; a filter that few pass scans 5 bytes an image of the rest.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn list(
        &self,
        after: Option<Cursor>,
        limit: usize,
        filter: &TagFilter,
    ) -> Result<Page, StoreError> {
        // The catalog before the snapshot: what the catalog shows is then in the snapshot, unless it
        // has been deleted, and the cursor passes over nothing.
        let after = after.map(|cursor| cursor.0);
        let mut ids = self
            .memory
            .catalog()
            .page(after, limit.saturating_add(1), filter);
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().filter(|_| more).copied().map(Cursor);

        self.store.read(|snapshot| {
            let mut records = Vec::with_capacity(ids.len());
            for id in &ids {
                records.extend(snapshot.record(*id)?.map(Record::from));
            }
            Ok(Page { records, next })
        })
    }

    /// Returns the size of the library.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the size of the file cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        Ok(Stats {
            images: self.memory.catalog().len() as u64,
            capacity: self.capacity,
            disk_bytes: self.store.size_bytes()? + self.memory.index().file_bytes(),
            unindexed: self.memory.unindexed(),
        })
    }

    /// Does the writes that are queued, and closes the library.
    ///
    /// Blocks until they are durable. Later calls get `Closed` errors; closing again does nothing.
    /// Dropping the engine closes it.
    pub fn close(&self) {
        self.writer.close();
        let merger = self.merger.lock();
        if let Some(merger) = merger.unwrap_or_else(PoisonError::into_inner).take() {
            merger.close();
        }
        self.store.close();
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
        }
    }
}

// === impl Record ===

impl From<StoredRecord> for Record {
    fn from(stored: StoredRecord) -> Self {
        Self {
            sign: stored.sign,
            content: stored.content,
            tags: stored.tags.to_vec(),
            brief: stored.brief,
            size_bytes: stored.size_bytes,
            width: stored.width,
            height: stored.height,
            added_at_ms: stored.added_at_ms,
        }
    }
}

impl fmt::Debug for StoredImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredImage")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

// === impl Cursor ===

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod measure;
