//! Decodes any bytes as stored features: rejected, or indexed and searched.

#![no_main]

use std::convert::Infallible;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use same_image::features::{Features, GreyView, QueryFeatures, extract_query};
use same_image::index::{Images, Index, SearchOptions};

/// An image with some features.
static QUERY: LazyLock<QueryFeatures> = LazyLock::new(|| {
    let pixels: Vec<u8> = (0..200 * 100).map(|at: u32| (at * at / 7 >> 4) as u8).collect();
    extract_query(&GreyView::new(&pixels, 200, 100).expect("200 × 100 pixels"))
});

/// The features of the only image.
struct One(Features);

impl Images for One {
    type Error = Infallible;

    fn admits(&self, _id: u64) -> bool {
        true
    }

    fn features(&self, _id: u64) -> Result<Option<Features>, Infallible> {
        Ok(Some(self.0.clone()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(features) = Features::decode(bytes) else {
        return;
    };
    assert_eq!(Features::decode(&features.encode()).as_ref(), Ok(&features));
    let index = Index::new();
    index.insert(1, &features);
    let Ok(found) = index.search(&QUERY, &SearchOptions::default(), &One(features));
    assert!(found.iter().all(|verified| verified.id == 1 && verified.score < 1.0));
});
