//! The index against a naive model, and segment files against damage.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;

use super::image_entry::ImageEntry;
use super::posting::Posting;
use super::votes::{FeatureMatch, LIMITS, Limits, MAX_DISTANCE};
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
        features: numbers.map(feature).collect(),
    }
}

fn ids(found: &[VerifiedMatch]) -> Vec<u64> {
    found.iter().map(|verified| verified.id).collect()
}

fn search(index: &Index, numbers: std::ops::Range<u32>) -> Vec<u64> {
    ids(&index.search(&query(numbers), &SearchOptions::default(), &|_| true))
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
    let index = Index::new();
    index.insert(7, &image(0..30, 0));
    index.insert(8, &image(20..50, 0));

    let mut found = search(&index, 0..50);
    found.sort_unstable();
    assert_eq!(found, [7, 8]);
    let allowed = index.search(&query(0..50), &SearchOptions::default(), &|id| id == 8);
    assert_eq!(ids(&allowed), [8]);
    assert!(search(&index, 100..150).is_empty());
}

#[test]
fn an_inverted_copy_is_found_when_nothing_else_is() {
    let index = Index::new();
    index.insert(7, &image(0..30, 0));
    let mut copy = query(0..30);
    for feature in &mut copy.features {
        feature.descriptor = crate::features::inverted(&feature.descriptor);
        feature.keypoint.angle += std::f32::consts::PI;
    }

    let found = index.search(&copy, &SearchOptions::default(), &|_| true);

    assert_eq!(ids(&found), [7]);
    assert!(found[0].alignment.form.inverted);
}

#[test]
fn sealing_and_merging_do_not_change_results() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new();
    for id in 0..5 {
        index.insert(id, &image(id as u32 * 10..id as u32 * 10 + 30, 0b1011));
    }
    let before = index.search(&query(0..70), &SearchOptions::default(), &|_| true);

    seal(&index, &folder, "a", &|_| true);
    assert_eq!(index.unsealed(), 0);
    assert_eq!(
        index.search(&query(0..70), &SearchOptions::default(), &|_| true),
        before
    );

    index.insert(5, &image(50..80, 0));
    index.insert(6, &image(500..530, 0));
    index.insert(7, &image(600..630, 0));
    let before = index.search(&query(0..90), &SearchOptions::default(), &|_| true);
    seal(&index, &folder, "b", &|_| true);
    assert_eq!(
        index.search(&query(0..90), &SearchOptions::default(), &|_| true),
        before
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "the old file is deleted"
    );
}

#[test]
fn merging_drops_deleted_and_duplicate_images() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new();
    index.insert(1, &image(0..30, 0));
    index.insert(2, &image(100..130, 0));
    index.insert(1, &image(0..30, 0));

    assert_eq!(search(&index, 0..30), [1]);
    seal(&index, &folder, "a", &|id| id != 2);

    let segment = Segment::open(&folder.path().join("a"), LIBRARY).unwrap();
    assert_eq!(segment.ids().collect::<Vec<_>>(), [1]);
    assert_eq!(search(&index, 0..30), [1]);
    assert!(search(&index, 100..130).is_empty());
}

#[test]
fn a_search_while_a_segment_is_written_finds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new();
    index.insert(1, &image(0..30, 0));

    let merge = index.plan_merge(MergeScope::Tiered).unwrap();
    index.insert(2, &image(100..130, 0));
    assert_eq!(search(&index, 0..30), [1]);
    let segment = merge
        .write(&folder.path().join("a"), options(&|_| true))
        .unwrap();
    index.replace(&merge, segment);

    assert_eq!(search(&index, 0..30), [1]);
    assert_eq!(search(&index, 100..130), [2]);
    assert_eq!(index.unsealed(), 1);
}

#[test]
fn a_failed_write_creates_no_file_and_loses_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new();
    index.insert(1, &image(0..30, 0));
    let merge = index.plan_merge(MergeScope::Tiered).unwrap();

    let written = merge.write(&folder.path().join("missing/a"), options(&|_| true));

    assert!(matches!(written, Err(SegmentError::Io(_))));
    assert_eq!(search(&index, 0..30), [1]);
    assert!(
        index.plan_merge(MergeScope::Tiered).is_some(),
        "the next attempt writes the same images"
    );
}

