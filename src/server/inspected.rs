//! Watches what a client sends, below hyper.
//!
//! hyper tells HTTP/2 from HTTP/1 by the preface of HTTP/2 and waits for it without a timeout, and
//! it reads any number of frames that carry nothing. So the first bytes are compared with the
//! preface here, and the frames after it are counted.

use std::io::{Error, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::FrameGuard;

/// The preface of HTTP/2 (RFC 9113, section 3.4). Every request of HTTP/1.1, which has a `Host`, is
/// longer.
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose incoming bytes are inspected.
#[derive(Debug)]
pub(super) struct InspectedStream<S> {
    stream: S,
    /// Number of bytes that have arrived, up to those of the preface.
    first: usize,
    /// Whether these are those of the preface.
    is_http2: bool,
    frames: FrameGuard,
    findings: Findings,
}

/// What was found so far; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    has_preface: AtomicBool,
    is_flooded: AtomicBool,
}

// === impl InspectedStream ===

impl<S> InspectedStream<S> {
    /// Inspects a new connection; `frames_per_second` is the rate of HTTP/2 frames without content.
    pub(super) fn new(stream: S, frames_per_second: u32) -> (Self, Findings) {
        let findings = Findings::default();
        let stream = InspectedStream {
            stream,
            first: 0,
            is_http2: true,
            frames: FrameGuard::new(frames_per_second),
            findings: findings.clone(),
        };
        (stream, findings)
    }

    fn inspect(&mut self, mut bytes: &[u8]) -> Result<()> {
        if self.first < PREFACE.len() {
            let (first, rest) = bytes.split_at(bytes.len().min(PREFACE.len() - self.first));
            self.is_http2 &= PREFACE[self.first..].starts_with(first);
            self.first += first.len();
            let has_preface = self.first == PREFACE.len();
            self.findings
                .0
                .has_preface
                .store(has_preface, Ordering::Relaxed);
            bytes = rest;
        }
        if !self.is_http2 {
            return Ok(());
        }
        self.frames.on_read(bytes).map_err(|flood| {
            self.findings.0.is_flooded.store(true, Ordering::Relaxed);
            Error::other(flood)
        })
    }
}

// === impl Findings ===

impl Findings {
    /// Ends after `limit` if the client has sent fewer bytes than the preface has then, else never.
    pub(super) async fn late(&self, limit: Duration) {
        tokio::time::sleep(limit).await;
        if self.0.has_preface.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Returns whether the connection was ended as a flood.
    pub(super) fn is_flooded(&self) -> bool {
        self.0.is_flooded.load(Ordering::Relaxed)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InspectedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match self.inspect(&buffer.filled()[before..]) {
            Ok(()) => read,
            Err(flood) => Poll::Ready(Err(flood)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InspectedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(bytes)) = written {
            self.frames.on_write(bytes);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        if let Poll::Ready(Ok(bytes)) = written {
            self.frames.on_write(bytes);
        }
        written
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
