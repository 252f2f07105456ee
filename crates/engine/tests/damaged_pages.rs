//! Damaged pages of the library file: an error of the call that reads them, and nothing else.
//!
//! redb panics on some damaged pages. Every page of a library is overwritten in turn; then the
//! library is opened, read and written. Nothing panics, and the writer continues.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use std::fs;
use std::path::Path;

use same_image::{
    Engine, NewRecord, OpenError, Options, Query, Sign, StoreError, Target, WriteError,
};

/// Images in the library; with their thumbnails they fill some tens of pages.
const IMAGES: u64 = 40;
/// Page size of redb.
const PAGE_BYTES: usize = 4096;

fn open(dir: &Path) -> Result<Engine, OpenError> {
    Engine::open(dir, Options::default())
}

fn file(seed: u64) -> Vec<u8> {
    draw::png(&draw::image(seed, 64, 64))
}

fn add(engine: &Engine, seed: u64) -> Result<Sign, WriteError> {
    let image = engine.prepare(&file(seed)).unwrap();
    let record = NewRecord {
        brief: "a brief ".repeat(20),
        tags: vec![1],
    };
    library::add(engine, image, record).map(|added| added.sign)
}

#[test]
fn a_damaged_page_fails_calls_with_a_storage_error_and_the_writer_continues() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).unwrap();
    let signs: Vec<Sign> = (0..IMAGES)
        .map(|seed| add(&engine, seed).unwrap())
        .collect();
    let query = engine.prepare_query(&file(0)).unwrap();
    engine.close();
    let library = dir.path().join("library.redb");
    let whole = fs::read(&library).unwrap();

    let (mut panics_at_open, mut panics_of_writes) = (0, 0);
    for (page, bytes) in whole.chunks(PAGE_BYTES).enumerate() {
        if bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[page * PAGE_BYTES..][..bytes.len()].fill(0xff);
        fs::write(&library, &damaged).unwrap();

        let engine = match open(dir.path()) {
            Ok(engine) => engine,
            Err(OpenError::Storage { source, .. }) => {
                panics_at_open += u32::from(matches!(source, StoreError::Panicked { .. }));
                continue;
            }
            Err(_) => continue,
        };
        let _ = engine.search(&query, &Query::default());
        let _ = library::list(&engine);
        for sign in &signs {
            let _ = engine.get(*sign);
        }
        let writes = [
            add(&engine, IMAGES).map(drop),
            library::delete(&engine, vec![Target::Sign(signs[0])]).map(drop),
            add(&engine, IMAGES + 1).map(drop),
        ];
        for result in writes {
            assert!(!matches!(result, Err(WriteError::Closed)), "page {page}");
            panics_of_writes += u32::from(matches!(
                result,
                Err(WriteError::Storage(StoreError::Panicked { .. }))
            ));
        }
        engine.close();
    }

    assert!(panics_at_open + panics_of_writes > 0, "no page matters");
}
