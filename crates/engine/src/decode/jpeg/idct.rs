//! The inverse DCT: that of libjpeg (`jidctint.c`, after Loeffler, Ligtenberg & Moschytz 1989), bit
//! for bit, and the one that makes half of the sides (`jidctred.c`). Eight columns, then the rows, are
//! computed at once.

use std::ops::{Add, Mul, Sub};

use multiversion::multiversion;

/// The coefficients of an 8 × 8 block in natural order.
pub(super) type Block = [i16; 64];

/// Bits after the point of a constant, and of the values between both passes.
const CONSTANT_BITS: u32 = 13;
const PASS_BITS: u32 = 2;

/// Eight values; damaged files overflow, so arithmetic wraps.
#[derive(Clone, Copy)]
struct Lanes([i32; 8]);

// Loops instead of `array::from_fn` and `map`: closures are not compiled with the features of their
// function, and would be called.
impl Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for (value, other) in self.0.iter_mut().zip(other.0) {
            *value = value.wrapping_add(other);
        }
        self
    }
}

impl Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for (value, other) in self.0.iter_mut().zip(other.0) {
            *value = value.wrapping_sub(other);
        }
        self
    }
}

impl Mul<i32> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(mut self, factor: i32) -> Self {
        for value in &mut self.0 {
            *value = value.wrapping_mul(factor);
        }
        self
    }
}

/// Transforms a row of blocks into eight or four rows of samples, as many as `side` says.
#[multiversion(targets("x86_64+avx2+popcnt"))]
pub(super) fn row(blocks: &[Block], steps: &[u16; 64], side: usize, samples: &mut [u8]) {
    let stride = side * blocks.len();
    for (column, block) in blocks.iter().enumerate() {
        let samples = &mut samples[side * column..];
        if has_one_shade(block) {
            let shade = flat(block[0], steps[0]);
            for line in samples.chunks_mut(stride) {
                line[..side].fill(shade);
            }
        } else if side == 8 {
            write(&transform(block, steps), stride, samples);
        } else {
            write(&transform_halved(block, steps), stride, samples);
        }
    }
}

#[inline(always)]
fn write<const SIDE: usize>(pixels: &[[u8; SIDE]; SIDE], stride: usize, samples: &mut [u8]) {
    for (pixels, line) in pixels.iter().zip(samples.chunks_mut(stride)) {
        line[..SIDE].copy_from_slice(pixels);
    }
}

/// Returns whether a block has only a DC coefficient.
#[inline(always)]
fn has_one_shade(block: &Block) -> bool {
    let mut details = 0;
    for value in &block[1..] {
        details |= value;
    }
    details == 0
}

/// Returns the samples of a block with only a DC coefficient.
#[inline(always)]
fn flat(coefficient: i16, step: u16) -> u8 {
    let value = i32::from(coefficient).wrapping_mul(step.into());
    sample(value.wrapping_add(4) >> 3)
}

#[inline(always)]
fn transform(block: &Block, steps: &[u16; 64]) -> [[u8; 8]; 8] {
    let columns = pass(dequantised(block, steps), CONSTANT_BITS - PASS_BITS);
    let lines = pass(transposed(columns), CONSTANT_BITS + PASS_BITS + 3);
    samples(&lines)
}

#[inline(always)]
fn transform_halved(block: &Block, steps: &[u16; 64]) -> [[u8; 4]; 4] {
    let values = dequantised(block, steps);
    let [a, b, c, d] = pass_halved(values, CONSTANT_BITS - PASS_BITS + 1);
    let none = Lanes([0; 8]);
    let columns = transposed([a, b, c, d, none, none, none, none]);
    samples(&pass_halved(columns, CONSTANT_BITS + PASS_BITS + 3 + 1))
}

