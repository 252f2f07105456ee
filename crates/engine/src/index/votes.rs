//! The first half of a search: from query features to the images worth verifying.
//!
//! The lists of its words (`lists`) → keep near signatures → leave out images with few of them → sum
//! the votes per image and mirroring → the best that the filter lets pass. Source: Jégou, Douze &
//! Schmid 2008 (distance test and weights).
//!
//! Cost: bounded whatever the images are, by [`Limits`] and [`PAIRS_PER_IMAGE`]. A library of
//! 100,000 images with the same logo has 100,000 postings in each of the logo's cells; they are
//! read last, when rarer words have had their say.

use std::borrow::Cow;

use multiversion::multiversion;

use crate::features::codebook::Codebook;
use crate::features::{PackedPlace, QueryFeatures};

use super::lists::{List, Lookup, affordable, lookups};
use super::posting::{self, Posting};
use super::{MIN_INLIERS, Part};

/// Largest distance of a match (engine design, section 2).
pub(crate) const MAX_DISTANCE: u32 = 20;

/// Matches of one image that are verified, the nearest first. Images with few repetitions have
/// at most as many as the query has features; 1200 dots of a halftone that match 400 others would be
/// half a million.
pub(crate) const PAIRS_PER_IMAGE: usize = 3000;

/// Lists whose beginnings are asked of the memory together: it is slow to answer, but answers many
/// in the time of one (measured: `make measure`, 11 % of a search in 500,000 images).
const TOUCHED: usize = 16;

/// Bounds the work of one search.
pub(crate) struct Limits {
    /// Postings read; the longest lists are left out first.
    pub(crate) read: usize,
    /// Matches kept, 24 bytes each; reading stops there.
    pub(crate) matches: usize,
}

/// Three times what a query of ordinary images reads of 500,000; together about 0.3 s at most.
pub(crate) const LIMITS: Limits = Limits {
    read: 24_000_000,
    matches: 1_000_000,
};

/// A posting near a query feature.
#[derive(Clone, Copy)]
pub(crate) struct Match {
    /// Part, image and mirroring; equal for everything that is verified together.
    group: Group,
    pub(crate) feature: u16,
    pub(crate) distance: u8,
    pub(crate) place: PackedPlace,
    weight: f32,
}

/// Orders matches by part, image and mirroring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group(u64);

/// All matches of one image in one form.
pub(crate) struct Voted<'a> {
    pub(crate) part: usize,
    pub(crate) image: u32,
    pub(crate) mirrored: bool,
    pub(crate) matches: &'a [Match],
    votes: f32,
}

