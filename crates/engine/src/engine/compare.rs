//! Compares a query with single images, as a search in a library of only these does.
//!
//! Order of events, as in a search: hashes and features of each image → the pixels of the best
//! candidates → ranking. Every image is compared, so no index is needed.

use crate::features::Features;
use crate::geometry::Geometry;
use crate::identity::{ImageId, Sign};
use crate::index::DirectQuery;
use crate::pdq::{MAX_DISTANCE, MIN_QUALITY};
use crate::prepare::{PreparedImage, PreparedQuery};
use crate::store::{StoreError, StoredRecord};

use super::Engine;
use super::candidate::{Candidate, RankedImage};
use super::judge::{Judge, Profile};
use super::ranking;
use super::search::Query;
use super::stored_images::StoredImages;

/// The image that a query is compared with.
#[derive(Clone, Debug)]
pub enum Compared {
    /// An image that need not be stored.
    File(Box<PreparedImage>),
    /// The stored image with this sign.
    Stored(Sign),
}

/// How similar two images are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The score of the image as a match of the query, see [`Hit::score`](super::Hit::score); 0
    /// when it is none.
    pub score: f32,
    /// The position of the shared part.
    pub geometry: Option<Geometry>,
    /// See [`Hit::agreement`](super::Hit::agreement).
    pub agreement: Option<f32>,
    /// See [`Hit::coverage`](super::Hit::coverage).
    pub coverage: Option<f32>,
    /// The smallest distance of the PDQ hashes over the rotated and mirrored forms of the query, 0
    /// to 256 bits; up to 31 is a match. `None` when an image has too little detail.
    pub hash_distance: Option<u32>,
}

// === impl Engine ===

impl Engine {
    /// Compares an image with a query; `None` when no stored image has the sign. Stores nothing.
    ///
    /// Cost: about 20 ms.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn compare(
        &self,
        query: &PreparedQuery,
        image: &Compared,
        profile: Profile,
    ) -> Result<Option<Comparison>, StoreError> {
        match image {
            Compared::File(image) => compare_one(&OneImage::new(image), 0, query, profile),
            Compared::Stored(sign) => {
                self.store.read(|snapshot| match snapshot.by_sign(*sign)? {
                    Some((id, _)) => compare_one(snapshot, id, query, profile),
                    None => Ok(None),
                })
            }
        }
    }
}

/// Compares one of the images with a query; `None` when there is none with this number.
pub(super) fn compare_one(
    images: &dyn StoredImages,
    id: ImageId,
    query: &PreparedQuery,
    profile: Profile,
) -> Result<Option<Comparison>, StoreError> {
    let Some(record) = images.record(id)? else {
        return Ok(None);
    };
    let words = DirectQuery::new(&query.features);
    let options = Query {
        profile,
        ..Query::default()
    };
    let ranking = find_among(images, &[id], (query, &words), &options)?;
    let found = ranking.first().map(|found| Comparison {
        score: found.score,
        geometry: found.geometry,
        agreement: found.agreement,
        coverage: found.coverage,
        hash_distance: None,
    });
    Ok(Some(Comparison {
        hash_distance: hash_distance(query, &record),
        ..found.unwrap_or_default()
    }))
}

/// Finds the matches of a query, with its words, among these images; by descending score.
pub(super) fn find_among(
    images: &dyn StoredImages,
    ids: &[ImageId],
    (query, words): (&PreparedQuery, &DirectQuery),
    options: &Query,
) -> Result<Vec<RankedImage>, StoreError> {
    let mut features = Vec::with_capacity(ids.len());
    let mut candidates = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(record) = images.record(*id)? else {
            continue;
        };
        let hash = hash_distance(query, &record).filter(|distance| *distance <= MAX_DISTANCE);
        candidates.push(Candidate {
            is_exact: record.content == query.content,
            hash,
            ..Candidate::new(*id)
        });
        let image = images.features(*id)?;
        features.extend(image.map(|image| (u64::from(*id), image)));
    }
    for part in words.compare(&query.features, &features) {
        let owner = |candidate: &&mut Candidate| u64::from(candidate.id) == part.id;
        if let Some(candidate) = candidates.iter_mut().find(owner) {
            candidate.part = Some(part);
        }
    }
    let mut judge = Judge::new(images, query, options.profile);
    ranking::rank_all(candidates, options.limit, options.min_score, &mut judge)
}

/// Returns the smallest distance of the hashes; `None` when they cannot be compared.
pub(super) fn hash_distance(query: &PreparedQuery, record: &StoredRecord) -> Option<u32> {
    let distances = query.pdq.iter().map(|hash| hash.distance(&record.pdq));
    let is_comparable = query.pdq_quality.min(record.pdq_quality) >= MIN_QUALITY;
    distances.min().filter(|_| is_comparable)
}

/// An image in memory, whatever its number is.
struct OneImage<'a> {
    image: &'a PreparedImage,
    features: Option<Features>,
}

// === impl OneImage ===

impl<'a> OneImage<'a> {
    fn new(image: &'a PreparedImage) -> Self {
        OneImage {
            image,
            // Those of this version can be decoded.
            features: Features::decode(&image.features).ok(),
        }
    }
}

impl StoredImages for OneImage<'_> {
    fn record(&self, _id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        Ok(Some(self.image.record()))
    }

    fn thumbnail(&self, _id: ImageId, _record: &StoredRecord) -> Result<Vec<u8>, StoreError> {
        Ok(self.image.thumbnail.clone())
    }

    fn features(&self, _id: ImageId) -> Result<Option<Features>, StoreError> {
        Ok(self.features.clone())
    }
}
