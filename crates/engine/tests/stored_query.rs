//! Searches with what the library has of a stored image, without its file.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/attack.rs"]
mod attack;
#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;
#[path = "support/poster.rs"]
mod poster;

use draw::Chance;
use image::{RgbImage, imageops};
use library::Library;
use same_image::{Query, Response, Sign, Target};

fn search(library: &Library, sign: Sign) -> Response {
    let query = library.engine.stored_query(sign).unwrap().unwrap();
    library.engine.search(&query, &Query::default()).unwrap()
}

fn signs(library: &Library, sign: Sign) -> Vec<Sign> {
    let found = search(library, sign).matches;
    found.into_iter().map(|hit| hit.sign).collect()
}

#[test]
fn a_stored_image_finds_its_copies_and_not_itself() {
    let copies: [fn(&RgbImage, &mut Chance) -> RgbImage; 7] = [
        |image, _| attack::jpeg(image, 30),
        |image, _| attack::scale(image, 0.5, 0.5),
        |image, _| attack::rotate(image, 45.0),
        |image, chance| attack::crop(image, 0.71, chance),
        |image, _| imageops::flip_horizontal(image),
        |image, _| imageops::rotate90(image),
        |image, _| attack::invert(image),
    ];
    let library = Library::new();
    for number in 100..110 {
        let other = poster::poster(number, 640, 480);
        library.add(&draw::jpeg(&other, 92), "other", &[]).unwrap();
    }
    for (number, copy) in (0..).zip(copies) {
        let mut chance = Chance::new(number);
        let image = poster::poster(number, 640, 480);
        let copy = copy(&image, &mut chance);
        let image = library.add(&draw::jpeg(&image, 92), "", &[]).unwrap().sign;
        let copy = library.add(&draw::jpeg(&copy, 92), "", &[]).unwrap().sign;

        assert_eq!(signs(&library, image), [copy], "copy {number}");
        assert_eq!(signs(&library, copy), [image], "copy {number}");
    }
}

#[test]
fn a_rotated_and_mirrored_copy_is_found_by_its_hash_too() {
    let library = Library::new();
    let image = draw::image(2, 400, 300);
    let sign = library.add(&draw::png(&image), "", &[]).unwrap().sign;
    let turned = imageops::flip_vertical(&imageops::rotate90(&image));
    let turned = library.add(&draw::png(&turned), "", &[]).unwrap().sign;

    let found = search(&library, sign).matches;

    assert_eq!(found.len(), 1);
    assert_eq!(found[0].sign, turned);
    assert!(found[0].score > 0.75, "{}", found[0].score);
}

#[test]
fn an_unknown_sign_has_no_query() {
    let library = Library::new();
    let sign = Sign::parse("4,4").unwrap();

    assert!(library.engine.stored_query(sign).unwrap().is_none());
}

/// Images that are attacked, and the attacks.
const SOURCES: u64 = 6;
const ATTACKS: [fn(&RgbImage, &mut Chance) -> RgbImage; 8] = [
    |image, _| attack::scale(image, 0.25, 0.25),
    |image, chance| attack::crop(image, 0.71, chance),
    |image, chance| attack::crop(image, 0.5, chance),
    |image, _| attack::rotate(image, 5.0),
    |image, chance| attack::crop(&imageops::flip_horizontal(image), 0.71, chance),
    |image, chance| attack::invert(&attack::crop(image, 0.71, chance)),
    |image, _| attack::blur(image, 1.5),
    |image, chance| attack::border(image, 0.25, chance),
];

/// What docs/engine.md says for drawn posters. Attacked photographs have no miss either way.
#[test]
fn the_sign_of_a_copy_finds_about_what_its_file_does() {
    let library = Library::new();
    let sources: Vec<RgbImage> = (0..SOURCES)
        .map(|number| poster::poster(number, 640, 480))
        .collect();
    let originals: Vec<Sign> = sources
        .iter()
        .map(|image| library.add(&draw::jpeg(image, 92), "", &[]).unwrap().sign)
        .collect();
    let (mut by_file, mut by_sign) = (0, 0);
    for attack in ATTACKS {
        for (number, image) in (0..).zip(&sources) {
            let original = originals[usize::try_from(number).unwrap()];
            let copy = draw::jpeg(&attack(image, &mut Chance::new(number)), 92);
            by_file += usize::from(library.signs(&copy).contains(&original));
            let sign = library.add(&copy, "", &[]).unwrap().sign;
            by_sign += usize::from(signs(&library, sign).contains(&original));
            library.delete(vec![Target::Sign(sign)]).unwrap();
        }
    }

    let shares = format!("{by_file} by file, {by_sign} by sign");
    assert!(by_sign >= 43 && by_sign + 3 >= by_file, "{shares} of 48");
}
