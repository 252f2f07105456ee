//! Where two aligned images cover each other.

use super::{Affine, Frame};

/// Says which part of each image shows the same, as one quadrilateral in each.
///
/// Coordinates are parts of the image's width and height. Corner `i` of one lies on corner `i` of
/// the other; they stand in the order top left, top right, bottom right, bottom left of the library
/// image's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap {
    /// The shared part in the query; corners may lie a little outside [0, 1] when the images are
    /// turned.
    pub in_query: [[f32; 2]; 4],
    /// The shared part in the library image: the upright rectangle around it.
    pub in_library: [[f32; 2]; 4],
    /// Part of the query's area that the library image covers, in [0, 1].
    pub of_query: f32,
    /// Part of the library image's area that the query shows, in [0, 1].
    pub of_library: f32,
}

// === impl Overlap ===

impl Overlap {
    /// Lays the query over the library image; `None` when they do not touch or the map cannot be
    /// turned round.
    pub(super) fn new(affine: &Affine, query: Frame, library: Frame) -> Option<Self> {
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

impl Frame {
    fn corners(self) -> [(f32, f32); 4] {
        [
            (0.0, 0.0),
            (self.width, 0.0),
            (self.width, self.height),
            (0.0, self.height),
        ]
    }

    fn relative(self, (x, y): (f32, f32)) -> [f32; 2] {
        [x / self.width, y / self.height]
    }
}

/// Returns the least and the largest value; `None` when there are none.
fn range(values: impl Iterator<Item = f32> + Clone) -> Option<(f32, f32)> {
    Some((values.clone().reduce(f32::min)?, values.reduce(f32::max)?))
}

/// Cuts a polygon to a frame (Sutherland & Hodgman 1974).
fn clipped(polygon: &[(f32, f32)], frame: Frame) -> Vec<(f32, f32)> {
    let sides: [&dyn Fn((f32, f32)) -> f32; 4] = [
        &|(x, _)| x,
        &|(_, y)| y,
        &|(x, _)| frame.width - x,
        &|(_, y)| frame.height - y,
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
