use image::{GrayImage, imageops};

use super::*;
use crate::draw;
use crate::features::Keypoint;
use crate::verify::{self, QueryForm};

/// The luminance of a drawn image.
fn drawn(seed: u64) -> GrayImage {
    imageops::grayscale(&draw::image(seed, 640, 480))
}

/// The alignment of keypoints on a grid that a map takes from the query to the stored image.
fn alignment(map: impl Fn(f32, f32) -> (f32, f32), scale: f32, form: QueryForm) -> Alignment {
    let shape = ImageShape::new(640, 480);
    let keypoint = |x, y, sigma| Keypoint {
        x,
        y,
        sigma,
        angle: 0.0,
    };
    let grid = (0..30).map(|at| (0.12 + 0.15 * (at % 6) as f32, 0.08 + 0.13 * (at / 6) as f32));
    let pairs: Vec<Correspondence> = (0..)
        .zip(grid)
        .map(|(feature, (x, y))| {
            let (u, v) = map(x, y);
            Correspondence {
                feature,
                distance: 4,
                query: keypoint(x, y, 0.01),
                library: keypoint(u, v, 0.01 * scale),
                weight: 0.9,
            }
        })
        .collect();
    verify::align(&pairs, shape, shape, form).unwrap()
}

const PLAIN: QueryForm = QueryForm {
    mirrored: false,
    inverted: false,
};

fn compared(query: &GrayImage, stored: &GrayImage, alignment: &Alignment) -> Agreement {
    let shape = ImageShape::new(640, 480);
    let thumbnail = decode_size(stored);
    compare(
        &mut Pyramid::new(query, shape),
        &thumbnail,
        shape,
        alignment,
    )
    .unwrap()
}

fn decode_size(image: &GrayImage) -> GrayImage {
    crate::decode::scaled_grey(image, 256, 192)
}

#[test]
fn a_copy_agrees_and_another_image_does_not() {
    let whole = alignment(|x, y| (x, y), 1.0, PLAIN);

    let copy = compared(&drawn(1), &drawn(1), &whole);
    let other = compared(&drawn(2), &drawn(1), &whole);

    assert!(copy.agreement > 0.95 && copy.log_odds > 10.0, "{copy:?}");
    assert!(copy.coverage > 0.95, "{copy:?}");
    assert!(other.agreement < 0.5 && other.coverage < 0.4, "{other:?}");
}

#[test]
fn a_part_of_the_stored_image_is_compared_where_it_is() {
    // The query is the upper left quarter, enlarged to twice its sides.
    let quarter = imageops::crop_imm(&drawn(3), 0, 0, 320, 240).to_image();
    let query = imageops::resize(&quarter, 640, 480, imageops::FilterType::Triangle);

    let found = compared(
        &query,
        &drawn(3),
        &alignment(|x, y| (x / 2.0, y / 2.0), 0.5, PLAIN),
    );

    assert!(found.agreement > 0.9, "{found:?}");
    assert!((0.2..0.3).contains(&found.coverage), "{found:?}");
}

#[test]
fn inverted_colours_agree_in_the_inverted_form_only() {
    let mut query = drawn(4);
    imageops::invert(&mut query);
    let mut inverted = alignment(|x, y| (x, y), 1.0, PLAIN);
    inverted.form.inverted = true;

    let found = compared(&query, &drawn(4), &inverted);
    let plain = compared(&query, &drawn(4), &alignment(|x, y| (x, y), 1.0, PLAIN));

    assert!(found.agreement > 0.9, "{found:?}");
    assert!(plain.agreement < 0.5, "{plain:?}");
}

#[test]
fn a_perspective_is_followed_by_a_homography() {
    let warp = |x: f32, y: f32| {
        let depth = 1.0 + 0.3 * x - 0.1 * y;
        ((x + 0.02) / depth, (y + 0.01) / depth)
    };
    let found = alignment(warp, 0.9, PLAIN);
    let inliers: Vec<&Correspondence> = found.inliers.iter().collect();
    let affine = Affine::least_squares(&inliers).unwrap();
    let residual = median_residual(&inliers, |x, y| affine.apply(x, y));

    let map = best_map(&inliers, &affine, residual);

    let error = median_residual(&inliers, |x, y| map.apply(x, y));
    assert!(error < 0.1 * residual, "{error} of {residual}");
    let (x, y) = map.inverse().unwrap().after(&map).apply(0.3, 0.4);
    assert!((x - 0.3).abs() < 1e-4 && (y - 0.4).abs() < 1e-4);
}

#[test]
fn images_without_detail_are_not_compared() {
    let flat = GrayImage::from_pixel(640, 480, image::Luma([90]));
    let shape = ImageShape::new(640, 480);
    let whole = alignment(|x, y| (x, y), 1.0, PLAIN);

    let found = compare(
        &mut Pyramid::new(&flat, shape),
        &decode_size(&flat),
        shape,
        &whole,
    );

    assert_eq!(found, None);
}

#[test]
fn only_images_of_two_tones_that_often_change_are_two_tone() {
    let checks = GrayImage::from_fn(200, 200, |x, y| {
        image::Luma([255 * ((x / 9 + y / 9) % 2) as u8])
    });
    let page = GrayImage::from_fn(200, 200, |x, y| {
        image::Luma([250 - 230 * u8::from((x * y) % 19 == 0)])
    });

    let silhouette = GrayImage::from_fn(200, 200, |x, y| {
        image::Luma([255 * u8::from(x.abs_diff(y) < 60)])
    });

    assert!(is_two_tone(&checks));
    assert!(!is_two_tone(&silhouette));
    assert!(!is_two_tone(&page));
    assert!(!is_two_tone(&drawn(1)));
    assert!(!is_two_tone(&GrayImage::from_pixel(
        50,
        50,
        image::Luma([7])
    )));
}

#[test]
fn a_strip_too_narrow_for_a_cell_is_not_compared() {
    let identity = alignment(|x, y| (x, y), 1.0, PLAIN);
    for (width, height) in [(1, 256), (3, 256), (256, 2)] {
        let strip = crate::decode::scaled_grey(&drawn(3), width, height);
        let shape = ImageShape::new(width, height);
        let query = crate::decode::scaled_grey(&drawn(3), width * 4, height * 4);

        let found = compare(&mut Pyramid::new(&query, shape), &strip, shape, &identity);

        assert_eq!(found, None, "{width} x {height}");
    }
}