/// Returns the matches of a query with every image that has at least [`MIN_INLIERS`] of them,
/// sorted by image and mirroring.
pub(crate) fn matches(
    parts: &[Part<'_>],
    query: &QueryFeatures,
    inversion: bool,
    limits: &Limits,
) -> Vec<Match> {
    let mut matches = collect(parts, &lookups(query, inversion), limits);
    drop_lonely(parts, &mut matches);
    // Down to the place, so that a response does not depend on which part holds an image.
    let order = |found: &Match| (found.group, found.feature, found.distance, found.place.0);
    matches.sort_unstable_by_key(order);
    matches
}

fn collect(parts: &[Part<'_>], lookups: &[Lookup], limits: &Limits) -> Vec<Match> {
    let mut matches = Vec::new();
    for lists in affordable(parts, lookups, limits.read).chunks(TOUCHED) {
        for list in lists {
            parts[list.part].touch(list.cell);
        }
        for list in lists {
            scan(parts[list.part], list, limits.matches, &mut matches);
        }
        if matches.len() >= limits.matches {
            break;
        }
    }
    matches
}

/// Drops the matches of images that have too few of them to pass verification: nearly all, there by
/// chance.
fn drop_lonely(parts: &[Part<'_>], matches: &mut Vec<Match>) {
    let mut firsts = vec![0];
    for part in parts {
        firsts.push(firsts[firsts.len() - 1] + 2 * part.images() as usize);
    }
    let slot = |found: &Match| firsts[found.group.part()] + found.group.form();
    let mut counts = vec![0_u8; firsts[parts.len()]];
    for found in &*matches {
        // `get`, because a file changed under the map could name any image.
        if let Some(count) = counts.get_mut(slot(found)) {
            *count = count.saturating_add(1);
        }
    }
    matches.retain(|found| {
        let count = counts.get(slot(found));
        count.is_some_and(|count| *count >= MIN_INLIERS)
    });
}

/// Groups sorted matches and returns the groups with the most votes that `passes` accepts, the best
/// first.
pub(crate) fn best<'a>(
    matches: &'a [Match],
    most: usize,
    passes: impl Fn(&Voted<'a>) -> bool,
) -> Vec<Voted<'a>> {
    let mut groups: Vec<Voted<'_>> = matches
        .chunk_by(|a, b| a.group == b.group)
        .map(Voted::new)
        .collect();
    groups.sort_unstable_by(|a, b| {
        b.votes
            .total_cmp(&a.votes)
            .then(a.matches[0].group.cmp(&b.matches[0].group))
    });
    // The filter looks up scattered records: it is asked as late as possible.
    groups.into_iter().filter(passes).take(most).collect()
}

/// Returns the vote of one query feature: its matches, less the more there are (see `repeats`).
fn vote(matches: &[Match]) -> f32 {
    let sum: f32 = matches.iter().map(|found| found.weight).sum();
    sum / (matches.len() as f32).sqrt()
}

/// Weighs a match by its distance (Jégou, Douze & Schmid 2010, section 4.2, with sigma 16/√2).
pub(crate) fn closeness(distance: u8) -> f32 {
    let part = f32::from(distance) / 16.0;
    (-part * part).exp()
}

/// Adds the near postings of a list, until there are `most` matches.
fn scan(part: Part<'_>, list: &List<'_>, most: usize, matches: &mut Vec<Match>) {
    let idf = Codebook::embedded().idf(list.cell);
    part.read(list.cell, &mut |postings| {
        for lookup in list.lookups {
            if matches.len() >= most {
                return;
            }
            for_each_near(postings, lookup.word.signature, &mut |posting, distance| {
                matches.push(Match {
                    group: Group::new(list.part, posting::image(posting), lookup.mirrored),
                    feature: lookup.feature,
                    distance,
                    place: posting::place(posting),
                    weight: idf * closeness(distance),
                });
                matches.len() < most
            });
        }
    });
}

/// Hands over the postings within [`MAX_DISTANCE`], 0.7 % of them as a rule (engine design,
/// section 2), until `each` says that it wants no more.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn for_each_near(list: &[Posting], signature: u64, each: &mut dyn FnMut(&Posting, u8) -> bool) {
    for posting in list {
        let distance = posting::hamming(posting, signature);
        if distance <= MAX_DISTANCE && !each(posting, distance as u8) {
            return;
        }
    }
}

// === impl Group ===

impl Group {
    fn new(part: usize, image: u32, mirrored: bool) -> Self {
        Self((part as u64) << 33 | u64::from(image) << 1 | u64::from(mirrored))
    }

    fn part(self) -> usize {
        (self.0 >> 33) as usize
    }

    /// Numbers the image's two forms, plain and mirrored, within the part.
    fn form(self) -> usize {
        (self.0 & ((1 << 33) - 1)) as usize
    }
}

// === impl Voted ===

impl<'a> Voted<'a> {
    fn new(matches: &'a [Match]) -> Self {
        let group = matches[0].group;
        Self {
            part: group.part(),
            image: (group.form() >> 1) as u32,
            mirrored: group.form() & 1 == 1,
            matches,
            votes: matches
                .chunk_by(|a, b| a.feature == b.feature)
                .map(vote)
                .sum(),
        }
    }

    /// Returns the matches to verify: all, or of very many the nearest.
    pub(crate) fn nearest(&self) -> Cow<'a, [Match]> {
        if self.matches.len() <= PAIRS_PER_IMAGE {
            return Cow::Borrowed(self.matches);
        }
        let order = |found: &Match| (found.distance, found.feature, found.place.0);
        let mut nearest = self.matches.to_vec();
        nearest.select_nth_unstable_by_key(PAIRS_PER_IMAGE, order);
        nearest.truncate(PAIRS_PER_IMAGE);
        nearest.sort_unstable_by_key(|found| (found.feature, found.distance, found.place.0));
        Cow::Owned(nearest)
    }
}