#[test]
fn a_cancelled_merge_creates_no_file_and_loses_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new();
    index.insert(1, &image(0..30, 0));
    let merge = index.plan_merge(MergeScope::All).unwrap();
    let cancelled = MergeOptions {
        stop: &AtomicBool::new(true),
        ..options(&|_| true)
    };

    let written = merge.write(&folder.path().join("a"), cancelled);

    assert!(matches!(written, Err(SegmentError::Cancelled)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(search(&index, 0..30), [1]);
}

#[test]
fn a_segment_of_another_library_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new();
    index.insert(1, &image(0..30, 0));
    seal(&index, &folder, "a", &|_| true);

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
    let logo_and_more = query((0..10).chain(50..60));
    let limits = Limits {
        max_postings: 2500,
        max_matches: 100_000,
    };

    let matches = votes::matches(&[&memtable], &logo_and_more, false, &limits);

    assert!(matches.len() <= 2500);
    let rare = votes::best(&matches, 2000, |voted| voted.image == 1000);
    assert!(rare.iter().any(|voted| voted.matches.len() >= 10));
}

/// Counts the postings that are read from a memtable.
struct Counted<'a> {
    memtable: &'a Memtable,
    postings: AtomicUsize,
}

impl<'a> Counted<'a> {
    fn new(memtable: &'a Memtable) -> Self {
        let postings = AtomicUsize::new(0);
        Self { memtable, postings }
    }

    /// Searches with limits; returns the matches and the number of postings that were read.
    fn matches(&self, query: &QueryFeatures, limits: &Limits) -> (Vec<FeatureMatch>, usize) {
        let before = self.postings.load(Ordering::Relaxed);
        let matches = votes::matches(&[self], query, false, limits);
        (matches, self.postings.load(Ordering::Relaxed) - before)
    }
}

impl PostingLists for Counted<'_> {
    fn length(&self, cell: u32) -> usize {
        self.memtable.length(cell)
    }

    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting])) {
        self.postings
            .fetch_add(self.length(cell), Ordering::Relaxed);
        self.memtable.read(cell, each);
    }

    fn prefetch(&self, _cell: u32) {}

    fn image(&self, number: u32) -> Option<ImageEntry> {
        self.memtable.image(number)
    }

    fn images(&self) -> u32 {
        self.memtable.images()
    }
}

#[test]
fn a_logo_in_a_hundred_thousand_images_hides_no_match_and_stays_within_the_limits() {
    let index = Index::new();
    let (logo, with_logo) = (0..12, image(0..12, 0));
    for id in 0..100_000 {
        index.insert(id, &with_logo);
    }
    index.insert(500_000, &image((0..12).chain(50..62), 0));
    let logo_and_more = query(logo.clone().chain(50..62));

    let found = index.search(&logo_and_more, &SearchOptions::default(), &|_| true);
    assert_eq!(found[0].id, 500_000, "the rarest words decide");
    assert_eq!(found.len(), SearchOptions::default().candidates);

    let memtable = index.components().memtable;
    let counted = Counted::new(&memtable);
    let (matches, read) = counted.matches(&query(logo.clone()), &LIMITS);
    assert!(read > LIMITS.max_matches, "the limits were reached: {read}");
    assert!(read <= LIMITS.max_postings && matches.len() <= LIMITS.max_matches);
    for max_postings in [0, 250_000, 600_000] {
        let limits = Limits {
            max_postings,
            ..LIMITS
        };
        let (_, read) = counted.matches(&query(logo.clone()), &limits);
        assert!(read <= max_postings, "{read} of {max_postings}");
    }
}

#[test]
fn matches_stop_at_their_limit_in_the_middle_of_a_list() {
    let memtable = Memtable::default();
    for id in 0..50 {
        memtable.insert(id, &image((0..1000).map(|number| number % 10), 0));
    }
    let limits = Limits {
        max_matches: 12_345,
        ..LIMITS
    };

    let matches = votes::matches(&[&memtable], &query(0..10), false, &limits);

    assert_eq!(matches.len(), 12_345);
}

