//! Distortions of an image as users and their tools make them.
//!
//! Each function returns a distorted copy; random choices come from a [`Chance`]. They correspond
//! to `eval/attacks.py`, in pure Rust, for drawn images.

#![allow(dead_code, reason = "no test crate uses all functions")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "values stay in range"
)]

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::draw::{self, Chance};

/// Corners in the order top left, top right, bottom right, bottom left, in pixels.
pub type Corners = [[f32; 2]; 4];

/// Crops to the given fraction of each side, at a random position.
pub fn crop(image: &RgbImage, side: f32, chance: &mut Chance) -> RgbImage {
    let kept = |length: u32| (length as f32 * side) as u32;
    let (width, height) = (kept(image.width()), kept(image.height()));
    let left = chance.below(image.width() - width + 1);
    let top = chance.below(image.height() - height + 1);
    imageops::crop_imm(image, left, top, width, height).to_image()
}

/// Scales both sides.
pub fn scale(image: &RgbImage, across: f32, down: f32) -> RgbImage {
    let side = |length: u32, factor: f32| (length as f32 * factor).round() as u32;
    let (width, height) = (side(image.width(), across), side(image.height(), down));
    imageops::resize(image, width, height, FilterType::CatmullRom)
}

/// Rotates about the centre on a white background; the result contains the whole image.
pub fn rotate(image: &RgbImage, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (w, h) = (image.width() as f32, image.height() as f32);
    let (width, height) = (w * cos.abs() + h * sin.abs(), w * sin.abs() + h * cos.abs());
    let corner = |x: f32, y: f32| {
        [
            width / 2.0 + cos * (x - w / 2.0) - sin * (y - h / 2.0),
            height / 2.0 + sin * (x - w / 2.0) + cos * (y - h / 2.0),
        ]
    };
    let corners = [
        corner(0.0, 0.0),
        corner(w, 0.0),
        corner(w, h),
        corner(0.0, h),
    ];
    let white = RgbImage::from_pixel(width.ceil() as u32, height.ceil() as u32, Rgb([255; 3]));
    onto(white, image, &corners)
}

/// Applies a function to every channel of every pixel.
pub fn map(image: &RgbImage, change: impl Fn(f32) -> f32) -> RgbImage {
    let table: Vec<u8> = (0..=255u8)
        .map(|value| change(f32::from(value)).clamp(0.0, 255.0) as u8)
        .collect();
    let mut image = image.clone();
    image
        .iter_mut()
        .for_each(|value| *value = table[usize::from(*value)]);
    image
}

/// Converts colours to grey.
pub fn grey(image: &RgbImage) -> RgbImage {
    let mut image = image.clone();
    for pixel in image.pixels_mut() {
        let [red, green, blue] = pixel.0.map(u32::from);
        pixel.0 = [((299 * red + 587 * green + 114 * blue) / 1000) as u8; 3];
    }
    image
}

/// Inverts all colours.
pub fn invert(image: &RgbImage) -> RgbImage {
    map(image, |value| 255.0 - value)
}

/// Blurs with a Gaussian.
pub fn blur(image: &RgbImage, sigma: f32) -> RgbImage {
    imageops::fast_blur(image, sigma)
}

/// Adds noise of a standard deviation, in steps of 256 (a sum of four uniform numbers).
pub fn noise(image: &RgbImage, deviation: f32, chance: &mut Chance) -> RgbImage {
    let mut image = image.clone();
    for value in image.iter_mut() {
        let sum: u32 = (0..4).map(|_| chance.below(256)).sum();
        let noise = (sum as f32 - 510.0) / 148.0 * deviation;
        *value = (f32::from(*value) + noise).clamp(0.0, 255.0) as u8;
    }
    image
}

/// Re-encodes as JPEG.
pub fn jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    image::load_from_memory(&draw::jpeg(image, quality))
        .unwrap()
        .into_rgb8()
}

/// Adds a border of one colour, `part` of the shorter side wide.
pub fn border(image: &RgbImage, part: f32, chance: &mut Chance) -> RgbImage {
    let (width, height) = image.dimensions();
    let wide = (width.min(height) as f32 * part) as u32;
    let colour = Rgb([0; 3].map(|_: u8| chance.below(256) as u8));
    let mut framed = RgbImage::from_pixel(width + 2 * wide, height + 2 * wide, colour);
    imageops::replace(&mut framed, image, i64::from(wide), i64::from(wide));
    framed
}

/// Pastes an image into another at a random position, up to `part` of its sides large.
pub fn collage(ground: &RgbImage, image: &RgbImage, part: f32, chance: &mut Chance) -> RgbImage {
    let factor = (ground.width() as f32 * part / image.width() as f32)
        .min(ground.height() as f32 * part / image.height() as f32);
    let small = scale(image, factor, factor);
    let left = chance.below(ground.width() - small.width() + 1);
    let top = chance.below(ground.height() - small.height() + 1);
    let mut collage = ground.clone();
    imageops::replace(&mut collage, &small, i64::from(left), i64::from(top));
    collage
}

