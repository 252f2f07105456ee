//! The identity of a library: a lost library file is an error and never an empty library.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use same_image::{Engine, OpenError, Options};
use tempfile::TempDir;

/// A closed library.
fn library() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().close();
    dir
}

fn open(dir: &Path) -> Result<Engine, OpenError> {
    Engine::open(dir, Options::default())
}

fn marker(dir: &Path) -> String {
    fs::read_to_string(dir.join("library.id")).unwrap()
}

#[test]
fn a_missing_or_empty_library_file_beside_a_marker_is_an_error_with_the_way_out() {
    for empty in [false, true] {
        let dir = library();
        let file = dir.path().join("library.redb");
        fs::remove_dir(dir.path().join("index")).unwrap();
        fs::remove_file(&file).unwrap();
        if empty {
            fs::write(&file, "").unwrap();
        }

        let error = open(dir.path()).unwrap_err();

        assert!(matches!(error, OpenError::Lost { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("beside `library.id`"), "{message}");
        assert!(
            message.contains("restore the file from a backup"),
            "{message}"
        );
        assert!(
            message.contains("delete the files of the folder"),
            "{message}"
        );
        assert_eq!(file.exists(), empty, "nothing was created");
    }
}

#[test]
fn a_missing_or_empty_library_file_beside_an_index_is_an_error() {
    for empty in [false, true] {
        let dir = library();
        let file = dir.path().join("library.redb");
        fs::remove_file(dir.path().join("library.id")).unwrap();
        fs::remove_file(&file).unwrap();
        if empty {
            fs::write(&file, "").unwrap();
        }

        let error = open(dir.path()).unwrap_err();

        assert!(error.to_string().contains("beside `index`"), "{error}");
    }
}

#[test]
fn a_folder_whose_files_were_deleted_starts_an_empty_library_with_another_identity() {
    let dir = library();
    let before = marker(dir.path());
    fs::remove_dir_all(dir.path()).unwrap();

    open(dir.path()).unwrap();

    assert_ne!(marker(dir.path()), before);
}

#[test]
fn an_identity_is_kept_over_restarts_and_restored_backups() {
    let dir = library();
    let before = marker(dir.path());
    let file = dir.path().join("library.redb");
    let backup = fs::read(&file).unwrap();
    open(dir.path()).unwrap().close();

    fs::write(&file, backup).unwrap();
    open(dir.path()).unwrap().close();

    assert_eq!(marker(dir.path()), before);
}

#[test]
fn a_library_of_an_earlier_version_gets_its_marker_when_it_is_opened() {
    for empty in [false, true] {
        let dir = library();
        let before = marker(dir.path());
        fs::remove_file(dir.path().join("library.id")).unwrap();
        if empty {
            fs::write(dir.path().join("library.id"), "").unwrap();
        }

        open(dir.path()).unwrap();

        assert_eq!(marker(dir.path()), before);
    }
}

#[test]
fn the_file_of_another_library_is_rejected_until_the_marker_is_deleted() {
    let (dir, other) = (library(), library());
    fs::copy(
        other.path().join("library.redb"),
        dir.path().join("library.redb"),
    )
    .unwrap();

    let error = open(dir.path()).unwrap_err();

    assert!(matches!(error, OpenError::OtherLibrary { .. }), "{error}");
    fs::remove_file(dir.path().join("library.id")).unwrap();
    open(dir.path()).unwrap();
    assert_eq!(marker(dir.path()), marker(other.path()));
}

#[test]
fn only_the_owner_may_read_the_library_and_its_marker() {
    let dir = library();

    for name in ["library.redb", "library.id"] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}
