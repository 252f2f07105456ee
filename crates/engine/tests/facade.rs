//! The known weakness of the method: another photo of the same flat facade from nearly the same
//! position.
//!
//! One shot of each drawn facade is stored, other shots are the queries. Copies of the stored shot
//! must be found; the number of other shots that are found must not exceed the measured one.

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

use draw::Chance;
use image::RgbImage;
use library::Library;

const BUILDINGS: u64 = 12;
const SHOTS: u64 = 3;
/// Other shots of a stored facade that are found. Measured: 16 of 36.
const MAX_FOUND: usize = 17;
/// Other shots that find another building. Measured: 1 of 36.
const MAX_CONFUSED: usize = 2;
/// Copies that are not found. Measured: 2 of 60, both in collages.
const MAX_MISSED: usize = 3;

fn library() -> Library {
    let library = Library::new();
    for building in 0..BUILDINGS {
        let file = draw::jpeg(&facade::shot(building, 0), 90);
        library.add(&file, &building.to_string(), &[]).unwrap();
    }
    library
}

/// The best score of a query's own building, and of any other.
fn scores(library: &Library, query: &RgbImage, building: u64) -> (f32, f32) {
    let (mut own, mut other) = (0.0f32, 0.0f32);
    for hit in library.search(&draw::jpeg(query, 90)).matches {
        if hit.brief == building.to_string() {
            own = own.max(hit.score);
        } else {
            other = other.max(hit.score);
        }
    }
    (own, other)
}

#[test]
fn another_photo_of_a_facade_rarely_matches_the_stored_one() {
    let library = library();
    let mut table = Vec::new();
    for building in 0..BUILDINGS {
        for shot in 1..=SHOTS {
            let (own, other) = scores(&library, &facade::shot(building, shot), building);
            table.push((building, shot, own, other));
        }
    }
    let found = table.iter().filter(|row| row.2 >= 0.5).count();
    let confused = table.iter().filter(|row| row.3 >= 0.5).count();
    assert!(found <= MAX_FOUND, "{found}: {table:.2?}");
    assert!(confused <= MAX_CONFUSED, "{confused}: {table:.2?}");
}

#[test]
fn copies_of_a_photo_of_a_facade_are_found() {
    let library = library();
    let mut missed = Vec::new();
    for building in 0..BUILDINGS {
        let stored = facade::shot(building, 0);
        let ground = poster::poster(700 + building, 960, 720);
        let mut chance = Chance::new(building);
        let chance = &mut chance;
        let copies = [
            ("jpeg", attack::jpeg(&stored, 20)),
            ("crop", attack::crop(&stored, 0.6, chance)),
            ("stickers", attack::stickers(&stored, &ground, 0.4, chance)),
            ("collage", attack::collage(&ground, &stored, 0.35, chance)),
            ("phone", attack::phone(&stored, &ground, 0.6, 25.0, chance)),
        ];
        for (name, copy) in copies {
            let (own, _) = scores(&library, &copy, building);
            if own < 0.5 {
                missed.push((building, name, own));
            }
        }
    }
    assert!(missed.len() <= MAX_MISSED, "{missed:?}");
}
