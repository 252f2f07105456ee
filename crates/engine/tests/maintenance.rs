//! Backup, restore, verification and compaction of a library.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use library::Library;
use redb::TableDefinition;
use same_image::{
    BackupError, BackupInfo, Engine, Existing, MIN_PREVIEW_SIDE, NewRecord, OfflineLibrary,
    OpenError, Options, Record, RestoreError, Sign, Target, Verification, restore, verify_backup,
};

const IMAGES: u64 = 30;

fn file(seed: u64) -> Vec<u8> {
    draw::png(&draw::image(seed, 96, 72))
}

/// Makes a library with images, one of them deleted, and some in an index segment.
fn library() -> Library {
    let library = Library::new();
    for seed in 0..IMAGES {
        library
            .add(&file(seed), &format!("brief {seed}"), &[7])
            .unwrap();
    }
    let deleted = library.signs(&file(3))[0];
    library.delete(vec![Target::Sign(deleted)]).unwrap();
    library
}

fn backup(library: &Library) -> Vec<u8> {
    let mut backup = Vec::new();
    library.engine.backup(&mut backup, &mut |_, _| {}).unwrap();
    backup
}

fn write_backup(folder: &Path, backup: &[u8]) -> PathBuf {
    let path = folder.join("library.backup");
    fs::write(&path, backup).unwrap();
    path
}

fn verified(backup: &[u8]) -> Result<BackupInfo, BackupError> {
    verify_backup(backup, &mut |_, _| {})
}

fn quiet() -> impl FnMut(u64, u64) {
    |_, _| {}
}

fn everything(engine: &Engine) -> Vec<Record> {
    library::list(engine).unwrap()
}

fn verify(dir: &Path, repair: bool) -> Verification {
    let library = OfflineLibrary::open(dir).unwrap();
    library.verify(repair, &mut quiet()).unwrap()
}

#[test]
fn a_restored_library_has_every_image_and_finds_the_same_ones() {
    let library = library();
    let folder = tempfile::tempdir().unwrap();
    let path = write_backup(folder.path(), &backup(&library));
    let dir = folder.path().join("restored");
    let mut calls = Vec::new();

    let info = restore(&path, &dir, Existing::Keep, &mut |done, all| {
        calls.push((done, all))
    });

    let info = info.unwrap();
    assert_eq!(
        (info.images, calls.last()),
        (IMAGES - 1, Some(&(IMAGES - 1, IMAGES - 1)))
    );
    assert_eq!(info.size_bytes, fs::metadata(&path).unwrap().len());
    let restored = Engine::open(&dir, Options::default()).unwrap();
    assert_eq!(everything(&restored), everything(&library.engine));
    for seed in 0..IMAGES {
        let query = restored.prepare_query(&file(seed)).unwrap();
        let found = restored.search(&query, &Default::default()).unwrap();
        assert_eq!(found.matches, library.search(&file(seed)).matches, "{seed}");
    }
    let sign = everything(&restored)[0].sign;
    assert!(restored.get(sign).unwrap() == library.engine.get(sign).unwrap());
    let (old, new) = (library.engine.stats().unwrap(), restored.stats().unwrap());
    assert_ne!(new.id, old.id, "a copy is another library");
    assert_eq!(info.library, old.id);
    assert!(!dir.join("restore.partial").exists());
}

/// Takes a backup, and adds and deletes an image in the middle of it.
struct Meddling<'a> {
    library: &'a Library,
    backup: Vec<u8>,
    deleted: Option<Sign>,
}

impl Write for Meddling<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.backup.len() > 2000 && self.deleted.is_none() {
            let last = everything(&self.library.engine).pop().unwrap().sign;
            self.library.delete(vec![Target::Sign(last)]).unwrap();
            self.library.add(&file(1000), "later", &[]).unwrap();
            self.deleted = Some(last);
        }
        self.backup.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_backup_is_one_state_whatever_is_written_meanwhile() {
    let library = library();
    let before = everything(&library.engine);
    let mut out = Meddling {
        library: &library,
        backup: Vec::new(),
        deleted: None,
    };

    library.engine.backup(&mut out, &mut quiet()).unwrap();

    assert!(out.deleted.is_some());
    assert_ne!(everything(&library.engine), before);
    let folder = tempfile::tempdir().unwrap();
    let path = write_backup(folder.path(), &out.backup);
    let dir = folder.path().join("restored");
    restore(&path, &dir, Existing::Keep, &mut quiet()).unwrap();
    let restored = Engine::open(&dir, Options::default()).unwrap();
    assert_eq!(everything(&restored), before);
}

