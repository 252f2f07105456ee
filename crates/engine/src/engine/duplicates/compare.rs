//! Compares one stored image with others: their features, then their thumbnails.

use std::cell::{Cell, OnceCell};

use image::GrayImage;

use crate::decode;
use crate::engine::candidate::{Candidate, RankedImage};
use crate::engine::judge::{Judge, Profile};
use crate::engine::ranking::is_worth_judging;
use crate::engine::stored_images::StoredImages;
use crate::features::QueryFeatures;
use crate::geometry::Geometry;
use crate::identity::ImageId;
use crate::index::{Comparison, VerifiedMatch};
use crate::prepare::PreparedQuery;
use crate::store::{Snapshot, StoreError, StoredRecord};
use crate::verify::QueryForm;

const PLAIN: QueryForm = QueryForm {
    mirrored: false,
    inverted: false,
};
const MIRRORED: QueryForm = QueryForm {
    mirrored: true,
    inverted: false,
};
const INVERTED: QueryForm = QueryForm {
    mirrored: false,
    inverted: true,
};

/// Maximum number of parts with too little evidence that are judged for an image without a pair.
const MAX_WEAK: usize = 4;

/// Two images that are the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// The image that was compared as a query.
    pub(super) a: ImageId,
    pub(super) b: ImageId,
    pub(super) score: f32,
    /// Of `a` as the query and `b` as the stored image.
    pub(super) geometry: Option<Geometry>,
}

/// An image to compare.
pub(super) struct OtherImage {
    pub(super) id: ImageId,
    /// Distance of the hashes, if it is small enough for a match.
    hash: Option<u32>,
    /// The forms of the first image that are compared.
    pub(super) forms: Vec<QueryForm>,
    /// Whether only the votes of parts say that they may be the same.
    is_by_part: bool,
}

/// Number of images in a row whose pixels do not agree, after which an image is compared with no
/// further one: the others have less evidence.
const MAX_REJECTED: usize = 16;

/// Maximum number of other images that are quantised as queries too, those with the most votes: of
/// images that all have a part in common, such as a logo, most have too little evidence.
const MAX_REVERSED: u32 = 16;

/// Which images with too little evidence are judged by their pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weak {
    /// The best few, if there is no other pair.
    IfNone,
    /// All: the images are in one group, so they are likely to be the same.
    All,
}

/// A stored image that is compared with others.
pub(super) struct Comparer<'a> {
    snapshot: &'a Snapshot,
    id: ImageId,
    record: StoredRecord,
    comparison: Option<Comparison>,
    profile: Profile,
    /// How many other images were quantised as queries.
    reversed: Cell<u32>,
}

// === impl OtherImage ===

impl OtherImage {
    pub(super) fn by_hash(id: ImageId, distance: u32) -> Self {
        Self {
            id,
            hash: Some(distance),
            forms: vec![PLAIN, MIRRORED],
            is_by_part: false,
        }
    }

    pub(super) fn by_part(id: ImageId, form: QueryForm) -> Self {
        Self {
            id,
            hash: None,
            forms: vec![form],
            is_by_part: true,
        }
    }

    /// Makes an image of which only the hash is known.
    pub(super) fn unknown(id: ImageId, hash: Option<u32>) -> Self {
        Self {
            id,
            hash,
            forms: vec![PLAIN, MIRRORED, INVERTED],
            is_by_part: false,
        }
    }
}

// === impl Comparer ===

