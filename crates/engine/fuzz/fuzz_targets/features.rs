//! Decodes any bytes as stored features: rejected, or indexed and searched.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use same_image::features::{Features, GreyView, QueryFeatures, extract_query};
use same_image::index::{Index, SearchOptions};

/// An image with some features.
static QUERY: LazyLock<QueryFeatures> = LazyLock::new(|| {
    let pixels: Vec<u8> = (0..200 * 100).map(|at: u32| (at * at / 7 >> 4) as u8).collect();
    extract_query(&GreyView::new(&pixels, 200, 100).expect("200 × 100 pixels"))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(features) = Features::decode(bytes) else {
        return;
    };
    assert_eq!(features.encode(), bytes);
    let index = Index::new();
    index.insert(1, &features);
    let found = index.search(&QUERY, &SearchOptions::default(), &|_| true);
    assert!(found.iter().all(|verified| verified.id == 1 && verified.score < 1.0));
});
