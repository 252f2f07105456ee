//! Finds the images of an import in folders, files and glob patterns.

use std::collections::HashSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::file_version::FileVersion;
use super::plan::{Item, Location, Plan};
use crate::cli::failure::Failure;
use crate::cli::image::fit_brief;

/// File name extensions of images in folders and glob patterns.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "bmp"];

/// Finds the images of the paths, each with `tags`.
///
/// # Errors
///
/// When a path does not exist, or a glob pattern is invalid or matches nothing.
pub(super) fn find(paths: &[PathBuf], tags: &[u32]) -> Result<Plan, Failure> {
    let mut finder = Finder {
        plan: Plan::default(),
        tags,
        seen: HashSet::new(),
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
    fn find(&mut self, path: &Path) -> Result<(), Failure> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            // A file that is named explicitly may have any extension.
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
            self.consider(&path);
        }
    }

    /// Walks a folder, or adds a file that has the extension of an image.
    fn consider(&mut self, path: &Path) {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(_) if !has_image_extension(path) => return,
            Err(error) => return self.reject(path, &error.to_string()),
        };
        if metadata.is_dir() {
            // A link to a folder may form a cycle.
            if !path.is_symlink() {
                self.walk(path);
            }
        } else if has_image_extension(path) {
            self.add(path, &metadata);
        }
    }

    fn add(&mut self, path: &Path, metadata: &Metadata) {
        let path = path.strip_prefix("./").unwrap_or(path);
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        // A read of a pipe, socket or device may block for ever.
        if !metadata.is_file() {
            return self.reject(path, "not a regular file");
        }
        let Some(name) = path.to_str() else {
            return self.reject(path, "the name is not UTF-8");
        };
        let item = Item {
            key: name.into(),
            location: Location::File(path.to_owned()),
            brief: fit_brief(name),
            tags: self.tags.to_vec(),
        };
        self.plan.push_with_version(item, FileVersion::of(metadata));
    }

    fn reject(&mut self, path: &Path, reason: &str) {
        let failure = Failure::local(reason.to_lowercase());
        self.plan
            .unusable
            .push((path.display().to_string(), failure));
    }
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
        let plan = find(paths, &[])?;
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
