//! The first half of a search: from query features to the images to verify.
//!
//! The posting lists of its words (`lists`) → the postings with a near signature → images with
//! enough of them → the sum of votes per image and mirroring → the best that the filter admits.
//! Source: Jégou, Douze & Schmid 2008 (Hamming embedding: distance test and weights).
//!
//! Cost: bounded for every library and query, by [`Limits`] and [`MAX_MATCHES_PER_IMAGE`]. A
//! library of 100,000 images with the same logo has 100,000 postings in each of the logo's cells;
//! these lists are read last, after those of rarer words.

use std::borrow::Cow;

use multiversion::multiversion;

use crate::features::codebook::Codebook;
use crate::features::{PackedKeypoint, QueryFeatures};

use super::lists::{self, List, Lookup};
use super::posting::{self, Posting};
use super::posting_lists::PostingLists;

/// Minimum number of inliers of a match (engine design, section 2).
pub(super) const MIN_INLIERS: u8 = 5;

/// Maximum Hamming distance of a match, in bits (engine design, section 2).
pub(crate) const MAX_DISTANCE: u32 = 20;

/// Maximum number of matches of one image that are verified, the nearest first. Images without
/// repeated structure have up to as many as the query has features; 1200 dots of a halftone that
/// match 400 others have half a million.
pub(crate) const MAX_MATCHES_PER_IMAGE: usize = 3000;

/// Lists that are prefetched together, because the latency of memory is long but many accesses
/// overlap (measured: `make measure`, saves 11 % of a search in 500,000 images).
const PREFETCH_LISTS: usize = 16;

/// Bounds the work of one search.
pub(crate) struct Limits {
    /// Maximum number of postings read; the lists above it are skipped.
    pub(crate) max_postings: usize,
    /// Maximum number of matches kept, 24 bytes each; reading stops at it.
    pub(crate) max_matches: usize,
}

/// Three times the postings that a usual query reads in 500,000 images; up to about 0.3 s.
pub(crate) const LIMITS: Limits = Limits {
    max_postings: 24_000_000,
    max_matches: 1_000_000,
};

/// A posting near a query feature.
#[derive(Clone, Copy)]
pub(crate) struct FeatureMatch {
    key: CandidateKey,
    pub(crate) feature: u16,
    pub(crate) distance: u8,
    pub(crate) keypoint: PackedKeypoint,
    weight: f32,
}

/// The component, image and mirroring of a match. Matches with the same key are verified together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CandidateKey(u64);

/// All matches of one image, for the plain or the mirrored query.
pub(crate) struct VotedImage<'a> {
    pub(crate) component: usize,
    pub(crate) image: u32,
    pub(crate) mirrored: bool,
    pub(crate) matches: &'a [FeatureMatch],
    votes: f32,
}

/// Returns the matches of a query with every image that has [`MIN_INLIERS`] of them or more, sorted
/// by image and mirroring.
pub(crate) fn matches(
    components: &[&dyn PostingLists],
    query: &QueryFeatures,
    inversion: bool,
    limits: &Limits,
) -> Vec<FeatureMatch> {
    let mut matches = collect(components, &lists::lookups(query, inversion), limits);
    keep_verifiable(components, &mut matches);
    // By keypoint too, so that the result does not depend on which component holds an image.
    let order = |found: &FeatureMatch| (found.key, found.feature, found.distance, found.keypoint.0);
    matches.sort_unstable_by_key(order);
    matches
}

fn collect(
    components: &[&dyn PostingLists],
    lookups: &[Lookup],
    limits: &Limits,
) -> Vec<FeatureMatch> {
    let mut matches = Vec::new();
    for lists in lists::select(components, lookups, limits.max_postings).chunks(PREFETCH_LISTS) {
        for list in lists {
            components[list.component].prefetch(list.cell);
        }
        for list in lists {
            scan(
                components[list.component],
                list,
                limits.max_matches,
                &mut matches,
            );
        }
        if matches.len() >= limits.max_matches {
            break;
        }
    }
    matches
}

/// Keeps the matches of images that have enough of them to pass verification. Nearly all images
/// have too few, by chance.
fn keep_verifiable(components: &[&dyn PostingLists], matches: &mut Vec<FeatureMatch>) {
    let mut firsts = vec![0];
    for component in components {
        firsts.push(firsts[firsts.len() - 1] + 2 * component.images() as usize);
    }
    let slot = |found: &FeatureMatch| firsts[found.key.component()] + found.key.form();
    let mut counts = vec![0_u8; firsts[components.len()]];
    for found in &*matches {
        // `get`, because a mapped file that was changed can contain any image number.
        if let Some(count) = counts.get_mut(slot(found)) {
            *count = count.saturating_add(1);
        }
    }
    matches.retain(|found| {
        let count = counts.get(slot(found));
        count.is_some_and(|count| *count >= MIN_INLIERS)
    });
}

