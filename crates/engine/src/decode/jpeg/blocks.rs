//! Decodes the coefficients of one block (T.81 sections F.2 and G.2).

use super::bits::BitReader;
use super::huffman::Table;
use super::idct::Block;
use crate::decode::error::{DecodeError, broken};

/// The index in natural order of each coefficient in zigzag order (T.81 figure A.6).
#[rustfmt::skip]
pub(super) const NATURAL_ORDER: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The coefficients of a progressive scan of one component: positions in zigzag order, the bit that
/// the scan adds, and the number of blocks left whose rest is zero.
pub(super) struct Band {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) low: u8,
    pub(super) zero_blocks: u32,
}

/// Decodes a block of a sequential scan.
#[inline]
pub(super) fn sequential(
    bits: &mut BitReader,
    dc: &Table,
    ac: &Table,
    prediction: &mut i32,
    block: &mut Block,
) -> Result<(), DecodeError> {
    dc_first(bits, dc, prediction, 0, block)?;
    let mut at = 1;
    while at < 64 {
        bits.load();
        let symbol = ac.decode(bits)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        at += run;
        if size == 0 {
            if run < 15 {
                return Ok(());
            }
        } else {
            let value = bits.take_value(size);
            *coefficient(block, at)? = stored(value);
        }
        at += 1;
    }
    Ok(())
}

/// Decodes the first bits of a DC coefficient.
#[inline]
pub(super) fn dc_first(
    bits: &mut BitReader,
    table: &Table,
    prediction: &mut i32,
    low: u8,
    block: &mut Block,
) -> Result<(), DecodeError> {
    bits.load();
    let size = u32::from(table.decode(bits)?);
    if size > 15 {
        return Err(broken("a scan has an impossible value"));
    }
    *prediction = prediction.wrapping_add(bits.take_value(size));
    block[0] = stored(prediction.wrapping_shl(low.into()));
    Ok(())
}

/// Decodes one more bit of a DC coefficient.
pub(super) fn dc_refine(bits: &mut BitReader, low: u8, block: &mut Block) {
    block[0] |= i16::from(bits.take_bit()) << low;
}

/// Decodes the first bits of a band of AC coefficients.
pub(super) fn ac_first(
    bits: &mut BitReader,
    table: &Table,
    band: &mut Band,
    block: &mut Block,
) -> Result<(), DecodeError> {
    if band.zero_blocks > 0 {
        band.zero_blocks -= 1;
        return Ok(());
    }
    let mut at = band.from;
    while at <= band.to {
        bits.load();
        let symbol = table.decode(bits)?;
        let (run, size) = (symbol >> 4, u32::from(symbol & 15));
        if size == 0 && run < 15 {
            band.zero_blocks = zero_blocks(bits, run) - 1;
            return Ok(());
        }
        at += usize::from(run);
        if size != 0 {
            let value = bits.take_value(size) << band.low;
            *coefficient(block, at)? = stored(value);
        }
        at += 1;
    }
    Ok(())
}

/// Decodes one more bit of a band of AC coefficients.
pub(super) fn ac_refine(
    bits: &mut BitReader,
    table: &Table,
    band: &mut Band,
    block: &mut Block,
) -> Result<(), DecodeError> {
    let mut at = band.from;
    while band.zero_blocks == 0 && at <= band.to {
        bits.load();
        let symbol = table.decode(bits)?;
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run < 15 {
            band.zero_blocks = zero_blocks(bits, run);
            break;
        }
        let is_positive = size != 0 && bits.take_bit();
        at = refine(bits, band, at, Some(run), block);
        if size != 0 {
            let bit = 1 << band.low;
            *coefficient(block, at)? = if is_positive { bit } else { -bit };
        }
        at += 1;
    }
    if band.zero_blocks > 0 {
        refine(bits, band, at, None, block);
        band.zero_blocks -= 1;
    }
    Ok(())
}

/// Reads one more bit of each coefficient that is not zero, up to the zero one after `zeros` others
/// or to the end of the band; returns its position.
fn refine(
    bits: &mut BitReader,
    band: &Band,
    from: usize,
    zeros: Option<u8>,
    block: &mut Block,
) -> usize {
    let mut left = zeros;
    let bit = 1 << band.low;
    for (at, natural) in NATURAL_ORDER
        .iter()
        .enumerate()
        .take(band.to + 1)
        .skip(from)
    {
        let value = &mut block[*natural];
        if *value == 0 {
            match left {
                Some(0) => return at,
                Some(zeros) => left = Some(zeros - 1),
                None => {}
            }
        } else if bits.take_bit() && *value & bit == 0 {
            *value = value.wrapping_add(if *value > 0 { bit } else { -bit });
        }
    }
    band.to + 1
}

/// Reads the number of blocks, with the present one, whose rest of the band is zero.
fn zero_blocks(bits: &mut BitReader, size: u8) -> u32 {
    (1 << size) + bits.take(size.into())
}

/// Returns the coefficient at a position in zigzag order.
#[inline]
fn coefficient(block: &mut Block, at: usize) -> Result<&mut i16, DecodeError> {
    match NATURAL_ORDER.get(at) {
        Some(natural) => Ok(&mut block[*natural]),
        None => Err(broken("a block has more than 64 coefficients")),
    }
}

/// Only damaged files have values beyond 16 bits.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "libjpeg stores the low bits too"
)]
fn stored(value: i32) -> i16 {
    value as i16
}
