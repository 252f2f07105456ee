//! The position of the shared content in two images.

use crate::verify::Overlap;

/// The part that a query and a stored image share, as one quadrilateral in each image.
///
/// Coordinates are relative to the upright image (EXIF orientation applied): x from 0 at the left
/// edge to 1 at the right, y from 0 at the top to 1 at the bottom; corners in the query can be
/// slightly outside when one image is rotated. The order of the corners is top left, top right,
/// bottom right, bottom left *of the stored image's part*. Corner `i` in one image corresponds to
/// corner `i` in the other, so the corners of a rotated or mirrored copy have a rotated or mirrored
/// order in `query`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// The shared part in the query image.
    pub query: [[f32; 2]; 4],
    /// The shared part in the stored image.
    pub stored: [[f32; 2]; 4],
    /// Fraction of the stored image's area that the query shows, in [0, 1].
    pub overlap: f32,
}

impl Geometry {
    /// The geometry of two images that are the same as a whole.
    pub const WHOLE: Self = Self {
        query: FULL,
        stored: FULL,
        overlap: 1.0,
    };
}

impl From<&Overlap> for Geometry {
    fn from(overlap: &Overlap) -> Self {
        Self {
            query: overlap.in_query,
            stored: overlap.in_library,
            overlap: overlap.of_library,
        }
    }
}

const FULL: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
