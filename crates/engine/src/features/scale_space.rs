//! Step 1: resizes an image to its working size and builds the Gaussian scale space.
//!
//! Order: resize the longer side to that of the profile, enlarging up to twice → blur to sigma 1.6
//! → per octave three layers and three more for the differences → halve → next octave. Source: Lowe
//! 2004, section 3, without the doubling of the first octave (section 3.3), which costs four times
//! the time and does not improve measured recall. Cost: about 66 taps twice per pixel of the first
//! octave, a third more for all others.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use multiversion::multiversion;

use super::plane::{GreyView, Plane};

/// Scales at which extrema are sought per octave (Lowe 2004, section 3.2).
pub(crate) const LAYERS: usize = 3;
/// Blur of the first image of each octave, in its pixels (Lowe 2004, section 3.3).
pub(crate) const SIGMA: f32 = 1.6;
/// Assumed blur of a camera image, in its pixels (Lowe 2004, section 3.3).
const CAMERA_SIGMA: f32 = 0.5;
/// Minimum side of an octave in pixels: a window of the coarsest layer does not fit into less.
const MIN_SIDE: usize = 16;
/// Pixels computed together in the blur; the accumulators are in registers.
const LANES: usize = 16;

/// The images of one octave, each blurred 2^(1/3) times more than the previous one.
pub(crate) struct Octave {
    pub(crate) blurred: Vec<Plane>,
}

/// Resizes so that the longer side is `longer_side` pixels, enlarging by up to `max_factor`; returns
/// the factor too.
///
/// Both sides of the result are [`MIN_SIDE`] or more, so that extreme strips remain usable.
#[expect(clippy::expect_used, reason = "each message says why it cannot happen")]
pub(crate) fn working_size(view: &GreyView<'_>, longer_side: u32, max_factor: f32) -> (Plane, f32) {
    let factor = (longer_side as f32 / view.width().max(view.height()) as f32).min(max_factor);
    let side = |pixels: u32| ((pixels as f32 * factor).round() as u32).max(MIN_SIDE as u32);
    let (width, height) = (side(view.width()), side(view.height()));
    // Typed images: the untyped `resize` would be compiled for every pixel type.
    let source = TypedImageRef::<U8>::from_buffer(view.width(), view.height(), view.pixels())
        .expect("a GreyView holds exactly width × height bytes");
    let mut pixels = vec![0; width as usize * height as usize];
    let mut target = TypedImage::<U8>::from_buffer(width, height, &mut pixels)
        .expect("the buffer was made for these sides");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("the whole source is used");
    let data = pixels
        .iter()
        .map(|&value| f32::from(value) / 255.0)
        .collect();
    (
        Plane {
            width: width as usize,
            height: height as usize,
            data,
        },
        factor,
    )
}

/// Builds the scale space of an image that was resized by `factor`.
pub(crate) fn octaves(image: &Plane, factor: f32) -> Vec<Octave> {
    // Enlarging increases the camera's blur; a reduced image has the blur of its own pixels.
    let present = CAMERA_SIGMA * factor.max(1.0);
    let mut base = blur(image, (SIGMA * SIGMA - present * present).sqrt());
    let mut octaves = Vec::new();
    loop {
        let octave = octave(base);
        let next = &octave.blurred[LAYERS];
        if next.width.min(next.height) / 2 < MIN_SIDE {
            octaves.push(octave);
            return octaves;
        }
        base = next.halved();
        octaves.push(octave);
    }
}

fn octave(base: Plane) -> Octave {
    let mut blurred = vec![base];
    for layer in 1..LAYERS + 3 {
        let before = layer_sigma((layer - 1) as f32);
        let after = layer_sigma(layer as f32);
        let next = blur(
            &blurred[layer - 1],
            (after * after - before * before).sqrt(),
        );
        blurred.push(next);
    }
    Octave { blurred }
}

/// Returns the blur of a (fractional) layer, in pixels of its octave.
pub(crate) fn layer_sigma(layer: f32) -> f32 {
    SIGMA * (layer / LAYERS as f32).exp2()
}

/// Convolves with a Gaussian, with border pixels extended; first along the columns, then along each
/// finished row.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn blur(source: &Plane, sigma: f32) -> Plane {
    let kernel = half_kernel(sigma);
    let radius = kernel.len() - 1;
    let mut target = Plane::new(source.width, source.height);
    let mut padded = vec![0.0; source.width + 2 * radius];
    for (y, row) in target.data.chunks_exact_mut(source.width).enumerate() {
        blur_column_wise(
            source,
            y,
            &kernel,
            &mut padded[radius..radius + source.width],
        );
        let (first, last) = (padded[radius], padded[radius + source.width - 1]);
        padded[..radius].fill(first);
        padded[radius + source.width..].fill(last);
        blur_row(&padded, &kernel, row);
    }
    target
}