/// Covers about `part` of an image with pieces of another.
pub fn stickers(image: &RgbImage, other: &RgbImage, part: f32, chance: &mut Chance) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut covered = image.clone();
    // Twenty stickers of 1/20 of the area overlap: 1/e remains uncovered.
    let count = (-20.0 * (1.0 - part).ln()) as u32;
    let (across, down) = (width * 9 / 40, height * 9 / 40);
    for _ in 0..count {
        let from = [
            chance.below(other.width() - across),
            chance.below(other.height() - down),
        ];
        let sticker = imageops::crop_imm(other, from[0], from[1], across, down).to_image();
        let (left, top) = (chance.below(width - across), chance.below(height - down));
        imageops::replace(&mut covered, &sticker, i64::from(left), i64::from(top));
    }
    covered
}

/// Simulates a photo of a print before a background: tilted, with a colour cast, glare, blur,
/// noise.
pub fn phone(
    image: &RgbImage,
    ground: &RgbImage,
    fill: f32,
    tilt: f32,
    chance: &mut Chance,
) -> RgbImage {
    let corners = tilted(image, ground, fill, tilt, chance);
    let factor = (corners[1][0] - corners[0][0]) / image.width() as f32;
    let smooth = if factor < 0.7 {
        blur(image, 0.5 / factor)
    } else {
        image.clone()
    };
    let mut photo = onto(blur(ground, 1.2), &smooth, &corners);
    light(&mut photo, &corners, chance);
    jpeg(&noise(&blur(&photo, 0.8), 4.0, chance), 80)
}

/// Projects an image by a pinhole camera, rotated by up to `tilt` degrees about both axes.
fn tilted(
    image: &RgbImage,
    ground: &RgbImage,
    fill: f32,
    tilt: f32,
    chance: &mut Chance,
) -> Corners {
    let (width, height) = (ground.width() as f32, ground.height() as f32);
    let (w, h) = (image.width() as f32, image.height() as f32);
    let factor = (fill * width * height / (w * h)).sqrt();
    let factor = factor.min(0.98 * width / w).min(0.98 * height / h);
    let (w, h) = (w * factor / 2.0, h * factor / 2.0);
    let mut angle = |max: f32| (part(chance) * 2.0 - 1.0) * max.to_radians();
    let ((sx, cx), (sy, cy)) = (angle(tilt).sin_cos(), angle(tilt).sin_cos());
    let (sz, cz) = angle(8.0).sin_cos();
    let focus = 1.2 * width.max(height);
    [[-w, -h], [w, -h], [w, h], [-w, h]].map(|[x, y]| {
        let (y, z) = (cx * y, sx * y);
        let (x, z) = (cy * x + sy * z, cy * z - sy * x);
        let (x, y) = (cz * x - sz * y, sz * x + cz * y);
        let near = focus / (focus + z);
        [width / 2.0 + x * near, height / 2.0 + y * near]
    })
}

/// Adds a colour cast, a spot of glare and light from one side.
fn light(photo: &mut RgbImage, corners: &Corners, chance: &mut Chance) {
    let cast = [0; 3].map(|_: u8| 0.82 + 0.36 * part(chance));
    let spot = corners[chance.below(4) as usize];
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let slope = part(chance) - 0.5;
    for (x, y, pixel) in photo.enumerate_pixels_mut() {
        let (dx, dy) = (x as f32 - spot[0], y as f32 - spot[1]);
        let distance = (dx / (0.25 * width)).powi(2) + (dy / (0.2 * height)).powi(2);
        let glare = 170.0 * (1.0 - distance).max(0.0).powi(2);
        let side = 1.0 + slope * (x as f32 / width - 0.5);
        for (value, cast) in pixel.0.iter_mut().zip(cast) {
            *value = ((f32::from(*value) * cast + glare) * side).clamp(0.0, 255.0) as u8;
        }
    }
}

fn part(chance: &mut Chance) -> f32 {
    chance.below(10_000) as f32 / 10_000.0
}

/// Warps an image into a quadrilateral of a canvas.
pub fn onto(mut canvas: RgbImage, image: &RgbImage, corners: &Corners) -> RgbImage {
    let back = inverse(&square_to(corners));
    let (width, height) = (image.width() as f32, image.height() as f32);
    for (x, y, pixel) in canvas.enumerate_pixels_mut() {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let [u, v, w] = back.map(|row| row[0] * x + row[1] * y + row[2]);
        let (u, v) = (u / w, v / w);
        if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
            let (x, y) = (u * width - 0.5, v * height - 0.5);
            let inside = (x.clamp(0.0, width - 1.001), y.clamp(0.0, height - 1.001));
            *pixel = imageops::interpolate_bilinear(image, inside.0, inside.1).unwrap();
        }
    }
    canvas
}

/// Returns the projective map of the unit square to a quadrilateral (Heckbert 1989, section 2.2).
fn square_to(corners: &Corners) -> [[f32; 3]; 3] {
    let [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = *corners;
    let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
    let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
    let determinant = dx1 * dy2 - dx2 * dy1;
    let g = (sx * dy2 - dx2 * sy) / determinant;
    let h = (dx1 * sy - sx * dy1) / determinant;
    [
        [x1 - x0 + g * x1, x3 - x0 + h * x3, x0],
        [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
        [g, h, 1.0],
    ]
}

/// Returns the inverse up to a factor, which does not change a projective map.
fn inverse(map: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let minor = |row: usize, column: usize| {
        let at = |down: usize, across: usize| map[(row + down) % 3][(column + across) % 3];
        at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)
    };
    std::array::from_fn(|row| std::array::from_fn(|column| minor(column, row)))
}
