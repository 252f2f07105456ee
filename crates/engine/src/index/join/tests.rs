//! Which pairs of images a join proposes.

use super::*;
use crate::features::{Feature, PackedKeypoint, Word};
use crate::index::Index;

const FOREIGN: u64 = 99;

/// An image with these words, by their cells.
fn image(words: &[(u32, u64)]) -> Features {
    let feature = |(number, &(cell, signature)): (u32, &(u32, u64))| Feature {
        word: Word { cell, signature },
        keypoint: PackedKeypoint(number),
    };
    Features {
        width: 640,
        height: 480,
        working_side: 640,
        features: (0..).zip(words).map(feature).collect(),
    }
}

/// Joins the images, whose ids are their positions; returns the pairs in plain form, with their
/// votes.
fn joined(images: &[Features]) -> Vec<(u64, u64, u32)> {
    let index = Index::new();
    for (id, image) in (0..).zip(images) {
        index.insert(id, image);
    }
    let index = index.joined();
    let mut block = Block::new(images.len());
    for (id, image) in (0..).zip(images) {
        block.push(id, Some(image));
    }
    for part in 0..PARTS {
        index.scan(&mut block, part);
    }
    let mut pairs = Vec::new();
    for number in 0..images.len() {
        let id = number as u64;
        for found in index.candidates(&mut block, number, 100, |other| other < id) {
            if !found.form.mirrored && !found.form.inverted {
                pairs.push((found.id, id, found.votes));
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

#[test]
fn images_that_share_near_features_in_two_cells_are_a_pair() {
    let images = [
        image(&[(10, 0), (500_000, 5), (1_000_000, 9)]),
        image(&[(10, 1), (500_000, 5), (77, 0)]),
        image(&[(10, 0), (78, 0), (79, 0)]),
        image(&[(10, !0), (500_000, !0), (1_000_000, !0)]),
    ];

    assert_eq!(joined(&images), [(0, 1, 2)]);
}

#[test]
fn repeated_structure_is_one_vote_in_each_cell() {
    let dots: Vec<(u32, u64)> = (0..200).map(|number| (3, number % 2)).collect();
    let images = [image(&dots), image(&dots)];

    assert!(joined(&images).is_empty());
}

#[test]
fn a_pair_is_found_over_the_components_of_the_index() {
    let [a, b] = [
        image(&[(1, 0), (2, 0), (3, 0)]),
        image(&[(1, 0), (2, 0), (3, 0)]),
    ];
    let index = Index::new();
    index.insert(FOREIGN, &a);
    // Seals the memtable.
    assert!(index.plan_merge(crate::index::MergeScope::Tiered).is_some());
    index.insert(7, &b);
    let index = index.joined();
    let mut block = Block::new(2);
    block.push(7, Some(&b));
    for part in 0..PARTS {
        index.scan(&mut block, part);
    }

    let found = index.candidates(&mut block, 0, 10, |_| true);

    assert_eq!(found[0].id, FOREIGN);
    assert_eq!(found[0].votes, 3);
}

#[test]
fn what_is_added_after_the_begin_is_not_joined() {
    let words = [(1, 0), (2, 0)];
    let index = Index::new();
    index.insert(0, &image(&words));
    let joined = index.joined();
    assert!(index.plan_merge(crate::index::MergeScope::Tiered).is_some());
    index.insert(1, &image(&words));

    let mut block = Block::new(1);
    block.push(0, Some(&image(&words)));
    for part in 0..PARTS {
        joined.scan(&mut block, part);
    }

    assert!(joined.candidates(&mut block, 0, 10, |_| true).is_empty());
}

#[test]
fn images_that_share_a_logo_are_pairs_with_the_oldest_of_them() {
    let logo: Vec<(u32, u64)> = (0..4).map(|cell| (cell, 0)).collect();
    let images = vec![image(&logo); MAX_LIST + 100];
    let index = Index::new();
    for (id, image) in (0..).zip(&images) {
        index.insert(id, image);
    }
    let index = index.joined();
    let mut block = Block::new(images.len());
    let newest = images.len() as u64 - 1;
    block.push(newest, Some(&images[0]));
    for part in 0..PARTS {
        index.scan(&mut block, part);
    }

    let plain = |found: &PairCandidate| !found.form.mirrored && !found.form.inverted;
    let found = index.candidates(&mut block, 0, images.len(), |_| true);
    let found: Vec<u64> = found
        .iter()
        .filter(|found| plain(found))
        .map(|found| found.id)
        .collect();

    assert_eq!(found, (0..512).collect::<Vec<_>>());
}

#[test]
fn words_are_shared_if_their_whole_signatures_are_near() {
    let one = Comparison::new(image(&[(1, 0), (2, 0), (3, 0)]));
    let shares = |words: &[(u32, u64)]| one.shares_words(&Comparison::new(image(words)));

    assert!(shares(&[(1, 0), (2, (1 << 20) - 1)]));
    assert!(!shares(&[(1, 0), (2, (1 << 21) - 1)]));
    assert!(!shares(&[(1, 0), (4, 0)]));
}