#[inline(always)]
fn dequantised(block: &Block, steps: &[u16; 64]) -> [Lanes; 8] {
    let mut lines = [Lanes([0; 8]); 8];
    for (line, values) in lines.iter_mut().enumerate() {
        for (i, value) in values.0.iter_mut().enumerate() {
            let at = 8 * line + i;
            *value = i32::from(block[at]).wrapping_mul(steps[at].into());
        }
    }
    lines
}

/// Makes samples of the columns of a block.
#[inline(always)]
fn samples<const SIDE: usize>(columns: &[Lanes; SIDE]) -> [[u8; SIDE]; SIDE] {
    let mut samples = [[0; SIDE]; SIDE];
    for (column, values) in columns.iter().enumerate() {
        for (line, value) in samples.iter_mut().zip(values.0) {
            line[column] = sample(value);
        }
    }
    samples
}

#[inline(always)]
fn transposed(lines: [Lanes; 8]) -> [Lanes; 8] {
    let mut columns = [Lanes([0; 8]); 8];
    for (i, line) in lines.iter().enumerate() {
        for (j, value) in line.0.iter().enumerate() {
            columns[j].0[i] = *value;
        }
    }
    columns
}

/// Shifts the range of signed values to that of samples.
#[inline(always)]
fn sample(value: i32) -> u8 {
    value.wrapping_add(128).clamp(0, 255) as u8
}

/// One pass; the names and constants are those of `jidctint.c`.
#[inline(always)]
fn pass(x: [Lanes; 8], shift: u32) -> [Lanes; 8] {
    let z1 = (x[2] + x[6]) * 4433;
    let tmp2 = z1 - x[6] * 15137;
    let tmp3 = z1 + x[2] * 6270;
    let tmp0 = (x[0] + x[4]) * (1 << CONSTANT_BITS);
    let tmp1 = (x[0] - x[4]) * (1 << CONSTANT_BITS);
    let even = [tmp0 + tmp3, tmp1 + tmp2, tmp1 - tmp2, tmp0 - tmp3];

    let z5 = (x[7] + x[3] + x[5] + x[1]) * 9633;
    let z1 = (x[7] + x[1]) * -7373;
    let z2 = (x[5] + x[3]) * -20995;
    let z3 = (x[7] + x[3]) * -16069 + z5;
    let z4 = (x[5] + x[1]) * -3196 + z5;
    let odd = [
        x[1] * 12299 + z1 + z4,
        x[3] * 25172 + z2 + z3,
        x[5] * 16819 + z2 + z4,
        x[7] * 2446 + z1 + z3,
    ];

    let mut sums = [Lanes([0; 8]); 8];
    for i in 0..4 {
        sums[i] = rounded(even[i] + odd[i], shift);
        sums[7 - i] = rounded(even[i] - odd[i], shift);
    }
    sums
}

/// One pass that makes four values of eight, without the fourth frequency; the names and constants are
/// those of `jidctred.c`.
#[inline(always)]
fn pass_halved(x: [Lanes; 8], shift: u32) -> [Lanes; 4] {
    let tmp0 = x[0] * (1 << (CONSTANT_BITS + 1));
    let tmp2 = x[2] * 15137 + x[6] * -6270;
    let (tmp10, tmp12) = (tmp0 + tmp2, tmp0 - tmp2);

    let tmp0 = x[7] * -1730 + x[5] * 11893 + x[3] * -17799 + x[1] * 8697;
    let tmp2 = x[7] * -4176 + x[5] * -4926 + x[3] * 7373 + x[1] * 20995;
    [
        rounded(tmp10 + tmp2, shift),
        rounded(tmp12 + tmp0, shift),
        rounded(tmp12 - tmp0, shift),
        rounded(tmp10 - tmp2, shift),
    ]
}

#[inline(always)]
fn rounded(mut sums: Lanes, shift: u32) -> Lanes {
    for sum in &mut sums.0 {
        *sum = sum.wrapping_add(1 << (shift - 1)) >> shift;
    }
    sums
}
