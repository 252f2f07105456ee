//! Images that share a part with a stored one, through the public API.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use library::Library;
use same_image::{Effort, Geometry, Query, RecordUpdate, Sign, TagLogic, Target};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// Maximum error of a corner, in pixels of the query: 2 % of a stored image's width.
const NEAR: f32 = 13.0;

/// A library of a few images; the image is the source of the queries, the sign is its sign.
fn library() -> (Library, RgbImage, Sign) {
    let library = Library::new();
    for seed in 101..105 {
        let other = draw::png(&draw::image(seed, WIDTH, HEIGHT));
        library.add(&other, "other", &[]).unwrap();
    }
    let image = draw::image(100, WIDTH, HEIGHT);
    let added = library.add(&draw::png(&image), "source", &[1]).unwrap();
    (library, image, added.sign)
}

/// Expects the source image and no other, with a geometry that agrees with `map` from pixels of the
/// stored image to pixels of the query.
fn expect_found(query: &RgbImage, overlap: f32, map: impl Fn(f32, f32) -> (f32, f32)) {
    let (library, _, sign) = library();

    let response = library.search(&draw::jpeg(query, 85));

    assert_eq!(response.matches.len(), 1);
    let hit = &response.matches[0];
    assert_eq!((hit.sign, hit.brief.as_str()), (sign, "source"));
    assert!((0.5..=1.0).contains(&hit.score), "score {}", hit.score);
    let Geometry {
        query: corners,
        stored,
        overlap: found,
    } = hit.geometry.unwrap();
    assert!(
        (found - overlap).abs() < 0.05,
        "overlap {found} for {overlap}"
    );
    for (corner, stored) in corners.iter().zip(stored) {
        let (x, y) = map(stored[0] * WIDTH as f32, stored[1] * HEIGHT as f32);
        let (across, down) = (query.width() as f32, query.height() as f32);
        let off = (corner[0] * across - x).hypot(corner[1] * down - y);
        assert!(off < NEAR, "{stored:?} is at {corner:?}, {off} pixels off");
    }
}

fn source() -> RgbImage {
    draw::image(100, WIDTH, HEIGHT)
}

/// Rotates an image about its centre on a grey background; keeps its sides.
fn rotated(image: &RgbImage, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = (WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0);
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let (dx, dy) = (x as f32 + 0.5 - middle_x, y as f32 + 0.5 - middle_y);
        let x = middle_x + cos * dx + sin * dy - 0.5;
        let y = middle_y - sin * dx + cos * dy - 0.5;
        imageops::interpolate_bilinear(image, x, y).unwrap_or(Rgb([128; 3]))
    })
}

#[test]
fn half_of_an_image_is_found_at_its_position() {
    let left = WIDTH / 4;
    let part = imageops::crop_imm(&source(), left, 0, WIDTH / 2, HEIGHT).to_image();

    expect_found(&part, 0.5, |x, y| (x - left as f32, y));
}

#[test]
fn an_image_rotated_by_15_degrees_is_found_with_its_rotation() {
    let (sin, cos) = 15f32.to_radians().sin_cos();
    let (middle_x, middle_y) = (WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0);

    // 0.88: the visible fraction of a 4:3 image that is rotated by 15 degrees.
    expect_found(&rotated(&source(), 15.0), 0.88, |x, y| {
        let (dx, dy) = (x - middle_x, y - middle_y);
        (
            middle_x + cos * dx - sin * dy,
            middle_y + sin * dx + cos * dy,
        )
    });
}

#[test]
fn an_image_rotated_by_a_right_angle_is_found_with_its_rotation() {
    let rotated = imageops::rotate90(&source());

    expect_found(&rotated, 1.0, |x, y| (HEIGHT as f32 - y, x));
}

#[test]
fn a_mirrored_image_is_found_with_its_corners_exchanged() {
    let mirrored = imageops::flip_horizontal(&source());

    expect_found(&mirrored, 1.0, |x, y| (WIDTH as f32 - x, y));
}

#[test]
fn an_image_of_half_the_size_is_found() {
    let small = imageops::resize(&source(), WIDTH / 2, HEIGHT / 2, FilterType::Triangle);

    expect_found(&small, 1.0, |x, y| (x / 2.0, y / 2.0));
}

#[test]
fn an_image_covered_by_half_is_found() {
    let mut covered = source();
    let cover = draw::image(200, WIDTH / 2, HEIGHT);
    imageops::replace(&mut covered, &cover, i64::from(WIDTH / 2), 0);

    expect_found(&covered, 1.0, |x, y| (x, y));
}

#[test]
fn an_image_in_a_collage_is_found_at_its_position() {
    let mut collage = draw::image(201, 960, 720);
    let small = imageops::resize(&source(), WIDTH / 2, HEIGHT / 2, FilterType::Triangle);
    imageops::replace(&mut collage, &small, 500, 300);

    expect_found(&collage, 1.0, |x, y| (500.0 + x / 2.0, 300.0 + y / 2.0));
}

#[test]
fn a_part_with_inverted_colours_is_found() {
    let mut part = imageops::crop_imm(&source(), 0, 0, WIDTH * 3 / 4, HEIGHT).to_image();
    imageops::invert(&mut part);

    expect_found(&part, 0.75, |x, y| (x, y));
}

