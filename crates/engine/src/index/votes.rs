//! The first half of a search: from query features to the pictures worth verifying.
//!
//! Words of every feature, plain and mirrored → read their lists, the shortest first → keep near
//! signatures → sum the votes per picture and mirroring → the best that the filter lets pass.
//! Sources: Jégou, Douze & Schmid 2008 (distance test and weights), Babenko & Lempitsky 2012
//! (several cells).
//!
//! Cost: bounded whatever the pictures are, by [`Limits`] and [`PAIRS_PER_PICTURE`]. A library of
//! 100,000 pictures with the same logo has 100,000 postings in each of the logo's cells; they are
//! read last, when rarer words have had their say.

use std::borrow::Cow;

use multiversion::multiversion;

use crate::features::codebook::Codebook;
use crate::features::{PackedPlace, QueryFeatures, Word, inverted, mirrored, quantise};

use super::Part;
use super::posting::{self, Posting};

/// Nearest cells into which each feature looks (engine design, section 3: 1 loses 3 %, 16 wins 0.6
/// %).
const CELLS_PER_FEATURE: usize = 8;
/// Features of a query that are looked up with inverted colours, the strongest. Whoever inverts a
/// picture does it to the whole of it, and most queries that come so far are in no library: a third of
/// the cost is enough for them (measured: `make eval`, inverted copies 100 % as with all features).
const INVERTED_FEATURES: usize = 400;
/// Largest distance of a match (engine design, section 2).
pub(crate) const LARGEST_DISTANCE: u32 = 20;

/// Matches of one picture that are verified, the nearest first. Pictures with few repetitions have
/// at most as many as the query has features; 1200 dots of a halftone that match 400 others would be
/// half a million.
pub(crate) const PAIRS_PER_PICTURE: usize = 3000;

/// Bounds the work of one search.
pub(crate) struct Limits {
    /// Postings read; the longest lists are left out first.
    pub(crate) read: usize,
    /// Matches kept, 24 bytes each; reading stops there.
    pub(crate) matches: usize,
}

/// Three times what a query of ordinary pictures reads of 500,000; together about 0.3 s at most.
pub(crate) const LIMITS: Limits = Limits {
    read: 24_000_000,
    matches: 1_000_000,
};

/// One query feature looking into one cell.
#[derive(Clone, Copy)]
struct Lookup {
    word: Word,
    feature: u16,
    mirrored: bool,
}

/// A posting near a query feature.
#[derive(Clone, Copy)]
pub(crate) struct Match {
    /// Part, picture and mirroring; equal for everything that is verified together.
    group: Group,
    pub(crate) feature: u16,
    pub(crate) distance: u8,
    pub(crate) place: PackedPlace,
    weight: f32,
}

/// Orders matches by part, picture and mirroring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group(u64);

/// All matches of one picture in one form.
pub(crate) struct Voted<'a> {
    pub(crate) part: usize,
    pub(crate) picture: u32,
    pub(crate) mirrored: bool,
    pub(crate) matches: &'a [Match],
    votes: f32,
}