#[inline(always)]
fn blur_column_wise(source: &Plane, y: usize, kernel: &[f32], target: &mut [f32]) {
    let centre = source.row(y);
    let pairs: Vec<(f32, &[f32], &[f32])> = (1..kernel.len())
        .map(|distance| {
            let above = source.row(y.saturating_sub(distance));
            let below = source.row((y + distance).min(source.height - 1));
            (kernel[distance], above, below)
        })
        .collect();
    for x in lane_starts(source.width) {
        let mut sums = [0.0; LANES];
        for lane in 0..LANES {
            sums[lane] = kernel[0] * centre[x + lane];
        }
        for (weight, above, below) in &pairs {
            let (above, below) = (&above[x..x + LANES], &below[x..x + LANES]);
            for lane in 0..LANES {
                sums[lane] += weight * (above[lane] + below[lane]);
            }
        }
        target[x..x + LANES].copy_from_slice(&sums);
    }
}

#[inline(always)]
fn blur_row(padded: &[f32], kernel: &[f32], target: &mut [f32]) {
    let radius = kernel.len() - 1;
    for x in lane_starts(target.len()) {
        let window = &padded[x..x + LANES + 2 * radius];
        let mut sums = [0.0; LANES];
        for lane in 0..LANES {
            sums[lane] = kernel[0] * window[radius + lane];
        }
        for (distance, weight) in kernel.iter().enumerate().skip(1) {
            let left = &window[radius - distance..radius - distance + LANES];
            let right = &window[radius + distance..radius + distance + LANES];
            for lane in 0..LANES {
                sums[lane] += weight * (left[lane] + right[lane]);
            }
        }
        target[x..x + LANES].copy_from_slice(&sums);
    }
}

/// Yields the start of each group of lanes; the last group overlaps its neighbour instead of being
/// shorter.
fn lane_starts(width: usize) -> impl Iterator<Item = usize> {
    debug_assert!(width >= LANES, "sides are MIN_SIDE or more");
    (0..width.div_ceil(LANES)).map(move |group| (group * LANES).min(width - LANES))
}

/// Returns the normalised weights for the distances 0 to 3 sigma, without the tail of 0.3 %.
fn half_kernel(sigma: f32) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as usize;
    let mut kernel: Vec<f32> = (0..=radius)
        .map(|distance| (-0.5 * (distance as f32 / sigma).powi(2)).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    kernel.iter_mut().for_each(|weight| *weight /= total);
    kernel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blurring_keeps_the_mean_and_spreads_a_point_like_a_gaussian() {
        let mut point = Plane::new(41, 37);
        point.data[18 * 41 + 20] = 1.0;

        let blurred = blur(&point, 2.0);

        let total: f32 = blurred.data.iter().sum();
        assert!((total - 1.0).abs() < 1e-4);
        let expected = 1.0 / (2.0 * std::f32::consts::PI * 4.0);
        assert!((blurred.data[18 * 41 + 20] - expected).abs() < 0.02 * expected);
        assert!(
            (blurred.data[18 * 41 + 24] / blurred.data[18 * 41 + 20] - (-2.0f32).exp()).abs()
                < 0.01
        );
    }

    #[test]
    fn a_small_image_is_enlarged_up_to_twice_and_a_large_one_reduced() {
        let small = vec![7; 60 * 50];
        let large = vec![7; 2000 * 100];

        let (enlarged, factor) = working_size(&GreyView::new(&small, 60, 50).unwrap(), 640, 2.0);
        assert_eq!((enlarged.width, enlarged.height, factor), (120, 100, 2.0));
        let (reduced, _) = working_size(&GreyView::new(&large, 2000, 100).unwrap(), 640, 2.0);
        assert_eq!((reduced.width, reduced.height), (640, 32));
    }

    #[test]
    fn octaves_stop_at_the_minimum_side() {
        let image = Plane::new(100, 64);

        let sizes: Vec<_> = octaves(&image, 1.0)
            .iter()
            .map(|o| (o.blurred[0].width, o.blurred[0].height))
            .collect();

        assert_eq!(sizes, [(100, 64), (50, 32), (25, 16)]);
    }
}