#[test]
fn the_nearest_matches_of_repeated_structure_are_verified() {
    let memtable = Memtable::default();
    let mut features = image((0..400).map(|_| 7), 0);
    for (number, feature) in features.features.iter_mut().enumerate() {
        feature.word.signature ^= (1 << (number % 16)) - 1;
    }
    memtable.insert(1, &features);

    let matches = votes::matches(&[&memtable], &query((0..100).map(|_| 7)), false, &LIMITS);
    let voted = votes::best(&matches, 1, |_| true).remove(0);
    let nearest = voted.nearest();

    assert!(voted.matches.len() >= 40_000, "{}", voted.matches.len());
    assert_eq!(nearest.len(), votes::MAX_MATCHES_PER_IMAGE);
    let furthest = nearest.iter().map(|found| found.distance).max();
    let skipped = |distance| {
        let count = |of: &[FeatureMatch]| of.iter().filter(|m| m.distance < distance).count();
        count(voted.matches) - count(&nearest)
    };
    assert_eq!(skipped(furthest.unwrap()), 0);
}

/// About 16 of 64 bits, so that distances are on both sides of the maximum.
fn few_bits() -> impl Strategy<Value = u64> {
    (any::<u64>(), any::<u64>()).prop_map(|(a, b)| a & b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn matches_are_those_of_a_naive_comparison_where_an_image_has_enough_of_them(
        images in prop::collection::vec((0u32..40, 1u32..12, few_bits()), 1..12),
        first in 0u32..40,
        sealed in 0usize..12,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let library: Vec<Features> =
            images.iter().map(|(start, count, flips)| image(*start..start + count, *flips)).collect();
        let index = Index::new();
        for (id, features) in library.iter().enumerate() {
            if id == sealed && id > 0 {
                seal(&index, &folder, "a", &|_| true);
            }
            index.insert(id as u64, features);
        }
        let query = query(first..first + 10);

        let state = index.components();
        let components = state.all();
        let matches = votes::matches(&components, &query, false, &LIMITS);
        let mut found = BTreeSet::new();
        for voted in votes::best(&matches, usize::MAX, |_| true) {
            let id = components[voted.component].image(voted.image).unwrap().id;
            for found_match in voted.matches {
                let FeatureMatch { feature, distance, keypoint, .. } = *found_match;
                found.insert((id, voted.mirrored, feature, distance, keypoint.0));
            }
        }

        prop_assert_eq!(found, naive(&library, &query));
    }

    #[test]
    fn a_changed_byte_anywhere_is_detected(position: prop::sample::Index, bit in 0u32..8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let index = Index::new();
        index.insert(1, &image(0..30, 0));
        seal(&index, &folder, "a", &|_| true);
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

/// Compares every query word with every feature of every image, and excludes images with fewer than
/// five matches.
fn naive(library: &[Features], query: &QueryFeatures) -> BTreeSet<(u64, bool, u16, u8, u32)> {
    let mut expected = HashSet::new();
    for (number, feature) in query.features.iter().enumerate() {
        for (is_mirrored, descriptor) in [
            (false, feature.descriptor),
            (true, mirrored(&feature.descriptor)),
        ] {
            for word in nearest_words::<8>(Codebook::embedded(), &descriptor) {
                for (id, features) in library.iter().enumerate() {
                    for Feature {
                        word: Word { cell, signature },
                        keypoint: PackedKeypoint(keypoint),
                    } in &features.features
                    {
                        let distance = (signature ^ word.signature).count_ones();
                        if *cell == word.cell && distance <= MAX_DISTANCE {
                            expected.insert((
                                id as u64,
                                is_mirrored,
                                number as u16,
                                distance as u8,
                                *keypoint,
                            ));
                        }
                    }
                }
            }
        }
    }
    let mut counts = HashMap::new();
    for (id, is_mirrored, ..) in &expected {
        *counts.entry((*id, *is_mirrored)).or_insert(0) += 1;
    }
    expected.retain(|(id, is_mirrored, ..)| counts[&(*id, *is_mirrored)] >= 5);
    expected.into_iter().collect()
}