#[test]
fn a_backup_at_rest_equals_one_of_the_running_engine_but_for_its_time() {
    let library = library();
    let online = backup(&library);
    library.engine.close();
    let mut offline = Vec::new();

    let source = OfflineLibrary::open(library.path()).unwrap();
    source.backup(&mut offline, &mut quiet()).unwrap();

    let content = |backup: &[u8]| [&backup[..16], &backup[24..backup.len() - 32]].concat();
    assert!(content(&offline) == content(&online));
}

#[test]
fn an_error_of_the_output_ends_the_backup_and_leaves_the_engine_alone() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let library = library();

    let ended = library.engine.backup(&mut Full(5000), &mut quiet());

    assert!(matches!(ended, Err(BackupError::Io(_))), "{ended:?}");
    library.add(&file(1000), "later", &[]).unwrap();
    assert!(verified(&backup(&library)).is_ok());
}

#[test]
fn no_part_of_a_backup_and_no_changed_bit_is_accepted() {
    let backup = backup(&library());
    let info = verified(&backup).unwrap();
    assert_eq!(info.size_bytes, backup.len() as u64);

    for end in (0..backup.len()).step_by(997).chain([backup.len() - 1]) {
        let error = verified(&backup[..end]).unwrap_err();
        let is_named = match end {
            0..6 => matches!(error, BackupError::NotABackup),
            _ => matches!(error, BackupError::CutOff { of, .. } if end < 40 || of == IMAGES - 1),
        };
        assert!(is_named, "{end}: {error}");
    }
    for byte in (0..60).chain((60..backup.len()).step_by(499)) {
        let mut changed = backup.clone();
        changed[byte] ^= 4;
        assert!(verified(&changed).is_err(), "byte {byte}");
    }
    assert!(verified(&[&backup[..], b"x"].concat()).is_err());
    let mut later = backup;
    later[7] = b'3';
    assert!(matches!(verified(&later), Err(BackupError::Format { .. })));
}

/// A library with a preview, and the signs of two images: with and without one.
fn with_previews() -> (Library, [Sign; 2]) {
    let library = Library::with_previews(MIN_PREVIEW_SIDE);
    let large = draw::jpeg(&draw::image(1, 640, 300), 90);
    let signs = [large, file(2)].map(|file| library.add(&file, "", &[]).unwrap().sign);
    (library, signs)
}

#[test]
fn a_restored_library_has_the_previews() {
    let (library, [large, small]) = with_previews();
    let folder = tempfile::tempdir().unwrap();
    let path = write_backup(folder.path(), &backup(&library));
    let dir = folder.path().join("restored");

    restore(&path, &dir, Existing::Keep, &mut quiet()).unwrap();

    // An option of new images only.
    let restored = Engine::open(&dir, Options::default()).unwrap();
    let preview = restored.preview(large).unwrap().unwrap();
    let shown = image::load_from_memory(&preview).unwrap();
    assert_eq!((shown.width(), shown.height()), (512, 240));
    assert_eq!(library.engine.preview(large).unwrap(), Some(preview));
    assert_eq!(restored.preview(small).unwrap(), None);
    restored.close();
    assert_eq!(verify(&dir, false).damages, []);
}

