//! Warps the query onto the raster of a thumbnail, at a resolution that both have.

use std::collections::HashMap;

use image::GrayImage;

use crate::decode;
use crate::verify::ImageShape;

use super::homography::Homography;

/// Query pixels per thumbnail pixel above which a smaller query is used, so that every query pixel
/// counts.
const MAX_QUERY_PIXELS: f32 = 1.3;
/// Minimum factor by which a thumbnail is shrunk for a query that shows it smaller.
const MIN_SHRINK: f32 = 0.25;

/// The query at several sizes, each computed once when a candidate needs it.
pub(crate) struct Pyramid<'a> {
    query: &'a GrayImage,
    shape: ImageShape,
    /// By size: level `n` is smaller by 2^(n/2).
    levels: HashMap<i32, GrayImage>,
}

/// A thumbnail and the query on the same raster, row by row.
pub(super) struct WarpedPair {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 0 where the query does not show it, as in `query`.
    pub(super) stored: Vec<f32>,
    /// 0 where the query does not show the stored image.
    pub(super) query: Vec<f32>,
    /// 1 where the query shows the stored image, 0 elsewhere.
    pub(super) mask: Vec<f32>,
}

// === impl Pyramid ===

impl<'a> Pyramid<'a> {
    /// Makes a pyramid of a query, whose sides in pixels may be those of a larger original.
    pub(crate) fn new(query: &'a GrayImage, shape: ImageShape) -> Self {
        Self {
            query,
            shape,
            levels: HashMap::new(),
        }
    }

    /// Returns the query shrunk by up to `factor`, by steps of √2.
    fn level(&mut self, factor: f32) -> &GrayImage {
        let number = (2.0 * factor.log2()).ceil() as i32;
        if number <= 0 {
            return self.query;
        }
        let query = self.query;
        self.levels.entry(number).or_insert_with(|| {
            let scale = (-0.5 * number as f32).exp2();
            let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
            decode::scaled_grey(query, side(query.width()), side(query.height()))
        })
    }
}

/// Warps the query onto a thumbnail; `None` when the map is singular.
pub(super) fn onto_thumbnail(
    query: &mut Pyramid<'_>,
    thumbnail: &GrayImage,
    stored: ImageShape,
    map: &Homography,
    inverted: bool,
) -> Option<WarpedPair> {
    let query_pixels = query_pixels(query, thumbnail, stored, map)?;
    let shrunk = (query_pixels < 1.0).then(|| {
        let scale = query_pixels.max(MIN_SHRINK);
        let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
        decode::scaled_grey(thumbnail, side(thumbnail.width()), side(thumbnail.height()))
    });
    let thumbnail = shrunk.as_ref().unwrap_or(thumbnail);
    let shape = query.shape;
    let level = query.level(query_pixels / MAX_QUERY_PIXELS);

    let size = |image: &GrayImage| [image.width(), image.height()].map(f64::from);
    let sides = |shape: ImageShape| [shape.width, shape.height].map(f64::from);
    let ([width, height], [wide, high]) = (size(thumbnail), sides(stored));
    let to_stored = Homography::scaling([wide / width, high / height], 0.0)
        .after(&Homography::scaling([1.0, 1.0], 0.5));
    let ([width, height], [wide, high]) = (size(level), sides(shape));
    let to_pixels = Homography::scaling([width / wide, height / high], -0.5);
    let back = to_pixels.after(&map.inverse()?).after(&to_stored);
    Some(sampled(level, thumbnail, &back, inverted))
}

/// Returns the number of query pixels per pixel of the thumbnail, along a side, in the middle of
/// the thumbnail.
fn query_pixels(
    query: &Pyramid<'_>,
    thumbnail: &GrayImage,
    stored: ImageShape,
    map: &Homography,
) -> Option<f32> {
    let longer = |image: &GrayImage| image.width().max(image.height()) as f32;
    let back = map.inverse()?;
    let (x, y, step) = (0.5 * stored.width, 0.5 * stored.height, 0.01);
    let (at, right, down) = (
        back.apply(x, y),
        back.apply(x + step, y),
        back.apply(x, y + step),
    );
    let area = (right.0 - at.0) * (down.1 - at.1) - (right.1 - at.1) * (down.0 - at.0);
    let growth = area.abs().sqrt() / step;
    let pixels = growth * longer(query.query) / longer(thumbnail);
    pixels.is_finite().then_some(pixels)
}

/// Samples the query bilinearly at each pixel of the thumbnail.
fn sampled(
    query: &GrayImage,
    thumbnail: &GrayImage,
    back: &Homography,
    inverted: bool,
) -> WarpedPair {
    let (width, height) = (thumbnail.width() as usize, thumbnail.height() as usize);
    let mut pair = WarpedPair {
        width,
        height,
        stored: vec![0.0; width * height],
        query: vec![0.0; width * height],
        mask: vec![0.0; width * height],
    };
    let targets = pair.query.iter_mut().zip(&mut pair.mask);
    for (at, (value, mask)) in targets.enumerate() {
        let (x, y) = back.apply((at % width) as f32, (at / width) as f32);
        if let Some(sample) = bilinear(query, x, y) {
            pair.stored[at] = f32::from(thumbnail.as_raw()[at]);
            *value = if inverted { 255.0 - sample } else { sample };
            *mask = 1.0;
        }
    }
    pair
}

/// Returns the value at a point; `None` outside the image.
fn bilinear(image: &GrayImage, x: f32, y: f32) -> Option<f32> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let inside = |value: f32, side: usize| value > -0.5 && value < side as f32 - 0.5;
    if !inside(x, width) || !inside(y, height) {
        return None;
    }
    let (x, y) = (
        x.clamp(0.0, (width - 1) as f32),
        y.clamp(0.0, (height - 1) as f32),
    );
    let (left, top) = (x as usize, y as usize);
    let (right, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (u, v) = (x - left as f32, y - top as f32);
    let pixels = image.as_raw();
    let value = |x: usize, y: usize| f32::from(pixels[y * width + x]);
    let upper = value(left, top) * (1.0 - u) + value(right, top) * u;
    let lower = value(left, below) * (1.0 - u) + value(right, below) * u;
    Some(upper * (1.0 - v) + lower * v)
}
