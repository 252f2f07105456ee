//! Rejects calls for which the process has no memory left.
//!
//! A call takes its announced length from the budget before its body is read;
//! what arrives beyond it is taken frame by frame, and a call that finds the
//! budget empty is dropped in the middle and rejected. All of it is given back
//! when the handler has answered. A stream's head is answered at once, so its
//! items take places of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use tokio::sync::oneshot;
use tower::{Layer, Service};

use super::announced;
use super::watched::{Watch, Watched};
use crate::admission::{Budget, Class, Place};
use crate::error::Error;

/// Takes a place in the budget for each request.
#[derive(Clone, Debug)]
pub struct AdmissionLayer<R> {
    budget: Budget,
    /// No handler keeps more of one body.
    max_message_bytes: usize,
    reject: R,
}

/// See [`AdmissionLayer`].
#[derive(Clone, Debug)]
pub struct Admitted<S, R> {
    inner: S,
    layer: AdmissionLayer<R>,
}

/// The place of a request while its handler works; `None` afterwards.
type Held = Arc<Mutex<Option<Place>>>;

impl<R> AdmissionLayer<R> {
    pub(super) fn new(budget: Budget, max_message_bytes: usize, reject: R) -> Self {
        AdmissionLayer {
            budget,
            max_message_bytes,
            reject,
        }
    }
}

impl<S, R: Clone> Layer<S> for AdmissionLayer<R> {
    type Service = Admitted<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Admitted {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S, A, B, R> Service<Request<A>> for Admitted<S, R>
where
    R: Fn(&Error) -> Response<B> + Copy + Send + 'static,
    S: Service<Request<Watched<A>>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let reject = self.layer.reject;
        let announced = usize::try_from(announced(request.headers())).unwrap_or(usize::MAX);
        let announced = announced.min(self.layer.max_message_bytes);
        let place = match self.layer.budget.take(Class::Single, announced) {
            Ok(place) => place,
            Err(error) => return std::future::ready(Ok(reject(&error))).boxed(),
        };
        let held: Held = Arc::new(Mutex::new(Some(place)));
        let (over, rejected) = oneshot::channel();
        let watch = watch(Arc::clone(&held), announced, over);
        let response = self
            .inner
            .call(request.map(|body| Watched::new(body, watch)));
        async move {
            let response = tokio::select! {
                biased;
                // An error means that the body was dropped: read, or not wanted.
                Ok(error) = rejected => Ok(reject(&error)),
                response = response => response,
            };
            drop(lock(&held).take());
            response
        }
        .boxed()
    }
}

/// Takes what arrives beyond `reserved`, or reports that there is no room.
fn watch(held: Held, mut reserved: usize, over: oneshot::Sender<Error>) -> Watch {
    let mut over = Some(over);
    let mut arrived = 0_usize;
    Box::new(move |bytes| {
        arrived = arrived.saturating_add(bytes);
        let missing = arrived.saturating_sub(reserved);
        let mut held = lock(&held);
        let Some(place) = held.as_mut().filter(|_| missing > 0) else {
            return true;
        };
        let Err(error) = place.grow(missing) else {
            reserved = arrived;
            return true;
        };
        if let Some(over) = over.take() {
            // Nobody to tell when the call was dropped meanwhile.
            let _ = over.send(error);
        }
        false
    })
}

fn lock(held: &Held) -> std::sync::MutexGuard<'_, Option<Place>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
