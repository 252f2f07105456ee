//! Searches among images that another store keeps, with the code of a search in a library.
//!
//! For a library that is larger than one machine: a text index keeps an [`ImageDocument`] of each
//! image under its terms, and returns the documents that share the most terms with a query. Order of
//! events: [`DocumentSearch::new`] → the caller fetches documents by [`DocumentSearch::terms`] →
//! [`DocumentSearch::compare`] → [`DocumentSearch::invert`], and again, if nothing was found → the
//! caller fetches the thumbnails that [`DocumentSearch::needs_thumbnails`] names →
//! [`DocumentSearch::rank`] → if there is no match, [`DocumentSearch::look_again`]. Nothing here
//! reads, writes or waits.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::features::Features;
use crate::geometry::Geometry;
use crate::identity::{ContentHash, ImageId, Sign};
use crate::index::{FormWords, MAX_COMPARISONS, QueryWords, Term, VerifiedMatch, best_of_each};
use crate::pdq::{MAX_DISTANCE, MIN_PIECES, MIN_QUALITY, PdqHash};
use crate::prepare::{PreparedImage, PreparedQuery};
use crate::store::{StoreError, StoredRecord};
use crate::tags::Tags;

use super::candidate::{Candidate, RankedImage};
use super::compare::{Comparison, compare_one, hash_distance};
use super::effort::Effort;
use super::judge::{Judge, Profile};
use super::ranking;
use super::search::{self, MAX_RESULTS, Query, SearchError};
use super::stored_images::StoredImages;

/// What another store keeps of an image. Its sign is [`ContentHash::first_sign`].
#[derive(Clone, PartialEq, Eq)]
pub struct ImageDocument {
    /// The hash of the file bytes.
    pub content: ContentHash,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Width of the upright image in pixels.
    pub width: u32,
    /// Height of the upright image in pixels.
    pub height: u32,
    /// The PDQ hash of the image, lowest bit first.
    pub hash: [u8; 32],
    /// The quality of the hash, 0 to 100.
    pub hash_quality: u8,
    /// The local features, up to 6.4 kB.
    pub features: Vec<u8>,
    /// Upright JPEG, longer side up to 256 pixels, about 10 kB; empty where it was not fetched.
    pub thumbnail: Vec<u8>,
}

/// One search among documents.
///
/// Cost: 10 ms for the terms, some microseconds for a document that shares nothing, 2 to 3 ms for
/// one that may be a match.
pub struct DocumentSearch {
    /// What every look is computed from.
    original: Arc<PreparedQuery>,
    /// The query as this search looks at it.
    query: Arc<PreparedQuery>,
    terms: [Vec<Term>; 2],
    words: FormWords,
    documents: Documents,
    /// Those that were compared in this colour form.
    compared: HashSet<ImageId>,
    comparisons: usize,
    found: Vec<VerifiedMatch>,
}

/// The matches of a search among documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentRanking {
    /// The page of matches, by descending score; equal scores in the order of the documents.
    pub matches: Vec<DocumentMatch>,
    /// Whether more matches follow within the first [`MAX_RESULTS`].
    pub has_more: bool,
    /// Whether there is any match, also before the page.
    pub is_empty: bool,
}

/// One document that is the same image as the query; the fields are those of [`Hit`](super::Hit).
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "described at `Hit`")]
pub struct DocumentMatch {
    pub sign: Sign,
    pub score: f32,
    pub geometry: Option<Geometry>,
    pub agreement: Option<f32>,
    pub coverage: Option<f32>,
}

/// Compared documents; the number of an image is its position.
#[derive(Default)]
struct Documents {
    images: Vec<(ImageDocument, Features)>,
    numbers: HashMap<ContentHash, ImageId>,
}

// === impl ImageDocument ===

impl ImageDocument {
    /// Returns the terms of the local features: up to 400.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the features are damaged or of another codebook.
    pub fn terms(&self) -> Result<Vec<Term>, StoreError> {
        Ok(Term::of_image(&self.decoded()?))
    }

    /// Returns the terms of the hash: 16, or none if the image has too little detail.
    #[must_use]
    pub fn hash_terms(&self) -> Vec<Term> {
        if self.hash_quality < MIN_QUALITY {
            return Vec::new();
        }
        PdqHash::from_bytes(self.hash).terms()
    }

    /// Returns what a search compares of the image, which needs its thumbnail; see
    /// [`Engine::stored_query`](super::Engine::stored_query).
    ///
    /// # Errors
    ///
    /// Those of [`ImageDocument::terms`].
    pub fn query(&self) -> Result<PreparedQuery, StoreError> {
        let features = self.decoded()?;
        let record = self.record();
        Ok(PreparedQuery::of_stored(
            0,
            &record,
            Some(&features),
            &self.thumbnail,
        ))
    }

