//! Ranks the candidates of a search, and judges only those that can be on the page.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::identity::ImageId;
use crate::index::VerifiedMatch;
use crate::store::StoreError;

use super::candidate::{Candidate, RankedImage};
use super::judge::{Judge, Profile};

/// Maximum number of candidates whose pixels are compared, 2 to 3 ms each. Those with less
/// evidence are ranked by it alone if most of these are matches, and are no matches otherwise.
const MAX_JUDGED: usize = 50;
/// Maximum number of candidates with too little evidence that are compared.
const MAX_WEAK: usize = 20;
/// Minimum evidence and inliers of these.
const MIN_WEAK_EVIDENCE: f32 = 2.0;
const MIN_WEAK_INLIERS: usize = 4;

/// A candidate with an upper bound of its score, or a match with its score.
enum Entry {
    Candidate(Candidate),
    Match(RankedImage),
}

/// Returns the best `limit` matches; if there are none, those among the candidates with too little
/// evidence.
pub(super) fn rank_all(
    candidates: Vec<Candidate>,
    limit: usize,
    min_score: f32,
    judge: &mut Judge<'_>,
) -> Result<Vec<RankedImage>, StoreError> {
    let (candidates, weak) = candidates.into_iter().partition(Candidate::has_evidence);
    let ranking = rank(candidates, limit, min_score, judge)?;
    if ranking.is_empty() && judge.profile() != Profile::Loose {
        return rank_weak(weak, min_score, judge);
    }
    Ok(ranking)
}

/// Returns the best `limit` matches, by descending score; equal scores in the order of adding.
///
/// A candidate is judged when it has the highest upper bound, so the order is the same for every
/// `limit`.
fn rank(
    candidates: Vec<Candidate>,
    limit: usize,
    min_score: f32,
    judge: &mut Judge<'_>,
) -> Result<Vec<RankedImage>, StoreError> {
    let mut entries: BinaryHeap<Entry> = candidates.into_iter().map(Entry::Candidate).collect();
    let (mut ranking, mut judged, mut accepted) = (Vec::new(), 0, 0);
    while let Some(best) = entries.pop().filter(|_| ranking.len() < limit) {
        if best.score() < min_score {
            break;
        }
        match best {
            Entry::Match(found) => ranking.push(found),
            Entry::Candidate(candidate) if judged < MAX_JUDGED => {
                let found = judge.judge(&candidate)?;
                judged += 1;
                accepted += usize::from(found.is_some());
                entries.extend(found.map(Entry::Match));
            }
            Entry::Candidate(candidate) => {
                let counts = match judge.profile() {
                    Profile::Loose => true,
                    Profile::Balanced => 2 * accepted >= judged,
                    Profile::Strict => false,
                };
                entries.extend(counts.then(|| Entry::Match(candidate.by_evidence())));
            }
        }
    }
    Ok(ranking)
}

/// Returns the matches among candidates with too little evidence, by descending score.
fn rank_weak(
    weak: Vec<Candidate>,
    min_score: f32,
    judge: &mut Judge<'_>,
) -> Result<Vec<RankedImage>, StoreError> {
    let mut ranking = Vec::new();
    for (id, part) in worth_judging(weak).iter().take(MAX_WEAK) {
        ranking.extend(judge.judge_weak(*id, part)?);
    }
    ranking.retain(|found| found.score >= min_score);
    ranking.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    Ok(ranking)
}

/// Returns the numbers of the candidates whose pixels [`rank_all`] may compare.
pub(super) fn judged(candidates: impl Iterator<Item = Candidate>) -> impl Iterator<Item = ImageId> {
    let (mut strong, weak): (Vec<Candidate>, Vec<Candidate>) =
        candidates.partition(Candidate::has_evidence);
    strong.sort_by(|a, b| b.score().total_cmp(&a.score()).then(a.id.cmp(&b.id)));
    let weak = worth_judging(weak).into_iter().take(MAX_WEAK);
    let strong = strong.into_iter().take(MAX_JUDGED);
    let strong = strong.filter(|candidate| !candidate.is_exact && candidate.part.is_some());
    strong
        .map(|candidate| candidate.id)
        .chain(weak.map(|(id, _)| id))
}

/// Returns the parts among candidates with too little evidence whose pixels are compared, the best
/// first.
fn worth_judging(weak: Vec<Candidate>) -> Vec<(ImageId, VerifiedMatch)> {
    let parts = weak
        .into_iter()
        .filter_map(|weak| Some((weak.id, weak.part?)));
    let mut parts: Vec<(ImageId, VerifiedMatch)> =
        parts.filter(|(_, part)| is_worth_judging(part)).collect();
    parts.sort_by(|(a_id, a), (b_id, b)| b.score.total_cmp(&a.score).then(a_id.cmp(b_id)));
    parts
}

/// Returns whether a part with too little evidence has enough to compare its pixels.
pub(super) fn is_worth_judging(part: &VerifiedMatch) -> bool {
    let alignment = &part.alignment;
    alignment.evidence >= MIN_WEAK_EVIDENCE && alignment.inliers.len() >= MIN_WEAK_INLIERS
}

// === impl Entry ===

impl Entry {
    fn score(&self) -> f32 {
        match self {
            Self::Candidate(candidate) => candidate.score(),
            Self::Match(found) => found.score,
        }
    }

    fn id(&self) -> ImageId {
        match self {
            Self::Candidate(candidate) => candidate.id,
            Self::Match(found) => found.id,
        }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score().total_cmp(&other.score());
        by_score.then(other.id().cmp(&self.id()))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
