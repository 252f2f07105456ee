//! Everything that a library stores of an image, to copy it to another library.
//!
//! What one library reads, another one inserts: neither needs the file, and both find the image
//! alike. Pages follow the order of the adds, so a copy keeps the order of listings.

use std::fmt;

use crate::filter::{ImageFilter, Order};
use crate::identity::{ImageId, Sign};
use crate::pdq::PdqHash;
use crate::store::{Batch, Inserted, RecordUpdate, Snapshot, StoreError, StoredRecord};
use crate::store::{Target, WriteError};
use crate::tags::Tags;

use super::Engine;
use super::documents::ImageDocument;
use super::records::Cursor;

/// Everything that a library stores of an image.
#[derive(Clone, PartialEq, Eq)]
pub struct WholeImage {
    /// The public sign of the image.
    pub sign: Sign,
    /// What is computed from the file.
    pub image: ImageDocument,
    /// The JPEG that people look at; empty for none.
    pub preview: Vec<u8>,
    /// The text that the caller added.
    pub brief: String,
    /// Up to [`crate::MAX_TAGS`] tags, in the caller's order.
    pub tags: Vec<u16>,
    /// Time of the add, milliseconds since 1970-01-01 UTC.
    pub added_at_ms: u64,
}

/// How the insertion of a [`WholeImage`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It is added.
    Added,
    /// Its content was stored before, with the same brief and tags.
    Unchanged,
    /// Its content was stored before, with another brief or tags, which are replaced.
    Replaced,
    /// Its content was stored before, with another brief or tags, which are kept.
    Kept,
}

// === impl Engine ===

impl Engine {
    /// Reads up to `limit` images after a cursor, the oldest first, and where to continue; `None`
    /// after the last one. A page ends earlier when its features, thumbnails and previews have
    /// `max_bytes`. It has one image at least, unless all of its images are deleted meanwhile.
    ///
    /// All images of a page are of one committed state. Cost: about 20 kB read for each image, and
    /// its preview.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn whole_images(
        &self,
        after: Option<Cursor>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(Vec<WholeImage>, Option<Cursor>), StoreError> {
        let (ids, mut next) =
            self.page(after, limit.max(1), &ImageFilter::default(), Order::Oldest);
        let (mut images, mut bytes) = (Vec::new(), 0);
        self.store.read(|snapshot| {
            for (at, id) in ids.iter().enumerate() {
                if !images.is_empty() && bytes >= max_bytes {
                    next = Some(Cursor(ids[at - 1]));
                    break;
                }
                if let Some(record) = snapshot.record(*id)? {
                    let image = WholeImage::read(snapshot, *id, record)?;
                    bytes += image.values().map(<[u8]>::len).iter().sum::<usize>();
                    images.push(image);
                }
            }
            Ok(())
        })?;
        Ok((images, next))
    }

    /// Reads the images with these signs; those that are not stored are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn whole_images_of(&self, signs: &[Sign]) -> Result<Vec<WholeImage>, StoreError> {
        self.store.read(|snapshot| {
            let mut images = Vec::with_capacity(signs.len());
            for sign in signs {
                if let Some((id, record)) = snapshot.by_sign(*sign)? {
                    images.push(WholeImage::read(snapshot, id, record)?);
                }
            }
            Ok(images)
        })
    }

    /// Queues the insertion of images of another library in one transaction; calls `done` with how
    /// each one ended.
    ///
    /// An image keeps everything, also its time, unless its content is stored already: then brief
    /// and tags are those of the library, or with `replace` those of the image. The rules of
    /// [`Engine::add`] apply to `done`; if the library gets full, it gets [`WriteError::Full`], and
    /// the images before are added.
    pub fn insert(
        &self,
        images: Vec<WholeImage>,
        replace: bool,
        done: impl FnOnce(Result<Vec<Insertion>, WriteError>) + Send + 'static,
    ) {
        self.writer.queue(
            move |batch| {
                let insertions = images.iter().map(|image| image.insert(batch, replace));
                insertions.collect()
            },
            done,
        );
    }
}

// === impl WholeImage ===

impl WholeImage {
    fn read(snapshot: &Snapshot, id: ImageId, record: StoredRecord) -> Result<Self, StoreError> {
        let features = snapshot.features(id, |features| Ok(features.to_vec()))?;
        let thumbnail = snapshot.thumbnail(id, &record)?;
        let preview = snapshot.preview(id, &record)?.unwrap_or_default();
        let values = [features.unwrap_or_default(), thumbnail, preview];
        Ok(Self::of_parts(record, values))
    }

    /// Makes the image of its record, features, thumbnail and preview.
    pub(crate) fn of_parts(record: StoredRecord, values: [Vec<u8>; 3]) -> Self {
        let [features, thumbnail, preview] = values;
        WholeImage {
            sign: record.sign,
            image: ImageDocument {
                content: record.content,
                size_bytes: record.size_bytes,
                width: record.width,
                height: record.height,
                hash: record.pdq.to_bytes(),
                hash_quality: record.pdq_quality,
                features,
                thumbnail,
            },
            preview,
            brief: record.brief,
            tags: record.tags.to_vec(),
            added_at_ms: record.added_at_ms,
        }
    }

    /// Returns features, thumbnail and preview.
    fn values(&self) -> [&[u8]; 3] {
        [&self.image.features, &self.image.thumbnail, &self.preview]
    }

    /// Returns the record; `None` for tags that no library has. Its checksums are not computed.
    pub(crate) fn record(&self) -> Option<StoredRecord> {
        Some(StoredRecord {
            sign: self.sign,
            content: self.image.content,
            size_bytes: self.image.size_bytes,
            width: self.image.width,
            height: self.image.height,
            added_at_ms: self.added_at_ms,
            pdq: PdqHash::from_bytes(self.image.hash),
            pdq_quality: self.image.hash_quality,
            tags: Tags::new(&self.tags)?,
            features_checksum: 0,
            thumbnail_checksum: 0,
            preview_checksum: None,
            brief: self.brief.clone(),
        })
    }

    fn insert(&self, batch: &mut Batch<'_>, replace: bool) -> Result<Insertion, WriteError> {
        let record = self.record().ok_or(WriteError::InvalidTags)?;
        let inserted = batch.insert(record, self.values())?;
        let Inserted::Existing(stored) = inserted else {
            return Ok(Insertion::Added);
        };
        if stored.brief == self.brief && stored.tags.to_vec() == self.tags {
            return Ok(Insertion::Unchanged);
        }
        if !replace {
            return Ok(Insertion::Kept);
        }
        let update = RecordUpdate {
            brief: Some(self.brief.clone()),
            tags: Some(self.tags.clone()),
        };
        batch.update(&Target::Sign(stored.sign), &update)?;
        Ok(Insertion::Replaced)
    }
}

impl fmt::Debug for WholeImage {
    /// Omits features, thumbnail, preview and brief: logs must not contain images.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WholeImage")
            .field("sign", &self.sign)
            .finish_non_exhaustive()
    }
}
