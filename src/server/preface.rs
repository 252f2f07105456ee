//! Limits the time in which a client must send the preface of HTTP/2.
//!
//! hyper tells HTTP/2 from HTTP/1 by this preface and waits for it without a timeout. The bytes
//! that it reads are counted here, below hyper, so that the wait can have one.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of HTTP/2's preface (RFC 9113, section 3.4). Every request of HTTP/1.1, which has a
/// `Host`, is longer.
const PREFACE_BYTES: usize = 24;

/// A stream whose first bytes are counted.
#[derive(Debug)]
pub(super) struct PrefaceStream<S> {
    stream: S,
    /// Bytes of the preface that are still missing.
    missing: usize,
    done: Arc<AtomicBool>,
}

/// Whether a client has sent as many bytes as the preface has.
#[derive(Clone, Debug)]
pub(super) struct PrefaceState(Arc<AtomicBool>);

// === impl PrefaceStream ===

impl<S> PrefaceStream<S> {
    pub(super) fn new(stream: S) -> (Self, PrefaceState) {
        let done = Arc::new(AtomicBool::new(false));
        let state = PrefaceState(Arc::clone(&done));
        let stream = PrefaceStream {
            stream,
            missing: PREFACE_BYTES,
            done,
        };
        (stream, state)
    }

    fn count(&mut self, bytes: usize) {
        if self.missing > 0 {
            self.missing = self.missing.saturating_sub(bytes);
            self.done.store(self.missing == 0, Ordering::Relaxed);
        }
    }
}

// === impl PrefaceState ===

impl PrefaceState {
    /// Ends after `limit` if the preface is incomplete then, else never.
    pub(super) async fn late(self, limit: Duration) {
        tokio::time::sleep(limit).await;
        if self.0.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefaceStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.count(buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefaceStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
