//! Step 2: finds scale-space extrema of the difference of Gaussians.
//!
//! Per octave: subtract neighbouring blurs, pixel by pixel on demand (planes of differences would
//! cost more memory bandwidth than they save) → compare each pixel with its 26 neighbours → fit a
//! parabola to the neighbourhood, and move to the next pixel when its top is there → drop low
//! contrast and edges. Source: Lowe 2004, sections 3.1, 4 and 4.1. Orientations and descriptors are
//! computed elsewhere. Cost: one comparison per pixel and layer; the fit only for the few extrema.

use multiversion::multiversion;

use super::plane::Plane;
use super::scale_space::{LAYERS, Octave, layer_sigma};

/// Minimum contrast of an extremum times [`LAYERS`]; low, because the strongest are selected later
/// (engine design, section 2).
const MIN_CONTRAST: f32 = 0.012;
/// Maximum ratio of the principal curvatures (Lowe 2004, section 4.1, has 10; engine design: 12).
const MAX_EDGE_RATIO: f32 = 12.0;
/// Width in pixels of the border without extrema.
const BORDER: usize = 4;
/// Marks that are checked together.
const GROUP: usize = 16;
/// Maximum number of moves; an extremum that does not converge is dropped.
const MAX_MOVES: usize = 5;

/// A scale-space extremum: a point where the difference of Gaussians is extreme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extremum {
    /// Octave; its pixels are 2^octave pixels of the image.
    pub(crate) octave: usize,
    /// The blurred image nearest in scale, 1 to [`LAYERS`].
    pub(crate) layer: usize,
    /// Position in pixels of the octave; pixel centres are integers.
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// Scale in pixels of the octave.
    pub(crate) sigma: f32,
    /// Absolute contrast at the extremum.
    pub(crate) response: f32,
}

/// Finds all extrema of all octaves, in the order of octaves, layers and rows.
pub(crate) fn extrema(octaves: &[Octave]) -> Vec<Extremum> {
    let mut found = Vec::new();
    for (octave, images) in octaves.iter().enumerate() {
        let space = Differences(&images.blurred);
        for layer in 1..=LAYERS {
            space.scan(octave, layer, &mut found);
        }
    }
    found
}

/// The differences between neighbouring blurs of an octave; layer 0 is that of the first two.
struct Differences<'a>(&'a [Plane]);

/// First and second derivatives at one pixel, in the order x, y, layer.
struct Derivatives {
    first: [f32; 3],
    xx: f32,
    yy: f32,
    ss: f32,
    xy: f32,
    xs: f32,
    ys: f32,
}

