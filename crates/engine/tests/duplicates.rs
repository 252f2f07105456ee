//! Groups of same images, through the public API.

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
use same_image::{
    DuplicateGroup, DuplicateQuery, JoinCursor, JoinError, MAX_ROUND, Sign, TagFilter, Target,
};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// Joins the whole library; returns its groups and the last cursor.
fn join(library: &Library, query: &DuplicateQuery) -> (Vec<DuplicateGroup>, Option<JoinCursor>) {
    let engine = &library.engine;
    let mut join = engine.join(query).unwrap();
    let (mut groups, mut cursor) = (Vec::new(), None);
    while let Some(round) = join.next_round(MAX_ROUND) {
        let mut blocks = round.blocks();
        for block in &mut blocks {
            while engine.step_join(block).unwrap() {}
        }
        for mut group in round.groups(blocks) {
            while engine.step_group(&mut group).unwrap() {}
            groups.extend(engine.close_group(group).unwrap());
        }
        cursor = Some(round.cursor());
    }
    (groups, cursor)
}

fn groups(library: &Library, query: &DuplicateQuery) -> Vec<Vec<Sign>> {
    let (groups, _) = join(library, query);
    let signs = |group: DuplicateGroup| group.images.into_iter().map(|image| image.sign).collect();
    groups.into_iter().map(signs).collect()
}

fn add(library: &Library, image: &RgbImage, tags: &[u16]) -> Sign {
    library.add(&draw::png(image), "", tags).unwrap().sign
}

fn drawn(seed: u64) -> RgbImage {
    draw::image(seed, WIDTH, HEIGHT)
}

fn cropped(image: &RgbImage) -> RgbImage {
    imageops::crop_imm(image, 60, 40, 420, 330).to_image()
}

fn inverted(image: &RgbImage) -> RgbImage {
    let mut image = image.clone();
    for Rgb(pixel) in image.pixels_mut() {
        *pixel = pixel.map(|value| 255 - value);
    }
    image
}

#[test]
fn every_kind_of_copy_is_in_the_group_of_its_source() {
    let library = Library::new();
    let mut expected = Vec::new();
    for seed in 0..4 {
        let source = drawn(seed);
        let copies = [
            imageops::resize(&source, 400, 300, FilterType::Triangle),
            cropped(&source),
            imageops::rotate90(&source),
            imageops::flip_horizontal(&source),
            imageops::flip_horizontal(&cropped(&source)),
            inverted(&source),
            imageops::brighten(&source, 30),
        ];
        let mut signs = vec![add(&library, &source, &[])];
        signs.extend(copies.iter().map(|copy| add(&library, copy, &[])));
        expected.push(signs);
        add(&library, &drawn(100 + seed), &[]);
    }

    let (found, _) = join(&library, &DuplicateQuery::default());

    let signs = |group: &DuplicateGroup| group.images.iter().map(|image| image.sign).collect();
    let found_signs: Vec<Vec<Sign>> = found.iter().map(signs).collect();
    assert_eq!(found_signs, expected);
    for group in &found {
        assert!(group.pairs.len() >= 24, "{} of 28 pairs", group.pairs.len());
        assert!(group.pairs.iter().all(|pair| pair.score >= 0.5));
    }
}

#[test]
fn a_pair_tells_where_its_images_overlap() {
    let library = Library::new();
    let source = drawn(1);
    add(&library, &source, &[]);
    add(&library, &cropped(&source), &[]);

    let (found, _) = join(&library, &DuplicateQuery::default());

    let [group] = &found[..] else {
        panic!("{} groups", found.len())
    };
    let pair = &group.pairs[0];
    assert_eq!((pair.a, pair.b), (1, 0), "the newer image is the query");
    let [left, top] = pair.geometry.unwrap().stored[0];
    assert!((left * 640.0 - 60.0).abs() < 8.0 && (top * 480.0 - 40.0).abs() < 8.0);
}

#[test]
fn a_minimum_score_leaves_out_weaker_pairs() {
    let library = Library::new();
    let source = drawn(1);
    add(&library, &source, &[]);
    add(&library, &cropped(&source), &[]);
    let query = DuplicateQuery {
        min_score: 1.0,
        ..DuplicateQuery::default()
    };

    assert!(groups(&library, &query).is_empty());
}

#[test]
fn a_filter_selects_the_images_that_are_compared_with_all_others() {
    let library = Library::new();
    let [a, b] = [drawn(1), drawn(2)];
    let tagged = add(&library, &a, &[7]);
    let copy = add(&library, &cropped(&a), &[]);
    add(&library, &b, &[]);
    add(&library, &cropped(&b), &[]);
    let query = DuplicateQuery {
        filter: TagFilter {
            tags: vec![7],
            ..TagFilter::default()
        },
        ..DuplicateQuery::default()
    };

    assert_eq!(groups(&library, &query), [[tagged, copy]]);
}

#[test]
fn a_cursor_selects_what_was_added_since() {
    let library = Library::new();
    let [a, b] = [drawn(1), drawn(2)];
    add(&library, &a, &[]);
    add(&library, &cropped(&a), &[]);
    let older = add(&library, &b, &[]);
    let (before, cursor) = join(&library, &DuplicateQuery::default());
    assert_eq!(before.len(), 1);
    let newer = add(&library, &cropped(&b), &[]);
    let library = library.reopen();
    let text = cursor.unwrap().to_string();

    let query = DuplicateQuery {
        after: Some(text.parse().unwrap()),
        ..DuplicateQuery::default()
    };

    assert_eq!(groups(&library, &query), [[older, newer]]);
}

