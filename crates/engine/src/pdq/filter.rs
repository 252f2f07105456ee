//! The tent filter of PDQ: samples 64 × 64 filtered values of a grey image.
//!
//! The reference blurs the whole image with two passes of a box filter along rows and columns (PDQ
//! paper, section 3.2, after Jarosz, "Fast Image Convolutions", 2001) and keeps one pixel in each
//! of 64 × 64 blocks. Both passes are linear and separable, so the same values come from two short
//! weight lists per sample, and pixels outside all of them are never read: about one multiplication
//! per pixel instead of eight passes over a plane of floats.

use image::GrayImage;

/// Side of the sampled image (paper, section 3.2).
pub(super) const SAMPLES: usize = 64;

/// The sampled image, row by row.
pub(super) type Samples = [[f32; SAMPLES]; SAMPLES];

/// The weights of neighbouring pixels along one axis for one sample.
struct Kernel {
    start: usize,
    weights: Vec<f32>,
}

/// Returns the filtered value at the centre of each of 64 × 64 blocks.
pub(super) fn sample(grey: &GrayImage) -> Samples {
    let width = grey.width() as usize;
    let across = kernels(width);
    let down = kernels(grey.height() as usize);

    let mut samples = [[0.0; SAMPLES]; SAMPLES];
    for (out, kernel) in samples.iter_mut().zip(&down) {
        let rows = grey.as_raw().chunks_exact(width).skip(kernel.start);
        for (row, weight) in rows.zip(&kernel.weights) {
            for (value, kernel) in out.iter_mut().zip(&across) {
                *value += weight * kernel.over(row);
            }
        }
    }
    samples
}

// === impl Kernel ===

impl Kernel {
    fn over(&self, row: &[u8]) -> f32 {
        let pixels = &row[self.start..self.start + self.weights.len()];
        pixels
            .iter()
            .zip(&self.weights)
            .map(|(pixel, weight)| f32::from(*pixel) * weight)
            .sum()
    }
}

/// Returns the kernels of all samples along an axis of `length` pixels.
fn kernels(length: usize) -> Vec<Kernel> {
    // Half a block per pass, rounded up (reference, `computeJaroszFilterWindowSize`).
    let window = length.div_ceil(2 * SAMPLES);
    (0..SAMPLES)
        .map(|index| kernel((2 * index + 1) * length / (2 * SAMPLES), length, window))
        .collect()
}

/// Returns the kernel of two box filters in sequence around a pixel.
fn kernel(centre: usize, length: usize, window: usize) -> Kernel {
    let outer = around(centre, length, window);
    let start = *around(*outer.start(), length, window).start();
    let end = *around(*outer.end(), length, window).end();
    let mut weights = vec![0.0; end - start + 1];
    let outer_count = outer.clone().count() as f32;
    for middle in outer {
        let inner = around(middle, length, window);
        let weight = 1.0 / (outer_count * inner.clone().count() as f32);
        for pixel in inner {
            weights[pixel - start] += weight;
        }
    }
    Kernel { start, weights }
}

/// Returns the pixels in the window around a pixel; an even window has one more pixel towards the
/// end, and at the edges the window contains only existing pixels (reference, `box1DFloat`).
fn around(centre: usize, length: usize, window: usize) -> std::ops::RangeInclusive<usize> {
    let after = window / 2;
    let before = window - 1 - after;
    centre.saturating_sub(before)..=(centre + after).min(length - 1)
}
