//! The table with images in docs/engine.md: queries for drawn images and their results.
//!
//! `make gallery` draws the images and prints the table; the test compares the document with the
//! results of the engine.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/attack.rs"]
mod attack;
#[path = "support/draw.rs"]
mod draw;
#[path = "support/facade.rs"]
mod facade;
#[path = "support/library.rs"]
mod library;
#[path = "support/poster.rs"]
mod poster;

use std::fs;
use std::path::{Path, PathBuf};

use draw::Chance;
use image::imageops;
use image::{Rgb, RgbImage};
use library::Library;

/// Number of other posters in the library, of which no query is a copy.
const OTHERS: u64 = 30;
/// Longer side of an image in the document, in pixels.
const SIDE: u32 = 160;
/// Tolerance of a score: other machines round sines differently.
const SCORE_TOLERANCE: f32 = 0.03;

/// A query: the name of its file, its description, its stored source image, and the distortion.
struct Query {
    file: &'static str,
    what: &'static str,
    of: fn() -> RgbImage,
    make: fn(&RgbImage, &mut Chance) -> RgbImage,
}

const fn query(
    file: &'static str,
    what: &'static str,
    of: fn() -> RgbImage,
    make: fn(&RgbImage, &mut Chance) -> RgbImage,
) -> Query {
    Query {
        file,
        what,
        of,
        make,
    }
}

#[rustfmt::skip]
const QUERIES: [Query; 28] = [
    query("same", "the same file", poster_image, |p, _| p.clone()),
    query("jpeg", "JPEG of quality 5", poster_image, |p, _| attack::jpeg(p, 5)),
    query("small", "scaled to a quarter of its sides", poster_image, |p, _| attack::scale(p, 0.25, 0.25)),
    query("crop", "cropped to a quarter of its area", poster_image, |p, c| attack::crop(p, 0.5, c)),
    query("turn", "rotated by 30°", poster_image, |p, _| attack::rotate(p, 30.0)),
    query("mirror", "mirrored, cropped to three quarters", poster_image, |p, c| attack::crop(&imageops::flip_horizontal(p), 0.87, c)),
    query("invert", "inverted colours", poster_image, |p, _| attack::invert(p)),
    query("dark", "darker, half the contrast", poster_image, |p, _| attack::map(p, |v| 0.5 * v)),
    query("blur", "blurred, sigma 4 pixels", poster_image, |p, _| attack::blur(p, 4.0)),
    query("noise", "noise, sigma 40 of 255", poster_image, |p, c| attack::noise(p, 40.0, c)),
    query("caption", "with a caption", poster_image, |p, c| captioned(p, 6, c)),
    query("border", "with a frame", poster_image, |p, c| attack::border(p, 0.25, c)),
    query("stickers", "half of it covered", poster_image, |p, c| attack::stickers(p, &ground(), 0.5, c)),
    query("collage", "30 % of the sides of another image", poster_image, |p, c| attack::collage(&ground(), p, 0.3, c)),
    query("phone", "photo of a print", poster_image, |p, c| attack::phone(p, &ground(), 0.5, 12.0, c)),
    query("tilted", "photo of a print, tilted by up to 40°", poster_image, |p, c| attack::phone(p, &ground(), 0.5, 40.0, c)),
    query("wide", "stretched to three times its width: by its hash", poster_image, |p, _| attack::scale(p, 1.5, 0.5)),
    query("soft", "only soft shades, half the size", soft, |p, _| attack::scale(p, 0.5, 0.5)),
    query("tiny", "12 % of the sides of another image", poster_image, |p, c| attack::collage(&ground(), p, 0.12, c)),
    query("piece", "a sixteenth of its area, with detail", poster_image, |p, _| imageops::crop_imm(p, 240, 200, 180, 135).to_image()),
    query("plain", "a third of its area, without detail", half_plain, |p, _| imageops::crop_imm(p, 400, 30, 300, 480).to_image()),
    query("stretch", "a part of it, stretched to three times its width", poster_image, |p, c| attack::scale(&attack::crop(p, 0.87, c), 1.5, 0.5)),
    query("dots", "nearly all its details are dots of one grid; rotated by 30°", dots, |p, _| attack::rotate(p, 30.0)),
    query("other", "another poster with the same alphabet", poster_image, |_, _| poster::poster(9_002, 720, 540)),
    query("page", "another page of the same typeface", page, |_, _| poster::page(9_001, 600, 800)),
    query("facade", "another photo of a stored facade, the known weakness", building, |_, _| facade::shot(7, 1)),
    query("flat", "one colour: the same file", flat, |p, _| p.clone()),
    query("wider", "one colour, one pixel wider", flat, |p, _| RgbImage::from_pixel(p.width() + 1, p.height(), *p.get_pixel(0, 0))),
];

