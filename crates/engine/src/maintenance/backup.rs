//! The backup file: every record of one committed state of a library, as one checksummed stream.
//!
//! ```text
//! offset  bytes  content (little endian)
//! 0       6      "SAMEGB"
//! 6       2      format in decimal digits, "02"
//! 8       8      identity of the library
//! 16      8      time of the backup, milliseconds since 1970-01-01 UTC
//! 24      8      number of the next image
//! 32      8      number of images n
//! 40      …      n images, by their number
//! …       32     BLAKE3 of everything before
//!
//! image   4      its number
//!         4 × 4  length of its record, its features (0: none), its thumbnail and its preview (0: none)
//!         …      record (see `store::record`), features (see `features::encoding`), two JPEGs
//! ```
//!
//! Format "01" has no previews and three lengths; it is read too.
//! It is written and read in one pass, in the memory of one image, and without a seek, so it can be
//! sent while it is made. A stream that ends early has no checksum and is never accepted.

use std::io::{self, Read, Write};

use crate::features::{Features, FeaturesError};
use crate::identity::{ImageId, LibraryId};
use crate::store::{Snapshot, Store, StoreError, StoredRecord, now_ms};

use super::Progress;
use super::integrity::no_record;

const MAGIC: &[u8; 6] = b"SAMEGB";
/// The format that this version writes. It contains records of formats 2 and 3: another format of
/// records needs another format of backups.
const FORMAT: &[u8; 2] = b"02";
/// The format before, which this version reads too.
const FORMAT_WITHOUT_PREVIEWS: &[u8; 2] = b"01";
const CHECKSUM: usize = 32;

/// What a backup contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// The identity of the library that was backed up.
    pub library: LibraryId,
    /// Number of images.
    pub images: u64,
    /// Time of the backup, milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    /// Size of the backup in bytes.
    pub size_bytes: u64,
}

/// Why a backup was not made or cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The input does not begin as a backup does.
    #[error("not a backup of a library")]
    NotABackup,
    /// A version of the engine with another format made the backup.
    #[error("the backup has format {found}, this version reads formats 01 and 02")]
    Format {
        /// The format of the backup.
        found: String,
    },
    /// The input ends before the end of the backup.
    #[error("the backup is incomplete: it is cut off after {images} of {of} images")]
    CutOff {
        /// Complete images.
        images: u64,
        /// Images that the backup had when it was made.
        of: u64,
    },
    /// The backup has other content than was written.
    #[error("the backup is damaged: {reason}")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// The backup could not be read or written.
    #[error("the backup cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The library could not be read.
    #[error("the library cannot be read")]
    Library(#[from] StoreError),
}

/// One image of a backup.
pub(super) struct Entry {
    pub(super) id: ImageId,
    pub(super) record: StoredRecord,
    /// Empty when the image has none.
    pub(super) features: Vec<u8>,
    pub(super) thumbnail: Vec<u8>,
    /// Empty when the image has none.
    pub(super) preview: Vec<u8>,
}

// === impl Entry ===

impl Entry {
    /// Returns features, thumbnail and preview.
    pub(super) fn values(&self) -> [&[u8]; 3] {
        [&self.features, &self.thumbnail, &self.preview]
    }

    fn read(snapshot: &Snapshot, id: ImageId) -> Result<Self, BackupError> {
        let record = snapshot.record(id)?.ok_or_else(|| no_record(id))?;
        let features = snapshot.features(id, |features| Ok(features.to_vec()))?;
        Ok(Entry {
            id,
            thumbnail: snapshot.thumbnail(id, &record)?,
            preview: snapshot.preview(id, &record)?.unwrap_or_default(),
            features: features.unwrap_or_default(),
            record,
        })
    }

