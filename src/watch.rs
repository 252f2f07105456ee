//! Tells when files have changed.
//!
//! Their content is looked at once a second. Notices of the system (inotify)
//! would come sooner, but not on network file systems, and Kubernetes swaps
//! symbolic links in a folder above the file: reading is the one way that
//! always works, and these files are small. A file that cannot be read counts
//! as changed when that begins and when it ends.

use std::path::PathBuf;
use std::time::Duration;

/// How often the files are looked at; changes must be seen within 5 s.
const INTERVAL: Duration = Duration::from_secs(1);

/// Some files, and what was in them.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    seen: blake3::Hash,
}

// === impl Files ===

impl Files {
    /// Looks at the files for the first time.
    pub async fn new(paths: Vec<PathBuf>) -> Self {
        let seen = look(&paths).await;
        Files { paths, seen }
    }

    /// Waits until their content is another one. Dropping the future loses
    /// nothing.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.have_changed().await {
                return;
            }
        }
    }

    /// Looks at once. Whoever has read the files asks this afterwards: a
    /// change amid the reading that is undone before the next look would go
    /// unnoticed otherwise.
    pub async fn have_changed(&mut self) -> bool {
        let now = look(&self.paths).await;
        std::mem::replace(&mut self.seen, now) != now
    }
}

async fn look(paths: &[PathBuf]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        // The length keeps content from moving between files unseen.
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
        let mut files = Files::new(vec![at("tls.crt")]).await;
        assert!(futures_util::poll!(Box::pin(files.changed())).is_pending());

        symlink(at("v2"), at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();

        files.changed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_gone_and_one_that_comes_back_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "1").unwrap();
        let mut files = Files::new(vec![path.clone()]).await;

        fs::remove_file(&path).unwrap();
        files.changed().await;
        fs::write(&path, "1").unwrap();
        files.changed().await;
    }
}
