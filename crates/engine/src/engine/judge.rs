//! Decides whether a candidate of a search is a match, and with which score.
//!
//! Order of events: the record → the pixels of the part, compared by the dense check → the
//! profile's rule → the hash. Part and hash are independent: one of them is enough. Reads record,
//! thumbnail and features of a candidate; does not know the other candidates.

use image::GrayImage;

use crate::decode;
use crate::dense::{self, Pyramid};
use crate::features::Features;
use crate::geometry::Geometry;
use crate::identity::ImageId;
use crate::index::VerifiedMatch;
use crate::pdq::{MAX_DISTANCE, MIN_QUALITY};
use crate::prepare::PreparedQuery;
use crate::store::{Snapshot, StoreError, StoredRecord};
use crate::verify::ImageShape;

use super::candidate::{Candidate, RankedImage, hash_score};

/// How certain a match must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Every image with enough common features or a near hash, whatever its pixels show: also
    /// other objects before the same background and other content in the same template. The score
    /// of these is low.
    Loose,
    /// Images whose pixels agree with the query, and parts with too little detail to compare.
    #[default]
    Balanced,
    /// Images whose pixels agree clearly.
    Strict,
}

/// Judges the candidates of one search.
pub(super) struct Judge<'a> {
    snapshot: &'a Snapshot,
    query: &'a PreparedQuery,
    profile: Profile,
    pyramid: Pyramid<'a>,
}

/// Added to the log-odds of the dense check, so that the score of a match of
/// [`Profile::Balanced`] is 0.5 or more.
const SCORE_BIAS: f32 = 2.2;
/// Minimum log-odds of [`Profile::Balanced`]. Of 450 garments on shared floors 50 find another one
/// without it, 2 with it; 3 of 2,240 copies are lost (measured: `make eval HARD=DIR`).
const BALANCED_LOG_ODDS: f32 = -1.75;
/// Minimum log-odds and agreement of [`Profile::Strict`].
const STRICT_LOG_ODDS: f32 = 2.0;
const STRICT_AGREEMENT: f32 = 0.8;
/// Minimum log-odds and agreement of a part with too little evidence.
const WEAK_LOG_ODDS: f32 = 3.0;
const WEAK_AGREEMENT: f32 = 0.85;
/// Minimum score of such a match.
const WEAK_SCORE: f32 = 0.5;
/// Two-tone images that show each other wholly and without a stretch are copies only if their
/// hashes match: QR codes with different contents differ by 40 bits and more. Photos with stickers
/// or large texts do so too, hence the restriction to two tones.
const WHOLE_OVERLAP: f32 = 0.95;
const MAX_STRETCH: f32 = 1.1;
/// Distance up to which a hash needs no confirmation.
const CERTAIN_DISTANCE: u32 = 16;
/// Number of features from which copies share a part.
const MIN_FEATURES: usize = 100;
/// Maximum ratio of the aspect ratios: a whole image that is stretched more shares no part.
const MAX_ASPECT_CHANGE: f32 = 1.5;
/// Number of inliers that confirm a hash.
const MIN_INLIERS: usize = 5;

// === impl Judge ===

