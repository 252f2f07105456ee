//! Segment files of a library in use: they are kept up to date, and their loss or damage loses no
//! image.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use super::*;
use crate::features::{ExtractionProfile, Feature, PackedKeypoint, Word};
use crate::identity::Sign;
use crate::measuring::synthetic_image;
use crate::prepare::PreparedImage;
use crate::store::{NewRecord, Target};
use tempfile::TempDir;

/// Size of the memtable at which it is merged.
const SEGMENT_IMAGES: u64 = 100;
static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

/// A store and its search state, without the threads of the engine.
struct Library {
    dir: TempDir,
    store: Store,
    state: SearchState,
}

impl Library {
    fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap())
    }

    fn open(dir: TempDir) -> Self {
        let store = Store::open(dir.path(), 1 << 20).unwrap();
        let state = SearchState::load(&store, dir.path(), SEGMENT_IMAGES).unwrap();
        Self { dir, store, state }
    }

    fn reopened(self) -> Self {
        self.store.close();
        Self::open(self.dir)
    }

    /// Adds images with one feature each.
    fn add(&self, numbers: Range<u64>) {
        self.commit(|batch| {
            for number in numbers {
                let added = batch.add(&image(number), &NewRecord::default());
                assert!(!added.unwrap().existed);
            }
        });
    }

    fn delete(&self, numbers: Range<u64>) {
        self.commit(|batch| {
            for number in numbers {
                let target = Target::Sign(Sign::from_raw(number));
                assert!(batch.delete(&target).unwrap().is_some());
            }
        });
    }

    fn commit(&self, write: impl FnOnce(&mut crate::store::Batch<'_>)) {
        let changes = self.store.write(u64::MAX, |batch| {
            write(batch);
            Ok(())
        });
        self.state.apply(&changes.unwrap()).unwrap();
    }

    fn merge(&self) {
        self.state.merge_due(&NOT_CANCELLED).unwrap();
    }

    /// The segment files, by name.
    fn files(&self) -> BTreeSet<PathBuf> {
        let folder = fs::read_dir(self.dir.path().join(INDEX_FOLDER)).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }

    fn only_file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1);
        files.into_iter().next().unwrap()
    }
}

fn image(number: u64) -> PreparedImage {
    let side = ExtractionProfile::Library.working_side();
    described_at(number, side.try_into().unwrap())
}

fn described_at(number: u64, working_side: u16) -> PreparedImage {
    let mut content = [1; 32];
    content[..8].copy_from_slice(&number.to_be_bytes());
    let feature = Feature {
        word: Word {
            cell: u32::try_from(number).unwrap(),
            signature: number,
        },
        keypoint: PackedKeypoint(0),
    };
    let features = Features {
        width: 50,
        height: 50,
        working_side,
        features: vec![feature],
    };
    synthetic_image(content, [number; 4], &features, Vec::new())
}

#[test]
fn the_newest_images_become_a_segment_that_the_next_opening_reads() {
    let library = Library::new();
    library.add(0..90);
    library.merge();
    assert!(library.files().is_empty(), "too few images for a segment");

    library.add(90..100);
    library.merge();
    library.add(100..108);

    library.only_file();
    assert_eq!(library.state.index().unsealed(), 8);
    let library = library.reopened();
    assert_eq!(library.state.index().images(), 108);
    assert_eq!(library.state.index().unsealed(), 8);
    assert_eq!(library.state.described().unindexed, 0);
}

#[test]
fn a_segment_that_is_deleted_damaged_or_truncated_is_rebuilt() {
    let mut library = Library::new();
    library.add(0..110);
    library.merge();

    let damages: [fn(&PathBuf); 4] = [
        |file| fs::remove_file(file).unwrap(),
        |file| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        },
        |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
        },
        |file| fs::write(file, b"").unwrap(),
    ];
    for damage in damages {
        let file = library.only_file();
        library.store.close();
        // The file must not be mapped when it is truncated.
        let Library { dir, state, .. } = library;
        drop(state);
        damage(&file);

        library = Library::open(dir);

        assert_eq!(library.state.index().images(), 110);
        let file = library.only_file();
        assert!(crate::index::Segment::open(&file, library.state.library_id().as_raw()).is_ok());
    }
}

