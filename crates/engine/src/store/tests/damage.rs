//! Rows that were changed behind the store's back, and libraries of the earlier format.

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::*;
use crate::identity::Sign;
use crate::store::checksum::checksum;
use crate::store::record::StoredRecord;

/// Adds three images, lets `damage` change the closed file, and opens it again.
fn reopened(
    dir: &tempfile::TempDir,
    damage: impl FnOnce(&WriteTransaction),
) -> Result<Store, OpenError> {
    let store = open(dir);
    for number in [1, 2, 3] {
        add(&store, &prepared(number, 1)).unwrap();
    }
    drop(store);
    change(dir, damage);
    Store::open(dir.path(), 1 << 20)
}

fn change(dir: &tempfile::TempDir, change: impl FnOnce(&WriteTransaction)) {
    let database = Database::create(dir.path().join(FILE_NAME)).unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
}

fn flip_last_byte(write: &WriteTransaction, table: TableDefinition<'_, u32, &[u8]>, id: u32) {
    let mut table = write.open_table(table).unwrap();
    let mut row = table.get(id).unwrap().unwrap().value().to_vec();
    *row.last_mut().unwrap() ^= 1;
    table.insert(id, row.as_slice()).unwrap();
}

fn check(store: &Store) -> Result<(), StoreError> {
    store.read(|snapshot| snapshot.check_each_record(|_, _| {}))
}

/// Sign of the second image, whose number is 1.
const SECOND: u64 = 2;

fn second() -> Sign {
    Sign::from_raw(SECOND)
}

#[test]
fn a_damaged_record_is_an_error_that_names_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let store = reopened(&dir, |write| flip_last_byte(write, RECORDS, 1)).unwrap();

    let by_sign = store
        .read(|snapshot| snapshot.by_sign(second()))
        .unwrap_err();
    let listing = check(&store).unwrap_err();

    for error in [by_sign, listing] {
        assert_eq!(
            error.to_string(),
            "the database is damaged: the record of image 1, sign 0,2: wrong checksum"
        );
    }
    let other = store.read(|snapshot| snapshot.by_sign(Sign::from_raw(1)));
    assert!(other.unwrap().is_some());
}

#[test]
fn damaged_features_and_thumbnails_are_errors_that_name_their_image() {
    let dir = tempfile::tempdir().unwrap();
    let store = reopened(&dir, |write| {
        flip_last_byte(write, FEATURES, 1);
        flip_last_byte(write, THUMBNAILS, 1);
    })
    .unwrap();

    let features = store.read(|snapshot| snapshot.features(1, |_| Ok(())));
    let thumbnail = store.read(|snapshot| {
        let (id, record) = snapshot.by_sign(second())?.unwrap();
        snapshot.thumbnail(id, &record)
    });

    assert_eq!(
        features.unwrap_err().to_string(),
        "the database is damaged: the features of image 1, sign 0,2: wrong checksum"
    );
    assert_eq!(
        thumbnail.unwrap_err().to_string(),
        "the database is damaged: the thumbnail of image 1, sign 0,2: wrong checksum"
    );
}

#[test]
fn a_missing_or_mixed_up_row_is_an_error_and_never_a_shorter_list() {
    type Damage = fn(&WriteTransaction);
    let damages: [Damage; 8] = [
        |write| drop(write.open_table(RECORDS).unwrap().remove(1).unwrap()),
        |write| drop(write.open_table(SIGNS).unwrap().remove(SECOND).unwrap()),
        |write| drop(write.open_table(SIGNS).unwrap().insert(SECOND, 0).unwrap()),
        |write| {
            let mut hashes = write.open_table(HASHES).unwrap();
            hashes.insert(prepared(2, 1).content.as_raw(), 0).unwrap();
        },
        |write| {
            drop(
                write
                    .open_table(HASHES)
                    .unwrap()
                    .insert([9; 32], 1)
                    .unwrap(),
            )
        },
        |write| drop(write.open_table(THUMBNAILS).unwrap().remove(1).unwrap()),
        // The record of another image, and an older one of the same image.
        |write| {
            let mut records = write.open_table(RECORDS).unwrap();
            let other = records.get(0).unwrap().unwrap().value().to_vec();
            records.insert(1, other.as_slice()).unwrap();
        },
        |write| {
            let mut records = write.open_table(RECORDS).unwrap();
            let row = records.get(1).unwrap().unwrap().value().to_vec();
            let mut record = StoredRecord::decode(1, &row).unwrap();
            record.brief = "an older brief".to_owned();
            records.insert(1, record.encode(1).as_slice()).unwrap();
        },
    ];

    for (number, damage) in damages.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let store = reopened(&dir, damage).unwrap();

        let error = check(&store).unwrap_err();

        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{number}: {error}"
        );
    }
}

