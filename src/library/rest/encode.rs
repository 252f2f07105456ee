//! The body of a call: an image as `image=<base64, escaped>`, then fields.
//!
//! Escaping costs more time than base64, so both are one step: every 12 bits of the image select an
//! entry of a table that holds their two characters already escaped, and one 8-byte store writes
//! it, into a small buffer that stays in the first-level cache. The escapes are counted first (an order of magnitude faster than encoding), so that the
//! length is known before the text exists, and a text over the vendor's limit is rejected. The text
//! is encoded piece by piece as it is sent: a call that waits for the rate limit or its response
//! holds its image only. Nothing here knows HTTP.

mod escapes;

use bytes::Bytes;

use self::escapes::{count_escapes, group_bits};
use crate::domain::{Format, ImageSource};
use crate::error::{Error, Kind, Result};
use crate::wire::MAX_ENCODED_BYTES;

/// What the vendor reads (same_hq documentation, parameter `image`).
const FORMATS: [Format; 3] = [Format::Jpeg, Format::Png, Format::Bmp];

const PREFIX: &[u8] = b"image=";
/// Bytes of the image that one iteration encodes.
const BLOCK: usize = 12;
/// Bytes of the image in one piece, whole blocks: about 64 KiB of text, so that several fit into a
/// second-level cache.
const PIECE: usize = 4096 * BLOCK;
/// Bytes of the image that are encoded before their text is appended to the piece: stores reach
/// beyond the text, so a piece that they write to itself would have to be zeroed first.
const STRIP: usize = 64 * BLOCK;
/// Maximum text of a strip: 3 characters for each one of base64, and the reach of the last stores.
const SCRATCH: usize = STRIP / 3 * 4 * 3 + WINDOW;
/// Maximum text of a block, and the reach of its stores: 8 entries of up to 6 characters, written 8
/// bytes at a time; a power of two for the compiler.
const WINDOW: usize = 64;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING: &[u8] = b"%3D";

/// A form: the image first where there is one, then the fields in their order. Clones share both.
#[derive(Clone)]
pub struct Form {
    image: Option<Bytes>,
    fields: Bytes,
    length: usize,
}

/// The text of a form, piece by piece.
pub struct Pieces {
    /// The rest of the image.
    image: Bytes,
    /// Whether `image=` was not written yet.
    prefix: bool,
    /// With the `&` before them, once.
    fields: Bytes,
}

// === impl Form ===

impl Form {
    /// Creates a form; [`Form::pieces`] encodes its text.
    ///
    /// # Errors
    ///
    /// `ImageSize` when the encoded image is longer than the vendor accepts.
    pub fn new(image: Option<Bytes>, fields: &[(&str, String)]) -> Result<Self> {
        let mut fields = urlencoded(fields);
        let Some(image) = image else {
            let length = fields.len();
            return Ok(Form {
                image: None,
                fields: fields.into(),
                length,
            });
        };
        let size = encoded_size(&image);
        if size > MAX_ENCODED_BYTES {
            let message = format!(
                "the image has {size} bytes when encoded; the maximum is {MAX_ENCODED_BYTES}"
            );
            return Err(Error::new(Kind::ImageSize, message));
        }
        if !fields.is_empty() {
            fields.insert(0, '&');
        }
        let length = PREFIX.len() + size + fields.len();
        Ok(Form {
            image: Some(image),
            fields: fields.into(),
            length,
        })
    }

    /// Creates a form of an image, by content or URL, and fields.
    ///
    /// # Errors
    ///
    /// `ImageFormat` for a format that the vendor does not read, and those of [`Form::new`].
    pub(super) fn of(source: &ImageSource, mut fields: Vec<(&str, String)>) -> Result<Self> {
        match source {
            ImageSource::Content(image) => {
                image.check_format(&FORMATS)?;
                Form::new(Some(image.bytes().clone()), &fields)
            }
            ImageSource::Url(url) => {
                fields.push(("url", url.as_url().as_str().to_owned()));
                Form::new(None, &fields)
            }
        }
    }

