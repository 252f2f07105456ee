//! Base64 text of an image, as a form holds it, to the image's bytes.
//!
//! One pass over the text: escapes are undone into a small buffer that is
//! decoded when full, so megabytes of text are never copied. Lenient where
//! clients are known to be careless and the meaning is clear: a `+` is itself
//! with and without its escape, and a space is a `+` that lost it; line breaks
//! (MIME encoders, `base64` on a command line) are skipped; padding may be
//! absent. Anything else outside the alphabet is not base64, a `data:` prefix
//! among it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::form::escape;

/// Characters decoded at a time: whole groups of four, and few enough to stay
/// in the first-level cache.
const CHUNK: usize = 4096;
/// Bytes that a chunk stands for.
const CHUNK_BYTES: usize = CHUNK / 4 * 3;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes the text of an image; `None` when it is not base64.
pub(super) fn decode(text: &[u8]) -> Option<Bytes> {
    let mut rest = text;
    let mut image = Vec::with_capacity(text.len() / 4 * 3 + CHUNK_BYTES);
    let mut chunk = [0; CHUNK];
    loop {
        let filled = fill(&mut chunk, &mut rest);
        let before = image.len();
        BASE64.decode_vec(&chunk[..filled], &mut image).ok()?;
        // Only the last chunk may be short or padded.
        if image.len() - before < CHUNK_BYTES {
            return (fill(&mut chunk, &mut rest) == 0).then(|| image.into());
        }
    }
}

/// Moves the next letters of the text to a chunk and counts them.
fn fill(chunk: &mut [u8; CHUNK], rest: &mut &[u8]) -> usize {
    let mut filled = 0;
    while filled < CHUNK {
        // Only one letter in 32 is escaped, so whole runs are moved at once.
        let room = rest.len().min(CHUNK - filled);
        let (run, tail) = rest.split_at(plain_letters(&rest[..room]));
        chunk[filled..filled + run.len()].copy_from_slice(run);
        filled += run.len();
        *rest = tail;
        let (true, Some((first, tail))) = (filled < CHUNK, rest.split_first()) else {
            break;
        };
        *rest = tail;
        let mut letter = *first;
        if letter == b'%'
            && let Some(byte) = escape(tail)
        {
            letter = byte;
            *rest = &tail[2..];
        }
        match letter {
            b'\r' | b'\n' => continue,
            b' ' => chunk[filled] = b'+',
            letter => chunk[filled] = letter,
        }
        filled += 1;
    }
    filled
}

/// Counts the letters before the first `%`, space or control character.
fn plain_letters(text: &[u8]) -> usize {
    let special = |byte: &u8| *byte == b'%' || *byte <= b' ';
    let mut plain = 0;
    // A mask per block, without a branch per letter: 2.3 times as fast as
    // letter by letter (measured on 3 MB of noise, escaped).
    for block in text.chunks_exact(16) {
        let bits = block.iter().enumerate();
        let mask = bits.fold(0, |mask, (at, byte)| mask | u32::from(special(byte)) << at);
        if mask != 0 {
            return plain + mask.trailing_zeros() as usize;
        }
        plain += block.len();
    }
    let end = text[plain..].iter().position(special);
    end.map_or(text.len(), |end| plain + end)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        decode(text.as_bytes()).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn an_unescaped_plus_line_breaks_and_absent_padding_are_forgiven() {
        assert_eq!(decoded("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded(" / /").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded("%2b%2F%20%2f").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded("Zm9v\r\nYg==\n").unwrap(), b"foob");
        assert_eq!(decoded("Zm9vYg").unwrap(), b"foob");
        assert_eq!(decoded("").unwrap(), b"");
    }

    #[test]
    fn a_data_prefix_and_other_foreign_characters_are_not_base64() {
        for text in [
            "data:image/png;base64,Zm9v",
            "Zm9%",
            "Zm-_",
            "Z",
            "Zg==Zg==",
            "图",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_may_follow_padding_also_across_a_chunk() {
        let padded = format!("{}==", "A".repeat(CHUNK - 2));

        assert_eq!(decoded(&padded).unwrap().len(), CHUNK_BYTES - 2);
        assert_eq!(decoded(&format!("{padded}AAAA")), None);
    }

    proptest! {
        #[test]
        fn every_length_round_trips(length in 0..3 * CHUNK_BYTES, first: u8, broken_every in 1..100_usize) {
            let bytes: Vec<u8> = (0..=255).cycle().map(|byte: u8| byte.wrapping_mul(31) ^ first).take(length).collect();
            let text = STANDARD.encode(&bytes);
            let lines: Vec<_> = text.as_bytes().chunks(broken_every).collect();

            prop_assert_eq!(decoded(&text).unwrap(), bytes.clone());
            let broken = String::from_utf8(lines.join(&b"%0D\n"[..])).unwrap();
            prop_assert_eq!(decoded(&broken).unwrap(), bytes);
        }
    }
}