    /// Compares the image, with its thumbnail, with a query, as
    /// [`Engine::compare`](super::Engine::compare) does.
    ///
    /// # Errors
    ///
    /// Those of [`ImageDocument::terms`].
    pub fn compare(
        self,
        query: &PreparedQuery,
        profile: Profile,
    ) -> Result<Comparison, StoreError> {
        let mut documents = Documents::default();
        documents.add(self)?;
        Ok(compare_one(&documents, 0, query, profile)?.unwrap_or_default())
    }

    fn decoded(&self) -> Result<Features, StoreError> {
        Features::decode(&self.features).map_err(|error| {
            let sign = self.content.first_sign();
            StoreError::damaged(format!("image {sign}: {error}"))
        })
    }

    fn record(&self) -> StoredRecord {
        StoredRecord {
            sign: self.content.first_sign(),
            content: self.content,
            size_bytes: self.size_bytes,
            width: self.width,
            height: self.height,
            added_at_ms: 0,
            pdq: PdqHash::from_bytes(self.hash),
            pdq_quality: self.hash_quality,
            tags: Tags::default(),
            features_checksum: 0,
            thumbnail_checksum: 0,
            preview_checksum: None,
            brief: String::new(),
        }
    }
}

impl From<PreparedImage> for ImageDocument {
    fn from(image: PreparedImage) -> Self {
        ImageDocument {
            content: image.content,
            size_bytes: image.size_bytes,
            width: image.width,
            height: image.height,
            hash: image.pdq.to_bytes(),
            hash_quality: image.pdq_quality,
            features: image.features,
            thumbnail: image.thumbnail,
        }
    }
}

impl fmt::Debug for ImageDocument {
    /// Omits the thumbnail and the features: logs must not contain images.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageDocument")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

// === impl DocumentSearch ===

impl DocumentSearch {
    /// Begins a search with an image. The query of a stored image does not find itself.
    pub fn new(query: PreparedQuery) -> Self {
        let query = Arc::new(query);
        Self::looking(Arc::clone(&query), query)
    }

    fn looking(query: Arc<PreparedQuery>, original: Arc<PreparedQuery>) -> Self {
        let words = QueryWords::new(&query.features, false);
        DocumentSearch {
            terms: Term::of_query(&words),
            words: FormWords::new(&words, false),
            original,
            query,
            documents: Documents::default(),
            compared: HashSet::new(),
            comparisons: 0,
            found: Vec::new(),
        }
    }

    /// Returns the terms of the plain and of the mirrored form, up to 8,000 each: the candidates
    /// share two or more terms with one of them, the best share the most.
    pub fn terms(&self) -> &[Vec<Term>; 2] {
        &self.terms
    }

    /// Returns how many candidates are to be compared now, of this many at first.
    pub fn candidates(&self, first: usize) -> usize {
        self.words.part_of(first)
    }

    /// Returns the terms of near hashes, 2,176, and how many of them a copy shares at least; `None`
    /// when hashes are not compared.
    pub fn hash_terms(&self) -> Option<(Vec<Term>, usize)> {
        if self.query.pdq_quality < MIN_QUALITY || self.words.is_inverted() {
            return None;
        }
        let mut terms: Vec<Term> = self
            .query
            .pdq
            .iter()
            .flat_map(PdqHash::near_terms)
            .collect();
        terms.sort_unstable();
        terms.dedup();
        Some((terms, MIN_PIECES))
    }

    /// Returns the sign that the same file has, unless the query is a stored image.
    pub fn exact(&self) -> Option<Sign> {
        let is_file = self.query.stored.is_none();
        is_file.then(|| self.query.content.first_sign())
    }

    /// Compares documents, by ascending time of their adds, each with its place among the
    /// candidates, the best first; they may have no thumbnail. One that was compared in this colour
    /// form is left out. The work is bounded as that of a search in a library: after it the rest is
    /// compared by hashes alone, those with the last places.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when features are damaged or of another codebook.
    pub fn compare(
        &mut self,
        documents: impl IntoIterator<Item = (usize, ImageDocument)>,
    ) -> Result<(), StoreError> {
        let mut numbers = Vec::new();
        for (place, document) in documents {
            let is_itself = self.query.stored.is_some() && document.content == self.query.content;
            if is_itself {
                continue;
            }
            numbers.push((place, self.documents.add(document)?));
        }
        numbers.retain(|(_, number)| self.compared.insert(*number));
        numbers.sort_unstable();
        for (_, number) in numbers {
            if self.comparisons > MAX_COMPARISONS {
                break;
            }
            let (_, features) = &self.documents.images[number as usize];
            let query = &self.query.features;
            let compared = self.words.compare(query, u64::from(number), features);
            self.found.extend(compared.0);
            self.comparisons += compared.1;
        }
        Ok(())
    }

    /// Returns how many of the compared documents have evidence of a match: if they are most of
    /// them, further documents may have it too.
    pub fn evident(&self) -> usize {
        self.all().filter(Candidate::has_evidence).count()
    }

