//! The two image types of the feature pipeline.
//!
//! [`GreyView`] is the input: borrowed 8-bit luminance. [`Plane`] is the working type: owned
//! floating-point luminance in [0, 1], row by row without padding.

/// A borrowed 8-bit grey image, row by row without padding, already oriented.
#[derive(Clone, Copy)]
pub struct GreyView<'a> {
    pixels: &'a [u8],
    width: u32,
    height: u32,
}

/// A grey image with values in [0, 1].
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<f32>,
}

// === impl GreyView ===

impl<'a> GreyView<'a> {
    /// Wraps `width × height` luminance bytes; `None` when the length does not match or a side is
    /// 0.
    pub fn new(pixels: &'a [u8], width: u32, height: u32) -> Option<Self> {
        let fits = pixels.len() as u64 == u64::from(width) * u64::from(height);
        (fits && !pixels.is_empty()).then_some(Self {
            pixels,
            width,
            height,
        })
    }

    /// Returns the luminance bytes.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// Returns the width in pixels, 1 or more.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels, 1 or more.
    pub fn height(&self) -> u32 {
        self.height
    }
}

impl std::fmt::Debug for GreyView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GreyView({} × {})", self.width, self.height)
    }
}

// === impl Plane ===

impl Plane {
    /// Makes a black plane.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            data: vec![0.0; width * height],
        }
    }

    /// Returns one row.
    pub(crate) fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    /// Returns every second pixel of every second row.
    pub(crate) fn halved(&self) -> Self {
        let mut half = Self::new(self.width / 2, self.height / 2);
        for (y, row) in half.data.chunks_exact_mut(self.width / 2).enumerate() {
            for (target, pair) in row.iter_mut().zip(self.row(2 * y).chunks_exact(2)) {
                *target = pair[0];
            }
        }
        half
    }
}
