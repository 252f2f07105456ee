//! The store on a healthy disk and on a failing one.

mod disk;

use std::sync::Arc;
use std::sync::mpsc;

use super::*;
use crate::features::Features;
use crate::identity::ContentHash;
use crate::memory::{Memory, Merger};
use crate::pdq::Hash;
use crate::prepare::Prepared;
use crate::tags::TagFilter;
use disk::Disk;

const CAPACITY: u64 = 1000;

/// A made-up image whose content hash starts with `sign` and ends with `rest`.
fn prepared(sign: u64, rest: u8) -> Prepared {
    let mut content = [rest; 32];
    content[..8].copy_from_slice(&sign.to_be_bytes());
    Prepared {
        content: ContentHash::from_raw(content),
        size_bytes: 1,
        width: 50,
        height: 50,
        pdq: Hash([sign; 4]),
        pdq_quality: 100,
        features: Features {
            width: 50,
            height: 50,
            features: Vec::new(),
        }
        .encode(),
        thumbnail: vec![rest; 3000],
    }
}

fn add(store: &Store, image: &Prepared) -> Result<Added, StoreError> {
    let mut added = None;
    store.write(CAPACITY, |batch| {
        match batch.add(image, &NewRecord::default()) {
            Ok(outcome) => {
                added = Some(outcome);
                Ok(())
            }
            Err(WriteError::Storage(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    })?;
    Ok(added.unwrap())
}

fn delete(store: &Store, target: Target) {
    store
        .write(CAPACITY, |batch| {
            assert!(batch.delete(&target).unwrap().is_some());
            Ok(())
        })
        .unwrap();
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), 1 << 20).unwrap()
}

#[test]
fn files_that_share_64_bits_of_hash_get_neighbouring_signs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let [one, two, three] = [1, 2, 3].map(|rest| prepared(u64::MAX, rest));

    let signs = [&one, &two, &three].map(|image| add(&store, image).unwrap().sign.to_string());

    assert_eq!(signs, ["4294967295,4294967295", "0,0", "0,1"]);
}

#[test]
fn a_colliding_file_keeps_its_sign_when_the_first_owner_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let (one, two) = (prepared(7, 1), prepared(7, 2));
    let first = add(&store, &one).unwrap().sign;
    let second = add(&store, &two).unwrap().sign;
    delete(&store, Target::Sign(first));

    let again = add(&store, &two).unwrap();

    assert!(again.existed);
    assert_eq!(again.sign, second);
}

#[test]
fn image_numbers_are_not_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let number = |store: &Store, image: &Prepared| {
        store
            .read(|snapshot| snapshot.by_content(&image.content))
            .unwrap()
            .unwrap()
    };
    let store = open(&dir);
    add(&store, &prepared(1, 1)).unwrap();
    let before = number(&store, &prepared(1, 1));
    delete(&store, Target::Content(prepared(1, 1).content));
    drop(store);

    let store = open(&dir);
    add(&store, &prepared(1, 1)).unwrap();

    assert!(number(&store, &prepared(1, 1)) > before);
}

#[test]
fn a_library_of_another_format_is_rejected_untouched() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let database = Database::create(dir.path().join(FILE_NAME)).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(META)
        .unwrap()
        .insert("format", 99)
        .unwrap();
    write.commit().unwrap();
    drop(database);

    let rejected = Store::open(dir.path(), 1 << 20).err().unwrap();

    assert!(matches!(rejected, OpenError::Format { found: 99, .. }));
    assert!(
        rejected
            .to_string()
            .contains("has format 99, this version reads format 1")
    );
}

#[test]
fn a_file_that_is_no_database_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), vec![7; 10_000]).unwrap();

    assert!(matches!(
        Store::open(dir.path(), 1 << 20),
        Err(OpenError::Storage { .. })
    ));
}

#[test]
fn a_batch_that_fails_in_the_middle_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);

    let failed = store.write(CAPACITY, |batch| {
        batch.add(&prepared(1, 1), &NewRecord::default()).unwrap();
        Err(StoreError::OutOfNumbers)
    });

    assert!(matches!(failed, Err(StoreError::OutOfNumbers)));
    assert!(!add(&store, &prepared(1, 1)).unwrap().existed);
}

/// Lets the disk fail at every single operation of an add in turn, and checks each time that the
/// store goes on: what was answered is there, and the failed add can be repeated.
#[test]
fn a_failing_disk_fails_only_the_write_it_hits() {
    let disk = Disk::new();
    let store = disk.store();
    add(&store, &prepared(1_000_000, 0)).unwrap();

    let mut failures = 0;
    for operation in 0.. {
        let image = prepared(operation, 1);
        disk.fail_after(operation);
        let outcome = add(&store, &image);
        disk.heal();

        let Err(error) = outcome else { break };
        failures += 1;
        assert!(matches!(error, StoreError::DiskFull), "{error:?}");
        add(&store, &image).unwrap();
        let earlier = add(&store, &prepared(1_000_000, 0)).unwrap();
        assert!(earlier.existed);
    }

    assert!(failures >= 3, "an add took only {failures} disk operations");
    let listed = store.read(Snapshot::catalog).unwrap();
    assert_eq!(listed.len(), failures + 2);
}

#[test]
fn reads_go_on_after_a_failed_write_while_the_disk_is_still_full() {
    let disk = Disk::new();
    let store = disk.store();
    let kept = add(&store, &prepared(1, 1)).unwrap().sign;

    disk.fill();
    let failed = add(&store, &prepared(2, 1));
    let found = store.read(|snapshot| snapshot.by_sign(kept));
    let failed_again = add(&store, &prepared(2, 1));
    disk.heal();

    assert!(matches!(failed, Err(StoreError::DiskFull)));
    assert!(matches!(found, Ok(Some(_))), "{found:?}");
    assert!(matches!(failed_again, Err(StoreError::DiskFull)));
    assert!(!add(&store, &prepared(2, 1)).unwrap().existed);
}

#[test]
fn after_a_failed_commit_the_memory_shows_what_the_disk_holds() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let folder = tempfile::tempdir().unwrap();
    let memory = Arc::new(Memory::load(&store, folder.path(), 8192).unwrap());
    let (_merger, wake) = Merger::start(Arc::clone(&memory)).unwrap();
    let writer = Writer::start(Arc::clone(&store), Arc::clone(&memory), wake, CAPACITY).unwrap();
    let add = |sign| {
        let (done, response) = mpsc::channel();
        let image = prepared(sign, 1);
        writer.queue(
            move |batch| batch.add(&image, &NewRecord::default()),
            move |added| done.send(added).unwrap(),
        );
        response.recv().unwrap()
    };

    let mut failures = 0;
    for operation in 0.. {
        disk.fail_after(operation);
        let outcome = add(operation);
        disk.heal();
        if outcome.is_ok() {
            break;
        }
        failures += 1;
        add(u64::MAX / 2 + operation).unwrap();

        let shown = memory
            .catalog()
            .page(None, usize::MAX, &TagFilter::default());
        let held =
            store
                .read(Snapshot::catalog)
                .unwrap()
                .page(None, usize::MAX, &TagFilter::default());
        assert_eq!(shown, held);
        assert_eq!(memory.index().unsealed(), held.len() as u64);
    }
    assert!(failures >= 3);
}
