//! The thread that turns the index's newest images into segment files.
//!
//! It is woken after every commit, and works when the table has grown or when most of the index is
//! deleted images. Searches and adds go on meanwhile. A failure costs memory and nothing else: the
//! images stay in their table, and the next attempt takes them along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::index::{Extent, SegmentError, Terms};
use crate::memory::Memory;

/// Wait after a failed write: on a full disk, each attempt would write gigabytes in vain.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A running merger.
pub(crate) struct Merger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Wakes the merger; it ends when every one of these is gone.
pub(crate) type Wake = SyncSender<()>;

// === impl Merger ===

impl Merger {
    /// Starts the thread.
    pub(crate) fn start(memory: Arc<Memory>) -> io::Result<(Self, Wake)> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("same-image-merger".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || run(&woken, &memory, &stop)
            })?;
        Ok((Self { stop, thread }, wake))
    }

    /// Gives up a merge that is running, and waits for the thread. The wakers must be gone.
    pub(crate) fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A merger that panicked has told its panic to the hook; the index is a cache.
        let _ = self.thread.join();
    }
}

fn run(woken: &Receiver<()>, memory: &Memory, stop: &AtomicBool) {
    let mut not_before = None;
    while woken.recv().is_ok() {
        if not_before.is_some_and(|time| Instant::now() < time) {
            continue;
        }
        not_before = match merge_due(memory, stop) {
            Ok(()) | Err(SegmentError::Stopped) => None,
            Err(error) => {
                tracing::warn!(
                    %error,
                    "index segment not written: its images stay in memory"
                );
                Some(Instant::now() + RETRY_AFTER)
            }
        };
    }
}

/// Writes segments until none is due.
pub(super) fn merge_due(memory: &Memory, stop: &AtomicBool) -> Result<(), SegmentError> {
    while let Some(extent) = due(memory) {
        merge(memory, extent, stop)?;
    }
    Ok(())
}

fn due(memory: &Memory) -> Option<Extent> {
    let live = memory.catalog().len() as u64;
    let worth = memory.segment_images;
    if memory.index().images() >= (2 * live).saturating_add(worth) {
        return Some(Extent::All);
    }
    (memory.index().unsealed() >= worth).then_some(Extent::Grown)
}

fn merge(memory: &Memory, extent: Extent, stop: &AtomicBool) -> Result<(), SegmentError> {
    let Some(merge) = memory.index().plan_merge(extent) else {
        return Ok(());
    };
    let segments = &memory.segments;
    let terms = Terms {
        library: segments.library,
        keep: &|id| memory.needs(id),
        stop,
    };
    let segment = merge.write(&segments.new_path(), terms)?;
    tracing::debug!(?segment, "index segment written");
    for file in memory.index().replace(&merge, segment) {
        // A file that stays is found to be superseded at the next open.
        let _ = fs::remove_file(file);
    }
    Ok(())
}
