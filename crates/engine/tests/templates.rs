//! Images that share a template: other contents of it are no matches, copies are.

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
#[path = "support/template.rs"]
mod template;

use draw::Chance;
use image::RgbImage;
use library::Library;
use same_image::{Hit, Profile, Query};

/// Contents of a template.
const CONTENTS: u64 = 6;

/// Stores the first half of the contents of a template.
fn stored(draw: fn(u64, u64) -> RgbImage) -> Library {
    let library = Library::new();
    for content in 0..CONTENTS / 2 {
        let file = draw::jpeg(&draw(1, content), 92);
        library.add(&file, &content.to_string(), &[]).unwrap();
    }
    library
}

fn search(library: &Library, image: &RgbImage, profile: Profile) -> Vec<Hit> {
    let query = Query {
        profile,
        ..Query::default()
    };
    let image = library
        .engine
        .prepare_query(&draw::jpeg(image, 90))
        .unwrap();
    library.engine.search(&image, &query).unwrap().matches
}

fn briefs(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.brief.as_str()).collect()
}

/// Asserts that searches with distorted copies find only the source.
fn assert_copies_are_found(library: &Library, draw: fn(u64, u64) -> RgbImage) {
    for content in 0..CONTENTS / 2 {
        let image = draw(1, content);
        let copies = [
            attack::jpeg(&image, 30),
            attack::scale(&image, 0.5, 0.5),
            attack::crop(&image, 0.9, &mut Chance::new(content)),
        ];
        for (number, copy) in copies.iter().enumerate() {
            let found = search(library, copy, Profile::Balanced);
            let first = found.first().map(|hit| hit.brief.as_str());
            assert_eq!(first, Some(content.to_string().as_str()), "copy {number}");
        }
    }
}

fn assert_other_contents_are_not_found(library: &Library, draw: fn(u64, u64) -> RgbImage) {
    for content in CONTENTS / 2..CONTENTS {
        let found = search(library, &draw(1, content), Profile::Balanced);
        assert_eq!(briefs(&found), [""; 0], "content {content}: {found:?}");
    }
}

#[test]
fn another_garment_on_the_same_floor_is_no_match_and_a_copy_is() {
    let library = stored(template::garment);
    assert_other_contents_are_not_found(&library, template::garment);
    assert_copies_are_found(&library, template::garment);
}

#[test]
fn a_qr_code_with_another_content_is_no_match_and_a_copy_is() {
    let library = stored(template::qr_code);
    assert_other_contents_are_not_found(&library, template::qr_code);
    assert_copies_are_found(&library, template::qr_code);
}

#[test]
fn copies_of_forms_and_of_watermarked_photos_are_best_matches() {
    // Other contents match too: docs/engine.md says why nothing tells them apart.
    for draw in [template::form, template::stock_photo] {
        assert_copies_are_found(&stored(draw), draw);
    }
}

#[test]
fn a_loose_search_returns_another_garment_with_a_low_score() {
    let library = stored(template::garment);

    let others = CONTENTS / 2..CONTENTS;
    let found: Vec<Hit> = others
        .flat_map(|content| search(&library, &template::garment(1, content), Profile::Loose))
        .collect();

    assert!(!found.is_empty());
    for hit in &found {
        assert!(hit.score < 0.62 && hit.agreement.unwrap() < 0.8, "{hit:?}");
    }
}

#[test]
fn a_strict_match_agrees_and_tells_how_much_of_it() {
    let library = stored(template::garment);
    let image = template::garment(1, 0);
    let crop = attack::crop(&image, 0.8, &mut Chance::new(5));

    let found = search(&library, &crop, Profile::Strict);

    assert_eq!(briefs(&found), ["0"]);
    let overlap = found[0].geometry.unwrap().overlap;
    assert!(found[0].agreement.unwrap() >= 0.8);
    assert!((overlap - found[0].coverage.unwrap()).abs() < 0.1);
}

#[test]
fn the_same_bytes_agree_wholly() {
    let library = stored(template::garment);
    let file = draw::jpeg(&template::garment(1, 0), 92);

    let found = library.search(&file).matches;

    let first = &found[0];
    let whole = (Some(1.0), Some(1.0));
    assert_eq!(
        (first.score, (first.agreement, first.coverage)),
        (1.0, whole)
    );
}

/// A search compares the pixels of 50 candidates. Two of these drawn garments look alike.
#[test]
fn of_many_garments_on_the_same_floor_none_is_a_match_that_was_not_compared() {
    let library = Library::new();
    for content in 0..70 {
        let file = draw::jpeg(&template::garment(1, content), 92);
        library.add(&file, &content.to_string(), &[]).unwrap();
    }
    let query = template::garment(1, 70);

    let found = search(&library, &query, Profile::Balanced);
    assert!(found.len() <= 2, "{found:?}");
    assert!(found.iter().all(|hit| hit.agreement.is_some()), "{found:?}");
    assert_eq!(briefs(&search(&library, &query, Profile::Strict)), [""; 0]);
}