#[test]
fn a_damaged_preview_is_found_and_named_and_counts_for_the_size() {
    let (library, [large, _]) = with_previews();
    let without = Library::new();
    let before = without.engine.stats().unwrap().disk_bytes;
    let preview = library.engine.preview(large).unwrap().unwrap();
    assert!(library.engine.stats().unwrap().disk_bytes >= before + preview.len() as u64);

    let library = library.damaged(&preview[600..700]);

    let error = library.engine.preview(large).unwrap_err().to_string();
    let named = format!("the preview of image 0, sign {large}: wrong checksum");
    assert!(error.ends_with(&named), "{error}");
    let mut out = Vec::new();
    let backup = library.engine.backup(&mut out, &mut |_, _| {});
    assert!(matches!(backup, Err(BackupError::Library(_))), "{backup:?}");
    library.engine.close();
    let found = verify(library.path(), true);
    let named = found
        .damages
        .iter()
        .find(|damage| damage.problem.contains(&named));
    assert!(named.is_some_and(|damage| !damage.repaired), "{found:?}");
}

/// Writes a backup without previews as the version before wrote it: without their lengths.
fn in_format_01(backup: &[u8]) -> Vec<u8> {
    let mut old = [b"SAMEGB01", &backup[8..40]].concat();
    let mut rest = &backup[40..backup.len() - 32];
    while !rest.is_empty() {
        let lengths = rest[4..20].chunks(4);
        let lengths = lengths.map(|length| u32::from_le_bytes(length.try_into().unwrap()));
        let lengths: Vec<usize> = lengths.map(|length| length as usize).collect();
        assert_eq!(lengths[3], 0);
        let end = 20 + lengths.iter().sum::<usize>();
        old.extend([&rest[..16], &rest[20..end]].concat());
        rest = &rest[end..];
    }
    let checksum = blake3::hash(&old);
    old.extend(checksum.as_bytes());
    old
}

#[test]
fn a_backup_of_the_version_before_is_restored() {
    let library = library();
    let folder = tempfile::tempdir().unwrap();
    let path = write_backup(folder.path(), &in_format_01(&backup(&library)));
    let dir = folder.path().join("restored");

    restore(&path, &dir, Existing::Keep, &mut quiet()).unwrap();

    let restored = Engine::open(&dir, Options::default()).unwrap();
    assert_eq!(everything(&restored), everything(&library.engine));
}

#[test]
fn a_damaged_backup_changes_nothing() {
    let library = library();
    let mut damaged = backup(&library);
    let before = everything(&library.engine);
    library.engine.close();
    let folder = tempfile::tempdir().unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let path = write_backup(folder.path(), &damaged);
    let new = folder.path().join("new");

    let replaced = restore(&path, library.path(), Existing::Replace, &mut quiet());
    let restored = restore(&path, &new, Existing::Keep, &mut quiet());

    assert!(matches!(
        replaced,
        Err(RestoreError::Backup(BackupError::Damaged { .. }))
    ));
    assert!(restored.is_err() && !new.exists());
    assert_eq!(everything(&library.reopen().engine), before);
}

#[test]
fn a_library_is_replaced_only_on_request_and_only_at_rest() {
    let library = library();
    let folder = tempfile::tempdir().unwrap();
    let path = write_backup(folder.path(), &backup(&library));
    let before = everything(&library.engine);
    library.add(&file(1000), "later", &[]).unwrap();
    let restore = |existing| restore(&path, library.path(), existing, &mut quiet());

    let in_use = restore(Existing::Replace);
    library.engine.close();
    let exists = restore(Existing::Keep);
    assert!(
        matches!(in_use, Err(RestoreError::InUse { .. })),
        "{in_use:?}"
    );
    assert!(
        matches!(exists, Err(RestoreError::Exists { .. })),
        "{exists:?}"
    );
    restore(Existing::Replace).unwrap();

    assert!(
        !library.path().join("index").exists(),
        "it belongs to the old library"
    );
    assert_eq!(everything(&library.reopen().engine), before);
}

#[test]
fn a_lost_library_is_restored_without_a_request_to_replace_it() {
    let library = library();
    let folder = tempfile::tempdir().unwrap();
    let path = write_backup(folder.path(), &backup(&library));
    let before = everything(&library.engine);
    library.engine.close();
    fs::remove_file(library.path().join("library.redb")).unwrap();

    restore(&path, library.path(), Existing::Keep, &mut quiet()).unwrap();

    assert_eq!(everything(&library.reopen().engine), before);
}