fn poster_image() -> RgbImage {
    poster::poster(5, 720, 540)
}

fn dots() -> RgbImage {
    poster::poster(58, 720, 540)
}

fn ground() -> RgbImage {
    poster::poster(20_003, 960, 720)
}

fn page() -> RgbImage {
    poster::page(5, 600, 800)
}

fn building() -> RgbImage {
    facade::shot(7, 0)
}

fn flat() -> RgbImage {
    RgbImage::from_pixel(640, 480, Rgb([70, 130, 180]))
}

fn soft() -> RgbImage {
    attack::blur(&draw::image(12, 640, 480), 24.0)
}

fn half_plain() -> RgbImage {
    let plain = Rgb([210, 200, 170]);
    let mut image = poster::poster(6, 720, 540);
    imageops::replace(&mut image, &RgbImage::from_pixel(360, 540, plain), 360, 0);
    image
}

fn captioned(image: &RgbImage, lines: u32, chance: &mut Chance) -> RgbImage {
    let mut written = image.clone();
    for _ in 0..lines {
        poster::line(&mut written, chance, 8);
    }
    written
}

/// Draws the queries and searches with each in a library of their sources and other posters.
fn responses() -> Vec<(RgbImage, Option<f32>)> {
    let library = Library::new();
    let sources: [fn() -> RgbImage; 7] =
        [poster_image, page, building, flat, soft, half_plain, dots];
    for source in sources {
        let image = source();
        library
            .add(&draw::jpeg(&image, 92), &name(&image), &[])
            .unwrap();
    }
    for seed in 100..100 + OTHERS {
        let other = draw::jpeg(&poster::poster(seed, 720, 540), 92);
        library.add(&other, "other", &[]).unwrap();
    }
    let search = |query: &Query| {
        let source = (query.of)();
        let image = (query.make)(&source, &mut Chance::new(7));
        let found = library.search(&draw::jpeg(&image, 92)).matches;
        let best = found.iter().find(|hit| hit.score >= 0.5);
        if let Some(best) = best {
            assert_eq!(
                best.brief,
                name(&source),
                "{} finds another image",
                query.file
            );
        }
        (image, best.map(|best| best.score))
    };
    QUERIES.iter().map(search).collect()
}

/// Returns a name of an image that depends on its pixels.
fn name(image: &RgbImage) -> String {
    blake3::hash(image.as_raw()).to_string()
}

fn row(query: &Query, score: Option<f32>) -> String {
    let result = score.map_or("not found".to_owned(), |score| format!("{score:.2}"));
    let Query { file, what, .. } = query;
    format!("| ![{file}](images/{file}.jpg) | {what} | {result} |")
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn the_table_of_the_document_equals_the_results_of_the_engine() {
    let document = fs::read_to_string(docs().join("engine.md")).unwrap();
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| !["))
        .collect();
    assert_eq!(rows.len(), QUERIES.len());
    for ((written, query), (_, score)) in rows.iter().zip(&QUERIES).zip(responses()) {
        let documented = written.trim_end_matches(" |").rsplit(' ').next().unwrap();
        let documented = documented.parse().ok();
        let is_same = match (documented, score) {
            (Some(documented), Some(score)) => f32::abs(documented - score) <= SCORE_TOLERANCE,
            (documented, score) => documented == score,
        };
        assert!(is_same, "{written}\nis now\n{}", row(query, score));
        assert_eq!(*written, row(query, documented), "run `make gallery`");
        image::open(docs().join(format!("images/{}.jpg", query.file))).unwrap();
    }
}

#[test]
#[ignore = "writes docs/images: make gallery"]
#[expect(clippy::print_stdout, reason = "its purpose")]
fn draw_gallery() {
    let folder = docs().join("images");
    fs::create_dir_all(&folder).unwrap();
    for (query, (image, score)) in QUERIES.iter().zip(responses()) {
        let longer = image.width().max(image.height());
        #[allow(clippy::cast_precision_loss, reason = "sides are small")]
        let factor = SIDE as f32 / longer as f32;
        let small = attack::scale(&image, factor, factor);
        fs::write(
            folder.join(format!("{}.jpg", query.file)),
            draw::jpeg(&small, 75),
        )
        .unwrap();
        println!("{}", row(query, score));
    }
}
