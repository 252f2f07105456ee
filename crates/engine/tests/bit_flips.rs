//! Single bits of the library file that are not as they were written: bit rot.
//!
//! In every page of a closed library bits are flipped. Each time the library is opened, read in
//! every way, written, and opened again. What comes back is an error that says what is damaged, or
//! exactly what the whole library returns: never a panic, a shorter list or another result.
//!
//! `BITS=64 cargo test -p same-image --test bit_flips` flips more bits of each page.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test that can be made longer by hand"
)]

#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use draw::Chance;
use library::{add, delete};
use same_image::{
    Engine, NewRecord, OpenError, Options, PreparedImage, PreparedQuery, Query, Record, Sign,
    StoreError, StoredImage, Target,
};

/// Images in the library; with their thumbnails they fill some tens of pages.
const IMAGES: u64 = 24;
/// Page size of redb.
const PAGE_BYTES: usize = 4096;
/// Bits that are flipped in each page of a normal run, each in a library of its own.
const BITS: usize = 2;

/// What the whole library returns.
struct Whole {
    records: Vec<Record>,
    images: BTreeMap<Sign, StoredImage>,
    queries: Vec<(PreparedQuery, Vec<Sign>)>,
}

fn open(dir: &Path) -> Result<Engine, OpenError> {
    Engine::open(dir, Options::default())
}

fn file(seed: u64) -> Vec<u8> {
    draw::png(&draw::image(seed, 64, 64))
}

fn prepared(engine: &Engine, seed: u64) -> PreparedImage {
    engine.prepare(&file(seed)).unwrap()
}

fn record() -> NewRecord {
    NewRecord {
        brief: "a brief ".repeat(20),
        tags: vec![1],
    }
}

fn whole(engine: &Engine) -> Whole {
    let records = library::list(engine).unwrap();
    let get = |record: &Record| (record.sign, engine.get(record.sign).unwrap().unwrap());
    let queries = (0..4).map(|seed| {
        let query = engine.prepare_query(&file(seed)).unwrap();
        let found = engine.search(&query, &Query::default()).unwrap().matches;
        (query, found.iter().map(|hit| hit.sign).collect())
    });
    Whole {
        images: records.iter().map(get).collect(),
        queries: queries.collect(),
        records,
    }
}

/// Checks a result of a library in which a bit is wrong.
fn right_or_damaged<T: PartialEq + Debug>(result: Result<T, StoreError>, right: &T, at: &str) {
    match result {
        Ok(result) => assert!(result == *right, "{at}: {result:?}"),
        Err(error) => assert!(is_damage(&error), "{at}: {error:?}"),
    }
}

fn is_damage(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Damaged { .. } | StoreError::Panicked { .. } | StoreError::Io { .. }
    )
}

/// Compares all reads with those of the whole library.
fn compare(engine: &Engine, whole: &Whole, at: &str) {
    right_or_damaged(library::list(engine), &whole.records, at);
    for (sign, image) in &whole.images {
        right_or_damaged(engine.get(*sign), &Some(image.clone()), at);
    }
    for (query, found) in &whole.queries {
        let result = engine.search(query, &Query::default());
        let signs = result.map(|response| response.matches.iter().map(|hit| hit.sign).collect());
        right_or_damaged(
            signs.map_err(|error| match error {
                same_image::SearchError::Storage(error) => error,
                other @ (same_image::SearchError::InvalidQuery { .. } | _) => {
                    panic!("{at}: {other}")
                }
            }),
            found,
            at,
        );
    }
}

#[test]
fn after_a_bit_flip_in_any_page_results_are_right_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).unwrap();
    for seed in 0..IMAGES {
        add(&engine, prepared(&engine, seed), record()).unwrap();
    }
    let whole = whole(&engine);
    let new: Vec<PreparedImage> = (0..2).map(|n| prepared(&engine, IMAGES + n)).collect();
    engine.close();
    let library = dir.path().join("library.redb");
    let bytes = fs::read(&library).unwrap();
    let bits = env::var("BITS").map_or(BITS, |bits| bits.parse().unwrap());
    let mut chance = Chance::new(bits as u64);

    let (mut rejected, mut opened) = (0, 0);
    for (page, content) in bytes.chunks(PAGE_BYTES).enumerate() {
        if content.iter().all(|byte| *byte == 0) {
            continue;
        }
        for _ in 0..bits {
            // Pages are rarely full: bytes at their start matter more often.
            let used = content.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
            let byte = usize::try_from(chance.next() % used as u64).unwrap();
            let bit = chance.below(8);
            let at = format!("page {page}, byte {byte}, bit {bit}");
            let mut damaged = bytes.clone();
            damaged[page * PAGE_BYTES + byte] ^= 1 << bit;
            fs::write(&library, &damaged).unwrap();

            match open(dir.path()) {
                Ok(engine) => {
                    opened += 1;
                    compare(&engine, &whole, &at);
                    write_and_reopen(engine, dir.path(), &whole, &new, &at);
                }
                Err(OpenError::Storage { source, .. }) => {
                    rejected += 1;
                    assert!(is_damage(&source), "{at}: {source:?}");
                }
                Err(OpenError::Format { .. } | OpenError::OtherLibrary { .. }) => rejected += 1,
                Err(error) => panic!("{at}: {error}"),
            }
        }
    }

    assert!(rejected > 0, "no bit matters");
    assert!(opened > 0, "every bit matters");
}

/// Writes to the damaged library. Its page allocator may be what is damaged, so the writes may
/// overwrite pages in use: after that, too, each read is right or an error.
fn write_and_reopen(engine: Engine, dir: &Path, whole: &Whole, new: &[PreparedImage], at: &str) {
    let mut expected = whole.records.clone();
    let deleted = expected[0].sign;
    let mut uncertain = false;
    for image in new {
        uncertain |= add(&engine, image.clone(), record()).is_err();
    }
    uncertain |= delete(&engine, vec![Target::Sign(deleted)]).is_err();
    expected.remove(0);
    engine.close();
    drop(engine);

    let Ok(engine) = open(dir) else { return };
    if let Ok(records) = library::list(&engine)
        && !uncertain
    {
        assert_eq!(
            records.len(),
            expected.len() + new.len(),
            "{at}, after writes"
        );
        assert_eq!(records[..expected.len()], expected, "{at}, after writes");
    }
}
