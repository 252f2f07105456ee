//! The limits of an accepted image file.

/// Maximum size of a file in bytes: an uncompressed BMP of 4096 x 4096 pixels (64 MiB) and its
/// headers.
pub const MAX_FILE_BYTES: usize = 65 << 20;

/// Minimum side in pixels (same_hq documentation, parameter `image`).
pub const MIN_SIDE: u32 = 50;

/// Default of the maximum side in pixels (same_hq documentation, parameter `image`).
pub const MAX_SIDE: u32 = 4096;

/// Largest maximum side that a library may have, in pixels. With it a decoder needs up to 4 GiB, and
/// a core up to 20 s, 16 times as much as for 4096 pixels.
pub const LARGEST_MAX_SIDE: u32 = 16_384;

/// Maximum memory of one decoder in bytes per pixel of a square with the maximum side: 16-bit RGBA
/// twice, because progressive and interlaced decoders need a second copy.
pub(super) const DECODER_BYTES_PER_PIXEL: u64 = 2 * 8;

/// Minimum side of previews in pixels, for a library that has any: twice that of a thumbnail.
pub const MIN_PREVIEW_SIDE: u32 = 512;

/// Maximum side of previews in pixels: what a screen shows.
pub const MAX_PREVIEW_SIDE: u32 = 2048;

/// Maximum size of a preview in bytes, so that a response with one, also in base64, is within the 4 MiB
/// that gRPC clients accept by default. A larger one is made with smaller sides.
pub const MAX_PREVIEW_BYTES: usize = 1 << 20;
