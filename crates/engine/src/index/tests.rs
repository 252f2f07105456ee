//! The index against a naive model, and segment files against damage.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fs;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::comparison::{FeatureMatch, MAX_DISTANCE, MAX_MATCHES_PER_IMAGE};
use super::votes::{LIMITS, Limits};
use super::*;
use crate::features::codebook::Codebook;
use crate::features::quantise::nearest_words;
use crate::features::{
    DescribedFeature, Descriptor, Feature, Keypoint, PackedKeypoint, Word, mirrored,
};

/// A descriptor that is not near the descriptor of any other number.
fn descriptor(number: u32) -> Descriptor {
    let value = |at: u32| {
        (number.wrapping_mul(2_654_435_761) ^ at.wrapping_mul(40_503)).wrapping_mul(2_246_822_519)
            >> 20
    };
    let values: Descriptor = std::array::from_fn(|at| value(at as u32) as f32);
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.map(|value| value / length)
}

fn keypoint(number: u32) -> Keypoint {
    let part = |step: f32| (0.5 + number as f32 * step).fract();
    Keypoint {
        x: part(0.754_877_7),
        y: part(0.569_840_3) * 0.75,
        sigma: 0.005,
        angle: 1.0,
    }
}

fn query(numbers: impl Iterator<Item = u32>) -> QueryFeatures {
    let features = numbers
        .map(|number| DescribedFeature {
            keypoint: keypoint(number),
            descriptor: descriptor(number),
        })
        .collect();
    QueryFeatures {
        width: 640,
        height: 480,
        features,
    }
}

/// A library image with the features of these numbers and flipped bits in their signatures.
fn image(numbers: impl Iterator<Item = u32>, flips: u64) -> Features {
    let feature = |number| {
        let mut word = nearest_words::<1>(Codebook::embedded(), &descriptor(number))[0];
        word.signature ^= flips;
        Feature {
            word,
            keypoint: keypoint(number).pack(),
        }
    };
    Features {
        width: 640,
        height: 480,
        working_side: 640,
        features: numbers.map(feature).collect(),
    }
}

fn ids(found: &[VerifiedMatch]) -> Vec<u64> {
    found.iter().map(|verified| verified.id).collect()
}

/// An index, and the features that the store of a library would have.
#[derive(Default)]
struct Library {
    index: Index,
    images: RefCell<HashMap<u64, Features>>,
}

/// The images of a library that a filter admits.
struct Admitted<'a>(&'a Library, &'a dyn Fn(u64) -> bool);

impl Images for Admitted<'_> {
    type Error = Infallible;

    fn admits(&self, id: u64) -> bool {
        (self.1)(id)
    }

    fn features(&self, id: u64) -> Result<Option<Features>, Infallible> {
        Ok(self.0.images.borrow().get(&id).cloned())
    }
}

impl Library {
    fn insert(&self, id: u64, features: Features) {
        self.index.insert(id, &features);
        self.images.borrow_mut().insert(id, features);
    }

    fn find(&self, query: &QueryFeatures, admits: &dyn Fn(u64) -> bool) -> Vec<VerifiedMatch> {
        let images = Admitted(self, admits);
        let Ok(found) = self.index.search(query, &SearchOptions::default(), &images);
        found
    }

    fn search(&self, numbers: std::ops::Range<u32>) -> Vec<u64> {
        ids(&self.find(&query(numbers), &|_| true))
    }
}

const LIBRARY: u64 = 7;
static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

fn options(keep: &dyn Fn(u64) -> bool) -> MergeOptions<'_> {
    MergeOptions {
        library: LIBRARY,
        keep,
        stop: &NOT_CANCELLED,
    }
}

fn seal(index: &Index, folder: &tempfile::TempDir, name: &str, keep: &dyn Fn(u64) -> bool) {
    let merge = index.plan_merge(MergeScope::Tiered).unwrap();
    let segment = merge
        .write(&folder.path().join(name), options(keep))
        .unwrap();
    for old in index.replace(&merge, segment) {
        fs::remove_file(old).unwrap();
    }
}

