//! The bits of a scan (T.81 sections F.2.2.5 and B.1.1.5).
//!
//! After the last byte of an interval the reader returns zeros and counts them, so that decoders
//! need not check each bit.

use super::segments::next_marker;

/// Bits that are loaded at least before a symbol and its value are read: 16 each.
const LOADED: i32 = 32;

/// Reads bits up to the next marker.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest one.
    buffer: u64,
    /// Number of bits in the buffer that belong to the scan; negative once more were read.
    bits: i32,
}

// === impl BitReader ===

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader {
            bytes,
            at: 0,
            buffer: 0,
            bits: 0,
        }
    }

    /// Returns the index of the first byte that is not loaded. No marker is before it.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns whether more bits were read than there are before the next marker.
    pub(super) fn is_exhausted(&self) -> bool {
        self.bits < 0
    }

    /// Gives up the bits before the next marker.
    pub(super) fn exhaust(&mut self) {
        self.bits = -1;
    }

    /// Loads at least 32 bits, as far as there are so many.
    #[inline]
    pub(super) fn load(&mut self) {
        if self.bits < LOADED {
            self.fill();
        }
    }

    /// Returns the next `count` bits, 1 to 16, as a number.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits remain")]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Skips up to 16 bits.
    #[inline]
    pub(super) fn consume(&mut self, count: u32) {
        self.buffer <<= count;
        self.bits = self.bits.saturating_sub(count.cast_signed());
    }

    /// Reads a number of up to 16 bits.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        // Two shifts, since a shift by 64 is none.
        let bits = ((self.buffer >> 1 >> (63 - count)) & 0xffff) as u32;
        self.consume(count);
        bits
    }

    /// Reads the value of a coefficient of up to 16 bits (T.81 section F.2.2.1, EXTEND).
    #[inline]
    pub(super) fn take_value(&mut self, size: u32) -> i32 {
        let bits = self.take(size).cast_signed();
        let is_negative = bits < (1 << size) >> 1;
        bits + if is_negative { 1 - (1 << size) } else { 0 }
    }

    /// Reads one bit, loading it if necessary.
    #[inline]
    pub(super) fn take_bit(&mut self) -> bool {
        if self.bits < 1 {
            self.fill();
        }
        self.take(1) == 1
    }

    #[inline]
    fn fill(&mut self) {
        let chunk = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        if let Some(chunk) = chunk
            && self.bits >= 0
        {
            let word = u64::from_be_bytes(*chunk);
            let inverted = !word;
            // Whether a byte of the word is 0xff: then a marker or a stuffed byte may follow.
            let borrows = inverted.wrapping_sub(0x0101_0101_0101_0101) & word;
            if borrows & 0x8080_8080_8080_8080 == 0 {
                // Bits beyond the counted ones are the same when they are loaded again.
                self.buffer |= word >> self.bits;
                let loaded = (63 - self.bits) >> 3;
                self.at += loaded as usize;
                self.bits += 8 * loaded;
                return;
            }
        }
        self.fill_by_bytes();
    }

    fn fill_by_bytes(&mut self) {
        while (0..=56).contains(&self.bits) {
            let Some((byte, next)) = self.next_byte() else {
                return;
            };
            self.buffer |= u64::from(byte) << (56 - self.bits);
            self.bits += 8;
            self.at = next;
        }
    }

    /// Returns the next byte of the scan and the index after it; `None` before a marker.
    fn next_byte(&self) -> Option<(u8, usize)> {
        let byte = *self.bytes.get(self.at)?;
        if byte != 0xff {
            return Some((byte, self.at + 1));
        }
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().position(|byte| *byte != 0xff)?;
        (rest[fill] == 0).then_some((0xff, self.at + fill + 1))
    }

    /// Starts the interval after the restart marker `expected`, as libjpeg does when markers are
    /// missing or damaged (`jpeg_resync_to_restart`): earlier and invalid ones are skipped, later
    /// ones and those of other segments end the interval at once.
    pub(super) fn restart(&mut self, expected: u8) {
        (self.buffer, self.bits) = (0, 0);
        while let Some((marker, end)) = next_marker(&self.bytes[self.at..]) {
            let is_restart = matches!(marker, 0xd0..=0xd7);
            let ahead = marker.wrapping_sub(expected) & 7;
            match marker {
                _ if is_restart && matches!(ahead, 1 | 2) => return self.at += end - 2,
                _ if is_restart && matches!(ahead, 6 | 7) => self.at += end,
                _ if is_restart => return self.at += end,
                0..0xc0 => self.at += end,
                _ => return self.at += end - 2,
            }
        }
        self.at = self.bytes.len();
    }
}
