//! The identity of an image (its content hash, its public sign, its internal number) and of a
//! library.
//!
//! The full BLAKE3 hash of the file bytes decides whether two files are the same image file; the
//! sign is its first 64 bits in the form the same_hq service uses, two decimals joined by a comma.
//! This module does not depend on the store, which resolves collisions of signs with
//! [`Sign::next`].

use std::fmt;

/// The internal number of an image inside one library; never reused after a delete.
pub(crate) type ImageId = u32;

/// The BLAKE3 hash of an image file's bytes.
///
/// Two files are duplicates if and only if their hashes are equal; re-encoding changes the hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

/// The short public name of a stored image, shown as two decimals `u32,u32`.
///
/// It is derived from the content: adding the same bytes again returns the same sign while the
/// image is stored. Two files that share their first 64 hash bits get neighbouring signs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sign(u64);

/// The random identity of a library, shown as 16 hexadecimal digits.
///
/// It is made when the library is created; a copy of the library's file has the same identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LibraryId(u64);

// === impl ContentHash ===

impl ContentHash {
    /// Hashes the bytes of a file. Cost: about 1 ms per 3 MB on one core.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub(crate) fn from_raw(raw: [u8; 32]) -> Self {
        Self(raw)
    }

    pub(crate) fn as_raw(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses the form in which it is shown; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hash = blake3::Hash::from_hex(text).ok()?;
        Some(Self(*hash.as_bytes()))
    }

    /// Returns the sign that an image with this content has, unless another file with the same
    /// first 64 bits was stored before.
    #[must_use]
    pub fn first_sign(&self) -> Sign {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        Sign(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for ContentHash {
    /// Writes 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        blake3::Hash::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

// === impl Sign ===

impl Sign {
    /// Parses a sign; ignores spaces around it and around its two numbers.
    ///
    /// Returns `None` for any other text. Callers handle that as "no such image": signs of other
    /// services are opaque and may have another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once(',')?;
        Some(Self(
            u64::from(parse_half(high)?) << 32 | u64::from(parse_half(low)?),
        ))
    }

    /// Returns the sign to try when this one belongs to other content.
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) fn as_raw(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sign({self})")
    }
}

// === impl LibraryId ===

impl LibraryId {
    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) fn as_raw(self) -> u64 {
        self.0
    }

    /// Parses the form in which it is shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_shown = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let raw = u64::from_str_radix(text, 16).ok().filter(|_| is_shown);
        raw.map(Self)
    }
}

impl fmt::Display for LibraryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for LibraryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LibraryId({self})")
    }
}

/// Parses one decimal; stricter than `u32::from_str`, which accepts a plus sign.
fn parse_half(text: &str) -> Option<u32> {
    let digits = text.trim();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sign_is_the_first_64_bits_of_the_published_blake3_test_vector() {
        // BLAKE3 of the empty input, from the test vectors of the BLAKE3 repository.
        let hash = ContentHash::of(b"");

        assert_eq!(format!("{hash:?}")[..20], *"ContentHash(af1349b9");
        assert_eq!(
            hash.first_sign().to_string(),
            format!("{},{}", 0xaf13_49b9_u32, 0xf5f9_a1a6_u32)
        );
    }

    #[test]
    fn spaces_around_a_sign_are_ignored_and_other_text_is_no_sign() {
        assert_eq!(Sign::parse(" 1 , 2 "), Some(Sign(1 << 32 | 2)));
        for text in [
            "",
            ",",
            "1",
            "1,",
            ",2",
            "1,2,3",
            "+1,2",
            "-1,2",
            "a,b",
            "4294967296,0",
            "1;2",
            "1 1,2",
        ] {
            assert_eq!(Sign::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_sign_after_the_last_one_is_the_first() {
        assert_eq!(Sign(u64::MAX).next(), Sign(0));
    }

    proptest! {
        #[test]
        fn a_shown_sign_reads_back(raw: u64) {
            prop_assert_eq!(Sign::parse(&Sign(raw).to_string()), Some(Sign(raw)));
        }

        #[test]
        fn reading_a_sign_never_panics(text: String) {
            let _ = Sign::parse(&text);
        }
    }
}
