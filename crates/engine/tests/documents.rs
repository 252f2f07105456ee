//! A search among the documents of another store finds what a search in a library finds, with the
//! same scores.

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

use std::collections::HashSet;

use draw::Chance;
use image::{RgbImage, imageops};
use library::Library;
use same_image::{
    DocumentRanking, DocumentSearch, Effort, ImageDocument, MAX_SIDE, PreparedImage, PreparedQuery,
    Profile, Query, Sign, Term, prepare_both,
};

/// A text index in memory, as another store has it.
#[derive(Default)]
struct TextIndex {
    documents: Vec<ImageDocument>,
    terms: Vec<[HashSet<Term>; 2]>,
}

impl TextIndex {
    fn add(&mut self, file: &[u8]) {
        let document = ImageDocument::from(PreparedImage::new(file, MAX_SIDE).unwrap());
        let terms = [document.terms().unwrap(), document.hash_terms()];
        self.terms
            .push(terms.map(|terms| terms.into_iter().collect()));
        self.documents.push(document);
    }

    /// Returns the documents that share this many terms, without their thumbnails.
    fn sharing(&self, field: usize, terms: &[Term], least: usize) -> Vec<ImageDocument> {
        let shared = |at: &usize| {
            let stored = &self.terms[*at][field];
            terms.iter().filter(|term| stored.contains(term)).count() >= least
        };
        let found = (0..self.documents.len()).filter(shared);
        let bare = |at: usize| ImageDocument {
            thumbnail: Vec::new(),
            ..self.documents[at].clone()
        };
        found.map(bare).collect()
    }

    fn search(&self, query: PreparedQuery, options: &Query) -> DocumentRanking {
        let mut search = DocumentSearch::new(query);
        for looks in 0.. {
            loop {
                let [plain, mirrored] = search.terms().clone();
                let mut found = self.sharing(0, &plain, 2);
                found.extend(self.sharing(0, &mirrored, 2));
                if let Some((terms, least)) = search.hash_terms() {
                    found.extend(self.sharing(1, &terms, least));
                }
                search.compare((0..).zip(found)).unwrap();
                if !search.invert() {
                    break;
                }
            }
            for sign in search.needs_thumbnails() {
                let document = self.document(sign);
                search.set_thumbnail(document.content, document.thumbnail);
            }
            let ranking = search.rank(options).unwrap();
            match search.look_again(options.effort, looks) {
                Some(next) if ranking.is_empty => search = next,
                Some(_) | None => return ranking,
            }
        }
        unreachable!("the looks end")
    }

    fn document(&self, sign: Sign) -> ImageDocument {
        let mut found = self.documents.iter();
        let found = found.find(|document| document.content.first_sign() == sign);
        found.unwrap().clone()
    }
}

const SOURCES: u64 = 8;
const ATTACKS: [fn(&RgbImage, &mut Chance) -> RgbImage; 8] = [
    |image, _| image.clone(),
    |image, chance| attack::crop(image, 0.6, chance),
    |image, _| attack::rotate(image, 5.0),
    |image, chance| attack::crop(&imageops::flip_horizontal(image), 0.7, chance),
    |image, _| attack::invert(image),
    |image, _| imageops::rotate90(image),
    |image, _| attack::scale(image, 1.0, 0.5),
    |image, _| attack::scale(image, 0.5, 1.0),
];

