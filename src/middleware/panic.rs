//! Turns a panic of a handler into an `INTERNAL` response; the process lives.
//!
//! Differs from the panic boundary of a task: the caller gets a response of its API instead of a
//! reset stream. The panic's message is neither sent to the caller nor logged here, as it may quote
//! data; the panic hook prints location and message once.

use std::panic::AssertUnwindSafe;

use futures_util::future::FutureExt;
use http::Request;

use super::api_info::Reject;
use super::around::{Middleware, ResponseFuture};
use crate::error::{Error, Kind};
use crate::http_service::HttpService;
use crate::telemetry::Metrics;

/// Responds to a panic with an internal error.
#[derive(Clone, Debug)]
pub struct CatchPanic<R> {
    pub(super) metrics: Metrics,
    pub(super) reject: R,
}

impl<S, A, B> Middleware<S, A> for CatchPanic<Reject<B>>
where
    S: HttpService<A, ResponseBody = B>,
    B: 'static,
{
    type RequestBody = A;
    type ResponseBody = B;

    fn call(&self, inner: &mut S, request: Request<A>) -> ResponseFuture<B> {
        let CatchPanic { metrics, reject } = self.clone();
        // Nothing that a panic leaves half-changed outlives the future.
        let response = AssertUnwindSafe(inner.call(request)).catch_unwind();
        async move {
            response.await.unwrap_or_else(|_| {
                metrics.panicked();
                tracing::error!("request handler panicked");
                Ok(reject(&Error::new(Kind::Internal, "internal error")))
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::middleware::around::Around;
    use crate::telemetry::TextFormat;

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error_without_its_message() {
        let handler = service_fn(|_: Request<()>| async {
            if true {
                panic!("secret");
            }
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let metrics = Metrics::new();
        let reject: Reject<String> =
            |error| Response::new(format!("{} {error}", error.kind().reason()));
        let layer = Around(CatchPanic {
            metrics: metrics.clone(),
            reject,
        });

        let response = layer
            .layer(handler)
            .oneshot(Request::new(()))
            .await
            .unwrap();

        assert_eq!(response.into_body(), "INTERNAL internal error");
        let text = metrics.text(TextFormat::Prometheus);
        assert!(text.contains("samegate_panics_total 1"), "{text}");
    }
}
