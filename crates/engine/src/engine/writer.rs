//! The writer thread and its queue: group commit.
//!
//! Order of events: dequeue all waiting writes → one transaction → one durable commit → apply it to
//! the search state → report the result to each caller. While a commit waits for the disk, the next
//! group collects, so the callers of a group share the cost of one sync. When a commit fails, every
//! write of its group gets the error; the search state is then synchronized with the store, and the
//! thread continues. A write that reads damaged data fails alone: its group is repeated one by one.

use std::slice;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::search_state::SearchState;
use crate::store::{Batch, Store, StoreError, WriteError};

use super::disk_space::DiskSpace;
use super::merger::Wake;

/// Maximum number of writes in one transaction: bounds its memory (20 kB per write, and up to 1 MiB
/// for a preview) and the latency of the first write of a group.
const MAX_GROUP: usize = 256;

/// Queues writes for the writer thread.
pub(super) struct Writer {
    queue: Mutex<Option<Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// One queued write.
trait Job: Send {
    /// Does the write in the transaction and keeps its result.
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError>;

    /// Reports the result to the caller, after the commit or its failure.
    fn complete(self: Box<Self>, commit: Result<(), StoreError>);
}

type OnDone<T> = Box<dyn FnOnce(Result<T, WriteError>) + Send>;

/// A queued write with its type of result. Its caller gets exactly one result in every case.
struct QueuedWrite<T, Write> {
    write: Write,
    /// The result inside the transaction; valid only after its commit.
    result: Option<Result<T, WriteError>>,
    on_done: Option<OnDone<T>>,
}

// === impl Writer ===

impl Writer {
    /// Starts the thread. It runs until [`Writer::close`] and wakes the merger after every group.
    pub(super) fn start(
        store: Arc<Store>,
        state: Arc<SearchState>,
        wake: Wake,
        capacity: u64,
        disk: DiskSpace,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("same-image-writer".to_owned())
            .spawn(move || {
                let committer = Committer {
                    store,
                    state,
                    capacity,
                    disk,
                    in_sync: true,
                };
                run(&receiver, &wake, committer);
            })?;
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a write; `on_done` is called on the writer thread when it is durable or has failed.
    pub(super) fn queue<T: Send + 'static>(
        &self,
        write: impl FnMut(&mut Batch<'_>) -> Result<T, WriteError> + Send + 'static,
        on_done: impl FnOnce(Result<T, WriteError>) + Send + 'static,
    ) {
        let job = Box::new(QueuedWrite {
            write,
            result: None,
            on_done: Some(Box::new(on_done)),
        });
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queue.as_ref() {
            // A job that cannot be sent is dropped, and its drop reports `Closed` to the caller.
            let _ = queue.send(job);
        }
    }

    /// Does the queued writes and ends the thread. Later writes return [`WriteError::Closed`].
    pub(super) fn close(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The panic hook has already reported a panic of the thread, and its callers got `Closed`.
        let _ = thread.map(JoinHandle::join);
    }
}

/// Runs one group after the other until the queue is closed and empty.
fn run(queue: &Receiver<Box<dyn Job>>, wake: &Wake, mut committer: Committer) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(MAX_GROUP - 1));

        match committer.commit(&mut group) {
            // One of the writes read damaged data; the others are done without it.
            Err(GroupError::Write(error)) if error.is_damage() && group.len() > 1 => {
                for mut job in group {
                    let commit = committer.commit(slice::from_mut(&mut job));
                    job.complete(commit.map_err(StoreError::from));
                }
            }
            commit => {
                let commit = commit.map_err(StoreError::from);
                for job in group {
                    job.complete(commit.clone());
                }
            }
        }
        // The channel is full when the merger is awake; it then checks again by itself.
        let _ = wake.try_send(());
    }
}

/// Commits groups of writes and keeps the search state in sync with the store.
struct Committer {
    store: Arc<Store>,
    state: Arc<SearchState>,
    capacity: u64,
    disk: DiskSpace,
    in_sync: bool,
}

/// Why a group was not committed.
enum GroupError {
    /// One of its writes failed; nothing was committed.
    Write(StoreError),
    /// The transaction failed.
    Commit(StoreError),
}

// === impl Committer ===

impl Committer {
    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), GroupError> {
        self.in_sync = self.in_sync || self.state.reload(&self.store).is_ok();
        let mut is_written = false;
        let violated_reserve = self.disk.violated_reserve();
        let changes = self.store.write(self.capacity, |batch| {
            if let Some(reserve) = violated_reserve {
                batch.reject_adds(reserve);
            }
            group.iter_mut().try_for_each(|job| job.apply(batch))?;
            is_written = true;
            Ok(())
        });
        let commit = changes.and_then(|changes| self.state.apply(&changes));
        commit.map_err(|error| {
            if !is_written {
                return GroupError::Write(error);
            }
            // A commit whose last sync failed may be on the disk nevertheless.
            self.in_sync = self.state.reload(&self.store).is_ok();
            GroupError::Commit(error)
        })
    }
}

// === impl GroupError ===

impl From<GroupError> for StoreError {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Write(error) | GroupError::Commit(error) => error,
        }
    }
}

// === impl QueuedWrite ===

impl<T, Write> Job for QueuedWrite<T, Write>
where
    T: Send,
    Write: FnMut(&mut Batch<'_>) -> Result<T, WriteError> + Send,
{
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        match (self.write)(batch) {
            Err(WriteError::Storage(error)) => Err(error),
            result => {
                self.result = Some(result);
                Ok(())
            }
        }
    }

    fn complete(mut self: Box<Self>, commit: Result<(), StoreError>) {
        let result = match commit {
            Ok(()) => self.result.take().unwrap_or(Err(WriteError::Closed)),
            Err(error) => Err(WriteError::Storage(error)),
        };
        if let Some(on_done) = self.on_done.take() {
            on_done(result);
        }
    }
}

impl<T, Write> Drop for QueuedWrite<T, Write> {
    /// Reports `Closed` for a write that had no commit: the queue was closed or the thread died.
    fn drop(&mut self) {
        if let Some(on_done) = self.on_done.take() {
            on_done(Err(WriteError::Closed));
        }
    }
}

#[cfg(test)]
mod tests;
