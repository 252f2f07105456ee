//! How much memory a file needs to be decoded, by its header alone.

use image::ImageFormat;

use super::checks;

/// Bytes of a decoded image per pixel: RGB and luminance.
pub(crate) const DECODED: u64 = 3 + 1;

/// Returns the peak memory of decoding a file, in bytes per pixel.
///
/// Each is the largest sum of what is allocated at the same time. A rotation by EXIF copies the
/// image; a progressive JPEG holds its coefficients, 2 bytes per component, besides its pixels.
pub(crate) fn bytes_per_pixel(file: &[u8]) -> u64 {
    /// Offset of the bit depth in a PNG file (PNG specification, section 11.2.1, IHDR).
    const PNG_DEPTH: usize = 24;
    match checks::format(file) {
        // 16-bit RGBA, and its rotated copy.
        Ok(ImageFormat::Png) if file.get(PNG_DEPTH) == Some(&16) => 8 + 8,
        // 8-bit RGBA, and its rotated copy.
        Ok(ImageFormat::Png) => 4 + 4,
        // Coefficients of four components (CMYK), and RGB.
        Ok(ImageFormat::Jpeg) if checks::has_several_scans(file) => 4 * 2 + 3,
        // RGB, and its rotated copy.
        Ok(ImageFormat::Jpeg) => 3 + 3,
        // RGBA, and RGB without transparency.
        _ => 4 + 3,
    }
}
