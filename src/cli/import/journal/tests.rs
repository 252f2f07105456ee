use clap::Parser;

use super::*;

const VERSION_1: FileVersion = FileVersion {
    size: 7,
    mtime_ms: 1_718_000_000_000,
};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    target: LibraryTarget,
}

fn target(library: &str) -> LibraryTarget {
    let line = ["x", "--endpoint", "http://h:1/", "--library", library];
    Flags::parse_from(line).target
}

fn open(path: &Path) -> Result<Journal, Failure> {
    Journal::open(path, &target("cats"), None)
}

fn record(path: &Path, key: &str) {
    let mut journal = open(path).unwrap();
    journal.record_stored(key, VERSION_1, "1,2").unwrap();
}

#[test]
fn the_journal_of_another_identity_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let open =
        |id: Option<&str>| Journal::open(&path, &target("cats"), id.map(str::to_owned)).unwrap();
    for (before, after) in [
        (Some("old"), Some("new")),
        (Some("old"), None),
        (None, Some("new")),
    ] {
        let mut journal = open(before);
        journal.record_stored("a", VERSION_1, "1,2").unwrap();
        drop(journal);
        assert!(open(before).entry("a", VERSION_1).is_some());

        let journal = open(after);

        assert!(journal.is_restarted());
        assert!(journal.entry("a", VERSION_1).is_none());
        drop(journal);
        assert!(!open(after).is_restarted());
    }
}

#[test]
fn a_library_may_have_another_name_and_endpoint_than_in_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let open = |name| Journal::open(&path, &target(name), Some("id".to_owned())).unwrap();
    open("cats").record_stored("a", VERSION_1, "1,2").unwrap();

    assert!(open("felines").entry("a", VERSION_1).is_some());
}

#[test]
fn the_next_run_reads_the_recorded_outcomes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    record(&path, "a");
    let rejected = Failure::of_kind(Kind::ImageFormat, "not an image");
    let mut journal = open(&path).unwrap();
    journal.record_rejected("b", VERSION_1, &rejected).unwrap();
    drop(journal);

    let journal = open(&path).unwrap();

    assert!(journal.entry("a", VERSION_1).unwrap().rejection().is_none());
    let rejection = journal.entry("b", VERSION_1).unwrap().rejection().unwrap();
    assert_eq!(rejection.kind(), Some(Kind::ImageFormat));
    assert!(journal.entry("c", VERSION_1).is_none());
}

#[test]
fn the_entry_of_a_changed_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    record(&path, "a");

    let journal = open(&path).unwrap();

    assert!(
        journal
            .entry(
                "a",
                FileVersion {
                    size: 8,
                    ..VERSION_1
                }
            )
            .is_none()
    );
    let later = FileVersion {
        mtime_ms: VERSION_1.mtime_ms + 1,
        ..VERSION_1
    };
    assert!(journal.entry("a", later).is_none());
}

#[test]
fn a_journal_truncated_at_any_byte_keeps_its_complete_lines_and_accepts_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    record(&path, "a");
    let first = std::fs::read(&path).unwrap().len();
    record(&path, "图");
    let whole = std::fs::read(&path).unwrap();

    for length in first..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        record(&path, "c");

        let journal = open(&path).unwrap();
        assert!(
            journal.entry("a", VERSION_1).is_some(),
            "truncated at {length}"
        );
        assert!(
            journal.entry("图", VERSION_1).is_none(),
            "truncated at {length}"
        );
        assert!(
            journal.entry("c", VERSION_1).is_some(),
            "truncated at {length}"
        );
    }
}

#[test]
fn a_journal_with_an_incomplete_first_line_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    drop(open(&path).unwrap());
    let header = std::fs::read(&path).unwrap();

    std::fs::write(&path, &header[..header.len() / 2]).unwrap();
    drop(open(&path).unwrap());

    assert_eq!(std::fs::read(&path).unwrap(), header);
}

#[test]
fn the_journal_of_another_library_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    record(&path, "a");

    let error = Journal::open(&path, &target("dogs"), None).unwrap_err();

    assert!(error.to_string().contains("belongs to library `cats`"));
}

#[test]
fn a_file_that_is_not_a_journal_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    for content in ["precious", "precious\n", "{}\n{}"] {
        std::fs::write(&path, content).unwrap();

        assert!(open(&path).is_err());

        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn two_imports_cannot_use_the_same_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let _first = open(&path).unwrap();

    assert!(
        open(&path)
            .unwrap_err()
            .to_string()
            .contains("another import")
    );
}