    fn write(&self, out: &mut ChecksummedWriter<'_>) -> Result<(), BackupError> {
        let id = self.id;
        let record = self.record.encode(id);
        let parts = [&record, &self.features, &self.thumbnail, &self.preview];
        out.write(&id.to_le_bytes())?;
        for part in parts {
            let length = u32::try_from(part.len())
                .map_err(|_| StoreError::damaged(format!("a value of image {id} is too long")))?;
            out.write(&length.to_le_bytes())?;
        }
        for part in parts {
            out.write(part)?;
        }
        Ok(())
    }
}

/// Writes a backup of the last committed state of a store.
pub(crate) fn backup_of(
    store: &Store,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<BackupInfo, BackupError> {
    // An error of `out` is none of the store: the file must not be reopened for it.
    store.read(|snapshot| match write_backup(snapshot, out, progress) {
        Err(BackupError::Library(error)) => Err(error),
        written => Ok(written),
    })?
}

fn write_backup(
    snapshot: &Snapshot,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<BackupInfo, BackupError> {
    let mut ids = Vec::new();
    // An error if there are fewer than there must be.
    snapshot.for_each_record(|id, _| ids.push(id))?;
    let info = BackupInfo {
        library: snapshot.library_id()?,
        images: ids.len() as u64,
        created_at_ms: now_ms(),
        size_bytes: 0,
    };
    let next_id = snapshot.next_id()?;
    let entries = ids.iter().map(|id| Entry::read(snapshot, *id));
    write_entries(info, next_id, entries, out, progress)
}

/// Writes a backup of images by ascending number, all below `next_id`.
pub(super) fn write_entries(
    mut info: BackupInfo,
    next_id: u64,
    entries: impl Iterator<Item = Result<Entry, BackupError>>,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<BackupInfo, BackupError> {
    let mut out = ChecksummedWriter::new(out);
    out.write(MAGIC)?;
    out.write(FORMAT)?;
    for field in [
        info.library.as_raw(),
        info.created_at_ms,
        next_id,
        info.images,
    ] {
        out.write(&field.to_le_bytes())?;
    }
    for (done, entry) in (1..).zip(entries) {
        entry?.write(&mut out)?;
        progress(done, info.images);
    }
    info.size_bytes = out.finish()?;
    Ok(info)
}

/// Reads a backup to its end and checks every byte of it.
///
/// Cost: about a second per gigabyte on one core, and the memory of one image.
///
/// # Errors
///
/// [`BackupError`] when the input is not a complete and undamaged backup.
pub fn verify_backup(input: impl Read, progress: Progress<'_>) -> Result<BackupInfo, BackupError> {
    let mut backup = BackupReader::open(input)?;
    let images = backup.info.images;
    let mut done = 0;
    while backup.next()?.is_some() {
        done += 1;
        progress(done, images);
    }
    Ok(backup.info)
}

/// Reads a backup image by image.
pub(super) struct BackupReader<R> {
    input: R,
    checksum: blake3::Hasher,
    /// Its size is that of the part that was read.
    pub(super) info: BackupInfo,
    pub(super) next_id: u64,
    has_previews: bool,
    done: u64,
    /// The number of the last image.
    last: Option<ImageId>,
    /// Whether the checksum was compared.
    at_end: bool,
}

// === impl BackupReader ===

impl<R: Read> BackupReader<R> {
    pub(super) fn open(input: R) -> Result<Self, BackupError> {
        let mut backup = Self {
            input,
            checksum: blake3::Hasher::new(),
            info: BackupInfo {
                library: LibraryId::from_raw(0),
                images: 0,
                created_at_ms: 0,
                size_bytes: 0,
            },
            next_id: 0,
            has_previews: true,
            done: 0,
            last: None,
            at_end: false,
        };
        let magic = backup.array::<6>();
        if !magic.is_ok_and(|magic| magic == *MAGIC) {
            return Err(BackupError::NotABackup);
        }
        let format = backup.array::<2>()?;
        backup.has_previews = format != *FORMAT_WITHOUT_PREVIEWS;
        if backup.has_previews && format != *FORMAT {
            let found = String::from_utf8_lossy(&format).into_owned();
            return Err(BackupError::Format { found });
        }
        backup.info.library = LibraryId::from_raw(u64::from_le_bytes(backup.array()?));
        backup.info.created_at_ms = u64::from_le_bytes(backup.array()?);
        backup.next_id = u64::from_le_bytes(backup.array()?);
        backup.info.images = u64::from_le_bytes(backup.array()?);
        Ok(backup)
    }

    /// Returns the next image; `None` after the last one, once the checksum was compared.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        if self.done == self.info.images {
            if !self.at_end {
                self.check_end()?;
            }
            return Ok(None);
        }
        let id = ImageId::from_le_bytes(self.array()?);
        if self.last.is_some_and(|last| id <= last) || u64::from(id) >= self.next_id {
            return Err(damaged(format!("image {id} is out of order")));
        }
        let mut lengths = [0; 4];
        let stored = if self.has_previews { 4 } else { 3 };
        for length in &mut lengths[..stored] {
            *length = u32::from_le_bytes(self.array()?);
        }
        let [record, features, thumbnail, preview] = lengths;
        let entry = Entry {
            id,
            record: StoredRecord::decode(id, &self.bytes(record)?)
                .ok_or_else(|| damaged(format!("the record of image {id}")))?,
            features: self.bytes(features)?,
            thumbnail: self.bytes(thumbnail)?,
            preview: self.bytes(preview)?,
        };
        if !entry.record.has_values(id, entry.values()) {
            let message = format!("the features, thumbnail or preview of image {id}");
            return Err(damaged(message));
        }
        // Features of another version are kept: that version can read them.
        if let Err(FeaturesError::Damaged) = Features::decode(&entry.features)
            && !entry.features.is_empty()
        {
            return Err(damaged(format!("the features of image {id}")));
        }
        self.done += 1;
        self.last = Some(id);
        Ok(Some(entry))
    }

    fn check_end(&mut self) -> Result<(), BackupError> {
        let computed = *self.checksum.finalize().as_bytes();
        if self.array::<CHECKSUM>()? != computed {
            return Err(damaged("the checksum is wrong"));
        }
        if self.input.read(&mut [0])? > 0 {
            return Err(damaged("there is more data after its end"));
        }
        self.at_end = true;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        if let Err(error) = self.input.read_exact(&mut bytes) {
            return Err(if error.kind() == io::ErrorKind::UnexpectedEof {
                self.cut_off()
            } else {
                BackupError::Io(error)
            });
        }
        self.read(&bytes);
        Ok(bytes)
    }

    /// Reads a value; its buffer grows as it is read, since a damaged length may be gigabytes.
    fn bytes(&mut self, length: u32) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        let limited = self.input.by_ref().take(u64::from(length));
        { limited }.read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Err(self.cut_off());
        }
        self.read(&bytes);
        Ok(bytes)
    }

    fn read(&mut self, bytes: &[u8]) {
        self.checksum.update(bytes);
        self.info.size_bytes += bytes.len() as u64;
    }

    fn cut_off(&self) -> BackupError {
        BackupError::CutOff {
            images: self.done,
            of: self.info.images,
        }
    }
}

fn damaged(reason: impl Into<String>) -> BackupError {
    BackupError::Damaged {
        reason: reason.into(),
    }
}

/// Writes bytes, and at the end their checksum.
struct ChecksummedWriter<'a> {
    out: &'a mut dyn Write,
    checksum: blake3::Hasher,
    size_bytes: u64,
}

// === impl ChecksummedWriter ===

impl<'a> ChecksummedWriter<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            checksum: blake3::Hasher::new(),
            size_bytes: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes the checksum and returns the number of bytes in all.
    fn finish(self) -> io::Result<u64> {
        self.out.write_all(self.checksum.finalize().as_bytes())?;
        self.out.flush()?;
        Ok(self.size_bytes + CHECKSUM as u64)
    }
}
