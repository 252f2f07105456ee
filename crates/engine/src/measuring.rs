//! Entry points for benchmarks and measurements (`benches`, `examples/measure_*`) into
//! private parts. Hidden from the documentation; not part of the public API.

use crate::catalog::Catalog;
use crate::decode::{DecodedImage, MAX_SIDE};
use crate::engine::Engine;
use crate::features::Features;
use crate::identity::{ContentHash, ImageId};
use crate::pdq::PdqHash;
use crate::prepare::PreparedImage;
use crate::store::{ImageChange, ImageSummary};
use crate::tags::{TagFilter, Tags};

/// Makes an image that can be added without a file: as if `features` had just been extracted.
#[must_use]
pub fn synthetic_image(
    content: [u8; 32],
    pdq: [u64; 4],
    features: &Features,
    thumbnail: Vec<u8>,
) -> PreparedImage {
    PreparedImage {
        content: ContentHash::from_raw(content),
        size_bytes: 100_000,
        width: 640,
        height: 480,
        pdq: PdqHash(pdq),
        pdq_quality: 100,
        features: features.encode(),
        thumbnail,
        preview: Vec::new(),
    }
}

/// Encodes a file as a preview of another quality; `None` when it cannot be decoded.
#[must_use]
pub fn scaled_jpeg(file: &[u8], side: u32, quality: u8) -> Option<Vec<u8>> {
    let image = DecodedImage::decode(file, MAX_SIDE).ok()?;
    image.jpeg(image.fit(side), quality).ok()
}

/// Returns the size of all segment files in bytes.
#[must_use]
pub fn index_bytes(engine: &Engine) -> u64 {
    engine.search_state().index().file_bytes()
}

/// Returns whether a merge is due or running.
#[must_use]
pub fn is_merging(engine: &Engine) -> bool {
    engine.search_state().is_memtable_full()
}

/// A catalog with only PDQ hashes.
#[derive(Debug)]
pub struct HashCatalog(Catalog);

impl HashCatalog {
    /// Makes a catalog of these hashes.
    pub fn new(hashes: impl Iterator<Item = [u64; 4]>) -> Self {
        let mut catalog = Catalog::default();
        for (id, pdq) in (0 as ImageId..).zip(hashes) {
            catalog.apply(ImageChange::Added(ImageSummary {
                id,
                pdq: PdqHash(pdq),
                pdq_quality: 100,
                tags: Tags::default(),
                added_at_ms: 0,
            }));
        }
        Self(catalog)
    }

    /// Scans the catalog for the eight hashes of a query; returns the number of matches.
    #[must_use]
    pub fn scan(&self, query: [[u64; 4]; 8]) -> usize {
        self.0
            .hash_matches(&query.map(PdqHash), &TagFilter::default())
            .len()
    }
}