#[test]
fn a_time_selects_what_was_added_since() {
    let library = Library::new();
    let source = drawn(1);
    add(&library, &source, &[]);
    add(&library, &cropped(&source), &[]);
    let since = |added_since_ms| DuplicateQuery {
        added_since_ms,
        ..DuplicateQuery::default()
    };

    assert_eq!(groups(&library, &since(1)).len(), 1);
    assert!(groups(&library, &since(u64::MAX)).is_empty());
}

#[test]
fn a_cursor_of_another_library_and_a_text_that_is_none_are_rejected() {
    let [library, other] = [Library::new(), Library::new()];
    add(&library, &drawn(1), &[]);
    let (_, cursor) = join(&library, &DuplicateQuery::default());
    let query = DuplicateQuery {
        after: cursor,
        ..DuplicateQuery::default()
    };

    let rejected = other.engine.join(&query);

    assert!(
        matches!(rejected, Err(JoinError::ForeignCursor)),
        "{rejected:?}"
    );
    for text in [
        "",
        "7",
        "0123456789abcdef",
        "0123456789abcdef-",
        "x-1",
        "-1",
    ] {
        assert!(text.parse::<JoinCursor>().is_err(), "{text:?}");
    }
}

#[test]
fn images_that_are_deleted_during_a_join_are_in_no_group() {
    let library = Library::new();
    let source = drawn(1);
    let signs = [&source, &cropped(&source), &imageops::rotate90(&source)]
        .map(|image| add(&library, image, &[]));
    let engine = &library.engine;
    let mut join = engine.join(&DuplicateQuery::default()).unwrap();
    let round = join.next_round(MAX_ROUND).unwrap();
    let mut blocks = round.blocks();
    for block in &mut blocks {
        while engine.step_join(block).unwrap() {}
    }

    library.delete(vec![Target::Sign(signs[1])]).unwrap();

    let mut open = round.groups(blocks);
    assert_eq!(open.len(), 1);
    let group = engine.close_group(open.remove(0)).unwrap().unwrap();
    let left: Vec<Sign> = group.images.iter().map(|image| image.sign).collect();
    assert_eq!(left, [signs[0], signs[2]]);
    assert!(group.pairs.iter().all(|pair| pair.a < 2 && pair.b < 2));
}

#[test]
fn an_empty_library_has_no_groups() {
    let library = Library::new();

    assert!(groups(&library, &DuplicateQuery::default()).is_empty());
}

#[test]
fn a_hundred_images_with_the_same_content_are_one_group() {
    let library = Library::new();
    let source = draw::image(1, 160, 120);
    let signs: Vec<Sign> = (0..100)
        .map(|number| {
            let mut file = draw::png(&source);
            // Decoders ignore bytes after the end chunk: other bytes, the same pixels.
            file.push(number);
            library.add(&file, "", &[]).unwrap().sign
        })
        .collect();

    assert_eq!(groups(&library, &DuplicateQuery::default()), [signs]);
}

#[test]
fn images_that_are_deleted_before_they_are_compared_are_in_no_group() {
    let library = Library::new();
    let source = drawn(1);
    let signs = [&source, &cropped(&source), &imageops::rotate90(&source)]
        .map(|image| add(&library, image, &[]));
    let engine = &library.engine;
    let mut join = engine.join(&DuplicateQuery::default()).unwrap();
    let round = join.next_round(MAX_ROUND).unwrap();

    library.delete(vec![Target::Sign(signs[0])]).unwrap();

    let mut blocks = round.blocks();
    for block in &mut blocks {
        while engine.step_join(block).unwrap() {}
    }
    let mut open = round.groups(blocks);
    assert_eq!(open.len(), 1);
    library.delete(vec![Target::Sign(signs[1])]).unwrap();
    while engine.step_group(&mut open[0]).unwrap() {}
    assert_eq!(engine.close_group(open.remove(0)).unwrap(), None);
}

#[test]
fn rounds_of_any_size_find_the_same_images() {
    let library = Library::new();
    let mut signs = Vec::new();
    for seed in 0..3 {
        signs.push(add(&library, &drawn(seed), &[]));
        signs.push(add(&library, &cropped(&drawn(seed)), &[]));
    }
    let engine = &library.engine;
    let mut join = engine.join(&DuplicateQuery::default()).unwrap();
    let (mut found, mut done) = (Vec::new(), Vec::new());

    while let Some(round) = join.next_round(2) {
        let mut blocks = round.blocks();
        for block in &mut blocks {
            while engine.step_join(block).unwrap() {}
        }
        for group in round.groups(blocks) {
            let group = engine.close_group(group).unwrap().unwrap();
            found.extend(group.images.iter().map(|image| image.sign));
        }
        done.push(round.done());
    }

    assert_eq!(done, [2, 4, 6]);
    assert_eq!(found, signs);
}

#[test]
fn an_image_with_a_damaged_thumbnail_leaves_the_others_in_their_groups() {
    let library = Library::new();
    let source = drawn(1);
    let signs = [&source, &cropped(&source), &imageops::rotate90(&source)]
        .map(|image| add(&library, image, &[]));
    let stored = library.engine.get(signs[1]).unwrap().unwrap();

    let library = library.damaged(&stored.thumbnail[..64]);

    assert!(library.engine.get(signs[1]).is_err());
    assert_eq!(
        groups(&library, &DuplicateQuery::default()),
        [[signs[0], signs[2]]]
    );
}
