//! What geometric verification compares: correspondences of keypoints and the shapes of images.

use std::f32::consts::PI;

use crate::features::Keypoint;

/// The shape of an image, in lengths of its longer side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageShape {
    /// Width, in (0, 1].
    pub width: f32,
    /// Height, in (0, 1].
    pub height: f32,
}

/// The form in which the query was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryForm {
    /// Left and right are exchanged.
    pub mirrored: bool,
    /// Colours are inverted.
    pub inverted: bool,
}

/// A tentative correspondence: a feature of the query and a similar feature of the library image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correspondence {
    /// Number of the query feature; a feature may be in several correspondences.
    pub feature: u16,
    /// Hamming distance of the signatures in bits.
    pub distance: u8,
    /// Keypoint in the query, in the form that was compared (see [`QueryForm::apply`]).
    pub query: Keypoint,
    /// Keypoint in the library image.
    pub library: Keypoint,
    /// Weight in (0, 1], falling with the distance.
    pub weight: f32,
}

// === impl ImageShape ===

impl ImageShape {
    /// Makes the shape of an image with sides in pixels.
    pub fn new(width: u32, height: u32) -> Self {
        let side = width.max(height).max(1) as f32;
        Self {
            width: width as f32 / side,
            height: height as f32 / side,
        }
    }

    pub(super) fn corners(self) -> [(f32, f32); 4] {
        [
            (0.0, 0.0),
            (self.width, 0.0),
            (self.width, self.height),
            (0.0, self.height),
        ]
    }

    /// Converts a point to fractions of width and height.
    pub(super) fn relative(self, (x, y): (f32, f32)) -> [f32; 2] {
        [x / self.width, y / self.height]
    }
}

// === impl QueryForm ===

impl QueryForm {
    /// Maps a keypoint of the query to this form of the query.
    pub fn apply(self, keypoint: Keypoint, query: ImageShape) -> Keypoint {
        let mut keypoint = keypoint;
        if self.inverted {
            keypoint.angle += PI;
        }
        if self.mirrored {
            keypoint.x = query.width - keypoint.x;
            keypoint.angle = PI - keypoint.angle;
        }
        keypoint
    }
}