#[test]
fn images_that_an_earlier_version_described_are_counted() {
    let library = Library::new();
    library.add(0..100);
    library.commit(|batch| {
        for number in 100..107 {
            let old = described_at(number, 320);
            batch.add(&old, &NewRecord::default()).unwrap();
        }
    });
    library.merge();
    library.commit(|batch| {
        batch
            .add(&described_at(107, 320), &NewRecord::default())
            .unwrap();
    });
    library.delete(100..102);

    let library = library.reopened();

    let described = library.state.described();
    assert_eq!((described.coarse, described.unindexed), (6, 0));
}

#[test]
fn a_segment_of_an_earlier_version_is_rebuilt() {
    let library = Library::new();
    library.add(0..110);
    library.merge();
    let file = library.only_file();
    library.store.close();
    let Library { dir, state, .. } = library;
    drop(state);
    fs::write(&file, [b"SAMESG01", &[0; 100][..]].concat()).unwrap();

    let library = Library::open(dir);

    assert_eq!(library.state.index().images(), 110);
    assert_ne!(library.only_file(), file);
}

#[test]
fn a_segment_of_another_library_is_rejected() {
    let other = Library::new();
    other.add(0..110);
    other.merge();
    let library = Library::new();
    library.add(0..10);
    let stranger = library.dir.path().join(INDEX_FOLDER).join("9.segment");
    fs::copy(other.only_file(), stranger).unwrap();

    let library = library.reopened();

    assert!(library.files().is_empty());
    assert_eq!(library.state.index().images(), 10);
}

#[test]
fn a_segment_newer_than_a_restored_library_is_rejected() {
    let library = Library::new();
    library.add(0..10);
    library.store.close();
    let file = library.dir.path().join("library.redb");
    let backup = fs::read(&file).unwrap();
    let library = library.reopened();
    library.add(10..110);
    library.merge();
    library.store.close();

    fs::write(file, backup).unwrap();
    let library = library.reopened();

    assert!(library.files().is_empty());
    assert_eq!(library.state.index().images(), 10);
}

#[test]
fn the_files_of_an_interrupted_merge_are_deleted() {
    let library = Library::new();
    library.add(0..100);
    library.merge();
    let old = library.only_file();
    let old_bytes = fs::read(&old).unwrap();
    library.add(100..200);
    library.merge();
    let merged = library.only_file();
    fs::write(&old, old_bytes).unwrap();
    fs::write(merged.with_extension("partial"), b"half").unwrap();

    let library = library.reopened();

    assert_eq!(library.only_file(), merged);
    assert_eq!(library.state.index().images(), 200);
}

#[test]
fn deleted_images_are_dropped_when_they_are_more_than_half_of_the_index() {
    let library = Library::new();
    library.add(0..500);
    library.merge();

    library.delete(0..200);
    library.merge();
    assert_eq!(library.state.index().images(), 500);
    library.delete(200..480);
    library.merge();

    assert_eq!(library.state.index().images(), 20);
    let library = library.reopened();
    assert_eq!(library.state.index().images(), 20);
    assert_eq!(library.state.catalog().len(), 20);
}

#[test]
fn a_merge_keeps_an_image_whose_catalog_entry_is_not_added_yet() {
    let library = Library::new();
    library.add(0..110);
    let features = Features::decode(&image(110).features).unwrap();
    library.state.index.insert(110, &features);

    library.merge();

    assert_eq!(library.state.index().images(), 111);
}

#[test]
fn a_folder_that_rejects_files_costs_memory_and_no_image() {
    let library = Library::new();
    library.add(0..10);
    library.store.close();
    let folder = library.dir.path().join(INDEX_FOLDER);
    let Library { dir, state, .. } = library;
    drop(state);

    let library = Library::open(dir);
    fs::remove_dir(&folder).unwrap();
    library.add(10..110);

    assert!(library.state.merge_due(&NOT_CANCELLED).is_err());
    assert_eq!(library.state.index().images(), 110);
}
