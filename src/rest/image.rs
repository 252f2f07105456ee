//! Decodes an image from the base64 text of a form field.
//!
//! One pass over the text: escapes are undone into a small buffer, which is decoded when it is
//! full, so megabytes of text are never copied. The decoder is lenient where clients make known
//! mistakes and the meaning is clear: a `+` may be escaped or not, and a space is a `+` that was
//! not escaped; line breaks (MIME encoders, `base64` on a command line) are skipped; padding is
//! optional. Any other character outside the alphabet makes the text invalid, also those of a
//! `data:` prefix.

use base64_simd::forgiving_decode_inplace;
use bytes::Bytes;
use memchr::{memchr, memchr3_iter};

use super::escape::hex_byte;

/// Characters decoded at a time: a multiple of four, and few enough for the first-level cache.
const CHUNK: usize = 4096;
/// Bytes that a full chunk decodes to.
const CHUNK_BYTES: usize = CHUNK / 4 * 3;
/// Characters that are copied at once, also where fewer are wanted: of 32 characters one is escaped,
/// and copies of lengths that vary cost more (measured on 300 kB of noise: 1.4 times the whole).
const BLOCK: usize = 64;

/// Base64 characters on their way into an image.
struct Decoder {
    image: Vec<u8>,
    /// The characters that are not decoded yet, and room for a copy beyond them.
    chunk: [u8; CHUNK + BLOCK],
    filled: usize,
}

/// Decodes the text of an image; `None` when it is not base64.
pub(super) fn decode(text: &[u8]) -> Option<Bytes> {
    if memchr(b'\r', text).is_none() {
        return decode_around(memchr3_iter(b'%', b' ', b'\n', text), text);
    }
    // Lines of a MIME encoder.
    let is_special = |at: &usize| matches!(text[*at], b'%' | b' ' | b'\n' | b'\r');
    decode_around((0..text.len()).filter(is_special), text)
}

/// Decodes a text with escapes, spaces and line breaks at these places.
fn decode_around(specials: impl Iterator<Item = usize>, text: &[u8]) -> Option<Bytes> {
    let mut decoder = Decoder::new(text.len());
    let mut start = 0;
    for special in specials {
        decoder.push(text, start, special)?;
        let mut character = text[special];
        start = special + 1;
        if character == b'%' {
            character = hex_byte(&text[start..])?;
            start += 2;
        }
        match character {
            b'\r' | b'\n' => {}
            b' ' => decoder.push_character(b'+')?,
            character => decoder.push_character(character)?,
        }
    }
    decoder.push(text, start, text.len())?;
    decoder.finish()
}

// === impl Decoder ===

impl Decoder {
    fn new(characters: usize) -> Self {
        Decoder {
            image: Vec::with_capacity(characters / 4 * 3 + 3),
            chunk: [0; CHUNK + BLOCK],
            filled: 0,
        }
    }

    /// Appends the characters from `start` to `end` of the text.
    #[inline]
    fn push(&mut self, text: &[u8], mut start: usize, end: usize) -> Option<()> {
        while start < end {
            let length = BLOCK.min(end - start);
            let free = &mut self.chunk[self.filled..];
            match text[start..].first_chunk::<BLOCK>() {
                Some(block) => free[..BLOCK].copy_from_slice(block),
                None => free[..length].copy_from_slice(&text[start..end]),
            }
            self.advance(length)?;
            start += length;
        }
        Some(())
    }

    #[inline]
    fn push_character(&mut self, character: u8) -> Option<()> {
        self.chunk[self.filled] = character;
        self.advance(1)
    }

    /// Counts characters that were written, and decodes the chunk when others follow it: only the last
    /// one may be short or padded.
    #[inline]
    fn advance(&mut self, characters: usize) -> Option<()> {
        self.filled += characters;
        if self.filled <= CHUNK {
            return Some(());
        }
        let decoded = forgiving_decode_inplace(&mut self.chunk[..CHUNK]).ok()?;
        if decoded.len() < CHUNK_BYTES {
            return None;
        }
        self.image.extend_from_slice(decoded);
        self.chunk.copy_within(CHUNK.., 0);
        self.filled -= CHUNK;
        Some(())
    }

