//! The first half of a search: from query words to the images to compare.
//!
//! The runs of its words (`lists`) → the postings with a near code → the sum of votes per image and
//! mirroring → the best that the filter admits. Source: Jégou, Douze & Schmid 2008 (Hamming
//! embedding: distance test and weights).
//!
//! Cost: bounded for every library and query, by [`Limits`]. A library of 100,000 images with the
//! same logo has 100,000 postings in the logo's runs; these are read last, after those of rarer
//! words.

use multiversion::multiversion;

use crate::features::codebook::Codebook;

use super::lists::{self, List, PREFETCH_LISTS};
use super::posting::{self, CODE_BITS, Posting};
use super::posting_lists::PostingLists;
use super::query_words::QueryWords;

/// Minimum number of votes of a candidate.
pub(super) const MIN_VOTES: u8 = 2;

/// Maximum Hamming distance between the codes of a posting and a query word, in bits.
const MAX_CODE_DISTANCE: u32 = 10;

/// Bounds the work of one search.
pub(crate) struct Limits {
    /// Maximum number of postings read; the runs above it are skipped.
    pub(crate) max_postings: usize,
    /// Maximum number of votes kept, 16 bytes each; reading stops at it.
    pub(crate) max_votes: usize,
    /// Maximum number of pairs of features compared in candidates; the candidates above it, with
    /// the fewest votes, are skipped.
    pub(crate) max_comparisons: usize,
}

/// Several times what a usual query needs in a million images; up to about 0.3 s.
pub(crate) const LIMITS: Limits = Limits {
    max_postings: 24_000_000,
    max_votes: 1_000_000,
    max_comparisons: 50_000_000,
};

/// A posting near a query feature.
#[derive(Clone, Copy)]
pub(crate) struct Vote {
    key: CandidateKey,
    feature: u16,
    weight: f32,
}

/// The component, image and mirroring of a vote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CandidateKey(u64);

/// An image to compare with the plain or the mirrored query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) component: usize,
    pub(crate) image: u32,
    pub(crate) mirrored: bool,
    pub(crate) votes: f32,
}

/// Returns the `limit` images with the highest votes that `passes` admits, the best first.
pub(crate) fn candidates(
    components: &[&dyn PostingLists],
    words: &QueryWords,
    limits: &Limits,
    limit: usize,
    passes: impl Fn(&Candidate) -> bool,
) -> Vec<Candidate> {
    let mut votes = collect(components, words, limits);
    keep_repeated(components, &mut votes);
    // By weight too, so that the sums do not depend on which component holds an image.
    votes.sort_unstable_by_key(|vote| (vote.key, vote.feature, vote.weight.to_bits()));
    let mut candidates: Vec<(CandidateKey, f32)> = votes
        .chunk_by(|a, b| a.key == b.key)
        .map(|votes| (votes[0].key, sum(votes)))
        .collect();
    candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    // The filter reads scattered records, so it is applied last.
    candidates
        .into_iter()
        .map(|(key, votes)| key.candidate(votes))
        .filter(passes)
        .take(limit)
        .collect()
}

/// Reads the runs, and returns the votes of near postings.
pub(super) fn collect(
    components: &[&dyn PostingLists],
    words: &QueryWords,
    limits: &Limits,
) -> Vec<Vote> {
    let lookups = lists::lookups(words);
    let mut votes = Vec::new();
    for lists in lists::select(components, &lookups, limits.max_postings).chunks(PREFETCH_LISTS) {
        for list in lists {
            lists::prefetch(components[list.component], list.lookups);
        }
        for list in lists {
            scan(
                components[list.component],
                list,
                limits.max_votes,
                &mut votes,
            );
        }
        if votes.len() >= limits.max_votes {
            break;
        }
    }
    votes
}

/// Keeps the votes for images that have [`MIN_VOTES`] of them. Nearly all images have one, by
/// chance.
fn keep_repeated(components: &[&dyn PostingLists], votes: &mut Vec<Vote>) {
    let mut firsts = vec![0];
    for component in components {
        firsts.push(firsts[firsts.len() - 1] + 2 * component.images() as usize);
    }
    let slot = |vote: &Vote| firsts[vote.key.component()] + vote.key.form();
    let mut counts = vec![0_u8; firsts[components.len()]];
    for vote in &*votes {
        // `get`, because a mapped file that was changed can contain any image number.
        if let Some(count) = counts.get_mut(slot(vote)) {
            *count = count.saturating_add(1);
        }
    }
    votes.retain(|vote| {
        let count = counts.get(slot(vote));
        count.is_some_and(|count| *count >= MIN_VOTES)
    });
}

/// Sums the votes for one image: for each query feature the sum of its votes, divided by the square
/// root of their number (see `burstiness`).
fn sum(votes: &[Vote]) -> f32 {
    let of_feature = |votes: &[Vote]| {
        let sum: f32 = votes.iter().map(|vote| vote.weight).sum();
        sum / (votes.len() as f32).sqrt()
    };
    votes
        .chunk_by(|a, b| a.feature == b.feature)
        .map(of_feature)
        .sum()
}

/// Weighs a match by the Hamming distance of its signatures, of 64 bits (Jégou, Douze & Schmid
/// 2010, section 4.2, with sigma 16/√2).
pub(crate) fn distance_weight(distance: u8) -> f32 {
    let part = f32::from(distance) / 16.0;
    (-part * part).exp()
}

/// Appends the near postings of a list to `votes`, up to `max_votes`.
fn scan(component: &dyn PostingLists, list: &List<'_>, max_votes: usize, votes: &mut Vec<Vote>) {
    let idf = Codebook::embedded().idf(list.cell);
    component.read(list.cell, &mut |postings| {
        for lookup in list.lookups {
            let mut vote = |posting: &Posting, distance: u32| {
                if votes.len() >= max_votes {
                    return false;
                }
                votes.push(Vote {
                    key: CandidateKey::new(
                        list.component,
                        posting::image(posting),
                        lookup.mirrored,
                    ),
                    feature: lookup.feature,
                    weight: idf * distance_weight((distance * (64 / CODE_BITS)) as u8),
                });
                true
            };
            if postings.len() <= lists::SHORT_LIST {
                for_each_near(
                    postings,
                    lookup.code,
                    MAX_CODE_DISTANCE,
                    &mut |posting, distance| !lookup.admits(posting) || vote(posting, distance),
                );
            } else {
                for run in lookup.runs(postings) {
                    for_each_near(run, lookup.code, MAX_CODE_DISTANCE, &mut vote);
                }
            }
        }
    });
}

/// Passes the postings within a distance to `each` until it returns false.
#[multiversion(targets("x86_64+avx2+popcnt"))]
pub(super) fn for_each_near(
    list: &[Posting],
    code: u32,
    max_distance: u32,
    each: &mut dyn FnMut(&Posting, u32) -> bool,
) {
    for posting in list {
        let distance = posting::hamming(posting, code);
        if distance <= max_distance && !each(posting, distance) {
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

    fn candidate(self, votes: f32) -> Candidate {
        Candidate {
            component: self.component(),
            image: (self.form() >> 1) as u32,
            mirrored: self.form() & 1 == 1,
            votes,
        }
    }
}
