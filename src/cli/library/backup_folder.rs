//! A folder of backups: files named by library and time, of which the newest are kept.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

/// Extension of the files.
const EXTENSION: &str = ".backup";
/// Suffix of a file that is being written.
pub(super) const PARTIAL: &str = ".partial";

/// Returns the name of a backup: `LIBRARY-YYYYMMDDTHHMMSSZ.backup`. Names of one library sort by
/// time.
pub(super) fn file_name(library: &str, time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let time = rfc3339(seconds * 1000).replace(['-', ':'], "");
    format!("{library}-{time}{EXTENSION}")
}

/// Formats milliseconds since 1970 as RFC 3339 in UTC.
pub(super) fn rfc3339(ms: u64) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
    Timestamp::from(time).to_string()
}

/// Deletes all backups of a library but the newest `keep`, and what killed commands left; touches no
/// other file. Only after a backup: then no other one of the library is being written.
pub(super) fn delete_old(folder: &Path, library: &str, keep: usize) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        if is_backup_of(name, library) {
            names.push(name.to_owned());
        } else if let Some(partial) = name.strip_suffix(PARTIAL)
            && is_backup_of(partial, library)
        {
            fs::remove_file(folder.join(name))?;
        }
    }
    names.sort_unstable();
    let old = names.len().saturating_sub(keep);
    names[..old]
        .iter()
        .try_for_each(|name| fs::remove_file(folder.join(name)))
}

fn is_backup_of(name: &str, library: &str) -> bool {
    let time = name
        .strip_prefix(library)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix(EXTENSION));
    // 20261128T013630Z
    time.is_some_and(|time| {
        time.len() == 16
            && time.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_library_and_time() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_829_790_123);

        assert_eq!(
            file_name("default", time),
            "default-20261128T013630Z.backup"
        );
        assert!(is_backup_of(&file_name("a-b.c", time), "a-b.c"));
    }

    #[test]
    fn only_the_oldest_and_partial_backups_of_the_library_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [
            "a-20260102T000000Z.backup",
            "a-20260103T000000Z.backup",
            "a-b-20250101T000000Z.backup",
            "a-b-20250101T000000Z.backup.partial",
            "a-before-the-upgrade.backup",
        ];
        let deleted = [
            "a-20260101T000000Z.backup",
            "a-20260104T000000Z.backup.partial",
        ];
        for name in kept.iter().chain(&deleted) {
            fs::write(folder.path().join(name), "").unwrap();
        }

        delete_old(folder.path(), "a", 2).unwrap();

        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        let mut expected = kept;
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}