impl<'a> Comparer<'a> {
    /// Reads an image; returns `None` when it was deleted, or is damaged.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        id: ImageId,
        profile: Profile,
    ) -> Result<Option<Self>, StoreError> {
        readable(Self::read(snapshot, id, profile))
    }

    fn read(
        snapshot: &'a Snapshot,
        id: ImageId,
        profile: Profile,
    ) -> Result<Option<Self>, StoreError> {
        let Some(record) = snapshot.record(id)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            snapshot,
            id,
            record,
            comparison: StoredImages::features(snapshot, id)?.map(Comparison::new),
            profile,
            reversed: Cell::new(0),
        }))
    }

    /// Compares the image with others, in their order; returns the pairs, up to the first with which
    /// `is_enough` returns true. An image that is damaged has none.
    pub(super) fn pairs(
        &self,
        others: impl IntoIterator<Item = OtherImage>,
        which: Weak,
        is_enough: impl FnMut(&Pair) -> bool,
    ) -> Result<Vec<Pair>, StoreError> {
        let pairs = readable(self.compare(others, which, is_enough).map(Some));
        pairs.map(Option::unwrap_or_default)
    }

    fn compare(
        &self,
        others: impl IntoIterator<Item = OtherImage>,
        which: Weak,
        mut is_enough: impl FnMut(&Pair) -> bool,
    ) -> Result<Vec<Pair>, StoreError> {
        // Made when the first candidate has evidence: few have, and it decodes a thumbnail.
        let query = OnceCell::new();
        let mut judge = None;
        let (mut pairs, mut weak) = (Vec::new(), Vec::new());
        let mut rejected = 0;
        for other in others {
            let candidate = Candidate {
                id: other.id,
                is_exact: false,
                hash: other.hash,
                part: readable(self.part(&other))?,
            };
            if !candidate.has_evidence() {
                weak.extend(
                    candidate
                        .part
                        .filter(is_worth_judging)
                        .map(|part| (other.id, part)),
                );
                continue;
            }
            let judge = match &mut judge {
                Some(judge) => judge,
                none => none.insert(self.judge(&query)?),
            };
            let Some(found) = readable(judge.judge(&candidate))? else {
                rejected += 1;
                if rejected == MAX_REJECTED && which == Weak::IfNone {
                    break;
                }
                continue;
            };
            rejected = 0;
            let pair = self.pair(&found);
            pairs.push(pair);
            if is_enough(&pair) {
                return Ok(pairs);
            }
        }
        let max_weak = match which {
            _ if self.profile == Profile::Loose => 0,
            Weak::IfNone if pairs.is_empty() => MAX_WEAK,
            Weak::IfNone => 0,
            Weak::All => weak.len(),
        };
        weak.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
        for (id, part) in weak.iter().take(max_weak) {
            let judge = match &mut judge {
                Some(judge) => judge,
                none => none.insert(self.judge(&query)?),
            };
            let found = readable(judge.judge_weak(*id, part))?;
            pairs.extend(found.map(|found| self.pair(&found)));
        }
        Ok(pairs)
    }

    fn judge<'b>(&'b self, query: &'b OnceCell<PreparedQuery>) -> Result<Judge<'b>, StoreError> {
        let prepared = self.query()?;
        let query = query.get_or_init(|| prepared);
        Ok(Judge::new(self.snapshot, query, self.profile))
    }

    fn pair(&self, found: &RankedImage) -> Pair {
        Pair {
            a: self.id,
            b: found.id,
            score: found.score,
            geometry: found.geometry,
        }
    }

    /// Makes the query whose pixels are compared: those of the thumbnail.
    fn query(&self) -> Result<PreparedQuery, StoreError> {
        let record = &self.record;
        let features = self.comparison.as_ref().map(|image| image.query().clone());
        let grey = decode::thumbnail_grey(&self.snapshot.thumbnail(self.id, record)?);
        Ok(PreparedQuery {
            stored: Some(self.id),
            content: record.content,
            pdq: record.pdq.dihedral(),
            pdq_quality: record.pdq_quality,
            features: features.unwrap_or_else(|| QueryFeatures {
                width: record.width,
                height: record.height,
                features: Vec::new(),
            }),
            // No version writes a thumbnail that cannot be decoded; it would agree with none.
            grey: grey.unwrap_or_else(|| GrayImage::new(1, 1)),
        })
    }

    /// Returns the best alignment with another image.
    fn part(&self, other: &OtherImage) -> Result<Option<VerifiedMatch>, StoreError> {
        let Some(comparison) = &self.comparison else {
            return Ok(None);
        };
        let Some(image) = StoredImages::features(self.snapshot, other.id)?.map(Comparison::new)
        else {
            return Ok(None);
        };
        let mut best: Option<VerifiedMatch> = None;
        // The words of another form are not stored.
        let is_chance = |form: &QueryForm| {
            other.is_by_part && *form == PLAIN && !comparison.shares_words(&image)
        };
        for form in other.forms.iter().filter(|form| !is_chance(form)) {
            let part = comparison.with(u64::from(other.id), &image, *form, || {
                self.reversed.set(self.reversed.get() + 1);
                self.reversed.get() <= MAX_REVERSED
            });
            let is_better =
                |part: &VerifiedMatch| best.as_ref().is_none_or(|best| part.score > best.score);
            if let Some(part) = part.filter(is_better) {
                let is_strong = !part.is_weak;
                best = Some(part);
                if is_strong {
                    break;
                }
            }
        }
        Ok(best)
    }
}

/// Treats an image that cannot be read because the file is damaged as one that was deleted: a join
/// meets every image, so one would end all joins.
pub(super) fn readable<T>(result: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Err(error) if error.is_damage() => Ok(None),
        result => result,
    }
}
