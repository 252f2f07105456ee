//! Scales an image file down to what a library takes.

use super::limits::LARGEST_MAX_SIDE;
use super::{DecodeError, DecodedImage, Header, checks};

/// JPEG quality of a scaled image, of 100: its artefacts do not cost a match.
const QUALITY: u8 = 90;
/// By how much the sides of a file that is still too large are reduced beyond the estimate that its
/// size grows with its pixels.
const MARGIN: f64 = 0.95;

/// A scaled image: an upright JPEG without metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaledImage {
    /// The file.
    pub file: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// JPEG quality, of 100.
    pub quality: u8,
}

/// Returns whether a file has up to `max_bytes` and sides of up to `max_side` pixels; also for one
/// whose header cannot be read. Does not decode it.
#[must_use]
pub fn is_within(file: &[u8], max_bytes: usize, max_side: u32) -> bool {
    file.len() <= max_bytes
        && Header::read(file).map_or(true, |header| header.width.max(header.height) <= max_side)
}

/// Scales an image down to a JPEG file of up to `max_bytes` with sides of up to `max_side` pixels.
///
/// The sides are reduced as far as needed, the aspect ratio stays. Transparency is blended as for a
/// search. Cost for each megapixel of the file: about 30 ms, and 4 to 16 MB of memory.
///
/// # Errors
///
/// [`DecodeError`] when the image cannot be decoded, has a side over [`LARGEST_MAX_SIDE`], or its
/// shorter side would be below [`MIN_SIDE`](super::MIN_SIDE).
pub fn scale_down(
    file: &[u8],
    max_bytes: usize,
    max_side: u32,
) -> Result<ScaledImage, DecodeError> {
    let image = DecodedImage::decode(file, LARGEST_MAX_SIDE)?;
    let mut side = image.width().max(image.height()).min(max_side);
    loop {
        let (width, height) = image.fit(side);
        checks::sides(width, height, max_side)?;
        let file = image.jpeg((width, height), QUALITY)?;
        if file.len() <= max_bytes {
            return Ok(ScaledImage {
                file,
                width,
                height,
                quality: QUALITY,
            });
        }
        side = smaller(side, file.len(), max_bytes);
    }
}

/// Returns the side with which a file of `bytes` may have `max_bytes`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, at least 5 % below the side"
)]
pub(super) fn smaller(side: u32, bytes: usize, max_bytes: usize) -> u32 {
    let ratio = (max_bytes as f64 / bytes as f64).sqrt() * MARGIN;
    ((f64::from(side) * ratio) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;

    /// Noise, whose file is as large as a file of its sides can be.
    fn noise(width: u32, height: u32) -> Vec<u8> {
        let mut state = 1_u32;
        let image = image::RgbImage::from_fn(width, height, |_, _| {
            image::Rgb([(); 3].map(|()| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            }))
        });
        draw::png(&image)
    }

    #[test]
    fn the_limits_are_inclusive_and_need_the_header_only() {
        let file = draw::png(&draw::image(1, 300, 200));

        assert!(is_within(&file, file.len(), 300));
        assert!(!is_within(&file, file.len() - 1, 300));
        assert!(!is_within(&file, file.len(), 299));
        assert!(is_within(b"no image", 8, 300));
        assert!(is_within(&file[..40], 40, 300));
    }

    #[test]
    fn a_long_side_is_scaled_to_the_limit_and_the_aspect_ratio_stays() {
        let file = draw::png(&draw::image(1, 300, 200));

        let scaled = scale_down(&file, file.len(), 150).unwrap();

        assert_eq!((scaled.width, scaled.height), (150, 100));
        let decoded = DecodedImage::decode(&scaled.file, 150).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (150, 100));
    }

    #[test]
    fn a_large_file_is_encoded_anew_and_scaled_until_it_fits() {
        let file = noise(400, 300);

        let same_sides = scale_down(&file, file.len() - 1, 4096).unwrap();
        let smaller = scale_down(&file, 30_000, 4096).unwrap();

        assert_eq!((same_sides.width, same_sides.height), (400, 300));
        assert!(smaller.file.len() <= 30_000 && smaller.width < 400);
        assert!(smaller.file.len() > 15_000, "{}", smaller.file.len());
    }

    #[test]
    fn an_image_that_cannot_be_scaled_is_rejected() {
        let long = draw::png(&draw::image(1, 3000, 60));

        assert!(matches!(
            scale_down(&long, 1 << 20, 1000),
            Err(DecodeError::Sides {
                width: 1000,
                height: 20,
                max: 1000
            })
        ));
        assert_eq!(
            scale_down(&[7; 100], 50, 1000),
            Err(DecodeError::UnknownFormat)
        );
    }

    #[test]
    fn scaling_is_repeatable() {
        let file = draw::jpeg(&draw::image(3, 640, 480), 95);

        assert_eq!(
            scale_down(&file, 1 << 20, 320),
            scale_down(&file, 1 << 20, 320)
        );
    }
}
