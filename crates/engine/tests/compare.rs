//! Comparisons of two images.

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
use library::Library;
use same_image::{Compared, Comparison, Geometry, Profile, Sign};

fn compare(library: &Library, query: &[u8], image: &[u8]) -> Comparison {
    let query = library.engine.prepare_query(query).unwrap();
    let image = Compared::File(Box::new(library.engine.prepare(image).unwrap()));
    let compared = library.engine.compare(&query, &image, Profile::Balanced);
    compared.unwrap().unwrap()
}

#[test]
fn a_comparison_is_a_search_in_a_library_with_one_image() {
    let library = Library::new();
    let image = poster::poster(1, 640, 480);
    let file = draw::jpeg(&image, 92);
    let copies = [
        attack::jpeg(&image, 30),
        attack::crop(&image, 0.71, &mut Chance::new(1)),
        image::imageops::flip_horizontal(&image),
        attack::invert(&image),
        poster::poster(2, 640, 480),
    ];
    let sign = library.add(&file, "", &[]).unwrap().sign;

    for (number, copy) in copies.iter().enumerate() {
        let copy = draw::jpeg(copy, 92);
        let found = library.search(&copy).matches;
        let compared = compare(&library, &copy, &file);
        let query = library.engine.prepare_query(&copy).unwrap();
        let stored = library
            .engine
            .compare(&query, &Compared::Stored(sign), Profile::Balanced);

        let expected = found.first().map_or(0.0, |hit| hit.score);
        assert_eq!(compared.score, expected, "copy {number}");
        let geometry = found.first().and_then(|hit| hit.geometry);
        assert_eq!(compared.geometry, geometry, "copy {number}");
        assert_eq!(stored.unwrap(), Some(compared), "copy {number}");
    }
}

#[test]
fn the_same_bytes_have_the_score_1_and_other_images_0() {
    let library = Library::new();
    let [one, two] = [1, 2].map(|number| draw::jpeg(&poster::poster(number, 640, 480), 92));

    let same = compare(&library, &one, &one);
    let other = compare(&library, &one, &two);

    assert_eq!((same.score, same.hash_distance), (1.0, Some(0)));
    assert_eq!(same.geometry, Some(Geometry::WHOLE));
    assert_eq!((other.score, other.geometry), (0.0, None));
    assert!(other.hash_distance.unwrap() > 31);
    assert_eq!(library.engine.stats().unwrap().images, 0);
}

#[test]
fn an_unknown_sign_cannot_be_compared() {
    let library = Library::new();
    let file = draw::jpeg(&poster::poster(1, 640, 480), 92);
    let query = library.engine.prepare_query(&file).unwrap();
    let unknown = Compared::Stored(Sign::parse("4,4").unwrap());

    let compared = library.engine.compare(&query, &unknown, Profile::Balanced);

    assert_eq!(compared.unwrap(), None);
}
