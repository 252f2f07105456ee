//! Learns how a call ended, for the layers that tell somebody.
//!
//! A call ends when the last byte of its response is handed over: a gRPC status
//! stands in the trailers, and a stream ends long after its head. A response
//! that is dropped before that was cancelled. gRPC answers are read as the
//! caller reads them, so no door has to say how a call went; the REST API
//! answers 200 to everything and leaves the [`Kind`] beside the response.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::error::Kind;
use crate::telemetry::names::CODES;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Canonical code.
    pub(super) code: Code,
    /// Why it failed; the name of the code where nobody gave a reason.
    pub(super) reason: Option<Cow<'static, str>>,
    /// Status of the response's head; `None` before there was one.
    pub(super) http_status: Option<StatusCode>,
}

/// Is told once, when the call has ended.
pub trait Witness: Send + 'static {
    /// Takes how it ended.
    fn ended(&mut self, ending: &Ending);
}

/// Watches a call from its begin to its end.
pub(super) struct Watch<W: Witness> {
    witness: W,
    ending: Ending,
}

/// Body of a response that is watched to its end.
pub struct Watched<B, W: Witness> {
    inner: B,
    watch: Watch<W>,
}

// === impl Ending ===

impl Ending {
    fn cancelled() -> Self {
        Ending {
            code: Code::Cancelled,
            reason: Some(Cow::Borrowed(CODES[Code::Cancelled as usize])),
            http_status: None,
        }
    }

    fn ok(&mut self) {
        (self.code, self.reason) = (Code::Ok, None);
    }

    fn of_kind(&mut self, kind: Kind) {
        (self.code, self.reason) = (kind.code(), Some(Cow::Borrowed(kind.reason())));
    }

    /// Reads headers or trailers that hold a gRPC status.
    fn of_grpc(&mut self, headers: &HeaderMap) {
        let Some(status) = Status::from_header_map(headers) else {
            return;
        };
        if status.code() == Code::Ok {
            return self.ok();
        }
        let reason = status.get_details_error_info().map(|info| info.reason);
        let name = || Cow::Borrowed(CODES[status.code() as usize]);
        self.code = status.code();
        self.reason = Some(reason.map_or_else(name, Cow::Owned));
    }

    /// Whether the server's span has failed, by OpenTelemetry's conventions
    /// for gRPC: a rejection of what the caller sent is no failure of the server.
    pub(super) fn is_server_error(&self) -> bool {
        matches!(
            self.code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        )
    }

    /// Name of the code, as labels and log lines spell it.
    pub(super) fn code_name(&self) -> &'static str {
        CODES[self.code as usize]
    }
}

// === impl Watch ===

impl<W: Witness> Watch<W> {
    /// Begins before the response, so that a call that is dropped is told too.
    pub(super) fn new(witness: W) -> Self {
        Watch {
            witness,
            ending: Ending::cancelled(),
        }
    }

    /// Goes on with the body of the response.
    pub(super) fn over<B>(mut self, response: Response<B>) -> Response<Watched<B, W>> {
        let (head, inner) = response.into_parts();
        self.ending.http_status = Some(head.status);
        if let Some(kind) = head.extensions.get::<Kind>() {
            self.ending.of_kind(*kind);
        }
        self.ending.of_grpc(&head.headers);
        Response::from_parts(head, Watched { inner, watch: self })
    }

    /// The body is at its end: without any status, the head says how it went.
    fn complete(&mut self) {
        if self.ending.code != Code::Cancelled {
            return;
        }
        match self.ending.http_status {
            Some(status) if status.is_server_error() => self.ending.of_kind(Kind::Internal),
            Some(status) if status.is_client_error() => {
                self.ending.of_kind(Kind::InvalidParameter);
            }
            Some(_) | None => self.ending.ok(),
        }
    }
}

impl<W: Witness> Drop for Watch<W> {
    fn drop(&mut self) {
        self.witness.ended(&self.ending);
    }
}

// === impl Watched ===

impl<B: Body + Unpin, W: Witness + Unpin> Body for Watched<B, W> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.watch.ending.of_grpc(trailers);
                }
                if self.inner.is_end_stream() {
                    self.watch.complete();
                }
            }
            Some(Err(_)) => {}
            None => self.watch.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B, W: Witness> fmt::Debug for Watched<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}