impl<'a> Judge<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, query: &'a PreparedQuery, profile: Profile) -> Self {
        let shape = ImageShape::new(query.features.width, query.features.height);
        Self {
            snapshot,
            query,
            profile,
            pyramid: Pyramid::new(&query.grey, shape),
        }
    }

    /// Returns the match of a candidate with enough evidence; `None` when it is none.
    pub(super) fn judge(
        &mut self,
        candidate: &Candidate,
    ) -> Result<Option<RankedImage>, StoreError> {
        let by_evidence = candidate.by_evidence();
        if candidate.is_exact {
            return Ok(Some(by_evidence));
        }
        // The image was deleted during this search.
        let Some(record) = self.snapshot.record(candidate.id)? else {
            return Ok(None);
        };
        let part = match candidate.strong_part() {
            Some(part) => self.judge_part(candidate.id, part, &record)?,
            None => None,
        };
        let hash = match candidate.hash {
            Some(distance) if self.confirms(distance, candidate, &record)? => {
                Some(hash_score(distance))
            }
            Some(_) | None => None,
        };
        Ok(match (part, hash) {
            (Some(part), hash) => Some(RankedImage {
                score: part.score.max(hash.unwrap_or(0.0)),
                ..part
            }),
            (None, Some(score)) => Some(RankedImage {
                score,
                geometry: None,
                ..by_evidence
            }),
            (None, None) => None,
        })
    }

    /// Returns the match of a part with too little evidence, if its pixels agree clearly.
    pub(super) fn judge_weak(
        &mut self,
        id: ImageId,
        part: &VerifiedMatch,
    ) -> Result<Option<RankedImage>, StoreError> {
        let Some(record) = self.snapshot.record(id)? else {
            return Ok(None);
        };
        let Some(thumbnail) = self.thumbnail(id, &record)? else {
            return Ok(None);
        };
        let stored = ImageShape::new(record.width, record.height);
        let compared = dense::compare(&mut self.pyramid, &thumbnail, stored, &part.alignment);
        let agrees = |found: &dense::Agreement| {
            found.log_odds >= WEAK_LOG_ODDS && found.agreement >= WEAK_AGREEMENT
        };
        Ok(compared.filter(agrees).map(|found| RankedImage {
            id,
            score: part.score.max(WEAK_SCORE),
            geometry: Some(Geometry::from(&part.alignment.overlap)),
            agreement: Some(found.agreement),
            coverage: Some(found.coverage),
        }))
    }

    fn judge_part(
        &mut self,
        id: ImageId,
        part: &VerifiedMatch,
        record: &StoredRecord,
    ) -> Result<Option<RankedImage>, StoreError> {
        let mut found = RankedImage {
            id,
            score: part.score,
            geometry: Some(Geometry::from(&part.alignment.overlap)),
            agreement: None,
            coverage: None,
        };
        let thumbnail = self.thumbnail(id, record)?;
        if self.profile != Profile::Loose
            && thumbnail.as_ref().is_some_and(dense::is_two_tone)
            && self.contradicts(part, record)
        {
            return Ok(None);
        }
        let stored = ImageShape::new(record.width, record.height);
        let compared = thumbnail.and_then(|thumbnail| {
            dense::compare(&mut self.pyramid, &thumbnail, stored, &part.alignment)
        });
        let Some(compared) = compared else {
            return Ok((self.profile != Profile::Strict).then_some(found));
        };
        found.score = part.score.min(share(compared.log_odds + SCORE_BIAS));
        found.agreement = Some(compared.agreement);
        found.coverage = Some(compared.coverage);
        let is_match = match self.profile {
            Profile::Loose => true,
            Profile::Balanced => compared.log_odds >= BALANCED_LOG_ODDS,
            Profile::Strict => {
                compared.log_odds >= STRICT_LOG_ODDS && compared.agreement >= STRICT_AGREEMENT
            }
        };
        Ok(is_match.then_some(found))
    }

    /// Returns the grey thumbnail; `None` when it cannot be decoded.
    fn thumbnail(
        &self,
        id: ImageId,
        record: &StoredRecord,
    ) -> Result<Option<GrayImage>, StoreError> {
        let jpeg = self.snapshot.thumbnail(id, record)?;
        Ok(decode::thumbnail_grey(&jpeg))
    }

    /// Returns whether a part says that the images are equal as a whole, and the hashes that they
    /// are not.
    fn contradicts(&self, part: &VerifiedMatch, record: &StoredRecord) -> bool {
        let alignment = &part.alignment;
        let overlap = &alignment.overlap;
        let is_whole = overlap.of_query.min(overlap.of_library) >= WHOLE_OVERLAP
            && alignment.affine.anisotropy() <= MAX_STRETCH;
        // The hash of inverted colours has the opposite bits.
        let is_comparable = !alignment.form.inverted
            && self.query.pdq_quality.min(record.pdq_quality) >= MIN_QUALITY;
        let mut distances = self.query.pdq.iter().map(|hash| hash.distance(&record.pdq));
        is_whole && is_comparable && distances.all(|distance| distance > MAX_DISTANCE)
    }

    /// Returns whether a hash is a match: where two images have features and are not stretched,
    /// those of copies also share a part.
    fn confirms(
        &self,
        distance: u32,
        candidate: &Candidate,
        record: &StoredRecord,
    ) -> Result<bool, StoreError> {
        let part = candidate.part.as_ref();
        let query = &self.query.features;
        if self.profile == Profile::Loose
            || distance <= CERTAIN_DISTANCE
            || part.is_some_and(|part| part.alignment.inliers.len() >= MIN_INLIERS)
            || query.features.len() < MIN_FEATURES
        {
            return Ok(true);
        }
        let change = aspect(query.width, query.height) / aspect(record.width, record.height);
        if change.max(1.0 / change) > MAX_ASPECT_CHANGE {
            return Ok(true);
        }
        let stored = self.snapshot.features(candidate.id, |bytes| {
            // Features of another release cannot be compared.
            Ok(Features::decode(bytes).map_or(0, |stored| stored.features.len()))
        })?;
        Ok(stored.is_none_or(|features| features < MIN_FEATURES))
    }
}

/// Returns the ratio of the longer to the shorter side, which a rotation by 90° does not change.
fn aspect(width: u32, height: u32) -> f32 {
    width.max(height) as f32 / width.min(height).max(1) as f32
}

/// Maps log-odds to a probability.
fn share(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}
