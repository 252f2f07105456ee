//! Images with few features, no features, or features that very many images share.
//!
//! An image without features and with a hash of low quality is found only by its bytes. Unusual
//! file formats are found like any other. Features that very many images share hide none of them.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]
#![allow(clippy::cast_possible_truncation, reason = "drawn values are bytes")]

#[path = "support/attack.rs"]
mod attack;
#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;
#[path = "support/poster.rs"]
mod poster;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};
use library::Library;
use same_image::Query;

fn plain(colour: [u8; 3], width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb(colour))
}

fn noise(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut chance = draw::Chance::new(seed);
    RgbImage::from_fn(width, height, |_, _| {
        Rgb([0; 3].map(|_: u8| chance.below(256) as u8))
    })
}

/// A linear gradient from one grey to another, horizontal or vertical.
fn slope(from: u32, to: u32, across: bool) -> RgbImage {
    RgbImage::from_fn(320, 240, |x, y| {
        let along = if across { x * 255 / 319 } else { y * 255 / 239 };
        Rgb([((from * (255 - along) + to * along) / 255) as u8; 3])
    })
}

/// Images of every kind that is hard to distinguish; two numbers give two libraries without a
/// common image.
fn featureless(number: u8) -> Vec<(&'static str, RgbImage)> {
    let seed = u64::from(number);
    let grey = 90 + 20 * number;
    vec![
        ("one colour", plain([grey, 120, 150], 300, 200)),
        ("black", plain([number; 3], 300, 200)),
        ("white", plain([255 - number; 3], 64, 64)),
        ("slope", slope(20 + u32::from(grey), 200, number == 0)),
        ("noise", noise(seed, 300, 200)),
        ("small noise", noise(10 + seed, 50, 50)),
        ("text", poster::page(40 + seed, 500, 700)),
        ("smallest", draw::image(400 + seed, 50, 50)),
        ("wide", draw::image(410 + seed, 4096, 50)),
        ("high", draw::image(420 + seed, 50, 4096)),
    ]
}

#[test]
fn images_with_few_features_are_found_by_their_bytes_and_never_confused() {
    let library = Library::new();
    for (name, image) in featureless(0) {
        library.add(&draw::png(&image), name, &[]).unwrap();
    }

    for (name, image) in featureless(0) {
        let found = library.search(&draw::png(&image)).matches;
        let found: Vec<_> = found
            .iter()
            .map(|hit| (hit.brief.as_str(), hit.score))
            .collect();
        assert_eq!(found, [(name, 1.0)]);
    }
    for (name, image) in featureless(1) {
        let found = library.search(&draw::png(&image)).matches;
        assert!(found.is_empty(), "{name} found {found:?}");
    }
}

/// Files of one poster in all the formats that the `image` crate writes.
fn kinds(image: &RgbImage) -> Vec<(&'static str, Vec<u8>)> {
    let image = DynamicImage::ImageRgb8(image.clone());
    let mut glass = image.to_rgba8();
    for (x, _, pixel) in glass.enumerate_pixels_mut() {
        pixel.0[3] = if x % 97 == 0 { 128 } else { 255 };
    }
    let png = |image: DynamicImage| draw::encode(&image, ImageFormat::Png);
    vec![
        ("16 bit", png(image.to_rgb16().into())),
        ("grey", png(image.to_luma8().into())),
        ("grey of 16 bit", png(image.to_luma16().into())),
        ("alpha", png(glass.into())),
        ("bmp", draw::encode(&image, ImageFormat::Bmp)),
        (
            "grey jpeg",
            draw::encode(&image.to_luma8().into(), ImageFormat::Jpeg),
        ),
    ]
}

#[test]
fn files_of_every_kind_are_found_as_copies_of_each_other_and_by_a_part() {
    let image = poster::poster(77, 400, 300);
    let part = draw::jpeg(&attack::crop(&image, 0.7, &mut draw::Chance::new(1)), 85);

    for (kind, file) in kinds(&image) {
        let library = Library::new();
        let sign = library.add(&file, kind, &[]).unwrap().sign;

        for (other, query) in kinds(&image) {
            let found = library.search(&query).matches;
            let best = found.first().map(|hit| (hit.sign, hit.score > 0.75));
            assert_eq!(best, Some((sign, true)), "{other} in a library of {kind}");
        }
        assert_eq!(
            library.signs(&part),
            [sign],
            "a part in a library of {kind}"
        );
    }
}

#[test]
fn palette_cmyk_progressive_and_animated_files_are_added_and_found() {
    // Drawn with Pillow, because the `image` crate cannot write these formats; all show four
    // quarters.
    let files: [(&str, &[u8]); 5] = [
        ("progressive", include_bytes!("data/progressive.jpg")),
        ("cmyk", include_bytes!("data/cmyk.jpg")),
        ("palette png", include_bytes!("data/palette.png")),
        ("palette bmp", include_bytes!("data/palette.bmp")),
        ("animated", include_bytes!("data/animated.png")),
    ];
    let library = Library::new();
    for (kind, file) in files {
        library.add(file, kind, &[]).unwrap();
    }

    for (kind, file) in files {
        let found = library.search(file).matches;
        let own = found.iter().find(|hit| hit.brief == kind);
        assert_eq!(
            own.map(|hit| hit.score),
            Some(1.0),
            "{kind} found {found:?}"
        );
    }
}

#[test]
fn a_logo_in_every_image_hides_none_of_them_and_fills_only_the_verified() {
    const IMAGES: u64 = 240;
    let logo = poster::poster(5, 100, 80);
    let with_logo = |seed| {
        let mut image = draw::image(seed, 256, 192);
        imageops::replace(&mut image, &logo, 150, 100);
        image
    };
    let library = Library::new();
    for seed in 0..IMAGES {
        let file = draw::jpeg(&with_logo(seed), 90);
        library.add(&file, &seed.to_string(), &[]).unwrap();
    }

    for seed in [3, 100, IMAGES - 1] {
        let copy = attack::crop(&with_logo(seed), 0.9, &mut draw::Chance::new(seed));
        let best = &library.search(&draw::jpeg(&copy, 60)).matches[0];
        assert_eq!(best.brief, seed.to_string());
    }
    let query = library.engine.prepare_query(&draw::png(&logo)).unwrap();
    let found = |limit| {
        let query_of = Query {
            limit,
            ..Query::default()
        };
        library
            .engine
            .search(&query, &query_of)
            .unwrap()
            .matches
            .len()
    };
    assert_eq!(found(199), 199, "the 200 best candidates are verified");
    assert!(found(1000) > 200, "a deep page verifies more");
}
