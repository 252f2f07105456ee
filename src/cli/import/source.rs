//! Finds the images of an import in folders, files and glob patterns.
//!
//! A file in a folder is an image by its name or, with any other name, by its first bytes. What is
//! left out is counted. Names are bytes: one that is not UTF-8 is escaped where a text is needed.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::file_kind::FileKind;
use super::file_version::FileVersion;
use super::left_out::{LeftOut, Reason};
use super::plan::{Item, Location, Plan};
use crate::cli::failure::Failure;
use crate::cli::image::fit_brief;

/// File name extensions of images: files with other content are failures, not left out.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff"];
/// Start of the names of the default journal and its failure list, which are in the folder.
pub(super) const JOURNAL_NAME: &str = ".samegate-import.jsonl";

/// Finds the images of the paths, each with `tags`; with `hidden` also those whose file or folder
/// has a name that begins with a dot.
///
/// # Errors
///
/// When a path does not exist or has no image, or a glob pattern is invalid or matches nothing.
pub(super) fn find(paths: &[PathBuf], tags: &[u32], hidden: bool) -> Result<Plan, Failure> {
    let mut finder = Finder {
        plan: Plan::default(),
        tags,
        hidden,
        seen: HashSet::new(),
        escaped: HashSet::new(),
        found: 0,
    };
    for path in paths {
        finder.find(path)?;
    }
    Ok(finder.plan)
}

/// Returns the folder that a PATH names or is in; of a glob pattern the part before the first
/// component with a wildcard.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    let fixed: PathBuf = path
        .components()
        .take_while(|part| !is_pattern(Path::new(part)))
        .collect();
    if fixed == path {
        return path.parent().map(Path::to_owned).unwrap_or_default();
    }
    fixed
}

/// Returns a path as text; bytes that are not UTF-8 become `\xNN`.
pub(super) fn text_of(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// Collects items in the order of the paths, each file once.
struct Finder<'a> {
    plan: Plan,
    tags: &'a [u32],
    hidden: bool,
    seen: HashSet<PathBuf>,
    /// Texts of the names that are not UTF-8.
    escaped: HashSet<PathBuf>,
    /// Number of images and failures, also of those that were seen before.
    found: u64,
}

// === impl Finder ===

