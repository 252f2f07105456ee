//! The store on a healthy disk and on a failing disk.

mod damage;
mod previews;

use super::failing_disk::Disk;
use super::power_cut::{Failure, VolatileDisk};
use super::*;
use crate::features::Features;
use crate::measuring::synthetic_image;
use crate::prepare::PreparedImage;

const CAPACITY: u64 = 1000;

/// A synthetic image whose content hash starts with `sign` and ends with `rest`.
fn prepared(sign: u64, rest: u8) -> PreparedImage {
    let mut content = [rest; 32];
    content[..8].copy_from_slice(&sign.to_be_bytes());
    let features = Features {
        width: 50,
        height: 50,
        working_side: 640,
        features: Vec::new(),
    };
    synthetic_image(content, [sign; 4], &features, vec![rest; 3000])
}

fn add(store: &Store, image: &PreparedImage) -> Result<Added, StoreError> {
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
fn a_colliding_file_keeps_its_sign_when_the_first_owner_is_deleted() {
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
fn image_numbers_are_not_reused() {
    let dir = tempfile::tempdir().unwrap();
    let number = |store: &Store, image: &PreparedImage| {
        store
            .read(|snapshot| snapshot.by_content(&image.content))
            .unwrap()
            .unwrap()
            .0
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
            .contains("has format 99, this version reads format 2")
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
fn a_batch_that_fails_in_the_middle_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);

    let failed = store.write(CAPACITY, |batch| {
        batch.add(&prepared(1, 1), &NewRecord::default()).unwrap();
        Err(StoreError::OutOfNumbers)
    });

    assert!(matches!(failed, Err(StoreError::OutOfNumbers)));
    assert!(!add(&store, &prepared(1, 1)).unwrap().existed);
}

/// Makes the disk fail at each operation of an add in turn, and checks that the store works after
/// it: the earlier image is stored, and a retry of the failed add succeeds.
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

    assert!(
        failures >= 3,
        "an add needs only {failures} disk operations"
    );
    let mut records = 0;
    store
        .read(|snapshot| snapshot.check_each_record(|_, _| records += 1))
        .unwrap();
    assert_eq!(records, failures + 2);
}

#[test]
fn reads_work_after_a_failed_write_while_the_disk_is_still_full() {
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
fn failures_persist_after_three_failed_commits_and_end_with_one_that_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let disk = VolatileDisk::new(Vec::new());
    let store = disk.store(dir.path()).unwrap();
    let mut states = Vec::new();

    for number in 0..3 {
        // Its first operations are those of the commit; the reopen after it succeeds.
        disk.fail(Failure::One(disk.operations() + 2));
        add(&store, &prepared(number, 1)).unwrap_err();
        states.push(store.health().is_failing);
    }
    let probe = store.write(CAPACITY, |batch| {
        batch.force_commit();
        Ok(())
    });

    assert_eq!(states, [false, false, true]);
    probe.unwrap();
    assert!(!store.health().is_failing);
    assert!(store.health().failures >= 3);
}

#[test]
fn a_file_that_cannot_be_reopened_is_failing_until_it_can() {
    let disk = Disk::new();
    let store = disk.store();

    disk.break_after(0);
    add(&store, &prepared(1, 1)).unwrap_err();
    let broken = store.health().is_failing;
    disk.heal();
    add(&store, &prepared(1, 1)).unwrap();

    assert!(broken);
    assert!(!store.health().is_failing);
}

#[test]
fn a_full_disk_is_not_failing() {
    let disk = Disk::new();
    let store = disk.store();
    add(&store, &prepared(1, 1)).unwrap();

    disk.fill();
    for number in 2..8 {
        let _ = add(&store, &prepared(number, 1));
    }

    assert!(!store.health().is_failing);
    assert!(store.health().failures > 0);
}

#[test]
fn while_a_reserve_is_violated_only_new_images_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, &prepared(1, 1)).unwrap();

    store
        .write(CAPACITY, |batch| {
            batch.reject_adds(1 << 20);
            let new = batch.add(&prepared(2, 1), &NewRecord::default());
            assert!(
                matches!(new, Err(WriteError::DiskReserve { .. })),
                "{new:?}"
            );
            let stored = batch.add(&prepared(1, 1), &NewRecord::default());
            assert!(stored.unwrap().existed);
            let target = Target::Content(prepared(1, 1).content);
            batch.update(&target, &RecordUpdate::default()).unwrap();
            assert!(batch.delete(&target).unwrap().is_some());
            Ok(())
        })
        .unwrap();
}
