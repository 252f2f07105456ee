//! Load shedding: rejects calls for which the process has no memory left.
//!
//! A call reserves its declared length before its body is read. What arrives beyond that is
//! reserved frame by frame; a call for which this fails is dropped while it runs, and rejected. The
//! reservation ends when the handler has responded. The head of a stream is sent at once, so the
//! items of a stream reserve for themselves.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Buf;
use http::request::Parts;
use http_body::Frame;
use tokio::sync::oneshot;

use super::body::{BodyObserver, content_length, data_bytes};
use super::guard::{Check, Hold};
use crate::admission::{Class, InFlightBudget, Permit};
use crate::error::Error;

/// Acquires a permit for each request.
#[derive(Clone, Debug)]
pub struct AdmissionCheck {
    pub(super) budget: InFlightBudget,
    /// Maximum that a handler keeps of one body.
    pub(super) max_message_bytes: usize,
}

/// The permit of a call; `None` after its handler has responded.
#[derive(Clone)]
struct SharedPermit(Arc<Mutex<Option<Permit>>>);

/// Holds the permit of a call, and ends the call when its body outgrows it.
pub struct AdmissionHold {
    permit: SharedPermit,
    exceeded: oneshot::Receiver<Error>,
}

/// Grows the permit by what arrives beyond the reserved length.
pub struct PermitGrowth {
    permit: SharedPermit,
    reserved: usize,
    arrived: usize,
    exceeded: Option<oneshot::Sender<Error>>,
}

impl Check for AdmissionCheck {
    type Hold = AdmissionHold;
    type Observer = PermitGrowth;

    async fn check(&self, head: &mut Parts) -> Result<(AdmissionHold, PermitGrowth), Error> {
        let reserved = usize::try_from(content_length(&head.headers))
            .unwrap_or(usize::MAX)
            .min(self.max_message_bytes);
        let permit = self.budget.try_acquire(Class::Single, reserved)?;
        let permit = SharedPermit(Arc::new(Mutex::new(Some(permit))));
        let (sender, receiver) = oneshot::channel();
        let growth = PermitGrowth {
            permit: permit.clone(),
            reserved,
            arrived: 0,
            exceeded: Some(sender),
        };
        let hold = AdmissionHold {
            permit,
            exceeded: receiver,
        };
        Ok((hold, growth))
    }
}

impl Hold for AdmissionHold {
    async fn run<T: Send>(&mut self, response: impl Future<Output = T> + Send) -> Result<T, Error> {
        tokio::select! {
            biased;
            // An error means that the body was dropped: read to its end, or not needed.
            Ok(error) = &mut self.exceeded => Err(error),
            response = response => Ok(response),
        }
    }

    fn release(self) {
        // Taken, not dropped: the handler may have left the body, and its observer, to a task.
        drop(self.permit.lock().take());
    }
}

impl BodyObserver for PermitGrowth {
    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()> {
        self.arrived = self.arrived.saturating_add(data_bytes(frame));
        let missing = self.arrived.saturating_sub(self.reserved);
        let mut permit = self.permit.lock();
        let Some(permit) = permit.as_mut().filter(|_| missing > 0) else {
            return ControlFlow::Continue(());
        };
        let Err(error) = permit.grow(missing) else {
            self.reserved = self.arrived;
            return ControlFlow::Continue(());
        };
        if let Some(exceeded) = self.exceeded.take() {
            // Without a receiver the call was dropped meanwhile.
            let _ = exceeded.send(error);
        }
        ControlFlow::Break(())
    }
}

impl SharedPermit {
    fn lock(&self) -> MutexGuard<'_, Option<Permit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