#[test]
fn maintenance_creates_no_library_and_keeps_out_of_one_in_use() {
    let library = library();
    let folder = tempfile::tempdir().unwrap();

    let missing = OfflineLibrary::open(folder.path());
    let in_use = OfflineLibrary::open(library.path());

    assert!(matches!(missing, Err(OpenError::NotFound { .. })));
    assert!(matches!(in_use, Err(OpenError::InUse { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_undamaged_library_verifies() {
    let library = library();
    library.engine.close();
    let mut calls = 0;

    let offline = OfflineLibrary::open(library.path()).unwrap();
    let found = offline.verify(false, &mut |_, _| calls += 1).unwrap();

    assert_eq!((found.images, calls), (IMAGES - 1, IMAGES - 1));
    assert_eq!(found.damages, []);
}

#[test]
fn a_damaged_page_is_found() {
    let library = library();
    library.engine.close();
    let path = library.path().join("library.redb");
    let mut bytes = fs::read(&path).unwrap();
    let brief = bytes
        .windows(8)
        .rposition(|window| window == b"brief 20")
        .unwrap();
    bytes[brief] ^= 1;
    fs::write(&path, bytes).unwrap();

    let found = verify(library.path(), true);

    assert!(!found.is_whole());
    assert_eq!(found.damages[0].part, "library.redb");
}

#[test]
fn a_lost_sign_is_found_and_rebuilt() {
    let library = library();
    let expected = everything(&library.engine);
    library.engine.close();
    let database = redb::Database::open(library.path().join("library.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let signs = TableDefinition::<u64, u32>::new("signs");
    write.open_table(signs).unwrap().pop_first().unwrap();
    write.commit().unwrap();
    drop(database);

    let found = verify(library.path(), false);
    let repaired = verify(library.path(), true);
    let after = verify(library.path(), false);

    assert_eq!((found.damages.len(), found.is_whole()), (1, false));
    assert!(repaired.is_whole() && !repaired.damages.is_empty());
    assert_eq!(after.damages, []);
    let library = library.reopen();
    for record in expected {
        assert!(library.engine.get(record.sign).unwrap().is_some());
    }
}

#[test]
fn a_damaged_segment_is_found_and_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_images: 4,
        ..Options::default()
    };
    let engine = Engine::open(dir.path(), options).unwrap();
    for seed in 0..8 {
        let image = engine.prepare(&file(seed)).unwrap();
        library::add(&engine, image, NewRecord::default()).unwrap();
    }
    engine.close();
    // Segments are written in the background: one open with a full memtable writes one.
    Engine::open(dir.path(), options).unwrap().close();
    let segment = fs::read_dir(dir.path().join("index"))
        .unwrap()
        .next()
        .unwrap();
    let segment = segment.unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[40] ^= 1;
    fs::write(&segment, bytes).unwrap();

    let found = verify(dir.path(), false);
    let repaired = verify(dir.path(), true);

    assert_eq!(found.damages.len(), 1, "{found:?}");
    assert_eq!(found.damages[0].part, segment.display().to_string());
    assert!(!found.is_whole() && repaired.is_whole());
    assert_eq!(verify(dir.path(), false).damages, []);
    let engine = Engine::open(dir.path(), options).unwrap();
    let query = engine.prepare_query(&file(0)).unwrap();
    assert!(
        !engine
            .search(&query, &Default::default())
            .unwrap()
            .matches
            .is_empty()
    );
}

#[test]
fn compaction_returns_the_space_of_deleted_images() {
    let library = library();
    let signs: Vec<Target> = everything(&library.engine)[2..]
        .iter()
        .map(|record| Target::Sign(record.sign))
        .collect();
    library.delete(signs).unwrap();
    let before = everything(&library.engine);
    library.engine.close();

    let compaction = OfflineLibrary::open(library.path())
        .unwrap()
        .compact()
        .unwrap();

    assert!(
        compaction.after_bytes < compaction.before_bytes,
        "{compaction:?}"
    );
    assert_eq!(verify(library.path(), false).damages, []);
    assert_eq!(everything(&library.reopen().engine), before);
}