impl Differences<'_> {
    fn scan(&self, octave: usize, layer: usize, found: &mut Vec<Extremum>) {
        let (width, height) = (self.width(), self.height());
        let mut peaks = vec![0; width.next_multiple_of(GROUP)];
        for y in BORDER..height.saturating_sub(BORDER) {
            let blurred = [&self.0[layer], &self.0[layer + 1]];
            mark_row_peaks(blurred, y, &mut peaks[BORDER..width - BORDER]);
            for x in marked(&peaks) {
                if self.is_extreme(layer, x, y) {
                    found.extend(self.refine(octave, layer, x, y));
                }
            }
        }
    }

    fn width(&self) -> usize {
        self.0[0].width
    }

    fn height(&self) -> usize {
        self.0[0].height
    }

    fn at(&self, layer: usize, at: usize) -> f32 {
        self.0[layer + 1].data[at] - self.0[layer].data[at]
    }

    fn is_extreme(&self, layer: usize, x: usize, y: usize) -> bool {
        let at = y * self.width() + x;
        let value = self.at(layer, at);
        for layer in [layer, layer - 1, layer + 1] {
            for middle in [at, at - self.width(), at + self.width()] {
                let row = [middle - 1, middle, middle + 1].map(|at| self.at(layer, at));
                let exceeded = if value > 0.0 {
                    row[0] > value || row[1] > value || row[2] > value
                } else {
                    row[0] < value || row[1] < value || row[2] < value
                };
                if exceeded {
                    return false;
                }
            }
        }
        true
    }

    fn refine(&self, octave: usize, layer: usize, x: usize, y: usize) -> Option<Extremum> {
        let (mut layer, mut x, mut y) = (layer, x, y);
        for _ in 0..MAX_MOVES {
            let slopes = self.derivatives(layer, x, y);
            let offset = slopes.extremum()?;
            if offset.iter().all(|part| part.abs() < 0.5) {
                return self.extremum_at(octave, [layer, x, y], &slopes, offset);
            }
            if offset.iter().any(|part| part.abs() > 1e6) {
                return None;
            }
            x = moved(x, offset[0], BORDER, self.width().checked_sub(BORDER + 1)?)?;
            y = moved(y, offset[1], BORDER, self.height().checked_sub(BORDER + 1)?)?;
            layer = moved(layer, offset[2], 1, LAYERS)?;
        }
        None
    }

    fn extremum_at(
        &self,
        octave: usize,
        at: [usize; 3],
        slopes: &Derivatives,
        offset: [f32; 3],
    ) -> Option<Extremum> {
        let [layer, x, y] = at;
        let rise: f32 = slopes
            .first
            .iter()
            .zip(offset)
            .map(|(slope, part)| slope * part)
            .sum();
        let response = (self.at(layer, y * self.width() + x) + 0.5 * rise).abs();
        if response * (LAYERS as f32) < MIN_CONTRAST || slopes.is_edge() {
            return None;
        }
        let fractional = layer as f32 + offset[2];
        Some(Extremum {
            octave,
            layer,
            x: x as f32 + offset[0],
            y: y as f32 + offset[1],
            sigma: layer_sigma(fractional),
            response,
        })
    }

    fn derivatives(&self, layer: usize, x: usize, y: usize) -> Derivatives {
        let row = self.width();
        let at = y * row + x;
        let [below, here, above] =
            [layer - 1, layer, layer + 1].map(|layer| move |at: usize| self.at(layer, at));
        let centre = 2.0 * here(at);
        Derivatives {
            first: [
                0.5 * (here(at + 1) - here(at - 1)),
                0.5 * (here(at + row) - here(at - row)),
                0.5 * (above(at) - below(at)),
            ],
            xx: here(at + 1) + here(at - 1) - centre,
            yy: here(at + row) + here(at - row) - centre,
            ss: above(at) + below(at) - centre,
            xy: 0.25
                * (here(at + row + 1) - here(at + row - 1) - here(at - row + 1)
                    + here(at - row - 1)),
            xs: 0.25 * (above(at + 1) - above(at - 1) - below(at + 1) + below(at - 1)),
            ys: 0.25 * (above(at + row) - above(at - row) - below(at + row) + below(at - row)),
        }
    }
}

/// Marks the pixels of a row, without its borders, that have contrast and are extreme among their
/// four neighbours. Branch-free, so that the compiler vectorizes it. `blurred` are the two planes
/// whose difference is compared.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn mark_row_peaks(blurred: [&Plane; 2], y: usize, peaks: &mut [u8]) {
    let threshold = 0.5 * MIN_CONTRAST / LAYERS as f32;
    let (width, inner) = (blurred[0].width, peaks.len());
    let at = y * width + BORDER;
    let span = |start: usize| blurred.map(|plane| &plane.data[start..start + inner]);
    let (here, left, right) = (span(at), span(at - 1), span(at + 1));
    let (above, below) = (span(at - width), span(at + width));
    for x in 0..inner {
        let difference = |[before, after]: [&[f32]; 2]| after[x] - before[x];
        let value = difference(here);
        let (left, right) = (difference(left), difference(right));
        let (above, below) = (difference(above), difference(below));
        let highest = left.max(right).max(above.max(below));
        let lowest = left.min(right).min(above.min(below));
        let top = (value > threshold) & (value >= highest);
        let bottom = (value < -threshold) & (value <= lowest);
        peaks[x] = u8::from(top | bottom);
    }
}