#[test]
fn an_added_image_is_found_by_the_next_search_and_a_filtered_one_is_not() {
    let library = Library::default();
    library.insert(7, image(0..30, 0));
    library.insert(8, image(20..50, 0));

    let mut found = library.search(0..50);
    found.sort_unstable();
    assert_eq!(found, [7, 8]);
    let allowed = library.find(&query(0..50), &|id| id == 8);
    assert_eq!(ids(&allowed), [8]);
    assert!(library.search(100..150).is_empty());
}

#[test]
fn an_inverted_copy_is_found_when_nothing_else_is() {
    let library = Library::default();
    library.insert(7, image(0..30, 0));
    let mut copy = query(0..30);
    for feature in &mut copy.features {
        feature.descriptor = crate::features::inverted(&feature.descriptor);
        feature.keypoint.angle += std::f32::consts::PI;
    }

    let found = library.find(&copy, &|_| true);

    assert_eq!(ids(&found), [7]);
    assert!(found[0].alignment.form.inverted);
}

#[test]
fn sealing_and_merging_do_not_change_results() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::default();
    for id in 0..5 {
        library.insert(id, image(id as u32 * 10..id as u32 * 10 + 30, 0b1011 << 8));
    }
    let before = library.find(&query(0..70), &|_| true);

    seal(&library.index, &folder, "a", &|_| true);
    assert_eq!(library.index.unsealed(), 0);
    assert_eq!(library.find(&query(0..70), &|_| true), before);

    library.insert(5, image(50..80, 0));
    library.insert(6, image(500..530, 0));
    library.insert(7, image(600..630, 0));
    let before = library.find(&query(0..90), &|_| true);
    seal(&library.index, &folder, "b", &|_| true);
    assert_eq!(library.find(&query(0..90), &|_| true), before);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "the old file is deleted"
    );
}

#[test]
fn merging_drops_deleted_and_duplicate_images() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::default();
    library.insert(1, image(0..30, 0));
    library.insert(2, image(100..130, 0));
    library.insert(1, image(0..30, 0));

    assert_eq!(library.search(0..30), [1]);
    seal(&library.index, &folder, "a", &|id| id != 2);

    let segment = Segment::open(&folder.path().join("a"), LIBRARY).unwrap();
    assert_eq!(segment.ids().collect::<Vec<_>>(), [1]);
    assert_eq!(library.search(0..30), [1]);
    assert!(library.search(100..130).is_empty());
}

#[test]
fn a_search_while_a_segment_is_written_finds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::default();
    library.insert(1, image(0..30, 0));

    let merge = library.index.plan_merge(MergeScope::Tiered).unwrap();
    library.insert(2, image(100..130, 0));
    assert_eq!(library.search(0..30), [1]);
    let segment = merge
        .write(&folder.path().join("a"), options(&|_| true))
        .unwrap();
    library.index.replace(&merge, segment);

    assert_eq!(library.search(0..30), [1]);
    assert_eq!(library.search(100..130), [2]);
    assert_eq!(library.index.unsealed(), 1);
}

#[test]
fn a_failed_write_creates_no_file_and_loses_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::default();
    library.insert(1, image(0..30, 0));
    let merge = library.index.plan_merge(MergeScope::Tiered).unwrap();

    let written = merge.write(&folder.path().join("missing/a"), options(&|_| true));

    assert!(matches!(written, Err(SegmentError::Io(_))));
    assert_eq!(library.search(0..30), [1]);
    assert!(
        library.index.plan_merge(MergeScope::Tiered).is_some(),
        "the next attempt writes the same images"
    );
}

