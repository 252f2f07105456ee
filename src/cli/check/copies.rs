//! Compares files with each other: adds them one after the other to a library in a temporary folder,
//! and notes the matches of each among those before it.

use std::collections::HashMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use same_image::{CheckedImage, Engine, NewRecord, Options, Query, Sign};
use tokio::sync::oneshot;

use super::scratch::ScratchFolder;
use crate::cli::failure::Failure;
use crate::cli::image::{ImageArg, ImageSource};
use crate::cli::scale::{Limits, Resizing};

/// An earlier file of the same image.
pub(super) struct Copy {
    pub(super) file: String,
    pub(super) score: f64,
}

/// The files that are copies of earlier ones, by position.
pub(super) struct Copies(HashMap<usize, Copy>);

// === impl Copies ===

impl Copies {
    /// Compares all files, and counts them in `done`. One that cannot be read or decoded is no copy: the search reports it.
    ///
    /// # Errors
    ///
    /// When the temporary folder cannot be used.
    pub(super) async fn find(
        files: &[PathBuf],
        min_score: f64,
        done: &AtomicU64,
    ) -> Result<Self, Failure> {
        let folder = ScratchFolder::create().map_err(|error| unusable(&error))?;
        let engine = Engine::open(folder.path(), Options::default());
        let engine = Arc::new(engine.map_err(|error| unusable(&error))?);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores are single precision"
        )]
        let query = Query {
            limit: 1,
            min_score: min_score as f32,
            ..Query::default()
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut images = stream::iter(files.to_vec())
            .map(|file| prepare(Arc::clone(&engine), file, query.clone()))
            .buffered(cores);
        let mut copies = Copies(HashMap::new());
        let mut names: HashMap<Sign, usize> = HashMap::new();
        let mut index = 0;
        while let Some(image) = images.next().await {
            if let Some(image) = image {
                let (sign, copy) = add(&engine, image).await?;
                if let Some((other, score)) = copy {
                    let file = files[names[&other]].display().to_string();
                    copies.0.insert(index, Copy { file, score });
                }
                names.entry(sign).or_insert(index);
            }
            index += 1;
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(copies)
    }

    /// Returns the earlier file of which one is a copy.
    pub(super) fn of(&self, index: usize) -> Option<&Copy> {
        self.0.get(&index)
    }
}

/// Decodes a file and compares it with those that were added; `None` when it is no usable image.
async fn prepare(engine: Arc<Engine>, file: PathBuf, query: Query) -> Option<CheckedImage> {
    #[expect(clippy::disallowed_methods, reason = "`buffered` bounds it")]
    let prepared = tokio::task::spawn_blocking(move || {
        let bytes = read(file)?;
        engine.check(&bytes, query).ok()
    });
    prepared.await.ok()?
}

/// Reads a file; a large one is scaled down to the limits of every library.
fn read(file: PathBuf) -> Option<Bytes> {
    let ImageSource::Content(bytes) = ImageArg::File(file).read().ok()? else {
        return None;
    };
    if Limits::VENDOR.include(&bytes) {
        return Some(bytes);
    }
    let resizing = Resizing { no_resize: false };
    let (scaled, _) = Limits::VENDOR.fit(&bytes, resizing).ok()?;
    Some(scaled)
}

/// Adds an image; returns its sign, and the sign and the score of the best match.
async fn add(engine: &Engine, image: CheckedImage) -> Result<(Sign, Option<(Sign, f64)>), Failure> {
    let (done, added) = oneshot::channel();
    engine.add_checked(image, NewRecord::default(), false, move |result| {
        // The command ends when its receiver is gone.
        let _ = done.send(result);
    });
    let added = added.await.map_err(|error| unusable(&error))?;
    let added = added.map_err(|error| unusable(&error))?;
    let best = added.matches.first();
    let best = best.map(|best| (best.sign, f64::from(best.score)));
    Ok(match added.added {
        Some(added) if added.existed => (added.sign, Some((added.sign, 1.0))),
        Some(added) => (added.sign, best),
        None => return Err(Failure::local("the file was not compared")),
    })
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    let cause = error.to_string().to_lowercase();
    Failure::local(format!(
        "cannot compare the files in a temporary folder: {cause}"
    ))
    .with_advice("TMPDIR names another folder")
}