    fn finish(mut self) -> Option<Bytes> {
        let text = &self.chunk[..self.filled];
        let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
        let digits = self.filled - padding;
        if digits % 4 == 1 || padding > (4 - digits % 4) % 4 {
            return None;
        }
        let decoded = forgiving_decode_inplace(&mut self.chunk[..digits]).ok()?;
        // It skips white space.
        if decoded.len() < digits * 3 / 4 {
            return None;
        }
        self.image.extend_from_slice(decoded);
        Some(self.image.into())
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    use base64::{Engine, alphabet};
    use base64_simd::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        decode(text.as_bytes()).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn an_unescaped_plus_line_breaks_and_missing_padding_are_accepted() {
        assert_eq!(decoded("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded(" / /").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded("%2b%2F%20%2f").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded("Zm9v\r\nYg==\n").unwrap(), b"foob");
        assert_eq!(decoded("Zm9v\rYg==\r").unwrap(), b"foob");
        assert_eq!(decoded("Zm9v\r\r\nY%0Dg==").unwrap(), b"foob");
        assert_eq!(decoded("Zm9vYg").unwrap(), b"foob");
        assert_eq!(decoded("Zm9vYg=").unwrap(), b"foob");
        assert_eq!(decoded("Zm9vYh").unwrap(), b"foob", "bits that no byte has");
        assert_eq!(decoded("").unwrap(), b"");
    }

    #[test]
    fn a_data_prefix_and_other_characters_outside_the_alphabet_are_not_base64() {
        for text in [
            "data:image/png;base64,Zm9v",
            "Zm9%",
            "Zm-_",
            "Zm9v\t",
            "Zg===",
            "Zm9v=",
            "=",
            "Zm\x0c9v",
            "Zm9v%",
            "%\r41Zm9v",
            "Z",
            "Zg==Zg==",
            "图",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    #[test]
    fn text_after_the_padding_is_rejected_also_in_the_next_chunk() {
        let padded = format!("{}==", "A".repeat(CHUNK - 2));

        assert_eq!(decoded(&padded).unwrap().len(), CHUNK_BYTES - 2);
        assert_eq!(decoded(&format!("{padded}AAAA")), None);
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_its_plain_base64(
            text in "(A{0,70}(%2[bB]|%2[fF]|[+/ ]|%20|\r\n|\r|\n|%0[aAdD])){0,200}B{0,3}",
            padding in "(=|%3[dD]|\r|\n|\t|=A){0,4}",
        ) {
            let text = text + &padding;
            // Line breaks first: those that are escaped are line breaks too, and others are part of no escape.
            let unescaped = crate::rest::escape::unescape(text.as_bytes());
            let plain = unescaped.map(|byte| if byte == b' ' { b'+' } else { byte });
            let plain: Vec<u8> = plain.filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            let config = GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true);
            let expected = GeneralPurpose::new(&alphabet::STANDARD, config).decode(plain);

            prop_assert_eq!(decoded(&text), expected.ok());
        }

        #[test]
        fn every_length_round_trips(length in 0..3 * CHUNK_BYTES, first: u8, broken_every in 1..100_usize) {
            let bytes: Vec<u8> = (0..=255).cycle().map(|byte: u8| byte.wrapping_mul(31) ^ first).take(length).collect();
            let text = STANDARD.encode_to_string(&bytes);
            let lines: Vec<_> = text.as_bytes().chunks(broken_every).collect();

            prop_assert_eq!(decoded(&text).unwrap(), bytes.clone());
            let broken = String::from_utf8(lines.join(&b"%0D\n"[..])).unwrap();
            prop_assert_eq!(decoded(&broken).unwrap(), bytes);
        }
    }
}