#[test]
fn a_cancelled_merge_creates_no_file_and_loses_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::default();
    library.insert(1, image(0..30, 0));
    let merge = library.index.plan_merge(MergeScope::All).unwrap();
    let cancelled = MergeOptions {
        stop: &AtomicBool::new(true),
        ..options(&|_| true)
    };

    let written = merge.write(&folder.path().join("a"), cancelled);

    assert!(matches!(written, Err(SegmentError::Cancelled)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(library.search(0..30), [1]);
}

#[test]
fn a_segment_of_another_library_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::default();
    library.insert(1, image(0..30, 0));
    seal(&library.index, &folder, "a", &|_| true);

    let opened = Segment::open(&folder.path().join("a"), LIBRARY + 1);

    assert!(matches!(opened, Err(SegmentError::Foreign)));
}

#[test]
fn the_rarest_words_are_read_first_when_the_limit_excludes_some() {
    let memtable = Memtable::default();
    for id in 0..1000 {
        memtable.insert(id, &image(0..10, 0));
    }
    memtable.insert(5000, &image(50..60, 0));
    let logo_and_more = QueryWords::new(&query((0..10).chain(50..60)), false);
    let limits = Limits {
        max_postings: 2500,
        ..LIMITS
    };

    let votes = votes::collect(&[&memtable], &logo_and_more, &limits);
    let rare = |candidate: &Candidate| candidate.image == 1000;
    let candidates = votes::candidates(&[&memtable], &logo_and_more, &limits, 1, rare);

    assert!(votes.len() <= 2500);
    assert!(candidates[0].votes > 5.0, "{candidates:?}");
}

#[test]
fn a_logo_in_a_hundred_thousand_images_hides_no_match_and_stays_within_the_limits() {
    let library = Library::default();
    let (logo, with_logo) = (0..12, image(0..12, 0));
    for id in 0..100_000 {
        library.insert(id, with_logo.clone());
    }
    library.insert(500_000, image((0..12).chain(50..62), 0));
    let logo_and_more = query(logo.clone().chain(50..62));

    let found = library.find(&logo_and_more, &|_| true);
    assert_eq!(found[0].id, 500_000, "the rarest words decide");
    assert_eq!(found.len(), SearchOptions::default().candidates);

    let memtable = library.index.components().memtable;
    let words = QueryWords::new(&query(logo), false);
    let lookups = lists::lookups(&words);
    let read = |max_postings| -> usize {
        let lists = lists::select(&[&*memtable], &lookups, max_postings);
        lists.iter().map(|list| list.postings).sum()
    };
    let all = read(usize::MAX);
    assert!(all > LIMITS.max_votes, "the limits are reached: {all}");
    let votes = votes::collect(&[&*memtable], &words, &LIMITS);
    assert_eq!(votes.len(), LIMITS.max_votes);
    for max_postings in [0, 250_000, 600_000] {
        let read = read(max_postings);
        assert!(read <= max_postings, "{read} of {max_postings}");
    }
}

#[test]
fn votes_stop_at_their_limit_in_the_middle_of_a_list() {
    let memtable = Memtable::default();
    for id in 0..50 {
        memtable.insert(id, &image((0..1000).map(|number| number % 10), 0));
    }
    let limits = Limits {
        max_votes: 12_345,
        ..LIMITS
    };

    let words = QueryWords::new(&query(0..10), false);
    let votes = votes::collect(&[&memtable], &words, &limits);

    assert_eq!(votes.len(), 12_345);
}

#[test]
fn the_nearest_matches_of_repeated_structure_are_verified() {
    let mut dots = image((0..400).map(|_| 7), 0);
    for (number, feature) in dots.features.iter_mut().enumerate() {
        feature.word.signature ^= (1 << (number % 16)) - 1;
    }
    let words = QueryWords::new(&query((0..100).map(|_| 7)), false);

    let (nearest, comparisons) = QueryTable::new(&words).matches(&dots, false);

    assert_eq!(comparisons, 40_000);
    assert_eq!(nearest.len(), MAX_MATCHES_PER_IMAGE);
    let with = |distance| {
        nearest
            .iter()
            .filter(|found| found.distance == distance)
            .count()
    };
    assert_eq!([with(0), with(1)], [2500, 500]);
}

