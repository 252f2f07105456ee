//! Huffman tables (T.81 annex C and section F.2.2).

use super::bits::BitReader;
use crate::decode::error::{DecodeError, broken};

/// Length of the codes that one look-up decodes, in bits. Longer ones are rare.
const FAST: u32 = 9;

/// Lengths and symbols of the tables that files of video cameras omit: T.81 section K.3, as
/// `jstdhuff.c` of libjpeg has them.
const STANDARD: [(&[u8; 16], &[u8]); 4] = [
    (
        b"\0\x01\x05\x01\x01\x01\x01\x01\x01\0\0\0\0\0\0\0",
        DC_SYMBOLS,
    ),
    (
        b"\0\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\0\0\0\0\0",
        DC_SYMBOLS,
    ),
    (
        b"\0\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\0\0\x01\x7d",
        LUMA_AC_SYMBOLS,
    ),
    (
        b"\0\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\0\x01\x02\x77",
        CHROMA_AC_SYMBOLS,
    ),
];

const DC_SYMBOLS: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMA_AC_SYMBOLS: &[u8] = &[
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];
#[rustfmt::skip]
const CHROMA_AC_SYMBOLS: &[u8] = &[
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

/// A table, ready to decode.
pub(super) struct Table {
    /// For each value of the next [`FAST`] bits the length of its code and its symbol; 0 when the
    /// code is longer.
    fast: [u16; 1 << FAST],
    /// For each length the first 16 bits after its last code.
    limits: [u32; 17],
    /// For each length its first code, and the index of that code's symbol.
    first: [(u32, usize); 17],
    symbols: Vec<u8>,
}

/// The tables that are defined at some point of a file.
#[derive(Default)]
pub(super) struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
}

// === impl Tables ===

impl Tables {
    /// Reads the tables of a segment.
    pub(super) fn read(&mut self, mut body: &[u8]) -> Result<(), DecodeError> {
        while let Some((&head, rest)) = body.split_first() {
            let (lengths, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let count = lengths.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
            let class = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(broken("a Huffman table is of no class")),
            };
            let table = class.get_mut(usize::from(head & 15));
            let table = table.ok_or_else(|| broken("it has more than 4 Huffman tables"))?;
            *table = Some(Table::new(lengths, symbols)?);
            body = rest;
        }
        Ok(())
    }

    /// Defines the standard tables where a file has none.
    pub(super) fn complete(&mut self) -> Result<(), DecodeError> {
        let [dc0, dc1, ..] = &mut self.dc;
        let [ac0, ac1, ..] = &mut self.ac;
        for (table, (lengths, symbols)) in [dc0, dc1, ac0, ac1].into_iter().zip(STANDARD) {
            if table.is_none() {
                *table = Some(Table::new(lengths, symbols)?);
            }
        }
        Ok(())
    }

    pub(super) fn dc(&self, number: usize) -> Result<&Table, DecodeError> {
        find(&self.dc, number)
    }

    pub(super) fn ac(&self, number: usize) -> Result<&Table, DecodeError> {
        find(&self.ac, number)
    }
}

fn find(tables: &[Option<Table>; 4], number: usize) -> Result<&Table, DecodeError> {
    let table = tables.get(number).and_then(Option::as_ref);
    table.ok_or_else(|| broken("a scan uses a Huffman table that is not defined"))
}

// === impl Table ===

impl Table {
    /// Builds a table from the number of codes of each length and their symbols in order.
    #[expect(clippy::cast_possible_truncation, reason = "a length is up to 16")]
    fn new(lengths: &[u8; 16], symbols: &[u8]) -> Result<Self, DecodeError> {
        let mut table = Table {
            fast: [0; 1 << FAST],
            limits: [0; 17],
            first: [(0, 0); 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0);
        for (length, count) in (1_u32..).zip(lengths) {
            table.first[length as usize] = (code, index);
            let end = code + u32::from(*count);
            if end > 1 << length || index + usize::from(*count) > symbols.len() {
                return Err(broken("a Huffman table has impossible codes"));
            }
            if length <= FAST {
                for (code, symbol) in (code..end).zip(&symbols[index..]) {
                    let shift = FAST - length;
                    let entry = ((length as u16) << 8) | u16::from(*symbol);
                    table.fast[(code << shift) as usize..][..1 << shift].fill(entry);
                }
            }
            table.limits[length as usize] = end << (16 - length);
            index += usize::from(*count);
            code = end << 1;
        }
        Ok(table)
    }

    /// Decodes the next symbol. At least 16 bits must be loaded.
    #[inline]
    pub(super) fn decode(&self, bits: &mut BitReader) -> Result<u8, DecodeError> {
        let entry = self.fast[bits.peek(FAST) as usize];
        if entry != 0 {
            bits.consume(u32::from(entry >> 8));
            return Ok((entry & 0xff) as u8);
        }
        self.decode_long(bits)
    }

    #[cold]
    fn decode_long(&self, bits: &mut BitReader) -> Result<u8, DecodeError> {
        let next = bits.peek(16);
        let length = (FAST + 1..=16).find(|length| next < self.limits[*length as usize]);
        let length = length.ok_or_else(|| broken("a scan has an impossible code"))?;
        let (code, index) = self.first[length as usize];
        bits.consume(length);
        let symbol = (next >> (16 - length)).wrapping_sub(code) as usize + index;
        let symbol = self.symbols.get(symbol).copied();
        symbol.ok_or_else(|| broken("a scan has an impossible code"))
    }
}