/// Groups sorted matches by key and returns the `limit` images with the highest votes that `passes`
/// admits, the best first.
pub(crate) fn best<'a>(
    matches: &'a [FeatureMatch],
    limit: usize,
    passes: impl Fn(&VotedImage<'a>) -> bool,
) -> Vec<VotedImage<'a>> {
    let mut groups: Vec<VotedImage<'_>> = matches
        .chunk_by(|a, b| a.key == b.key)
        .map(VotedImage::new)
        .collect();
    groups.sort_unstable_by(|a, b| {
        b.votes
            .total_cmp(&a.votes)
            .then(a.matches[0].key.cmp(&b.matches[0].key))
    });
    // The filter reads scattered records, so it is applied last.
    groups.into_iter().filter(passes).take(limit).collect()
}

/// Returns the vote of one query feature: the sum of its matches, divided by the square root of
/// their number (see `burstiness`).
fn vote(matches: &[FeatureMatch]) -> f32 {
    let sum: f32 = matches.iter().map(|found| found.weight).sum();
    sum / (matches.len() as f32).sqrt()
}

/// Weighs a match by its distance (Jégou, Douze & Schmid 2010, section 4.2, with sigma 16/√2).
pub(crate) fn distance_weight(distance: u8) -> f32 {
    let part = f32::from(distance) / 16.0;
    (-part * part).exp()
}

/// Appends the near postings of a list to `matches`, up to `max_matches`.
fn scan(
    component: &dyn PostingLists,
    list: &List<'_>,
    max_matches: usize,
    matches: &mut Vec<FeatureMatch>,
) {
    let idf = Codebook::embedded().idf(list.cell);
    component.read(list.cell, &mut |postings| {
        for lookup in list.lookups {
            if matches.len() >= max_matches {
                return;
            }
            for_each_near(postings, lookup.word.signature, &mut |posting, distance| {
                matches.push(FeatureMatch {
                    key: CandidateKey::new(
                        list.component,
                        posting::image(posting),
                        lookup.mirrored,
                    ),
                    feature: lookup.feature,
                    distance,
                    keypoint: posting::keypoint(posting),
                    weight: idf * distance_weight(distance),
                });
                matches.len() < max_matches
            });
        }
    });
}

/// Passes the postings within [`MAX_DISTANCE`], usually 0.7 % of them (engine design, section 2),
/// to `each` until it returns false.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn for_each_near(list: &[Posting], signature: u64, each: &mut dyn FnMut(&Posting, u8) -> bool) {
    for posting in list {
        let distance = posting::hamming(posting, signature);
        if distance <= MAX_DISTANCE && !each(posting, distance as u8) {
            return;
        }
    }
}

// === impl CandidateKey ===

impl CandidateKey {
    fn new(component: usize, image: u32, mirrored: bool) -> Self {
        Self((component as u64) << 33 | u64::from(image) << 1 | u64::from(mirrored))
    }

    fn component(self) -> usize {
        (self.0 >> 33) as usize
    }

    /// Numbers the two forms of every image, plain and mirrored, within the component.
    fn form(self) -> usize {
        (self.0 & ((1 << 33) - 1)) as usize
    }
}

// === impl VotedImage ===

impl<'a> VotedImage<'a> {
    fn new(matches: &'a [FeatureMatch]) -> Self {
        let key = matches[0].key;
        Self {
            component: key.component(),
            image: (key.form() >> 1) as u32,
            mirrored: key.form() & 1 == 1,
            matches,
            votes: matches
                .chunk_by(|a, b| a.feature == b.feature)
                .map(vote)
                .sum(),
        }
    }

    /// Returns the matches to verify: all, or the nearest [`MAX_MATCHES_PER_IMAGE`].
    pub(crate) fn nearest(&self) -> Cow<'a, [FeatureMatch]> {
        if self.matches.len() <= MAX_MATCHES_PER_IMAGE {
            return Cow::Borrowed(self.matches);
        }
        let order = |found: &FeatureMatch| (found.distance, found.feature, found.keypoint.0);
        let mut nearest = self.matches.to_vec();
        nearest.select_nth_unstable_by_key(MAX_MATCHES_PER_IMAGE, order);
        nearest.truncate(MAX_MATCHES_PER_IMAGE);
        nearest.sort_unstable_by_key(|found| (found.feature, found.distance, found.keypoint.0));
        Cow::Owned(nearest)
    }
}
