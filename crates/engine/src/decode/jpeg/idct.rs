//! The inverse DCT: that of libjpeg (`jidctint.c`, after Loeffler, Ligtenberg & Moschytz 1989), bit
//! for bit. Eight columns, then eight rows, are computed at once.

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

/// Transforms a row of blocks into eight rows of samples.
#[multiversion(targets("x86_64+avx2+popcnt"))]
pub(super) fn row(blocks: &[Block], steps: &[u16; 64], samples: &mut [u8]) {
    let stride = 8 * blocks.len();
    for (column, block) in blocks.iter().enumerate() {
        let mut details = 0;
        for value in &block[1..] {
            details |= value;
        }
        let pixels = if details == 0 {
            [[flat(block[0], steps[0]); 8]; 8]
        } else {
            transform(block, steps)
        };
        for (line, pixels) in pixels.iter().enumerate() {
            samples[line * stride + 8 * column..][..8].copy_from_slice(pixels);
        }
    }
}

/// Returns the samples of a block with only a DC coefficient.
#[inline(always)]
fn flat(coefficient: i16, step: u16) -> u8 {
    let value = i32::from(coefficient).wrapping_mul(step.into());
    sample(value.wrapping_add(4) >> 3)
}

#[inline(always)]
fn transform(block: &Block, steps: &[u16; 64]) -> [[u8; 8]; 8] {
    let mut lines = [Lanes([0; 8]); 8];
    for (line, values) in lines.iter_mut().enumerate() {
        for (i, value) in values.0.iter_mut().enumerate() {
            let at = 8 * line + i;
            *value = i32::from(block[at]).wrapping_mul(steps[at].into());
        }
    }
    let columns = pass(lines, CONSTANT_BITS - PASS_BITS);
    let lines = pass(transposed(columns), CONSTANT_BITS + PASS_BITS + 3);
    let mut samples = [[0; 8]; 8];
    for (column, values) in lines.iter().enumerate() {
        for (line, value) in values.0.iter().enumerate() {
            samples[line][column] = sample(*value);
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

#[inline(always)]
fn rounded(mut sums: Lanes, shift: u32) -> Lanes {
    for sum in &mut sums.0 {
        *sum = sum.wrapping_add(1 << (shift - 1)) >> shift;
    }
    sums
}