/// Yields the positions of the marks. Nearly all groups have none, which one check per group shows.
fn marked(peaks: &[u8]) -> impl Iterator<Item = usize> {
    let groups = peaks.as_chunks::<GROUP>().0.iter().enumerate();
    let marked = groups.filter(|(_, group)| group.iter().fold(0, |any, peak| any | peak) != 0);
    marked.flat_map(|(number, group)| {
        let marks = group.iter().enumerate().filter(|(_, peak)| **peak != 0);
        marks.map(move |(at, _)| number * GROUP + at)
    })
}

impl Derivatives {
    /// Solves Hessian · offset = −gradient by Cramer's rule (Lowe 2004, equation 3).
    fn extremum(&self) -> Option<[f32; 3]> {
        let [gx, gy, gs] = self.first;
        let cofactor_x = self.yy * self.ss - self.ys * self.ys;
        let cofactor_y = self.xs * self.ys - self.xy * self.ss;
        let cofactor_s = self.xy * self.ys - self.yy * self.xs;
        let determinant = self.xx * cofactor_x + self.xy * cofactor_y + self.xs * cofactor_s;
        if determinant.abs() < 1e-20 {
            return None;
        }
        let middle = self.xx * self.ss - self.xs * self.xs;
        let cross = self.xy * self.xs - self.xx * self.ys;
        let last = self.xx * self.yy - self.xy * self.xy;
        Some([
            -(cofactor_x * gx + cofactor_y * gy + cofactor_s * gs) / determinant,
            -(cofactor_y * gx + middle * gy + cross * gs) / determinant,
            -(cofactor_s * gx + cross * gy + last * gs) / determinant,
        ])
    }

    /// Returns whether one principal curvature is far larger than the other (Lowe 2004, section
    /// 4.1).
    fn is_edge(&self) -> bool {
        let trace = self.xx + self.yy;
        let determinant = self.xx * self.yy - self.xy * self.xy;
        determinant <= 0.0
            || trace * trace * MAX_EDGE_RATIO >= (MAX_EDGE_RATIO + 1.0).powi(2) * determinant
    }
}

/// Moves an integer coordinate by a rounded offset; `None` when the result is outside
/// `first..=last`.
fn moved(from: usize, offset: f32, first: usize, last: usize) -> Option<usize> {
    let target = from as i64 + offset.round() as i64;
    usize::try_from(target)
        .ok()
        .filter(|at| (first..=last).contains(at))
}

#[cfg(test)]
mod tests {
    use super::super::scale_space;
    use super::*;

    #[test]
    fn a_blob_is_found_once_at_its_centre_and_scale() {
        let mut image = Plane::new(128, 96);
        let (centre_x, centre_y, radius) = (60.3f32, 44.7f32, 6.0f32);
        for y in 0..96 {
            for x in 0..128 {
                let distance = (x as f32 - centre_x).powi(2) + (y as f32 - centre_y).powi(2);
                image.data[y * 128 + x] = 0.2 + 0.6 * (-distance / (2.0 * radius * radius)).exp();
            }
        }

        let found = extrema(&scale_space::octaves(&image, 1.0));

        let best = found
            .iter()
            .max_by(|a, b| a.response.total_cmp(&b.response))
            .unwrap();
        let unit = (best.octave as f32).exp2();
        assert!(
            (best.x * unit - centre_x).abs() < 0.3 && (best.y * unit - centre_y).abs() < 0.3,
            "{best:?}"
        );
        // The difference of Gaussians of a Gaussian blob is extreme near the blob's own width.
        assert!((best.sigma * unit / radius - 1.0).abs() < 0.25, "{best:?}");
    }

    #[test]
    fn a_straight_edge_has_no_keypoint() {
        let mut image = Plane::new(96, 96);
        for y in 0..96 {
            for x in 0..96 {
                image.data[y * 96 + x] = if x + y / 3 < 60 { 0.1 } else { 0.9 };
            }
        }

        let inner = extrema(&scale_space::octaves(&image, 1.0))
            .into_iter()
            .filter(|k| k.octave == 0 && (20.0..76.0).contains(&k.y))
            .count();

        assert_eq!(inner, 0);
    }
}
