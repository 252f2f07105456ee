//! The limits of an image, which depend on the library and the API.

/// How large an image may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Maximum size of the file in bytes.
    pub max_bytes: usize,
    /// Maximum length of the longer side in pixels, inclusive.
    pub max_side: u32,
}

// === impl ImageLimits ===

impl ImageLimits {
    /// Those of the vendor, of its libraries and of the REST API: 4 MiB as base64 text, 4096 pixels.
    pub const VENDOR: ImageLimits = ImageLimits {
        max_bytes: 4 * 1024 * 1024 / 4 * 3,
        max_side: 4096,
    };
}
