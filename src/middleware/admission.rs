//! Load shedding: rejects calls for which the process has no memory left.
//!
//! A call gets a permit if its declared length would fit, and is charged for its body as that
//! arrives, frame by frame. A single call for which this fails is dropped while it runs, and
//! rejected; a bulk load is read no further until there is memory. The permit ends with the last
//! byte of the response: a response that is not read is memory too.

use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use futures_util::future::{BoxFuture, FutureExt};
use http::request::Parts;
use http_body::Frame;

use super::body::{BodyObserver, content_length, data_bytes};
use super::body_rate::{Arrival, MinBodyRate};
use super::guard::{Check, Hold};
use crate::admission::{CallPermit, Class, InFlightBudget};
use crate::call::Call;
use crate::error::{Error, Kind};

/// Acquires a permit for each request.
#[derive(Clone, Debug)]
pub struct AdmissionCheck {
    pub(super) budget: InFlightBudget,
    /// Maximum that a handler keeps of one body.
    pub(super) max_message_bytes: usize,
    pub(super) min_body_rate: MinBodyRate,
}

/// Holds the permit of a call, and ends the call when its body does not fit or is too slow.
#[derive(Debug)]
pub struct AdmissionHold {
    permit: HeldPermit,
    arrival: Arrival,
}

/// Frees the permit of a call when it is dropped, also for those who still have a clone.
#[derive(Debug)]
pub struct HeldPermit(CallPermit);

/// Charges what arrives of a body.
pub struct ChargeBody {
    permit: CallPermit,
    arrival: Arrival,
    /// Ends when a bulk load may be read on.
    wait: Option<BoxFuture<'static, ()>>,
}

impl Check for AdmissionCheck {
    type Hold = AdmissionHold;
    type Observer = ChargeBody;

    async fn check(&self, head: &mut Parts) -> Result<(AdmissionHold, ChargeBody), Error> {
        let declared = usize::try_from(content_length(&head.headers))
            .unwrap_or(usize::MAX)
            .min(self.max_message_bytes);
        let call = head.extensions.get_mut::<Call>();
        let call = call.ok_or_else(|| Error::new(Kind::Internal, "the call has no context"))?;
        let permit = self
            .budget
            .try_acquire(Class::Single, &call.tenant.name, declared)?;
        call.permit = CallPermit::new(permit);
        let arrival = Arrival::begin(self.min_body_rate);
        let charge = ChargeBody {
            permit: call.permit.clone(),
            arrival: arrival.clone(),
            wait: None,
        };
        let hold = AdmissionHold {
            permit: HeldPermit(call.permit.clone()),
            arrival,
        };
        Ok((hold, charge))
    }
}

impl Hold for AdmissionHold {
    type Kept = HeldPermit;

    async fn run<T: Send>(&mut self, response: impl Future<Output = T> + Send) -> Result<T, Error> {
        tokio::select! {
            // The response first: it reads the body. A call whose body has arrived sets no timer.
            biased;
            response = response => Ok(response),
            error = self.arrival.failure() => Err(error),
        }
    }

    fn release(self) -> HeldPermit {
        self.permit
    }
}

impl BodyObserver for ChargeBody {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.poll_unpin(context));
            self.wait = None;
        }
        Poll::Ready(())
    }

    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()> {
        let bytes = data_bytes(frame);
        self.arrival.add(bytes);
        match self.permit.charge_arrived(bytes) {
            Ok(may_read_on) => {
                if !may_read_on {
                    let permit = self.permit.clone();
                    self.wait = Some(async move { permit.wait_to_read_on().await }.boxed());
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.arrival.fail(error);
                ControlFlow::Break(())
            }
        }
    }

    fn on_end(&mut self) {
        self.arrival.end();
    }
}

impl Drop for ChargeBody {
    fn drop(&mut self) {
        self.arrival.end();
    }
}

impl Drop for HeldPermit {
    fn drop(&mut self) {
        // The handler may have left a clone to a task.
        self.0.free();
    }
}
