//! Reports when files have changed.
//!
//! Their content is read once a second. Notifications of the system (inotify) would be faster, but
//! fail on network file systems, and Kubernetes swaps symbolic links in a folder above the file:
//! reading always works, and these files are small. A file that becomes unreadable or readable
//! again counts as changed.

use std::path::PathBuf;
use std::time::Duration;

/// Polling interval; changes must be noticed within 5 s.
const INTERVAL: Duration = Duration::from_secs(1);

/// Some files, and a hash of their last content.
#[derive(Debug)]
pub struct FileWatcher {
    paths: Vec<PathBuf>,
    last: blake3::Hash,
}

// === impl FileWatcher ===

impl FileWatcher {
    /// Reads the files for the first time.
    pub async fn new(paths: Vec<PathBuf>) -> Self {
        let last = hash(&paths).await;
        FileWatcher { paths, last }
    }

    /// Waits until their content has changed. Dropping the future loses no change.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.have_changed().await {
                return;
            }
        }
    }

    /// Returns whether their content has changed, without a wait. Call it after reading the files
    /// for another purpose: otherwise a change that happens during that reading and is undone
    /// before the next poll would go unnoticed.
    pub async fn have_changed(&mut self) -> bool {
        let now = hash(&self.paths).await;
        std::mem::replace(&mut self.last, now) != now
    }
}

async fn hash(paths: &[PathBuf]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        // With the length, content that moves from one file to another is a change.
        match tokio::fs::read(path).await {
            Ok(content) => {
                hasher.update(&(content.len() as u64).to_le_bytes());
                hasher.update(&content);
            }
            Err(error) => {
                hasher.update(format!("{:?}", error.kind()).as_bytes());
            }
        }
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_swapped_link_above_the_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tls.crt"), version).unwrap();
        }
        symlink(at("v1"), at("..data")).unwrap();
        symlink(at("..data").join("tls.crt"), at("tls.crt")).unwrap();
        let mut files = FileWatcher::new(vec![at("tls.crt")]).await;
        assert!(futures_util::poll!(Box::pin(files.changed())).is_pending());

        symlink(at("v2"), at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();

        files.changed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_disappears_and_one_that_returns_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "1").unwrap();
        let mut files = FileWatcher::new(vec![path.clone()]).await;

        fs::remove_file(&path).unwrap();
        files.changed().await;
        fs::write(&path, "1").unwrap();
        files.changed().await;
    }
}