/// Returns all matches of a query, sorted by picture and mirroring.
pub(crate) fn matches(
    parts: &[Part<'_>],
    query: &QueryFeatures,
    inversion: bool,
    limits: &Limits,
) -> Vec<Match> {
    let mut matches = Vec::new();
    for job in affordable(parts, &lookups(query, inversion), limits.read) {
        scan(parts[job.part], &job, limits.matches, &mut matches);
        if matches.len() >= limits.matches {
            break;
        }
    }
    // Down to the place, so that an answer does not depend on which part holds a picture.
    let order = |found: &Match| (found.group, found.feature, found.distance, found.place.0);
    matches.sort_unstable_by_key(order);
    matches
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

fn lookups(query: &QueryFeatures, inversion: bool) -> Vec<Lookup> {
    let codebook = Codebook::embedded();
    let most = if inversion {
        INVERTED_FEATURES
    } else {
        usize::from(u16::MAX)
    };
    let features = query.features.len().min(most);
    let mut lookups = Vec::with_capacity(features * 2 * CELLS_PER_FEATURE);
    for (feature, described) in query.features[..features].iter().enumerate() {
        let plain = if inversion {
            inverted(&described.descriptor)
        } else {
            described.descriptor
        };
        for (mirrored, descriptor) in [(false, plain), (true, mirrored(&plain))] {
            for word in quantise::nearest_words::<CELLS_PER_FEATURE>(codebook, &descriptor) {
                lookups.push(Lookup {
                    word,
                    feature: feature as u16,
                    mirrored,
                });
            }
        }
    }
    lookups
}

/// A list that is to be read for a lookup.
struct Job {
    length: usize,
    part: usize,
    lookup: Lookup,
}

/// Pairs lookups with the parts' lists, the shortest first, until `most` postings are to be read.
fn affordable(parts: &[Part<'_>], lookups: &[Lookup], most: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        for lookup in lookups {
            let length = part.length(lookup.word.cell);
            if length > 0 {
                jobs.push(Job {
                    length,
                    part: number,
                    lookup: *lookup,
                });
            }
        }
    }
    jobs.sort_unstable_by_key(|job| (job.length, job.part, job.lookup.word.cell));
    let mut read = 0;
    let affordable = jobs.iter().take_while(|job| {
        read += job.length;
        read <= most
    });
    let count = affordable.count();
    jobs.truncate(count);
    jobs
}

/// Adds the near postings of a list, until there are `most` matches.
fn scan(part: Part<'_>, job: &Job, most: usize, matches: &mut Vec<Match>) {
    let Word { cell, signature } = job.lookup.word;
    let idf = Codebook::embedded().idf(cell);
    part.read(cell, &mut |list| {
        for_each_near(list, signature, &mut |posting, distance| {
            matches.push(Match {
                group: Group::new(job.part, posting::picture(posting), job.lookup.mirrored),
                feature: job.lookup.feature,
                distance,
                place: posting::place(posting),
                weight: idf * closeness(distance),
            });
            matches.len() < most
        });
    });
}

/// Hands over the postings within [`LARGEST_DISTANCE`], 0.7 % of them as a rule (engine design,
/// section 2), until `each` says that it wants no more.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn for_each_near(list: &[Posting], signature: u64, each: &mut dyn FnMut(&Posting, u8) -> bool) {
    for posting in list {
        let distance = posting::hamming(posting, signature);
        if distance <= LARGEST_DISTANCE && !each(posting, distance as u8) {
            return;
        }
    }
}

// === impl Group ===

impl Group {
    fn new(part: usize, picture: u32, mirrored: bool) -> Self {
        Self((part as u64) << 33 | u64::from(picture) << 1 | u64::from(mirrored))
    }
}

// === impl Voted ===

impl<'a> Voted<'a> {
    fn new(matches: &'a [Match]) -> Self {
        let group = matches[0].group.0;
        Self {
            part: (group >> 33) as usize,
            picture: (group >> 1) as u32,
            mirrored: group & 1 == 1,
            matches,
            votes: matches
                .chunk_by(|a, b| a.feature == b.feature)
                .map(vote)
                .sum(),
        }
    }
    /// Returns the matches to verify: all, or of very many the nearest.
    pub(crate) fn nearest(&self) -> Cow<'a, [Match]> {
        if self.matches.len() <= PAIRS_PER_PICTURE {
            return Cow::Borrowed(self.matches);
        }
        let order = |found: &Match| (found.distance, found.feature, found.place.0);
        let mut nearest = self.matches.to_vec();
        nearest.select_nth_unstable_by_key(PAIRS_PER_PICTURE, order);
        nearest.truncate(PAIRS_PER_PICTURE);
        nearest.sort_unstable_by_key(|found| (found.feature, found.distance, found.place.0));
        Cow::Owned(nearest)
    }
}
