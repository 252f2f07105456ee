//! docs/upgrade.md names the formats that this version reads and writes.

use super::{read, section, table};

/// Begin of a row, and the file and the text that have its format.
const FORMATS: [(&str, &str, &str, &str); 3] = [
    (
        "`library.redb`",
        "crates/engine/src/store/totals.rs",
        "const FORMAT: u64 = ",
        ";",
    ),
    (
        "index segments",
        "crates/engine/src/index/segment.rs",
        "b\"SAMESG0",
        "\"",
    ),
    (
        "backup file",
        "crates/engine/src/maintenance/backup.rs",
        "const FORMAT: &[u8; 2] = b\"",
        "\"",
    ),
];

#[test]
fn the_formats_of_files_are_those_of_this_version() {
    let documented = table(&section("docs/upgrade.md", "## Formats"));
    for (name, file, before, after) in FORMATS {
        let text = read(file);
        let (_, format) = text.split_once(before).unwrap();
        let (format, _) = format.split_once(after).unwrap();
        let row = documented
            .iter()
            .find(|row| row[0].starts_with(name))
            .unwrap();
        let documented = row[1].split(',').next();
        assert_eq!(documented, Some(format), "{file}");
    }
}
