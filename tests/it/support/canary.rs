//! Values that must not appear in any output, in every encoding in which an output could hold them.
//!
//! Secrets are made of one word that appears in nothing else, so that a part of a secret is found
//! too. Images are searched by pieces from all over them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use form_urlencoded::byte_serialize;

/// Word that every secret of the tests is made of; its length is a multiple of three, as base64
/// encodes groups of three bytes.
const WORD: &str = "kAnArY";
/// Length of a piece of an image: four groups of base64.
const PIECE: usize = 12;
/// Number of pieces of an image.
const PIECES: usize = 16;

/// Makes a secret that contains the word throughout.
pub fn secret(name: &str) -> String {
    format!("{WORD}{name}{WORD}{WORD}{name}{WORD}")
}

/// The values to search for.
#[derive(Default)]
pub struct Canaries(Vec<(String, String)>);

/// Everything that a gateway has printed, exported or sent.
#[derive(Default)]
pub struct Seen(Vec<(String, Vec<u8>)>);

impl Canaries {
    /// Searches for all secrets that [`secret`] makes.
    pub fn new() -> Self {
        let mut canaries = Canaries::default();
        canaries.add("a secret", WORD);
        canaries
    }

    /// Searches for a text, plain and within base64.
    pub fn add(&mut self, what: &str, text: &str) {
        // The bytes before a text shift its base64 digits.
        for shift in 0..3 {
            let shifted = [&vec![b' '; shift], text.as_bytes()].concat();
            let encoded = STANDARD_NO_PAD.encode(&shifted);
            let whole = shifted.len() * 8 / 6;
            self.form(what, &encoded[(shift * 8).div_ceil(6)..whole]);
        }
        self.bytes(what, text.as_bytes());
    }

    /// Searches for pieces of an image, raw, printed and as base64.
    pub fn add_image(&mut self, what: &str, image: &[u8]) {
        for number in 0..PIECES {
            // Groups of base64 begin at every third byte.
            let at = (image.len() - PIECE) * number / (PIECES - 1) / 3 * 3;
            let piece = &image[at..at + PIECE];
            let base64 = STANDARD.encode(piece);
            let escaped: String = byte_serialize(base64.as_bytes()).collect();
            self.form(what, &base64);
            self.form(what, &escaped);
            self.bytes(what, piece);
        }
    }

    /// Searches for bytes as Rust, JSON and people write them.
    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        self.form(what, &latin(bytes));
        self.form(what, &bytes.escape_ascii().to_string());
        self.form(what, &list.join(", "));
        self.form(what, &list.join(","));
        self.form(what, &hex);
        self.form(what, &hex.to_uppercase());
    }

    fn form(&mut self, what: &str, form: &str) {
        self.0.push((what.to_owned(), form.to_owned()));
    }

    /// Returns which values were found, and where.
    pub fn found(&self, seen: &Seen) -> Vec<String> {
        let mut found = Vec::new();
        for (output, bytes) in &seen.0 {
            let text = latin(bytes);
            for (what, form) in &self.0 {
                if let Some(at) = text.find(form) {
                    let begin = text[..at].char_indices().rev().nth(80);
                    let begin = begin.map_or(0, |(begin, _)| begin);
                    found.push(format!("{what} in {output}: {}", &text[begin..at]));
                }
            }
        }
        found
    }
}

impl Seen {
    /// Keeps a part of an output.
    pub fn note(&mut self, output: &str, bytes: impl AsRef<[u8]>) {
        self.0.push((output.to_owned(), bytes.as_ref().to_vec()));
    }

    /// Returns whether an output contains a text.
    pub fn holds(&self, output: &str, text: &str) -> bool {
        let mut at = self.0.iter().filter(|(known, _)| known == output);
        at.any(|(_, bytes)| latin(bytes).contains(text))
    }
}

/// Returns one character for each byte, so that any bytes can be searched as text.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The search itself finds every encoding.
mod tests {
    use super::*;
    use crate::support::images::png;

    fn is_found(canaries: &Canaries, form: impl AsRef<[u8]>) -> bool {
        let mut seen = Seen::default();
        seen.note("log", [b"before ", form.as_ref(), b" after"].concat());
        !canaries.found(&seen).is_empty()
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let canaries = Canaries::new();
        let secret = secret("x");
        let half = &secret[secret.len() / 2..];

        for text in [&secret, half] {
            assert!(is_found(&canaries, text));
            assert!(is_found(&canaries, format!("{:?}", text.as_bytes())));
            for before in ["", "u", "u:"] {
                assert!(is_found(
                    &canaries,
                    STANDARD.encode(format!("{before}{text}"))
                ));
            }
        }
        assert!(!is_found(&canaries, "canary"));
    }

    #[test]
    fn an_image_is_found_in_every_form() {
        let image = png(1);
        let mut canaries = Canaries::default();
        canaries.add_image("an image", &image);
        let base64 = STANDARD.encode(&image);
        let escaped: String = byte_serialize(base64.as_bytes()).collect();

        assert!(is_found(&canaries, &image));
        assert!(is_found(&canaries, &image[..16]));
        assert!(is_found(&canaries, image.escape_ascii().to_string()));
        assert!(is_found(&canaries, format!("{:?}", image.to_vec())));
        assert!(is_found(&canaries, &base64));
        assert!(is_found(&canaries, &base64[base64.len() / 2..]));
        assert!(is_found(&canaries, escaped));
        // Begin and end are the same in every PNG.
        let other = png(2);
        assert!(!is_found(&canaries, &other[64..other.len() - 16]));
    }
}
