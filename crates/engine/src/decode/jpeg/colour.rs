//! Converts a row of components to RGB: as libjpeg does (`jdcolor.c`), and inks as Pillow does.

use multiversion::multiversion;

use super::frame::Frame;

/// The meaning of the components.
#[derive(Clone, Copy)]
pub(super) enum Transform {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

// === impl Transform ===

impl Transform {
    /// Selects the meaning as libjpeg does (`jdapimin.c`, `default_decompress_parms`): JFIF means
    /// YCbCr whatever else a file says; then an Adobe segment decides, then the ids.
    pub(super) fn of(frame: &Frame, has_jfif: bool, adobe: Option<u8>) -> Self {
        let ids: Vec<u8> = frame
            .components
            .iter()
            .map(|component| component.id)
            .collect();
        match (ids.len(), adobe) {
            (1, _) => Transform::Grey,
            (3, _) if has_jfif => Transform::YCbCr,
            (3, Some(0)) => Transform::Rgb,
            (3, None) if ids == *b"RGB" => Transform::Rgb,
            (3, _) => Transform::YCbCr,
            (_, None | Some(0)) => Transform::Cmyk,
            _ => Transform::Ycck,
        }
    }
}

/// Converts a row. Four components are inks: 0 is none of it, or all of it where `is_inverted`, as
/// in the files of Adobe's programs.
pub(super) fn convert(
    transform: Transform,
    is_inverted: bool,
    components: &[&[u8]],
    pixels: &mut [u8],
) {
    match (transform, components) {
        (Transform::YCbCr, [y, cb, cr]) => ycbcr(y, cb, cr, pixels),
        (Transform::Rgb, [r, g, b]) => rgb(r, g, b, pixels),
        (Transform::Cmyk, [c, m, y, k]) => {
            rgb(c, m, y, pixels);
            inks(pixels, k, is_inverted);
        }
        (Transform::Ycck, [y, cb, cr, k]) => {
            ycbcr(y, cb, cr, pixels);
            for value in pixels.iter_mut() {
                *value = 255 - *value;
            }
            inks(pixels, k, is_inverted);
        }
        _ => {
            for (pixel, grey) in pixels.as_chunks_mut().0.iter_mut().zip(components[0]) {
                *pixel = [*grey; 3];
            }
        }
    }
}

/// The constants are those of `jdcolor.c`: ITU-R BT.601 in 16 bits.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn ycbcr(y: &[u8], cb: &[u8], cr: &[u8], pixels: &mut [u8]) {
    let pixels = pixels.as_chunks_mut::<3>().0.iter_mut();
    for (((pixel, y), cb), cr) in pixels.zip(y).zip(cb).zip(cr) {
        let (y, cb, cr) = (i32::from(*y), i32::from(*cb) - 128, i32::from(*cr) - 128);
        *pixel = [
            clamped(y + ((91_881 * cr + 32_768) >> 16)),
            clamped(y + ((-22_554 * cb - 46_802 * cr + 32_768) >> 16)),
            clamped(y + ((116_130 * cb + 32_768) >> 16)),
        ];
    }
}

#[inline(always)]
fn clamped(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

fn rgb(r: &[u8], g: &[u8], b: &[u8], pixels: &mut [u8]) {
    let pixels = pixels.as_chunks_mut::<3>().0.iter_mut();
    for (((pixel, r), g), b) in pixels.zip(r).zip(g).zip(b) {
        *pixel = [*r, *g, *b];
    }
}

/// Converts cyan, magenta and yellow with black to RGB.
#[expect(clippy::cast_possible_truncation, reason = "a product of fractions")]
fn inks(pixels: &mut [u8], black: &[u8], is_inverted: bool) {
    let mask = if is_inverted { 0 } else { 255 };
    for (pixel, black) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(black) {
        let white = u16::from(black ^ mask);
        *pixel = pixel.map(|ink| ((u16::from(ink ^ mask) * white + 127) / 255) as u8);
    }
}
