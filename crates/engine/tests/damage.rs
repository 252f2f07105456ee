//! Segment files that were changed while the library was closed: no wrong result, no crash.
//!
//! A library with several segment files is closed; bytes of the files are changed, removed, added
//! or exchanged. When it is opened again, every search returns the same as before and the files are
//! valid.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/attack.rs"]
mod attack;
#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use same_image::{Engine, Hit, NewRecord, Options, PreparedQuery, Query};
use tempfile::TempDir;

/// Images of the two segments; the second is too small to be merged into the first.
const SEGMENTS: [u64; 2] = [9, 3];
/// One more image is in no segment.
const IMAGES: u64 = SEGMENTS[0] + SEGMENTS[1] + 1;

/// A closed library and the results of its searches.
struct Closed {
    dir: TempDir,
    queries: Vec<PreparedQuery>,
    responses: Vec<Vec<Hit>>,
}

static CLOSED: LazyLock<Closed> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let mut seeds = 0..IMAGES;
    for count in SEGMENTS.into_iter().chain([1]) {
        let engine = open(dir.path(), u64::MAX);
        for seed in seeds.by_ref().take(usize::try_from(count).unwrap()) {
            add(&engine, seed);
        }
        engine.close();
        // Writes a segment of the other images, if they are enough.
        open(dir.path(), count.max(2)).close();
    }
    assert_eq!(segments(dir.path()).len(), SEGMENTS.len());

    let engine = open(dir.path(), 3);
    let prepare = |seed| engine.prepare_query(&query(seed)).unwrap();
    let queries: Vec<PreparedQuery> = (0..=IMAGES).map(prepare).collect();
    let responses = responses(&engine, &queries);
    engine.close();
    let found = responses.iter().filter(|found| !found.is_empty()).count();
    assert_eq!(found as u64, IMAGES);
    Closed {
        dir,
        queries,
        responses,
    }
});

fn open(dir: &Path, segment_images: u64) -> Engine {
    let options = Options {
        segment_images,
        ..Options::default()
    };
    Engine::open(dir, options).unwrap()
}

fn add(engine: &Engine, seed: u64) {
    let file = draw::png(&draw::image(seed, 256, 192));
    let image = engine.prepare(&file).unwrap();
    library::add(engine, image, NewRecord::default()).unwrap();
}

/// A part of a stored image; of the last number, an image that is not stored.
fn query(seed: u64) -> Vec<u8> {
    let image = draw::image(seed, 256, 192);
    draw::png(&attack::crop(&image, 0.7, &mut draw::Chance::new(seed)))
}

fn responses(engine: &Engine, queries: &[PreparedQuery]) -> Vec<Vec<Hit>> {
    let search = |query| engine.search(query, &Query::default()).unwrap().matches;
    queries.iter().map(search).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("index")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[derive(Clone, Debug)]
enum Damage {
    RecordUpdate(Vec<(prop::sample::Index, u8)>),
    Cut(prop::sample::Index),
    Lengthen(Vec<u8>),
    Fill(u8),
    /// Replaces the file by another file of the index.
    Replace(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    prop_oneof![
        4 => prop::collection::vec(change, 1..40).prop_map(Damage::RecordUpdate),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..100).prop_map(Damage::Lengthen),
        1 => any::<u8>().prop_map(Damage::Fill),
        1 => any::<prop::sample::Index>().prop_map(Damage::Replace),
    ]
}

fn apply(file: &Path, damage: Damage, all: &[PathBuf]) {
    let mut bytes = fs::read(file).unwrap();
    match damage {
        Damage::RecordUpdate(changes) => {
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
        }
        Damage::Cut(place) => bytes.truncate(place.index(bytes.len())),
        Damage::Lengthen(more) => bytes.extend(more),
        Damage::Fill(value) => bytes.fill(value),
        Damage::Replace(other) => bytes = fs::read(other.get(all)).unwrap(),
    }
    fs::write(file, bytes).unwrap();
}

fn copied(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join("index")).unwrap();
    fs::copy(from.join("library.redb"), to.path().join("library.redb")).unwrap();
    for file in segments(from) {
        let name = file.file_name().unwrap();
        fs::copy(&file, to.path().join("index").join(name)).unwrap();
    }
    to
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_damage_to_files_of_the_index_does_not_change_results(
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let dir = copied(CLOSED.dir.path());
        let files = segments(dir.path());
        for (file, damage) in damages {
            apply(&files[file.index(files.len())], damage, &files);
        }

        let engine = open(dir.path(), 3);

        prop_assert_eq!(&responses(&engine, &CLOSED.queries), &CLOSED.responses);
        engine.close();
        // The next open accepts the rebuilt files.
        let again = open(dir.path(), 3);
        prop_assert_eq!(&responses(&again, &CLOSED.queries), &CLOSED.responses);
    }
}
