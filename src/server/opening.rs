//! Notices clients that do not even finish the first bytes of a protocol.
//!
//! HTTP/2 is told from HTTP/1 by its preface, and hyper waits for as much of
//! it as a client cares to send, without a limit of time. What is read is
//! counted here, below hyper, so that the wait can have one.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of HTTP/2's preface (RFC 9113, section 3.4). The shortest request of
/// HTTP/1.1, which has a `Host`, is longer.
const PREFACE_BYTES: usize = 24;

/// A stream whose first bytes are counted.
#[derive(Debug)]
pub(super) struct Opening<S> {
    stream: S,
    /// Bytes of the preface that are still missing.
    missing: usize,
    done: Arc<AtomicBool>,
}

/// Whether a client has sent its first bytes.
#[derive(Clone, Debug)]
pub(super) struct Opened(Arc<AtomicBool>);

// === impl Opening ===

impl<S> Opening<S> {
    pub(super) fn new(stream: S) -> (Self, Opened) {
        let done = Arc::new(AtomicBool::new(false));
        let opened = Opened(Arc::clone(&done));
        let missing = PREFACE_BYTES;
        let opening = Opening {
            stream,
            missing,
            done,
        };
        (opening, opened)
    }

    fn count(&mut self, bytes: usize) {
        if self.missing > 0 {
            self.missing = self.missing.saturating_sub(bytes);
            self.done.store(self.missing == 0, Ordering::Relaxed);
        }
    }
}

// === impl Opened ===

impl Opened {
    /// Ends after `limit` if the first bytes are not there then, else never.
    pub(super) async fn late(self, limit: Duration) {
        tokio::time::sleep(limit).await;
        if self.0.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
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