#[test]
fn damaged_totals_are_an_error_at_open() {
    for key in ["library", "next_id", "images", "digest", "checksum"] {
        let dir = tempfile::tempdir().unwrap();

        let rejected = reopened(&dir, |write| {
            write
                .open_table(META)
                .unwrap()
                .insert(key, 1_000_000)
                .unwrap();
        });

        assert!(matches!(
            rejected.err().unwrap(),
            OpenError::Storage {
                source: StoreError::Damaged { .. },
                ..
            }
        ));
    }
}

#[test]
fn an_image_that_rows_mix_up_with_another_is_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = reopened(&dir, |write| {
        write.open_table(SIGNS).unwrap().insert(SECOND, 0).unwrap();
    })
    .unwrap();

    let deleted = store.write(CAPACITY, |batch| {
        match batch.delete(&Target::Sign(second())) {
            Err(WriteError::Storage(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    });

    assert!(matches!(deleted, Err(StoreError::Damaged { .. })));
}

/// Turns the library of a folder into one of format 1.
fn to_format_1(write: &WriteTransaction) {
    let mut meta = write.open_table(META).unwrap();
    meta.insert("format", 1).unwrap();
    for key in ["images", "digest", "checksum"] {
        meta.remove(key).unwrap();
    }
    let mut records = write.open_table(RECORDS).unwrap();
    for id in 0..3 {
        let row = records.get(id).unwrap().unwrap().value().to_vec();
        let old = [&[1], &row[9..110], &row[126..]].concat();
        records.insert(id, old.as_slice()).unwrap();
    }
}

#[test]
fn a_library_of_format_1_is_converted_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for number in [1, 2, 3] {
        add(&store, &prepared(number, 1)).unwrap();
    }
    let state = |store: &Store| {
        store
            .read(|snapshot| {
                let (id, record) = snapshot.by_sign(second())?.unwrap();
                let thumbnail = snapshot.thumbnail(id, &record)?;
                snapshot.features(id, |_| Ok(()))?.unwrap();
                Ok((
                    record,
                    thumbnail,
                    snapshot.library_id()?,
                    snapshot.next_id()?,
                ))
            })
            .unwrap()
    };
    let before = state(&store);
    drop(store);
    change(&dir, to_format_1);

    let store = open(&dir);

    check(&store).unwrap();
    assert_eq!(state(&store), before);
    assert!(add(&store, &prepared(1, 1)).unwrap().existed);
    assert!(!add(&store, &prepared(4, 1)).unwrap().existed);
    drop(store);
    check(&open(&dir)).unwrap();
}

#[test]
fn an_empty_library_of_format_1_is_converted() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    change(&dir, |write| {
        let mut meta = write.open_table(META).unwrap();
        meta.insert("format", 1).unwrap();
        for key in ["next_id", "images", "digest", "checksum"] {
            meta.remove(key).unwrap();
        }
    });

    let store = open(&dir);

    assert!(!add(&store, &prepared(1, 1)).unwrap().existed);
}

#[test]
fn a_damaged_library_of_format_1_is_rejected_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let converted = reopened(&dir, |write| {
        to_format_1(write);
        let mut records = write.open_table(RECORDS).unwrap();
        records.insert(1, [7; 200].as_slice()).unwrap();
    });

    let error = converted.err().unwrap();

    assert!(matches!(
        error,
        OpenError::Storage {
            source: StoreError::Damaged { .. },
            ..
        }
    ));
    let database = Database::create(dir.path().join(FILE_NAME)).unwrap();
    assert_eq!(format_of(&database).unwrap(), Some(1));
}

/// Prints what the checks at open cost. By hand: `cargo test --release -p same-image -- --ignored
/// --nocapture the_cost_of_opening`.
#[test]
#[ignore = "measures; takes a minute"]
#[expect(clippy::print_stdout, reason = "the result of a measurement")]
fn the_cost_of_opening() {
    const IMAGES: u64 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 256 << 20).unwrap();
    for start in (0..IMAGES).step_by(1000) {
        let batch = store.write(IMAGES, |batch| {
            for number in start..start + 1000 {
                let spread = checksum(0, &number.to_le_bytes());
                batch
                    .add(&prepared(spread, 1), &NewRecord::default())
                    .unwrap();
            }
            Ok(())
        });
        batch.unwrap();
    }
    for _ in 0..3 {
        let start = std::time::Instant::now();
        store
            .read(|snapshot| snapshot.for_each_record(|_, _| {}))
            .unwrap();
        let records = start.elapsed();
        check(&store).unwrap();
        println!(
            "records {records:?}, with keys {:?}",
            start.elapsed() - records
        );
    }
}