    /// Returns the length of the text in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Encodes the text, one piece in memory at a time.
    ///
    /// Time is linear; measured 0.9 GB/s of image bytes or more (`cargo bench --bench encode`).
    pub fn pieces(&self) -> Pieces {
        Pieces {
            prefix: self.image.is_some(),
            image: self.image.clone().unwrap_or_default(),
            fields: self.fields.clone(),
        }
    }
}

impl std::fmt::Debug for Form {
    /// Writes the length only: the form holds images and keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({} bytes)", self.length)
    }
}

// === impl Pieces ===

impl Pieces {
    /// Returns whether all of the text was encoded.
    pub fn is_empty(&self) -> bool {
        !self.prefix && self.image.is_empty() && self.fields.is_empty()
    }

    fn encode_next(&mut self) -> Bytes {
        let prefix = if std::mem::take(&mut self.prefix) {
            PREFIX
        } else {
            &[]
        };
        let now = self.image.split_to(PIECE.min(self.image.len()));
        // For bytes without a pattern: of 64 characters 2 are escaped. It grows for others.
        let mut text = Vec::with_capacity(prefix.len() + now.len() * 10 / 7 + WINDOW);
        text.extend_from_slice(prefix);
        encode(&now, &mut text);
        text.into()
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.prefix || !self.image.is_empty() {
            return Some(self.encode_next());
        }
        let fields = std::mem::take(&mut self.fields);
        Some(fields).filter(|fields| !fields.is_empty())
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pieces(..)")
    }
}

