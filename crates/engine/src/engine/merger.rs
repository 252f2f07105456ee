//! The background thread of compaction: merges the newest images of the index into segment files.
//!
//! The writer wakes it after every commit. Searches and adds continue during a merge. A failed
//! merge costs only memory: its images remain in the memtable, and the next attempt includes them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::index::SegmentError;
use crate::search_state::SearchState;

/// Backoff after a failed merge: on a full disk each attempt writes gigabytes before it fails.
const RETRY_BACKOFF: Duration = Duration::from_secs(60);

/// The running thread.
pub(super) struct Merger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Wakes the merger. The thread ends when every `Wake` is dropped.
pub(super) type Wake = SyncSender<()>;

// === impl Merger ===

impl Merger {
    /// Starts the thread.
    pub(super) fn start(state: Arc<SearchState>) -> io::Result<(Self, Wake)> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("same-image-merger".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || run(&woken, &state, &stop)
            })?;
        Ok((Self { stop, thread }, wake))
    }

    /// Cancels a running merge and waits for the thread. Every [`Wake`] must be dropped before.
    pub(super) fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        // The panic hook has already reported a panic of the thread, and the index is only a cache.
        let _ = self.thread.join();
    }
}

fn run(woken: &Receiver<()>, state: &SearchState, stop: &AtomicBool) {
    let mut not_before = None;
    while woken.recv().is_ok() {
        if not_before.is_some_and(|time| Instant::now() < time) {
            continue;
        }
        not_before = match state.merge_due(stop) {
            Ok(()) | Err(SegmentError::Cancelled) => None,
            Err(error) => {
                tracing::warn!(%error, "index segment not written, keeping its images in memory");
                Some(Instant::now() + RETRY_BACKOFF)
            }
        };
    }
}
