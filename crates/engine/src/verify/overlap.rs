//! The overlap of two aligned images.

use super::affine::Affine;
use super::correspondence::ImageShape;

/// The part that both images show, as one quadrilateral in each.
///
/// Coordinates are fractions of the image's width and height. Corner `i` in one image corresponds
/// to corner `i` in the other. The order is top left, top right, bottom right, bottom left in the
/// library image.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap {
    /// The shared part in the query; corners may be slightly outside [0, 1] when the images are
    /// rotated.
    pub in_query: [[f32; 2]; 4],
    /// The shared part in the library image: its upright bounding box.
    pub in_library: [[f32; 2]; 4],
    /// Fraction of the query's area that the library image covers, in [0, 1].
    pub of_query: f32,
    /// Fraction of the library image's area that the query shows, in [0, 1].
    pub of_library: f32,
}

// === impl Overlap ===

impl Overlap {
    /// Computes the overlap; `None` when the images do not overlap or the map is singular.
    pub(super) fn new(affine: &Affine, query: ImageShape, library: ImageShape) -> Option<Self> {
        let back = affine.inverse()?;
        let common = clipped(&query.corners().map(|(x, y)| affine.apply(x, y)), library);
        let (left, right) = range(common.iter().map(|corner| corner.0))?;
        let (top, bottom) = range(common.iter().map(|corner| corner.1))?;
        let part = [(left, top), (right, top), (right, bottom), (left, bottom)];
        let area = area(&common);
        let query_area = affine.determinant().abs() * query.width * query.height;
        Some(Self {
            in_query: part.map(|(x, y)| query.relative(back.apply(x, y))),
            in_library: part.map(|corner| library.relative(corner)),
            of_query: (area / query_area.max(1e-9)).min(1.0),
            of_library: (area / (library.width * library.height)).min(1.0),
        })
    }
}

/// Returns the minimum and the maximum; `None` when there are no values.
fn range(values: impl Iterator<Item = f32> + Clone) -> Option<(f32, f32)> {
    Some((values.clone().reduce(f32::min)?, values.reduce(f32::max)?))
}

/// Clips a polygon to an image (Sutherland & Hodgman 1974).
fn clipped(polygon: &[(f32, f32)], shape: ImageShape) -> Vec<(f32, f32)> {
    let sides: [&dyn Fn((f32, f32)) -> f32; 4] = [
        &|(x, _)| x,
        &|(_, y)| y,
        &|(x, _)| shape.width - x,
        &|(_, y)| shape.height - y,
    ];
    let mut polygon = polygon.to_vec();
    for inside in sides {
        let mut cut = Vec::with_capacity(polygon.len() + 1);
        for (at, &here) in polygon.iter().enumerate() {
            let next = polygon[(at + 1) % polygon.len()];
            let (from, to) = (inside(here), inside(next));
            if from >= 0.0 {
                cut.push(here);
            }
            if (from >= 0.0) != (to >= 0.0) {
                let share = from / (from - to);
                cut.push((
                    here.0 + share * (next.0 - here.0),
                    here.1 + share * (next.1 - here.1),
                ));
            }
        }
        polygon = cut;
    }
    polygon
}

/// Returns the area of a polygon (shoelace formula).
fn area(polygon: &[(f32, f32)]) -> f32 {
    let next = polygon.iter().cycle().skip(1);
    let doubled: f32 = polygon
        .iter()
        .zip(next)
        .map(|(a, b)| a.0 * b.1 - b.0 * a.1)
        .sum();
    0.5 * doubled.abs()
}
