//! Determines how a call ended, for the layers that report it.
//!
//! A call ends when the last byte of its response has been handed over: a gRPC status is in the
//! trailers, and a stream ends long after its head. A response that is dropped before its end was
//! cancelled. gRPC statuses are read from the response as the caller reads it; the REST API
//! responds 200 to everything and leaves a [`Rejection`] in the extensions of the response.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::body::{BodyObserver, ObservedBody};
use crate::error::{Kind, Rejection};
use crate::telemetry::names::CODES;
use crate::telemetry::{OnOutcome, OutcomeGuard};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// Canonical code.
    pub(super) code: Code,
    /// Why it failed; the name of the code for an error without a reason.
    pub(super) reason: Option<Cow<'static, str>>,
    /// Status of the response's head; `None` before there was one.
    pub(super) http_status: Option<StatusCode>,
    /// Message of its error, for the log.
    pub(super) error: Option<Arc<str>>,
    /// Number of the operation in the response to a rejected call.
    pub(super) log_id: Option<u64>,
}

/// Follows the response of a call and reports once how the call ended.
#[derive(Debug)]
pub struct ResponseObserver<R: OnOutcome<CallOutcome>>(OutcomeGuard<CallOutcome, R>);

// === impl CallOutcome ===

impl CallOutcome {
    fn cancelled() -> Self {
        CallOutcome {
            code: Code::Cancelled,
            reason: Some(Cow::Borrowed(CODES[Code::Cancelled as usize])),
            http_status: None,
            error: None,
            log_id: None,
        }
    }

    /// Returns whether the server's span has failed, by OpenTelemetry's conventions for gRPC: a
    /// rejection of the caller's input is no failure of the server.
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

    /// Returns the name of the code, as labels and log lines spell it.
    pub(super) fn code_name(&self) -> &'static str {
        CODES[self.code as usize]
    }

    fn set_ok(&mut self) {
        (self.code, self.reason) = (Code::Ok, None);
    }

    fn set_rejection(&mut self, rejection: &Rejection) {
        self.set_kind(rejection.kind);
        self.error = Some(rejection.message.clone());
        self.log_id = rejection.log_id;
    }

    fn set_kind(&mut self, kind: Kind) {
        (self.code, self.reason) = (kind.code(), Some(Cow::Borrowed(kind.reason())));
    }

    /// Reads headers or trailers that hold a gRPC status.
    fn set_grpc_status(&mut self, headers: &HeaderMap) {
        let Some(status) = Status::from_header_map(headers) else {
            return;
        };
        if status.code() == Code::Ok {
            return self.set_ok();
        }
        self.code = status.code();
        self.reason = Some(status.get_details_error_info().map_or_else(
            || Cow::Borrowed(CODES[status.code() as usize]),
            |info| Cow::Owned(info.reason),
        ));
        self.error = Some(status.message().into()).filter(|message: &Arc<str>| !message.is_empty());
    }

    /// Ends the body of a response: without another status, the head decides.
    fn complete(&mut self) {
        if self.code != Code::Cancelled {
            return;
        }
        match self.http_status {
            Some(status) if status.is_server_error() => self.set_kind(Kind::Internal),
            Some(status) if status.is_client_error() => self.set_kind(Kind::InvalidParameter),
            Some(_) | None => self.set_ok(),
        }
    }
}

// === impl ResponseObserver ===

impl<R: OnOutcome<CallOutcome>> ResponseObserver<R> {
    /// Starts before there is a response, so that a dropped call is reported too.
    pub(super) fn new(report: R) -> Self {
        ResponseObserver(OutcomeGuard::new(CallOutcome::cancelled(), report))
    }

    /// Follows the body of the response.
    pub(super) fn observe<B>(mut self, response: Response<B>) -> Response<ObservedBody<B, Self>> {
        let outcome = &mut self.0.outcome;
        outcome.http_status = Some(response.status());
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            outcome.set_rejection(rejection);
        }
        outcome.set_grpc_status(response.headers());
        response.map(|body| ObservedBody::new(body, self))
    }
}

impl<R: OnOutcome<CallOutcome> + Send + Unpin + 'static> BodyObserver for ResponseObserver<R> {
    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()> {
        if let Some(trailers) = frame.trailers_ref() {
            self.0.outcome.set_grpc_status(trailers);
        }
        ControlFlow::Continue(())
    }

    fn on_end(&mut self) {
        self.0.outcome.complete();
    }
}