fn urlencoded(fields: &[(&str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Returns the length of an image's base64 text, escaped as a form value.
fn encoded_size(image: &[u8]) -> usize {
    let padding = (3 - image.len() % 3) % 3;
    image.len().div_ceil(3) * 4 + 2 * (padding + count_escapes(image))
}

/// Appends the text of an image.
fn encode(image: &[u8], text: &mut Vec<u8>) {
    let mut scratch = [0; SCRATCH];
    for strip in image.chunks(STRIP) {
        let (blocks, rest) = strip.as_chunks::<BLOCK>();
        let mut end = 0;
        for block in blocks {
            // The compiler proves that every store of a block is in its window, so this is the
            // only bounds check.
            let Some(window) = scratch[end..].first_chunk_mut::<WINDOW>() else {
                unreachable!("the buffer is a window longer than the text of a strip");
            };
            end += encode_block(block, window);
        }
        for group in rest.chunks(3) {
            end += encode_group(group, &mut scratch[end..]);
        }
        text.extend_from_slice(&scratch[..end]);
    }
}

#[inline(always)]
fn encode_block(block: &[u8; BLOCK], window: &mut [u8; WINDOW]) -> usize {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *block;
    let head = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 16;
    let tail = u64::from_be_bytes([0, 0, g, h, i, j, k, l]);
    let mut end = 0;
    for bits in [
        head >> 36,
        head >> 24,
        head >> 12,
        head,
        tail >> 36,
        tail >> 24,
        tail >> 12,
        tail,
    ] {
        let pair = PAIRS[(bits & 0xfff) as usize];
        window[end..end + 8].copy_from_slice(&pair.to_le_bytes());
        end += (pair >> LENGTH_SHIFT) as usize;
    }
    end
}

/// Encodes a group of one, two or three bytes.
fn encode_group(group: &[u8], out: &mut [u8]) -> usize {
    let mut text = Vec::with_capacity(12);
    let bits = group_bits(group);
    for index in 0..4 {
        let sextet = (bits >> (18 - 6 * index)) as usize & 63;
        match ALPHABET[sextet] {
            _ if index > group.len() => text.extend_from_slice(PADDING),
            b'+' => text.extend_from_slice(b"%2B"),
            b'/' => text.extend_from_slice(b"%2F"),
            plain => text.push(plain),
        }
    }
    out[..text.len()].copy_from_slice(&text);
    text.len()
}

/// Bits of an entry above this one hold the length of its text, 2 to 6.
const LENGTH_SHIFT: u32 = 61;

/// The escaped text of every 12 bits, first character in the lowest byte.
///
/// 32 KiB, the whole of a first-level cache; measured nonetheless faster than 64 entries of one
/// character, and than merging two entries into one store.
static PAIRS: [u64; 4096] = pairs();

const fn pairs() -> [u64; 4096] {
    let mut table = [0; 4096];
    let mut index = 0;
    while index < table.len() {
        let (first, length) = append(0, 0, ALPHABET[index >> 6]);
        let (both, length) = append(first, length, ALPHABET[index & 63]);
        table[index] = both | (length as u64) << LENGTH_SHIFT;
        index += 1;
    }
    table
}

const fn append(text: u64, length: u32, character: u8) -> (u64, u32) {
    let (escaped, added) = match character {
        b'+' => (u64::from_le_bytes(*b"%2B\0\0\0\0\0"), 3),
        b'/' => (u64::from_le_bytes(*b"%2F\0\0\0\0\0"), 3),
        plain => (plain as u64, 1),
    };
    (text | escaped << (8 * length), length + added)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    /// Returns the whole text; its length must be the counted one.
    fn form(image: Option<&[u8]>, fields: &[(&str, String)]) -> Result<Vec<u8>> {
        let form = Form::new(image.map(Bytes::copy_from_slice), fields)?;
        let mut pieces = form.pieces();
        let text: Vec<u8> = pieces.by_ref().flatten().collect();
        assert!(pieces.is_empty());
        assert_eq!(text.len(), form.length());
        Ok(text)
    }

    fn expected(image: &[u8], fields: &[(&str, String)]) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("image", &STANDARD.encode(image))
            .extend_pairs(fields)
            .finish()
    }

    /// Reproducible bytes without a pattern.
    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn every_length_is_encoded_like_base64_and_form_urlencoded() {
        let noise = noise(4096);
        for length in 0..=noise.len() {
            for image in [&noise[..length], &vec![0xff; length], &vec![0; length]] {
                let body = form(Some(image), &[]).unwrap();

                assert!(body == expected(image, &[]).as_bytes(), "{length} bytes");
            }
        }
    }

    #[test]
    fn pieces_join_where_the_image_was_split() {
        let noise = noise(3 * PIECE + 7);
        for length in [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, noise.len()] {
            let image = &noise[..length];
            let fields = [("brief", "b".to_owned())];

            let body = form(Some(image), &fields).unwrap();

            assert!(
                body == expected(image, &fields).as_bytes(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_body_has_the_size_that_was_counted() {
        for image in [noise(300_001), vec![0xfb; 100_000]] {
            let text = form(Some(&image), &[]).unwrap().len() - PREFIX.len();

            assert_eq!(encoded_size(&image), text);
        }
    }

    #[test]
    fn a_text_of_the_maximum_length_is_accepted_and_a_longer_one_is_not() {
        // Zeros have no escapes: 4 characters for 3 bytes.
        let image = vec![0; MAX_ENCODED_BYTES / 4 * 3];
        let body = form(Some(&image), &[("brief", "b".repeat(256))]).unwrap();
        assert_eq!(
            body.len(),
            PREFIX.len() + MAX_ENCODED_BYTES + "&brief=".len() + 256
        );

        let image = vec![0; image.len() + 1];
        assert_eq!(form(Some(&image), &[]).unwrap_err().kind(), Kind::ImageSize);
        // Fewer bytes, but three characters for each of base64's.
        let image = vec![0xff; MAX_ENCODED_BYTES / 12 * 3];
        form(Some(&image), &[]).unwrap();
        let image = vec![0xff; MAX_ENCODED_BYTES / 12 * 3 + 3];
        assert_eq!(form(Some(&image), &[]).unwrap_err().kind(), Kind::ImageSize);
    }

    #[test]
    fn a_form_without_an_image_holds_only_its_fields() {
        let body = form(None, &[("cont_sign", "1,2;3,4".to_owned())]).unwrap();

        assert_eq!(body, b"cont_sign=1%2C2%3B3%2C4");
    }

    proptest! {
        #[test]
        fn any_image_and_brief_are_encoded_like_base64_and_form_urlencoded(
            image in prop::collection::vec(any::<u8>(), 0..2000),
            brief in any::<String>(),
        ) {
            let fields = [("brief", brief)];
            let body = form(Some(&image), &fields).unwrap();

            prop_assert!(body == expected(&image, &fields).as_bytes());
        }
    }
}
