//! Runs checks of a request's head before its call: authentication, quota, admission, deadline.
//!
//! A [`Check`] decides from the head alone, before a byte of the body is read. It can add to the
//! extensions of the request, observe the body and hold something until the call ends. A request
//! that it rejects never reaches the inner service; the caller gets the error in the format of its
//! API. All checks of an API run in one service and one allocation.

use std::ops::ControlFlow;
use std::pin::pin;

use bytes::Buf;
use http::request::Parts;
use http::{Request, Response};
use http_body::Frame;

use super::api_info::Reject;
use super::around::{Middleware, ResponseFuture};
use super::body::{BodyObserver, ObservedBody};
use crate::error::Error;
use crate::http_service::HttpService;

/// Decides whether the call of a request may run.
pub trait Check: Clone + Send + Sync + 'static {
    /// What an admitted call holds.
    type Hold: Hold;
    /// What observes the body of an admitted call.
    type Observer: BodyObserver;

    /// Admits or rejects a request by its head.
    fn check(
        &self,
        head: &mut Parts,
    ) -> impl Future<Output = Result<(Self::Hold, Self::Observer), Error>> + Send;

    /// Adds a check that runs after this one has admitted a request.
    fn then<C: Check>(self, next: C) -> Then<Self, C> {
        Then(self, next)
    }
}

/// What an admitted call holds until its handler has responded or the caller has gone.
pub trait Hold: Send + Sized {
    /// What is kept until the last byte of the response.
    type Kept: Send + Unpin + 'static;

    /// Awaits the response of the call. An error ends a running call and rejects its request.
    fn run<T: Send>(
        &mut self,
        response: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        async move { Ok(response.await) }
    }

    /// Releases what is held, after the call has responded or was ended, except for what is kept.
    /// Dropped instead when the caller leaves.
    fn release(self) -> Self::Kept;
}

/// Two checks, one after the other.
#[derive(Clone, Debug)]
pub struct Then<A, B>(A, B);

/// Middleware that runs a [`Check`].
#[derive(Clone, Debug)]
pub struct Guard<C, R> {
    pub(super) check: C,
    pub(super) reject: R,
}

/// Keeps something until the body of a response is dropped.
#[derive(Debug)]
pub struct Keep<K> {
    _kept: Option<K>,
}

impl Hold for () {
    type Kept = ();

    fn release(self) {}
}

impl<A: Hold, B: Hold> Hold for (A, B) {
    type Kept = (A::Kept, B::Kept);

    async fn run<T: Send>(&mut self, response: impl Future<Output = T> + Send) -> Result<T, Error> {
        self.0.run(self.1.run(response)).await?
    }

    fn release(self) -> Self::Kept {
        let second = self.1.release();
        (self.0.release(), second)
    }
}

impl<A: Check, B: Check> Check for Then<A, B> {
    type Hold = (A::Hold, B::Hold);
    type Observer = (A::Observer, B::Observer);

    async fn check(&self, head: &mut Parts) -> Result<(Self::Hold, Self::Observer), Error> {
        let (first_hold, first_observer) = self.0.check(head).await?;
        let (second_hold, second_observer) = self.1.check(head).await?;
        Ok(((first_hold, second_hold), (first_observer, second_observer)))
    }
}

impl<K: Send + Unpin + 'static> BodyObserver for Keep<K> {
    fn on_frame<D: Buf>(&mut self, _: &Frame<D>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<S, A, B, C> Middleware<S, A> for Guard<C, Reject<B>>
where
    C: Check,
    S: HttpService<ObservedBody<A, C::Observer>, ResponseBody = B>,
    A: Send + 'static,
    B: Send + 'static,
{
    type RequestBody = ObservedBody<A, C::Observer>;
    type ResponseBody = ObservedBody<B, Keep<<C::Hold as Hold>::Kept>>;

    fn call(&self, inner: &mut S, request: Request<A>) -> ResponseFuture<Self::ResponseBody> {
        let Guard { check, reject } = self.clone();
        // The service that is ready serves this call; its clone serves the next one.
        let next = inner.clone();
        let mut ready = std::mem::replace(inner, next);
        let keep = |response: Response<B>, kept| {
            response.map(|body| ObservedBody::new(body, Keep { _kept: kept }))
        };
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let (mut hold, observer) = match check.check(&mut head).await {
                Ok(admitted) => admitted,
                Err(error) => return Ok(keep(reject(&error), None)),
            };
            let request = Request::from_parts(head, ObservedBody::new(body, observer));
            let result = {
                // Pinned here, and dropped before the release: by value, each nested `run` would
                // double the size of the future.
                let response = pin!(ready.call(request));
                hold.run(response).await
            };
            let kept = hold.release();
            let response = result.unwrap_or_else(|error| Ok(reject(&error)))?;
            Ok(keep(response, Some(kept)))
        })
    }
}
