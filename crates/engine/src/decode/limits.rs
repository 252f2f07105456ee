//! The limits of an accepted image file.

/// Maximum size of a file in bytes: an uncompressed BMP of the maximum sides (64 MiB) and its
/// headers.
pub const MAX_FILE_BYTES: usize = 65 << 20;

/// Minimum side in pixels (same_hq documentation, parameter `image`).
pub const MIN_SIDE: u32 = 50;

/// Maximum side in pixels (same_hq documentation, parameter `image`).
pub const MAX_SIDE: u32 = 4096;