impl Finder<'_> {
    fn find(&mut self, path: &Path) -> Result<(), Failure> {
        let (found_before, left_out_before) = (self.found, std::mem::take(&mut self.plan.left_out));
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            // A file that is named explicitly may have any name.
            Ok(metadata) => self.add(path, &metadata),
            Err(_) if is_pattern(path) => self.expand(path)?,
            Err(error) => {
                let cause = error.to_string().to_lowercase();
                let message = format!("cannot read `{}`: {cause}", path.display());
                return Err(Failure::local(message));
            }
        }
        if self.found == found_before {
            return Err(no_image(path, &self.plan.left_out));
        }
        self.plan.left_out.merge(left_out_before);
        Ok(())
    }

    fn expand(&mut self, pattern: &Path) -> Result<(), Failure> {
        let name = pattern.display();
        let options = glob::MatchOptions {
            require_literal_leading_dot: !self.hidden,
            ..glob::MatchOptions::new()
        };
        let matches = glob::glob_with(&pattern.to_string_lossy(), options)
            .map_err(|error| Failure::local(format!("`{name}` is not a pattern: {error}")))?;
        let mut is_empty = true;
        for path in matches {
            is_empty = false;
            match path {
                Ok(path) => self.consider(&path),
                Err(error) => self.reject(error.path(), &error.to_string()),
            }
        }
        if is_empty {
            return Err(Failure::local(format!("nothing matches `{name}`")));
        }
        Ok(())
    }

    /// Walks a folder in the order of names, so that runs are reproducible.
    fn walk(&mut self, folder: &Path) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.reject(folder, &error.to_string()),
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.reject(folder, &error.to_string()),
            }
        }
        paths.sort();
        for path in paths {
            match path.file_name().map(|name| name.as_encoded_bytes()) {
                Some(name) if name.starts_with(JOURNAL_NAME.as_bytes()) => {}
                Some([b'.', ..]) if !self.hidden => self.plan.left_out.add(Reason::Hidden),
                _ => self.consider(&path),
            }
        }
    }

    /// Walks a folder, or adds a file that is an image by its name or content.
    fn consider(&mut self, path: &Path) {
        let is_named_so = has_image_extension(path);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere is no image, unless it is named so.
            Err(error) if !is_named_so && error.kind() == ErrorKind::NotFound => {
                return self.plan.left_out.add(Reason::BrokenLink);
            }
            Err(error) => return self.reject(path, &error.to_string()),
        };
        let reason = if metadata.is_dir() {
            if !path.is_symlink() {
                return self.walk(path);
            }
            Reason::LinkedFolder
        } else if is_named_so {
            return self.add(path, &metadata);
        } else if !metadata.is_file() {
            Reason::Special
        } else {
            match FileKind::of(path) {
                Ok(FileKind::Image) => return self.add(path, &metadata),
                Ok(FileKind::OtherFormat) => {
                    return self.reject(path, "an image of a format that no library takes");
                }
                Ok(FileKind::Other) => Reason::NoImage,
                Err(error) => return self.reject(path, &error.to_string()),
            }
        };
        self.plan.left_out.add(reason);
    }

    fn add(&mut self, path: &Path, metadata: &Metadata) {
        self.found += 1;
        let path = path.strip_prefix("./").unwrap_or(path);
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        // A read of a pipe, socket or device may block for ever.
        if !metadata.is_file() {
            return self.reject(path, "not a regular file");
        }
        let name = text_of(path);
        if !self.is_unique(path, &name) {
            return self.reject(path, "another file has this name, escaped");
        }
        let item = Item {
            brief: fit_brief(&name),
            key: name.into(),
            location: Location::File(path.to_owned()),
            tags: self.tags.to_vec(),
        };
        self.plan.push_with_version(item, FileVersion::of(metadata));
    }

    /// Returns whether no other path has the same text: keys must differ.
    fn is_unique(&mut self, path: &Path, name: &str) -> bool {
        let text = Path::new(name);
        if text == path {
            return !self.escaped.contains(text);
        }
        !self.seen.contains(text) && self.escaped.insert(text.to_owned())
    }

    fn reject(&mut self, path: &Path, reason: &str) {
        self.found += 1;
        let failure = Failure::local(reason.to_lowercase());
        self.plan.unusable.push((text_of(path), failure));
    }
}

fn no_image(path: &Path, left_out: &LeftOut) -> Failure {
    let path = path.display();
    if left_out.is_empty() {
        return Failure::local(format!("`{path}` has no image: it is empty"));
    }
    let failure = Failure::local(format!("`{path}` has no image: {left_out}"));
    if left_out.has(Reason::Hidden) {
        return failure.with_advice("--hidden includes what is hidden");
    }
    failure
}

fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
        let plan = find(paths, &[], false)?;
        Ok(plan.items.iter().map(|item| item.key.to_string()).collect())
    }

    #[test]
    fn folders_are_searched_recursively_for_images_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("sub")).unwrap();
        for name in [
            "b.JPG",
            "a.png",
            "notes.txt",
            "sub/c.jpeg",
            "d.bmp",
            "odd.dat",
        ] {
            std::fs::write(root.join(name), "x").unwrap();
        }

        let keys = found(&[root.to_owned(), root.join("a.png"), root.join("odd.dat")]).unwrap();

        let expected = ["a.png", "b.JPG", "d.bmp", "sub/c.jpeg", "odd.dat"]
            .map(|name| root.join(name).display().to_string());
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_glob_finds_images_and_one_without_a_match_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::write(root.join("a.png"), "x").unwrap();
        std::fs::write(root.join("a.txt"), "x").unwrap();

        assert_eq!(found(&[root.join("*")]).unwrap().len(), 1);
        assert!(found(&[root.join("*.bmp")]).is_err());
        assert!(found(&[root.join("missing.png")]).is_err());
    }

    #[test]
    fn a_file_without_the_name_of_an_image_is_one_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
        for name in ["a.jfif", "b.jpe", "c", "d.txt"] {
            std::fs::write(root.join(name), jpeg).unwrap();
        }
        for (name, content) in [
            ("e.txt", &b"text"[..]),
            ("f", b""),
            ("g.heic", b"\0\0\0\x18ftypheic\0\0\0\0"),
        ] {
            std::fs::write(root.join(name), content).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("broken")).unwrap();
        std::fs::write(root.join(JOURNAL_NAME), "").unwrap();

        let plan = find(&[root.to_owned()], &[], false).unwrap();

        assert_eq!(plan.items.len(), 4);
        assert_eq!(plan.unusable.len(), 1, "{:?}", plan.unusable);
        assert_eq!(
            plan.left_out.to_string(),
            "2 no image, 1 link to a folder, 1 broken link"
        );
    }

    #[test]
    fn hidden_files_and_folders_are_left_out_unless_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join(".cache")).unwrap();
        for name in ["a.jpg", ".b.jpg", ".cache/c.jpg"] {
            std::fs::write(root.join(name), "x").unwrap();
        }

        let without = find(&[root.to_owned()], &[], false).unwrap();
        let with = find(&[root.to_owned()], &[], true).unwrap();
        let named = find(&[root.join(".cache"), root.join(".b.jpg")], &[], false).unwrap();
        let matched = find(&[root.join("*")], &[], false).unwrap();

        assert_eq!(
            (without.items.len(), without.left_out.to_string()),
            (1, "2 hidden".into())
        );
        assert_eq!((with.items.len(), with.left_out.is_empty()), (3, true));
        assert_eq!(named.items.len(), 2);
        assert_eq!(matched.items.len(), 1);
    }

    #[test]
    fn a_folder_without_an_image_is_an_error_that_says_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let message = |root: &Path| {
            let paths = [root.to_owned()];
            find(&paths, &[], false).unwrap_err().to_string()
        };

        let empty = message(root);
        std::fs::write(root.join("a.txt"), "x").unwrap();
        std::fs::write(root.join(".b.jpg"), "x").unwrap();
        let other = message(root);

        assert!(empty.contains("it is empty"), "{empty}");
        assert!(other.contains("1 no image, 1 hidden"), "{other}");
        assert!(other.contains("--hidden"), "{other}");
    }

    #[test]
    fn names_that_are_not_utf8_are_taken_and_their_keys_differ() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            &b"\xe9t\xe9.jpg"[..],
            b"\xe8.jpg",
            b"\\xE8.jpg",
            "图.jpg".as_bytes(),
        ] {
            std::fs::write(root.join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        }

        let plan = find(&[root.to_owned()], &[], false).unwrap();

        let keys: Vec<&str> = plan.items.iter().map(|item| &*item.key).collect();
        let expected = ["\\xE8.jpg", "图.jpg", "\\xE9t\\xE9.jpg"]
            .map(|name| root.join(name).display().to_string());
        assert_eq!(keys, expected);
        assert_eq!(plan.unusable.len(), 1, "it has the text of another name");
    }

    #[test]
    fn the_journal_is_in_the_folder_of_the_first_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();

        assert_eq!(folder_of(root), root);
        assert_eq!(folder_of(&root.join("a.jpg")), root);
        assert_eq!(folder_of(&root.join("**/*.jpg")), root);
        assert_eq!(folder_of(Path::new("*.jpg")), Path::new(""));
        assert_eq!(folder_of(Path::new("a.jpg")), Path::new(""));
    }
}
