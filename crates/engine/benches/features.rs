//! Benchmarks of extraction and search, with synthetic images.
//!
//! `cargo bench -p same-image --bench features`. The images are drawn from a fixed seed; the
//! library is synthetic (see `examples/evaluate/distractors.rs`). For a library of real images and
//! 500,000 distractors run the example `evaluate`, for whole libraries on disk `make measure`.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command for developers"
)]

#[path = "../examples/evaluate/distractors.rs"]
mod distractors;
#[path = "../tests/support/draw.rs"]
mod draw;

use std::convert::Infallible;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use image::{DynamicImage, GrayImage};
use same_image::features::{self, Feature, Features, GreyView, Word};
use same_image::index::{Images, Index, SearchOptions};
use same_image::measuring::HashCatalog;
use same_image::{MAX_SIDE, PreparedQuery};

use distractors::{Distractors, Donor};

const DONORS: u64 = 60;
const DISTRACTORS: u64 = 20_000;
const WITH_LOGO: u64 = 100_000;
const HASHES: u64 = 500_000;
const LOGO_FEATURES: usize = 50;
const SEED: u64 = 7;
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

fn drawn(seed: u64) -> GrayImage {
    DynamicImage::ImageRgb8(draw::image(seed, WIDTH, HEIGHT)).into_luma8()
}

fn view(image: &GrayImage) -> GreyView<'_> {
    GreyView::new(image.as_raw(), image.width(), image.height()).expect("a drawn image has pixels")
}

fn extraction(criterion: &mut Criterion) {
    let image = drawn(SEED);
    criterion.bench_function("extract, library", |b| {
        b.iter(|| features::extract(black_box(&view(&image))))
    });
    criterion.bench_function("extract, query", |b| {
        b.iter(|| features::extract_query(black_box(&view(&image))))
    });
}

/// A photo from a phone, whose file is decoded at half of its sides, and one of a size that is not.
fn preparation(criterion: &mut Criterion) {
    for (name, width, height) in [("12", 4000, 3000), ("4", 2300, 1725)] {
        let file = draw::jpeg(&draw::image(SEED, width, height), 90);
        criterion.bench_function(&format!("prepare a query of {name} megapixels"), |b| {
            b.iter(|| PreparedQuery::new(black_box(&file), MAX_SIDE));
        });
    }
}

fn search(criterion: &mut Criterion) {
    let donors = (0..DONORS)
        .map(|donor| Donor::new(&view(&drawn(1000 + donor))))
        .collect();
    let distractors = Distractors::new(donors, SEED);
    let index = Index::new();
    for id in 0..DISTRACTORS {
        index.insert(id, &distractors.make(id));
    }
    let images = Known(|id| distractors.make(id));
    let query = features::extract_query(&view(&drawn(SEED)));
    criterion.bench_function("search 20,000 synthetic images", |b| {
        b.iter(|| index.search(black_box(&query), &SearchOptions::default(), &images));
    });
}

/// Images whose features are made again for each search.
struct Known<F>(F);

impl<F: Fn(u64) -> Features> Images for Known<F> {
    type Error = Infallible;

    fn admits(&self, _id: u64) -> bool {
        true
    }

    fn features(&self, id: u64) -> Result<Option<Features>, Infallible> {
        Ok(Some(self.0(id)))
    }
}

/// The scan of all PDQ hashes, which every search does.
fn hashes(criterion: &mut Criterion) {
    let mut chance = draw::Chance::new(4);
    let mut hash = || [0; 4].map(|_: u8| chance.next());
    let catalog = HashCatalog::new((0..HASHES).map(|_| hash()));
    let query = [0; 8].map(|_: u8| hash());
    criterion.bench_function("scan 500,000 hashes", |b| {
        b.iter(|| catalog.scan(black_box(query)));
    });
}

/// Returns an image with the first features of a logo. A few bits differ, as in real copies.
fn with_logo(logo: &[Feature], id: u64) -> Features {
    let flips = 1u64 << (id % 64) | 1 << (id / 64 % 64);
    let features = logo.iter().take(LOGO_FEATURES).map(|feature| Feature {
        word: Word {
            signature: feature.word.signature ^ flips,
            ..feature.word
        },
        ..*feature
    });
    Features {
        width: 640,
        height: 480,
        working_side: 640,
        features: features.collect(),
    }
}

/// The worst case: every image shares features with the query, so the distance test excludes
/// nothing.
fn same_logo(criterion: &mut Criterion) {
    let image = drawn(SEED);
    let features = features::extract(&view(&image)).features;
    let index = Index::new();
    let images = Known(|id| with_logo(&features, id));
    for id in 0..WITH_LOGO {
        index.insert(id, &with_logo(&features, id));
    }
    let query = features::extract_query(&view(&image));
    criterion.bench_function("search 100,000 images with one logo", |b| {
        b.iter(|| index.search(black_box(&query), &SearchOptions::default(), &images));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = extraction, preparation, search, hashes, same_logo
}
criterion_main!(benches);
