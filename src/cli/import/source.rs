//! Which images an import consists of.
//!
//! Only names are held; the bytes of an image are read when the stream asks
//! for them.

use std::collections::HashSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::Import;
use super::journal::{Journal, Stamp};
use super::manifest;
use crate::cli::failure::Failure;
use crate::cli::picture::fit_brief;

/// File name endings that folders and globs are searched for.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "bmp"];

/// One image to send.
#[derive(Debug)]
pub(super) struct Item {
    /// Names the item in the stream, the journal and the failures.
    pub(super) key: Arc<str>,
    pub(super) origin: Origin,
    pub(super) brief: String,
    pub(super) tags: Vec<u32>,
}

/// Where its bytes are.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    File(PathBuf),
    Url(String),
}

/// Everything that an import is to send.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Arc<Item>>,
    /// Size and time of each item's file when it was found, as in `items`.
    pub(super) stamps: Vec<Stamp>,
    /// Indices of the items that are to be sent.
    pub(super) pending: Vec<usize>,
    /// What was found but cannot become an item.
    pub(super) unusable: Vec<(String, Failure)>,
}

/// What the journal spares an import.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Stored by an earlier run.
    pub(super) stored: u64,
    /// Rejected for good in an earlier run, with the index of the item.
    pub(super) rejected: Vec<(usize, Failure)>,
}

/// Finds the images that the flags name.
///
/// # Errors
///
/// When a path does not exist, a glob matches nothing, or the manifest is
/// invalid.
pub(super) fn find(args: &Import) -> Result<Plan, Failure> {
    if let Some(path) = &args.manifest {
        return manifest::read(path, &args.tags);
    }
    let mut finder = Finder {
        plan: Plan::default(),
        tags: &args.tags,
        seen: HashSet::new(),
    };
    for path in &args.paths {
        finder.look_at(path)?;
    }
    Ok(finder.plan)
}

/// The folder that a PATH means, or lies in; of a glob the part before the
/// first pattern.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    let fixed = path
        .components()
        .take_while(|part| !is_pattern(Path::new(part)));
    let fixed: PathBuf = fixed.collect();
    if fixed == path {
        return path.parent().map(Path::to_owned).unwrap_or_default();
    }
    fixed
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// Collects items in the order of the paths, each file once.
struct Finder<'a> {
    plan: Plan,
    tags: &'a [u32],
    seen: HashSet<PathBuf>,
}

// === impl Finder ===

impl Finder<'_> {
    fn look_at(&mut self, path: &Path) -> Result<(), Failure> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            // A file that is named outright is taken whatever it is called.
            Ok(metadata) => self.add(path, &metadata),
            Err(_) if is_pattern(path) => return self.expand(path),
            Err(error) => {
                let cause = error.to_string().to_lowercase();
                let message = format!("cannot import `{}`: {cause}", path.display());
                return Err(Failure::local(message));
            }
        }
        Ok(())
    }

    fn expand(&mut self, pattern: &Path) -> Result<(), Failure> {
        let name = pattern.display();
        let matches = glob::glob(&pattern.to_string_lossy())
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

    /// Goes through a folder in the order of names, so that runs are alike.
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
            self.consider(&path);
        }
    }

    /// Takes a folder's contents or a file that is called like an image.
    fn consider(&mut self, path: &Path) {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(_) if !is_called_like_an_image(path) => return,
            Err(error) => return self.reject(path, &error.to_string()),
        };
        if metadata.is_dir() {
            // A link to a folder may lead round in a circle.
            if !path.is_symlink() {
                self.walk(path);
            }
        } else if is_called_like_an_image(path) {
            self.add(path, &metadata);
        }
    }

    fn add(&mut self, path: &Path, metadata: &Metadata) {
        let path = path.strip_prefix("./").unwrap_or(path);
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let Some(name) = path.to_str() else {
            return self.reject(path, "the name is not UTF-8");
        };
        let item = Item {
            key: name.into(),
            origin: Origin::File(path.to_owned()),
            brief: fit_brief(name),
            tags: self.tags.to_vec(),
        };
        self.plan.push_stamped(item, stamp_of(metadata));
    }

    fn reject(&mut self, path: &Path, why: &str) {
        let failure = Failure::local(why.to_lowercase());
        let name = path.display().to_string();
        self.plan.unusable.push((name, failure));
    }
}

// === impl Plan ===

impl Plan {
    /// Adds an item; a file that cannot be looked at now fails when its turn
    /// comes.
    pub(super) fn push(&mut self, item: Item) {
        let stamp = match &item.origin {
            Origin::File(path) => std::fs::metadata(path).map_or(Stamp::NONE, |m| stamp_of(&m)),
            Origin::Url(_) => Stamp::NONE,
        };
        self.push_stamped(item, stamp);
    }

    fn push_stamped(&mut self, item: Item, stamp: Stamp) {
        self.pending.push(self.items.len());
        self.items.push(Arc::new(item));
        self.stamps.push(stamp);
    }

    /// Takes out of `pending` what the journal knows, unless it has changed.
    pub(super) fn leave_out_done(&mut self, journal: &Journal, retry_failed: bool) -> Skipped {
        let mut skipped = Skipped::default();
        let (items, stamps) = (&self.items, &self.stamps);
        self.pending.retain(|&index| {
            let Some(entry) = journal.entry(&items[index].key, stamps[index]) else {
                return true;
            };
            match entry.rejection() {
                None => skipped.stored += 1,
                Some(_) if retry_failed => return true,
                Some(failure) => skipped.rejected.push((index, failure)),
            }
            false
        });
        skipped
    }
}

fn is_called_like_an_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

fn stamp_of(metadata: &Metadata) -> Stamp {
    let since_epoch = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let mtime_ms = since_epoch.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    Stamp {
        size: metadata.len(),
        mtime_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
        let mut finder = Finder {
            plan: Plan::default(),
            tags: &[],
            seen: HashSet::new(),
        };
        for path in paths {
            finder.look_at(path)?;
        }
        let keys = finder.plan.items.iter().map(|item| item.key.to_string());
        Ok(keys.collect())
    }

    #[test]
    fn folders_are_searched_to_the_bottom_for_images_only() {
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

        let expected = ["a.png", "b.JPG", "d.bmp", "sub/c.jpeg", "odd.dat"];
        let expected = expected.map(|name| root.join(name).display().to_string());
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
    fn the_journal_lies_in_the_folder_of_the_first_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();

        assert_eq!(folder_of(root), root);
        assert_eq!(folder_of(&root.join("a.jpg")), root);
        assert_eq!(folder_of(&root.join("**/*.jpg")), root);
        assert_eq!(folder_of(Path::new("*.jpg")), Path::new(""));
        assert_eq!(folder_of(Path::new("a.jpg")), Path::new(""));
    }
}
