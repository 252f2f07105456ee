//! Streams a backup of the library while it serves.
//!
//! The engine writes the backup on a blocking thread, chunk by chunk, into a channel of a few
//! chunks: a client that reads slowly slows it down, and one that goes away ends it. Searches have
//! priority: the thread pauses after each chunk for as long as the chunk took, so it uses at most
//! half of one core and of the disk.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt};
use same_image::{BackupError, BackupInfo, Engine};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::error::{Error, Kind, Result, chain};
use crate::library::BackupStream;

/// Size of a chunk: about a dozen images.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that wait for the client; with the one that is written, 1 MiB in all.
const CHUNKS_WAITING: usize = 3;
/// Maximum time in which a client reads nothing. Until the backup ends, the library file grows with
/// every write, so a client that stands still must not hold it open.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum pause after a chunk: clients give up when they get nothing for a minute.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Starts a backup; `slot` is held until it has ended.
pub(super) fn start(engine: Arc<Engine>, slot: OwnedSemaphorePermit) -> BackupStream {
    let (chunks, receiver) = mpsc::channel(CHUNKS_WAITING);
    let mut out = ChunkWriter {
        chunks,
        runtime: Handle::current(),
        chunk: BytesMut::with_capacity(CHUNK_BYTES),
        since: Instant::now(),
    };
    let span = tracing::Span::current();
    #[expect(
        clippy::disallowed_methods,
        reason = "`slot` bounds it; on the CPU pool it would hold a core while it waits for its client"
    )]
    let job = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        let ended = engine.backup(&mut out, &mut |_, _| {});
        span.in_scope(|| log(&ended, begin));
        drop(slot);
        ended
    });
    let end = stream::once(failure(job)).filter_map(ready);
    ReceiverStream::new(receiver).chain(end).boxed()
}

/// Returns the error of a backup that failed: it ends the stream, so that the client does not see a
/// complete response.
async fn failure(job: JoinHandle<Result<BackupInfo, BackupError>>) -> Option<Result<Bytes>> {
    match job.await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(Err(Error::new(Kind::Storage, chain(&error)))),
        Err(_) => Some(Err(Error::new(Kind::Internal, "the backup panicked"))),
    }
}

fn log(ended: &Result<BackupInfo, BackupError>, begin: Instant) {
    match ended {
        Ok(info) => {
            let (count, bytes) = (info.images, info.size_bytes);
            let duration_ms = begin.elapsed().as_secs_f64() * 1e3;
            tracing::info!(count, bytes, duration_ms, "library backup sent");
        }
        Err(error) => tracing::warn!(error = chain(error), "library backup failed"),
    }
}

/// Sends what is written as chunks.
struct ChunkWriter {
    chunks: mpsc::Sender<Result<Bytes>>,
    runtime: Handle,
    chunk: BytesMut,
    /// When the work on the chunk began.
    since: Instant,
}

// === impl ChunkWriter ===

impl ChunkWriter {
    fn send(&mut self) -> io::Result<()> {
        let next = BytesMut::with_capacity(CHUNK_BYTES);
        let chunk = mem::replace(&mut self.chunk, next).freeze();
        let worked = self.since.elapsed().min(MAX_PAUSE);
        let sent = self.runtime.block_on(async {
            tokio::select! {
                () = sleep(worked) => {}
                () = self.chunks.closed() => {}
            }
            timeout(STALL_TIMEOUT, self.chunks.send(Ok(chunk))).await
        });
        self.since = Instant::now();
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the client has disconnected",
            )),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client has read nothing for a minute",
            )),
        }
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.send()
    }
}
