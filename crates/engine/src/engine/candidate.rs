//! The candidates of a search: the evidence for an image, and the match that it becomes.

use crate::geometry::Geometry;
use crate::identity::ImageId;
use crate::index::VerifiedMatch;

/// An image that a search may return, and why.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: ImageId,
    /// Whether the file has the bytes of the query.
    pub(super) is_exact: bool,
    /// Distance of the PDQ hashes, when it is small enough for a match.
    pub(super) hash: Option<u32>,
    /// The alignment with the query, also one with too little evidence for a match.
    pub(super) part: Option<VerifiedMatch>,
}

/// A match whose brief and tags were not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankedImage {
    pub(super) id: ImageId,
    pub(super) score: f32,
    pub(super) geometry: Option<Geometry>,
    pub(super) agreement: Option<f32>,
    pub(super) coverage: Option<f32>,
}

// === impl Candidate ===

impl Candidate {
    pub(super) fn new(id: ImageId) -> Self {
        Self {
            id,
            is_exact: false,
            hash: None,
            part: None,
        }
    }

    /// Returns the part that both images show, if its evidence is enough for a match.
    pub(super) fn strong_part(&self) -> Option<&VerifiedMatch> {
        self.part.as_ref().filter(|part| !part.is_weak)
    }

    /// Returns whether the evidence is enough for a match.
    pub(super) fn has_evidence(&self) -> bool {
        self.is_exact || self.hash.is_some() || self.strong_part().is_some()
    }

    /// Returns the score of the evidence alone: an upper bound of the final score.
    pub(super) fn score(&self) -> f32 {
        if self.is_exact {
            return 1.0;
        }
        let hash = self.hash.map_or(0.0, hash_score);
        self.strong_part().map_or(0.0, |part| part.score).max(hash)
    }

    /// Returns the match that the evidence alone makes.
    pub(super) fn by_evidence(&self) -> RankedImage {
        let part = self.strong_part();
        let exact = self.is_exact.then_some(1.0);
        RankedImage {
            id: self.id,
            score: self.score(),
            geometry: if self.is_exact {
                Some(Geometry::WHOLE)
            } else {
                part.map(|part| Geometry::from(&part.alignment.overlap))
            },
            agreement: exact,
            coverage: exact,
        }
    }
}

/// Maps a PDQ distance to a score: 124 is near the mean distance (128) of unrelated images.
pub(super) fn hash_score(distance: u32) -> f32 {
    1.0 - distance as f32 / 124.0
}