#[test]
fn parts_of_images_that_are_not_stored_are_not_found() {
    let (library, _, _) = library();

    for seed in 300..310 {
        let image = draw::image(seed, WIDTH, HEIGHT);
        let part = imageops::crop_imm(&image, 0, 0, WIDTH / 2, HEIGHT).to_image();
        assert!(library.signs(&draw::png(&image)).is_empty());
        assert!(library.signs(&draw::png(&part)).is_empty());
    }
}

#[test]
fn matches_of_parts_follow_deletes_updates_tags_and_reopening() {
    let (library, image, sign) = library();
    let part = draw::png(&imageops::crop_imm(&image, 0, 0, WIDTH / 2, HEIGHT).to_image());
    assert_eq!(library.signs_with(&part, &[1], TagLogic::And), [sign]);
    assert!(library.signs_with(&part, &[2], TagLogic::And).is_empty());

    let change = RecordUpdate {
        brief: Some("renamed".to_owned()),
        tags: Some(vec![2]),
    };
    library.update(Target::Sign(sign), change).unwrap();
    assert!(library.signs_with(&part, &[1], TagLogic::And).is_empty());
    assert_eq!(library.signs_with(&part, &[2], TagLogic::And), [sign]);

    let library = library.reopen();
    let found = library.search(&part).matches;
    assert_eq!((found.len(), found[0].brief.as_str()), (1, "renamed"));
    assert_eq!(library.engine.stats().unwrap().unindexed, 0);

    library.delete(vec![Target::Sign(sign)]).unwrap();
    assert!(library.signs(&part).is_empty());
    assert!(library.reopen().signs(&part).is_empty());
}

#[test]
fn an_image_added_again_after_its_delete_is_found_once() {
    let (library, image, sign) = library();
    library.delete(vec![Target::Sign(sign)]).unwrap();
    library.add(&draw::png(&image), "again", &[]).unwrap();
    let part = draw::png(&imageops::crop_imm(&image, 0, 0, WIDTH / 2, HEIGHT).to_image());

    let found = library.search(&part).matches;

    assert_eq!((found.len(), found[0].brief.as_str()), (1, "again"));
}

#[test]
fn the_same_bytes_are_always_a_match_of_the_whole_image() {
    let (library, image, sign) = library();

    let found = library.search(&draw::png(&image)).matches;

    assert_eq!((found.len(), found[0].sign), (1, sign));
    assert_eq!(found[0].score, 1.0);
    assert_eq!(found[0].geometry, Some(Geometry::WHOLE));
}

#[test]
fn images_without_usable_features_are_found_by_their_bytes() {
    let library = Library::new();
    let mut chance = draw::Chance::new(9);
    let mut noise = |width, height| {
        RgbImage::from_fn(width, height, |_, _| {
            Rgb([0; 3].map(|_: u8| u8::try_from(chance.below(256)).unwrap()))
        })
    };
    let images = [
        RgbImage::from_pixel(300, 200, Rgb([90, 120, 150])),
        RgbImage::from_pixel(50, 50, Rgb([0; 3])),
        noise(300, 200),
        noise(50, 50),
        draw::image(400, 50, 50),
        draw::image(401, 4096, 50),
        draw::image(402, 50, 4096),
    ];

    for image in &images {
        let bytes = draw::png(image);
        let sign = library.add(&bytes, "", &[]).unwrap().sign;
        let best = &library.search(&bytes).matches[0];
        assert_eq!((best.sign, best.score), (sign, 1.0));
    }
}

#[test]
fn a_part_that_was_stretched_is_found_at_its_position_unless_the_effort_is_fast() {
    let (library, _, _) = library();
    let part = imageops::crop_imm(&source(), 0, 0, WIDTH / 2, HEIGHT).to_image();
    let across = imageops::resize(&part, 640, 384, FilterType::CatmullRom);
    let down = imageops::resize(&part, 256, 960, FilterType::CatmullRom);

    let scaled = |x: f32, y: f32, to: (f32, f32)| (x * to.0 / 320.0, y * to.1 / 480.0);
    expect_found(&across, 0.5, |x, y| scaled(x, y, (640.0, 384.0)));
    expect_found(&down, 0.5, |x, y| scaled(x, y, (256.0, 960.0)));

    let fast = Query {
        effort: Effort::Fast,
        ..Query::default()
    };
    for stretched in [across, down] {
        let query = library.engine.prepare_query(&draw::jpeg(&stretched, 85));
        let found = library.engine.search(&query.unwrap(), &fast).unwrap();
        assert!(found.matches.is_empty(), "{found:?}");
    }
}

#[test]
fn large_files_are_found_however_many_of_their_pixels_are_decoded() {
    let image = draw::image(7, 2600, 1952);
    let part = imageops::crop_imm(&image, 650, 488, 1300, 976).to_image();
    let small = imageops::resize(&image, 1000, 751, FilterType::Triangle);
    let queries = [(&image, 1.0), (&part, 0.25), (&small, 1.0)];
    // All pixels are decoded for a preview of 2048, else a quarter of them.
    for preview_side in [0, 2048] {
        let library = Library::with_previews(preview_side);
        let added = library.add(&draw::jpeg(&image, 85), "", &[]).unwrap();
        for (query, overlap) in queries {
            let found = library.search(&draw::jpeg(query, 70)).matches;

            assert_eq!(found.len(), 1);
            assert_eq!(found[0].sign, added.sign);
            let geometry = found[0].geometry.unwrap();
            let found = geometry.overlap;
            assert!((found - overlap).abs() < 0.02, "{found} for {overlap}");
        }
    }
}