#[test]
fn documents_are_found_with_the_scores_and_geometry_of_a_library() {
    let (library, mut index) = (Library::new(), TextIndex::default());
    let sources: Vec<RgbImage> = (0..SOURCES)
        .map(|seed| poster::poster(seed, 640, 480))
        .collect();
    for source in &sources {
        library.add(&draw::png(source), "", &[]).unwrap();
        index.add(&draw::png(source));
    }
    let options = Query::default();
    for (number, source) in sources.iter().enumerate() {
        for (attack, change) in ATTACKS.iter().enumerate() {
            let file = draw::jpeg(&change(source, &mut Chance::new(number as u64)), 85);
            let prepared = library.engine.prepare_query(&file).unwrap();
            let expected = library.engine.search(&prepared, &options).unwrap().matches;
            let mut found = index.search(prepared, &options).matches;

            for hit in expected {
                let at = found.iter().position(|found| found.sign == hit.sign);
                let found = found.remove(at.unwrap());
                assert_eq!(
                    (found.score, found.geometry, found.agreement, found.coverage),
                    (hit.score, hit.geometry, hit.agreement, hit.coverage),
                    "{number}, {attack}"
                );
            }
            // A candidate that only its hash makes is aligned too, which a library does not do.
            let source = index.documents[number].content.first_sign();
            assert!(found.iter().all(|found| found.sign == source));
        }
    }
}

#[test]
fn every_look_is_one_at_the_image_itself() {
    let (library, mut index) = (Library::new(), TextIndex::default());
    let sources: Vec<RgbImage> = (0..4).map(|seed| poster::poster(seed, 640, 480)).collect();
    for source in &sources {
        library.add(&draw::png(source), "", &[]).unwrap();
        index.add(&draw::png(source));
    }
    let options = Query {
        effort: Effort::Thorough,
        ..Query::default()
    };
    // Of the last look, with more and finer features.
    for (source, part) in sources.iter().zip([0.3, 0.2, 0.15]) {
        let copy = attack::crop(source, part, &mut Chance::new(1));
        let prepared = library.engine.prepare_query(&draw::png(&copy)).unwrap();
        let expected = library.engine.search(&prepared, &options).unwrap().matches;
        let expected = expected
            .iter()
            .map(|hit| (hit.sign, hit.score, hit.geometry));

        let found = index.search(prepared, &options).matches;

        let found = found.iter().map(|hit| (hit.sign, hit.score, hit.geometry));
        assert_eq!(
            found.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{part}"
        );
    }
}

#[test]
fn the_same_file_has_a_score_of_1_and_a_stored_image_does_not_find_itself() {
    let mut index = TextIndex::default();
    let file = draw::png(&draw::image(2, 400, 300));
    index.add(&file);
    let (_, query) = prepare_both(&file, MAX_SIDE).unwrap();
    let stored = index.documents[0].query().unwrap();

    let found = index.search(query, &Query::default()).matches;

    assert_eq!(found.len(), 1);
    assert_eq!(found[0].score, 1.0);
    assert!(index.search(stored, &Query::default()).is_empty);
}

#[test]
fn documents_are_compared_as_stored_images_are() {
    let library = Library::new();
    let image = poster::poster(3, 640, 480);
    let added = library.add(&draw::png(&image), "", &[]).unwrap();
    let document = ImageDocument::from(library.engine.prepare(&draw::png(&image)).unwrap());
    let copy = draw::jpeg(&attack::rotate(&image, 5.0), 85);
    let query = library.engine.prepare_query(&copy).unwrap();

    let stored = same_image::Compared::Stored(added.sign);
    let expected = library
        .engine
        .compare(&query, &stored, Profile::Strict)
        .unwrap();

    let compared = document.compare(&query, Profile::Strict).unwrap();
    assert_eq!(Some(compared), expected);
    assert!(compared.score > 0.5);
}

#[test]
fn damaged_features_are_an_error_and_an_effort_bounds_the_looks() {
    let mut index = TextIndex::default();
    let file = draw::png(&draw::image(2, 400, 300));
    index.add(&file);
    let mut document = index.documents.remove(0);
    document.features.truncate(20);
    let query = PreparedQuery::new(&file, MAX_SIDE).unwrap();
    let mut search = DocumentSearch::new(query);

    assert!(document.terms().is_err());
    assert!(search.compare([(0, document)]).is_err());
    assert!(search.look_again(Effort::Fast, 0).is_none());
    assert!(search.look_again(Effort::Normal, 1).is_some());
    assert!(search.look_again(Effort::Normal, 2).is_none());
}
