//! A record of the table `records` and its encoding.
//!
//! Numbers are little-endian. Format 3, of an image with a preview:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format of this record, 3 |
//! | 1 | 8 | checksum over the number of the image, all that follows, and the format |
//! | 9 | 8 | sign |
//! | 17 | 32 | BLAKE3 of the file |
//! | 49 | 8 | size of the file in bytes |
//! | 57 | 4 | width of the upright image in pixels |
//! | 61 | 4 | height of the upright image in pixels |
//! | 65 | 8 | time of adding, milliseconds since 1970-01-01 UTC |
//! | 73 | 32 | PDQ hash, lowest bit first |
//! | 105 | 1 | PDQ quality, 0–100 |
//! | 106 | 4 | two tags of 2 bytes, 0 = none |
//! | 110 | 8 | checksum of the features; of no bytes, if the image has none |
//! | 118 | 8 | checksum of the thumbnail |
//! | 126 | 8 | checksum of the preview |
//! | 134 | rest | brief, UTF-8 |
//!
//! Format 2, of an image without a preview, has no checksum of it, and the checksum of the record
//! does not cover the format. Format 1 has none of the checksums; `store::migration` converts it.

use crate::identity::{ContentHash, ImageId, Sign};
use crate::pdq::PdqHash;
use crate::tags::{MAX_TAGS, Tags};

use super::changes::ImageSummary;
use super::checksum::{checksum, checksum_of_parts};

const FORMAT: u8 = 2;
const FORMAT_WITH_PREVIEW: u8 = 3;
/// Format and checksum of the record.
const HEAD_BYTES: usize = 9;
/// Sign to tags: the same in formats 1 and 2.
const FACTS_BYTES: usize = 101;

/// A stored record, without the image's features and thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    pub(crate) sign: Sign,
    pub(crate) content: ContentHash,
    pub(crate) size_bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) added_at_ms: u64,
    pub(crate) pdq: PdqHash,
    pub(crate) pdq_quality: u8,
    pub(crate) tags: Tags,
    pub(crate) features_checksum: u64,
    pub(crate) thumbnail_checksum: u64,
    /// `None` for an image without a preview.
    pub(crate) preview_checksum: Option<u64>,
    pub(crate) brief: String,
}

// === impl StoredRecord ===

impl StoredRecord {
    /// Encodes the record of the image with this number.
    pub(crate) fn encode(&self, id: ImageId) -> Vec<u8> {
        let mut bytes = unsealed(FACTS_BYTES + 24 + self.brief.len());
        bytes.extend(self.sign.as_raw().to_le_bytes());
        bytes.extend(self.content.as_raw());
        bytes.extend(self.size_bytes.to_le_bytes());
        bytes.extend(self.width.to_le_bytes());
        bytes.extend(self.height.to_le_bytes());
        bytes.extend(self.added_at_ms.to_le_bytes());
        bytes.extend(self.pdq.to_bytes());
        bytes.push(self.pdq_quality);
        let mut tags = self.tags.iter();
        for _ in 0..MAX_TAGS {
            bytes.extend(tags.next().unwrap_or(0).to_le_bytes());
        }
        bytes.extend(self.features_checksum.to_le_bytes());
        bytes.extend(self.thumbnail_checksum.to_le_bytes());
        let format = match self.preview_checksum {
            Some(checksum) => {
                bytes.extend(checksum.to_le_bytes());
                FORMAT_WITH_PREVIEW
            }
            None => FORMAT,
        };
        bytes.extend(self.brief.as_bytes());
        seal(id, format, bytes)
    }

    /// Decodes the record of the image with this number; never panics, whatever the bytes are.
    ///
    /// Returns `None` when the bytes are damaged: no record of format 2 or 3, or that of another
    /// image.
    pub(crate) fn decode(id: ImageId, bytes: &[u8]) -> Option<Self> {
        let (head, fields) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let has_preview = match head[0] {
            FORMAT => false,
            FORMAT_WITH_PREVIEW => true,
            _ => return None,
        };
        if checksum_of(bytes) != record_checksum(id, head[0], fields) {
            return None;
        }
        let mut rest = fields;
        Some(Self {
            sign: Sign::from_raw(u64::from_le_bytes(take(&mut rest)?)),
            content: ContentHash::from_raw(take(&mut rest)?),
            size_bytes: u64::from_le_bytes(take(&mut rest)?),
            width: u32::from_le_bytes(take(&mut rest)?),
            height: u32::from_le_bytes(take(&mut rest)?),
            added_at_ms: u64::from_le_bytes(take(&mut rest)?),
            pdq: PdqHash::from_bytes(take(&mut rest)?),
            pdq_quality: u8::from_le_bytes(take(&mut rest)?),
            tags: decode_tags(take(&mut rest)?)?,
            features_checksum: u64::from_le_bytes(take(&mut rest)?),
            thumbnail_checksum: u64::from_le_bytes(take(&mut rest)?),
            preview_checksum: match has_preview {
                true => Some(u64::from_le_bytes(take(&mut rest)?)),
                false => None,
            },
            brief: std::str::from_utf8(rest).ok()?.to_owned(),
        })
    }

    /// Sets the checksums of the features, the thumbnail and the preview, empty for none, of the
    /// image with this number.
    pub(crate) fn with_values(self, id: ImageId, values: [&[u8]; 3]) -> Self {
        let [features, thumbnail, preview] = values;
        Self {
            features_checksum: checksum(id, features),
            thumbnail_checksum: checksum(id, thumbnail),
            preview_checksum: preview_checksum(id, preview),
            ..self
        }
    }