    /// Goes on with inverted colours, if no part was found in plain ones; returns whether it does.
    pub fn invert(&mut self) -> bool {
        if self.words.is_inverted() || !self.found.iter().all(|found| found.is_weak) {
            return false;
        }
        let words = QueryWords::new(&self.query.features, true);
        self.terms = Term::of_query(&words);
        self.words = FormWords::new(&words, true);
        self.compared.clear();
        self.comparisons = 0;
        true
    }

    /// Returns the signs of the documents whose thumbnails [`DocumentSearch::rank`] needs: up to 70.
    pub fn needs_thumbnails(&self) -> Vec<Sign> {
        let judged = ranking::judged(self.all());
        let documents = judged.map(|id| &self.documents.images[id as usize].0);
        let missing = documents.filter(|document| document.thumbnail.is_empty());
        missing
            .map(|document| document.content.first_sign())
            .collect()
    }

    /// Adds the thumbnail of a compared document.
    pub fn set_thumbnail(&mut self, content: ContentHash, thumbnail: Vec<u8>) {
        if let Some(number) = self.documents.numbers.get(&content) {
            self.documents.images[*number as usize].0.thumbnail = thumbnail;
        }
    }

    /// Returns the page of matches; the filter and the effort of the query are the caller's task. A
    /// document without a thumbnail is judged by its features alone.
    ///
    /// # Errors
    ///
    /// [`SearchError::InvalidQuery`] for an offset, limit or score out of range.
    pub fn rank(&self, query: &Query) -> Result<DocumentRanking, SearchError> {
        search::check(query)?;
        let mut judge = Judge::new(&self.documents, &self.query, query.profile);
        let end = query.offset + query.limit;
        let all = self.all().collect();
        let mut ranked = ranking::rank_all(all, end + 1, query.min_score, &mut judge)?;
        ranked.truncate(MAX_RESULTS);
        let page = ranked.get(query.offset..end.min(ranked.len()));
        let page = page.unwrap_or_default().iter();
        Ok(DocumentRanking {
            matches: page.map(|found| self.matched(found)).collect(),
            has_more: end < ranked.len(),
            is_empty: ranked.is_empty(),
        })
    }

    /// Looks at the query again, after a search that found nothing; `None` when the effort allows no
    /// further look than these. Cost: 40 to 150 ms.
    pub fn look_again(&self, effort: Effort, looks: usize) -> Option<Self> {
        let look = effort.looks().get(looks)?;
        // Of a stored image there are no pixels to look at again.
        let is_file = self.query.stored.is_none();
        is_file.then(|| {
            let original = Arc::clone(&self.original);
            Self::looking(Arc::new(original.seen(*look)), original)
        })
    }

    /// Returns all compared documents as candidates, the best alignment of each.
    fn all(&self) -> impl Iterator<Item = Candidate> {
        let parts = best_of_each(self.found.clone()).into_iter();
        let mut parts: HashMap<u64, VerifiedMatch> = parts.map(|part| (part.id, part)).collect();
        (0..)
            .zip(&self.documents.images)
            .map(move |(id, (image, _))| {
                let hash = hash_distance(&self.query, &image.record());
                Candidate {
                    is_exact: image.content == self.query.content,
                    hash: hash.filter(|distance| *distance <= MAX_DISTANCE),
                    part: parts.remove(&u64::from(id)),
                    ..Candidate::new(id)
                }
            })
    }

    fn matched(&self, found: &RankedImage) -> DocumentMatch {
        let (image, _) = &self.documents.images[found.id as usize];
        DocumentMatch {
            sign: image.content.first_sign(),
            score: found.score,
            geometry: found.geometry,
            agreement: found.agreement,
            coverage: found.coverage,
        }
    }
}

impl fmt::Debug for DocumentSearch {
    /// Omits everything of the images: logs must not contain them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentSearch").finish_non_exhaustive()
    }
}

// === impl Documents ===

impl Documents {
    /// Adds a document, unless it is known; returns its number.
    fn add(&mut self, document: ImageDocument) -> Result<ImageId, StoreError> {
        if let Some(number) = self.numbers.get(&document.content) {
            return Ok(*number);
        }
        let features = document.decoded()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a search compares thousands of documents at most"
        )]
        let number = self.images.len() as ImageId;
        self.numbers.insert(document.content, number);
        self.images.push((document, features));
        Ok(number)
    }

    fn get(&self, id: ImageId) -> Option<&(ImageDocument, Features)> {
        self.images.get(id as usize)
    }
}

impl StoredImages for Documents {
    fn record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        Ok(self.get(id).map(|(document, _)| document.record()))
    }

    fn thumbnail(&self, id: ImageId, _record: &StoredRecord) -> Result<Vec<u8>, StoreError> {
        let document = self.get(id).map(|(document, _)| document);
        Ok(document.map_or_else(Vec::new, |document| document.thumbnail.clone()))
    }

    fn features(&self, id: ImageId) -> Result<Option<Features>, StoreError> {
        Ok(self.get(id).map(|(_, features)| features.clone()))
    }
}
