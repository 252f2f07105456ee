//! The one writer thread and its queue: group commit.
//!
//! Order of events: take everything that waits → one transaction → one durable commit → the memory
//! follows → each caller is answered. While a commit waits for the disk the next group gathers, so
//! the cost of a sync is shared by all callers that came meanwhile. A failed commit is the response of
//! its whole group; the memory is then read anew and the thread goes on.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::memory::{Memory, Wake};
use crate::store::{Batch, Store, StoreError, WriteError};

/// The most writes in one transaction: bounds its memory (20 kB each) and how long the first of a
/// group waits for the last.
const MAX_GROUP: usize = 256;

/// Hands writes to the writer thread.
pub(crate) struct Writer {
    queue: Mutex<Option<Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// One queued write.
trait Job: Send {
    /// Does the write in the transaction and remembers its outcome.
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError>;

    /// Tells the caller, after the commit or its failure.
    fn response(self: Box<Self>, commit: Result<(), StoreError>);
}

type Done<T> = Box<dyn FnOnce(Result<T, WriteError>) + Send>;

/// A write with its kind of outcome; every one is answered exactly once, whatever happens.
struct Write<T, Operation> {
    operation: Operation,
    /// What the transaction said; worth nothing before its commit.
    outcome: Option<Result<T, WriteError>>,
    done: Option<Done<T>>,
}

// === impl Writer ===

impl Writer {
    /// Starts the thread; it lives until [`Writer::close`], and wakes the merger after every group.
    pub(crate) fn start(
        store: Arc<Store>,
        memory: Arc<Memory>,
        wake: Wake,
        capacity: u64,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("same-image-writer".to_owned())
            .spawn(move || run(&receiver, &store, &memory, &wake, capacity))?;
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a write; `done` is called on the writer thread once it is durable or has failed.
    pub(crate) fn queue<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut Batch<'_>) -> Result<T, WriteError> + Send + 'static,
        done: impl FnOnce(Result<T, WriteError>) + Send + 'static,
    ) {
        let job = Box::new(Write {
            operation,
            outcome: None,
            done: Some(Box::new(done)),
        });
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queue.as_ref() {
            // A job that cannot be sent is dropped, and dropping answers it.
            let _ = queue.send(job);
        }
    }

    /// Does what is queued and ends the thread. Later writes get [`WriteError::Closed`].
    pub(crate) fn close(&self) {
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
        // A writer that panicked has told its panic to the hook and its callers `Closed`.
        let _ = thread.map(JoinHandle::join);
    }
}

/// The life of the thread: one group after the other until the queue is closed and empty.
fn run(queue: &Receiver<Box<dyn Job>>, store: &Store, memory: &Memory, wake: &Wake, capacity: u64) {
    let mut trusted = true;
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(MAX_GROUP - 1));

        trusted = trusted || memory.reload(store).is_ok();
        let changes = store.write(capacity, |batch| {
            group.iter_mut().try_for_each(|job| job.apply(batch))
        });
        let commit = changes.and_then(|changes| memory.apply(&changes));
        if commit.is_err() {
            // A commit that failed on its last sync may be on the disk all the same.
            trusted = memory.reload(store).is_ok();
        }
        for job in group {
            job.response(commit.clone());
        }
        // A merger that is at work or awake already looks again by itself.
        let _ = wake.try_send(());
    }
}

// === impl Write ===

impl<T, Operation> Job for Write<T, Operation>
where
    T: Send,
    Operation: FnMut(&mut Batch<'_>) -> Result<T, WriteError> + Send,
{
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        match (self.operation)(batch) {
            Err(WriteError::Storage(error)) => Err(error),
            outcome => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn response(mut self: Box<Self>, commit: Result<(), StoreError>) {
        let outcome = match commit {
            Ok(()) => self.outcome.take().unwrap_or(Err(WriteError::Closed)),
            Err(error) => Err(WriteError::Storage(error)),
        };
        if let Some(done) = self.done.take() {
            done(outcome);
        }
    }
}

impl<T, Operation> Drop for Write<T, Operation> {
    /// Answers a write that never reached its commit: the queue was closed or the thread died.
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(WriteError::Closed));
        }
    }
}
