//! A record of the table `records` and its encoding.
//!
//! Numbers are little-endian. Format 1:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format of this record, 1 |
//! | 1 | 8 | sign |
//! | 9 | 32 | BLAKE3 of the file |
//! | 41 | 8 | size of the file in bytes |
//! | 49 | 4 | width of the upright image in pixels |
//! | 53 | 4 | height of the upright image in pixels |
//! | 57 | 8 | time of adding, milliseconds since 1970-01-01 UTC |
//! | 65 | 32 | PDQ hash, lowest bit first |
//! | 97 | 1 | PDQ quality, 0–100 |
//! | 98 | 4 | two tags of 2 bytes, 0 = none |
//! | 102 | rest | brief, UTF-8 |

use crate::identity::{ContentHash, Sign};
use crate::pdq::PdqHash;
use crate::tags::{MAX_TAGS, Tags};

use super::error::StoreError;

const FORMAT: u8 = 1;
const FIXED_BYTES: usize = 102;

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
    pub(crate) brief: String,
}

// === impl StoredRecord ===

impl StoredRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.brief.len());
        bytes.push(FORMAT);
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
        bytes.extend(self.brief.as_bytes());
        bytes
    }

    /// Decodes a record; never panics, whatever the bytes are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the bytes are not a record of format 1.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::decode_fields(bytes).ok_or_else(|| {
            StoreError::damaged(format!("a record of {} bytes cannot be read", bytes.len()))
        })
    }

    fn decode_fields(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if take(&mut rest)? != [FORMAT] {
            return None;
        }
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
            brief: std::str::from_utf8(rest).ok()?.to_owned(),
        })
    }
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
            ".*",
        );
        (facts, rest).prop_map(|((sign, content, size_bytes, width, height), rest)| {
            let (added_at_ms, pdq, pdq_quality, tags, brief) = rest;
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
                brief,
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(record in any_record()) {
            prop_assert_eq!(StoredRecord::decode(&record.encode()).unwrap(), record);
        }

        #[test]
        fn any_bytes_are_read_or_rejected_without_panic(bytes: Vec<u8>, record in any_record(), cut: prop::sample::Index) {
            let _ = StoredRecord::decode(&bytes);
            let encoded = record.encode();
            let _ = StoredRecord::decode(&encoded[..cut.index(encoded.len())]);
        }
    }

    #[test]
    fn a_record_of_another_format_is_rejected() {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[0] = 1;
        assert!(StoredRecord::decode(&bytes).is_ok());

        bytes[0] = 2;

        assert!(matches!(
            StoredRecord::decode(&bytes),
            Err(StoreError::Damaged { .. })
        ));
    }
}