    /// Returns whether these are the features, the thumbnail and the preview, empty for none, of
    /// the record of the image with this number.
    pub(crate) fn has_values(&self, id: ImageId, values: [&[u8]; 3]) -> bool {
        let [features, thumbnail, preview] = values;
        checksum(id, features) == self.features_checksum
            && checksum(id, thumbnail) == self.thumbnail_checksum
            && preview_checksum(id, preview) == self.preview_checksum
    }

    /// Returns what the catalog keeps of the record.
    pub(crate) fn summary(&self, id: ImageId) -> ImageSummary {
        ImageSummary {
            id,
            pdq: self.pdq,
            pdq_quality: self.pdq_quality,
            tags: self.tags,
            added_at_ms: self.added_at_ms,
        }
    }
}

/// Returns the checksum of a preview; `None` for an empty one, which means none.
fn preview_checksum(id: ImageId, preview: &[u8]) -> Option<u64> {
    (!preview.is_empty()).then(|| checksum(id, preview))
}

/// Returns the checksum in an encoded record; 0 for bytes that are too short to have one.
pub(super) fn checksum_of(record: &[u8]) -> u64 {
    let checksum = record.get(1..HEAD_BYTES).and_then(<[u8]>::first_chunk);
    checksum.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Converts a record of format 1, given the checksums of the image's features and thumbnail;
/// returns `None` for bytes that are no such record.
pub(super) fn from_format_1(id: ImageId, old: &[u8], checksums: [u64; 2]) -> Option<Vec<u8>> {
    let (format, fields) = old.split_first()?;
    let (facts, brief) = fields.split_at_checked(FACTS_BYTES)?;
    if *format != 1 {
        return None;
    }
    let mut bytes = unsealed(fields.len() + 16);
    bytes.extend(facts);
    bytes.extend(checksums.map(u64::to_le_bytes).as_flattened());
    bytes.extend(brief);
    Some(seal(id, FORMAT, bytes))
}

/// Starts the encoding of a record: reserves its head.
fn unsealed(fields_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + fields_bytes);
    bytes.extend([0; HEAD_BYTES]);
    bytes
}

/// Fills in the head of a record.
fn seal(id: ImageId, format: u8, mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = record_checksum(id, format, &bytes[HEAD_BYTES..]);
    bytes[0] = format;
    bytes[1..HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Returns the checksum that a record of a format must have.
fn record_checksum(id: ImageId, format: u8, fields: &[u8]) -> u64 {
    match format {
        FORMAT => checksum(id, fields),
        // So that a damaged format does not turn the checksum of the preview into a brief.
        _ => checksum_of_parts(id, [fields, &[format]]),
    }
}

/// Decodes any bytes as the fields of a record, for fuzzing.
#[cfg(fuzzing)]
pub(crate) fn decode_fields(fields: &[u8]) -> Option<StoredRecord> {
    let mut bytes = unsealed(fields.len());
    bytes.extend(fields);
    StoredRecord::decode(0, &seal(0, FORMAT_WITH_PREVIEW, bytes))
}

fn decode_tags(bytes: [u8; 2 * MAX_TAGS]) -> Option<Tags> {
    let tags: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .filter(|tag| *tag != 0)
        .collect();
    Tags::new(&tags)
}

/// Splits off the next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_record() -> impl Strategy<Value = StoredRecord> {
        let facts = (
            any::<u64>(),
            any::<[u8; 32]>(),
            any::<u64>(),
            any::<u32>(),
            any::<u32>(),
        );
        let rest = (
            any::<u64>(),
            any::<[u64; 4]>(),
            0..=100_u8,
            prop::collection::vec(1..=u16::MAX, 0..=2),
            any::<Option<u64>>(),
            ".*",
        );
        (facts, rest).prop_map(|((sign, content, size_bytes, width, height), rest)| {
            let (added_at_ms, pdq, pdq_quality, tags, preview_checksum, brief) = rest;
            StoredRecord {
                sign: Sign::from_raw(sign),
                content: ContentHash::from_raw(content),
                size_bytes,
                width,
                height,
                added_at_ms,
                pdq: PdqHash(pdq),
                pdq_quality,
                tags: Tags::new(&tags).unwrap(),
                features_checksum: size_bytes ^ 1,
                thumbnail_checksum: size_bytes ^ 2,
                preview_checksum,
                brief,
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(record in any_record(), id: u32) {
            prop_assert_eq!(StoredRecord::decode(id, &record.encode(id)).unwrap(), record);
        }

        #[test]
        fn any_other_bytes_are_rejected_without_a_panic(
            bytes: Vec<u8>,
            record in any_record(),
            id: u32,
            cut: prop::sample::Index,
            bit: prop::sample::Index,
        ) {
            let encoded = record.encode(id);
            let mut flipped = encoded.clone();
            flipped[bit.index(encoded.len())] ^= 1 << (id % 8);

            prop_assert_eq!(StoredRecord::decode(id, &bytes), None);
            prop_assert_eq!(StoredRecord::decode(id, &encoded[..cut.index(encoded.len())]), None);
            prop_assert_eq!(StoredRecord::decode(id, &flipped), None);
            prop_assert_eq!(StoredRecord::decode(id.wrapping_add(1), &encoded), None);
        }

        #[test]
        fn any_bytes_with_a_right_checksum_are_read_or_rejected_without_a_panic(
            fields in prop::collection::vec(any::<u8>(), 0..200),
            format in prop::sample::select(vec![FORMAT, FORMAT_WITH_PREVIEW]),
        ) {
            let mut bytes = unsealed(fields.len());
            bytes.extend(fields);
            let _ = StoredRecord::decode(0, &seal(0, format, bytes));
        }
    }
}