/// About 16 of 64 bits, so that distances are on both sides of the maximum.
fn few_bits() -> impl Strategy<Value = u64> {
    (any::<u64>(), any::<u64>()).prop_map(|(a, b)| a & b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_matches_of_an_image_are_those_of_a_naive_comparison(
        start in 0u32..40, count in 1u32..12, flips in few_bits(), first in 0u32..40,
    ) {
        let image = image(start..start + count, flips);
        let query = query(first..first + 10);
        let table = QueryTable::new(&QueryWords::new(&query, false));

        for is_mirrored in [false, true] {
            let (matches, _) = table.matches(&image, is_mirrored);
            prop_assert_eq!(matches, naive(&image, &query, is_mirrored));
        }
    }

    #[test]
    fn candidates_do_not_depend_on_the_component_of_an_image(
        images in prop::collection::vec((0u32..40, 1u32..12, few_bits()), 2..12),
        first in 0u32..40,
        sealed in 1usize..12,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let images: Vec<Features> =
            images.iter().map(|(start, count, flips)| image(*start..start + count, *flips)).collect();
        let words = QueryWords::new(&query(first..first + 10), false);
        let (whole, parts) = (Index::new(), Index::new());
        for (id, features) in images.iter().enumerate() {
            whole.insert(id as u64, features);
            if id == sealed {
                seal(&parts, &folder, "a", &|_| true);
            }
            parts.insert(id as u64, features);
        }

        prop_assert_eq!(candidates(&parts, &words), candidates(&whole, &words));
    }

    #[test]
    fn a_changed_byte_anywhere_is_detected(position: prop::sample::Index, bit in 0u32..8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let library = Library::default();
        library.insert(1, image(0..30, 0));
        seal(&library.index, &folder, "a", &|_| true);
        let mut bytes = fs::read(&path).unwrap();
        let at = position.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // A new file, because the old one is still mapped.
        let damaged = folder.path().join("b");
        fs::write(&damaged, &bytes).unwrap();

        prop_assert!(Segment::open(&damaged, LIBRARY).is_err());
        fs::write(&damaged, &bytes[..at]).unwrap();
        prop_assert!(Segment::open(&damaged, LIBRARY).is_err());
    }
}

/// Returns the votes of all candidates by id and form.
fn candidates(index: &Index, words: &QueryWords) -> BTreeMap<(u64, bool), u32> {
    let state = index.components();
    let components = state.all();
    let all = votes::candidates(&components, words, &LIMITS, usize::MAX, |_| true);
    let by_id = all.iter().map(|candidate| {
        let image = components[candidate.component].image(candidate.image);
        (
            (image.unwrap().id, candidate.mirrored),
            candidate.votes.to_bits(),
        )
    });
    by_id.collect()
}

/// Compares every word of the query with every feature of an image.
fn naive(image: &Features, query: &QueryFeatures, is_mirrored: bool) -> Vec<FeatureMatch> {
    let mut matches = BTreeSet::new();
    for (number, feature) in query.features.iter().enumerate() {
        let descriptor = if is_mirrored {
            mirrored(&feature.descriptor)
        } else {
            feature.descriptor
        };
        for word in nearest_words::<8>(Codebook::embedded(), &descriptor) {
            for Feature {
                word: Word { cell, signature },
                keypoint,
            } in &image.features
            {
                let distance = (signature ^ word.signature).count_ones();
                if *cell == word.cell && distance <= MAX_DISTANCE {
                    matches.insert((number as u16, distance as u8, keypoint.0));
                }
            }
        }
    }
    let matches = matches
        .into_iter()
        .map(|(feature, distance, keypoint)| FeatureMatch {
            feature,
            distance,
            keypoint: PackedKeypoint(keypoint),
        });
    matches.collect()
}
