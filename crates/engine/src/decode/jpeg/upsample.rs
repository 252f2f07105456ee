//! Scales a component to the size of the image, row by row: libjpeg's "fancy upsampling"
//! (`jdsample.c`), bit for bit.
//!
//! Samples of half the size are interpolated linearly; with other ratios each sample is replicated.

use multiversion::multiversion;

use super::component::Plane;

/// Scales the rows of one component; holds buffers that are used again.
pub(super) struct Upsampler {
    plane: Plane,
    /// How many pixels one sample covers.
    h: usize,
    v: usize,
    /// Rows of sums, and of samples in the size of the image.
    sums: Vec<u16>,
    scaled: Vec<u8>,
}

// === impl Upsampler ===

impl Upsampler {
    pub(super) fn new(plane: Plane, h: usize, v: usize) -> Self {
        Upsampler {
            sums: vec![0; plane.width],
            scaled: vec![0; plane.width * h],
            plane,
            h,
            v,
        }
    }

    /// Returns the samples of a row of the image; the slice can be longer than the row.
    pub(super) fn row(&mut self, y: usize) -> &[u8] {
        let near = y / self.v;
        // The row on the other side of the pixel; at the border the same one.
        let far = if y.is_multiple_of(2) {
            near.saturating_sub(1)
        } else {
            (near + 1).min(self.plane.height - 1)
        };
        let (near, far) = (self.plane.row(near), self.plane.row(far));
        match (self.h, self.v) {
            (1, 1) => return near,
            // Very narrow components are not interpolated.
            (2, 1) if near.len() > 2 => double(near, &mut self.scaled),
            (2, 2) if near.len() > 2 => {
                blend_sums(near, far, &mut self.sums);
                double_sums(&self.sums, &mut self.scaled);
            }
            (1, 2) => blend(near, far, 1 + u16::from(y % 2 == 1), &mut self.scaled),
            (h, _) => {
                for (pixels, sample) in self.scaled.chunks_exact_mut(h).zip(near) {
                    pixels.fill(*sample);
                }
            }
        }
        &self.scaled
    }
}

// === impl Plane ===

impl Plane {
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.width]
    }
}

/// Doubles a row of three or more samples: each pixel is three quarters of its sample and a quarter
/// of the neighbour.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn double(samples: &[u8], pixels: &mut [u8]) {
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    for (pair, near) in pixels[1..]
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(samples.windows(2))
    {
        let [left, right] = [u16::from(near[0]), u16::from(near[1])];
        *pair = [
            byte((3 * left + right + 2) >> 2),
            byte((3 * right + left + 1) >> 2),
        ];
    }
    pixels[0] = first;
    pixels[2 * samples.len() - 1] = last;
}

/// Weights two rows 3 : 1, in quarters.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn blend_sums(near: &[u8], far: &[u8], sums: &mut [u16]) {
    for ((sum, near), far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(*near) + u16::from(*far);
    }
}

/// Doubles a row of three or more sums as [`double`] does.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn double_sums(sums: &[u16], pixels: &mut [u8]) {
    let (first, last) = (sums[0], sums[sums.len() - 1]);
    for (pair, near) in pixels[1..]
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(sums.windows(2))
    {
        let [left, right] = [near[0], near[1]];
        *pair = [
            byte((3 * left + right + 7) >> 4),
            byte((3 * right + left + 8) >> 4),
        ];
    }
    pixels[0] = byte((4 * first + 8) >> 4);
    pixels[2 * sums.len() - 1] = byte((4 * last + 7) >> 4);
}

/// Weights two rows 3 : 1.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn blend(near: &[u8], far: &[u8], bias: u16, pixels: &mut [u8]) {
    for ((pixel, near), far) in pixels.iter_mut().zip(near).zip(far) {
        *pixel = byte((3 * u16::from(*near) + u16::from(*far) + bias) >> 2);
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a weighted mean of bytes")]
fn byte(mean: u16) -> u8 {
    mean as u8
}
