//! Turns a panic of a handler into an `INTERNAL` answer; the process lives.
//!
//! Differs from a task's own panic boundary: the caller gets a response of its
//! door instead of a reset stream. The panic's message is not sent to the
//! caller and not logged here, as it may quote data; the panic hook prints
//! place and message once.

use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::error::{Error, Kind};
use crate::telemetry::Metrics;

/// Answers a panic as an internal error.
#[derive(Clone, Debug)]
pub struct PanicLayer<R> {
    metrics: Metrics,
    reject: R,
}

/// See [`PanicLayer`].
#[derive(Clone, Debug)]
pub struct CatchPanic<S, R> {
    metrics: Metrics,
    inner: S,
    reject: R,
}

impl<R> PanicLayer<R> {
    pub(super) fn new(metrics: Metrics, reject: R) -> Self {
        PanicLayer { metrics, reject }
    }
}

impl<S, R: Copy> Layer<S> for PanicLayer<R> {
    type Service = CatchPanic<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic {
            metrics: self.metrics.clone(),
            inner,
            reject: self.reject,
        }
    }
}

impl<S, A, B, R> Service<Request<A>> for CatchPanic<S, R>
where
    R: Fn(&Error) -> Response<B> + Copy + Send + 'static,
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (reject, metrics) = (self.reject, self.metrics.clone());
        // Nothing that a panic leaves half-changed outlives the future.
        let response = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        async move {
            response.await.unwrap_or_else(|_| {
                metrics.panicked();
                tracing::error!("a handler panicked");
                Ok(reject(&Error::new(Kind::Internal, "internal error")))
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_internal_without_its_message() {
        let handler = service_fn(|_: Request<()>| async {
            if true {
                panic!("secret");
            }
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let metrics = Metrics::new();
        let layer = PanicLayer::new(metrics.clone(), |error: &Error| {
            Response::new(format!("{} {error}", error.kind().reason()))
        });

        let response = layer
            .layer(handler)
            .oneshot(Request::new(()))
            .await
            .unwrap();

        assert_eq!(response.into_body(), "INTERNAL internal error");
        assert!(metrics.text().contains("samegate_panics_total 1"));
    }
}
