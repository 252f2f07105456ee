//! Previews: read back, deleted, checked, and absent from the libraries of earlier versions.

use redb::{Database, ReadableTable, WriteTransaction};

use super::*;
use crate::identity::Sign;
use crate::store::tables::PREVIEWS;

fn with_preview(sign: u64) -> PreparedImage {
    PreparedImage {
        preview: vec![u8::try_from(sign).unwrap(); 20_000],
        ..prepared(sign, 1)
    }
}

fn preview(store: &Store, sign: u64) -> Result<Option<Vec<u8>>, StoreError> {
    store.read(|snapshot| {
        let (id, record) = snapshot.by_sign(Sign::from_raw(sign))?.unwrap();
        snapshot.preview(id, &record)
    })
}

fn check(store: &Store) -> Result<(), StoreError> {
    store.read(|snapshot| snapshot.check_each_record(|_, _| {}))
}

/// Lets `change` write to the closed file, and opens it again.
fn changed(dir: &tempfile::TempDir, store: Store, change: impl FnOnce(&WriteTransaction)) -> Store {
    drop(store);
    let database = Database::create(dir.path().join(FILE_NAME)).unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
    drop(database);
    open(dir)
}

fn format(dir: &tempfile::TempDir, store: Store) -> (Option<u64>, Store) {
    let mut format = None;
    let store = changed(dir, store, |write| {
        let meta = write.open_table(META).unwrap();
        format = meta.get(FORMAT_KEY).unwrap().map(|format| format.value());
    });
    (format, store)
}

#[test]
fn a_preview_is_kept_by_an_update_and_deleted_with_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, &with_preview(1)).unwrap();
    add(&store, &prepared(2, 1)).unwrap();
    let update = RecordUpdate {
        brief: Some("new".to_owned()),
        tags: None,
    };
    let target = Target::Sign(Sign::from_raw(1));

    let updated = store.write(CAPACITY, |batch| {
        batch.update(&target, &update).unwrap();
        Ok(())
    });

    updated.unwrap();
    assert_eq!(preview(&store, 1).unwrap(), Some(vec![1; 20_000]));
    assert_eq!(preview(&store, 2).unwrap(), None);
    check(&store).unwrap();
    delete(&store, target);
    check(&store).unwrap();
    changed(&dir, store, |write| {
        let previews = write.open_table(PREVIEWS).unwrap();
        assert!(previews.iter().unwrap().next().is_none());
    });
}

#[test]
fn a_damaged_missing_or_mixed_up_preview_is_an_error_that_names_its_image() {
    type Damage = fn(&WriteTransaction);
    let damages: [(Damage, &str); 3] = [
        (
            |write| drop(write.open_table(PREVIEWS).unwrap().insert(1, &[7; 9][..])),
            "wrong checksum",
        ),
        (
            |write| drop(write.open_table(PREVIEWS).unwrap().remove(1)),
            "missing",
        ),
        (
            |write| {
                let mut previews = write.open_table(PREVIEWS).unwrap();
                let other = previews.get(0).unwrap().unwrap().value().to_vec();
                previews.insert(1, other.as_slice()).unwrap();
            },
            "wrong checksum",
        ),
    ];
    for (damage, problem) in damages {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        add(&store, &with_preview(1)).unwrap();
        add(&store, &with_preview(2)).unwrap();

        let store = changed(&dir, store, damage);

        assert_eq!(
            preview(&store, 2).unwrap_err().to_string(),
            format!("the database is damaged: the preview of image 1, sign 0,2: {problem}")
        );
        assert!(preview(&store, 1).is_ok());
    }
}

#[test]
fn a_preview_without_its_image_is_found_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, &with_preview(1)).unwrap();

    let store = changed(&dir, store, |write| {
        drop(write.open_table(PREVIEWS).unwrap().insert(9, &[7; 9][..]));
    });

    assert_eq!(
        check(&store).unwrap_err().to_string(),
        "the database is damaged: the table `previews` has 2 rows instead of 1"
    );
}

#[test]
fn a_library_of_a_version_without_previews_opens_and_changes_its_format_with_the_first_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, &prepared(1, 1)).unwrap();
    let store = changed(&dir, store, |write| {
        assert!(write.delete_table(PREVIEWS).unwrap());
    });

    check(&store).unwrap();
    assert_eq!(preview(&store, 1).unwrap(), None);
    add(&store, &prepared(2, 1)).unwrap();
    let (before, store) = format(&dir, store);
    add(&store, &with_preview(3)).unwrap();
    let (after, store) = format(&dir, store);

    assert_eq!((before, after), (Some(2), Some(3)));
    check(&store).unwrap();
    assert_eq!(preview(&store, 3).unwrap(), Some(vec![3; 20_000]));
}
