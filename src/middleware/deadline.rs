//! Bounds the time of a call and tells it to everything below.
//!
//! The deadline is the smaller of the client's (`grpc-timeout`) and ours. A
//! unary call that passes it is dropped, with its upstream request, and answers
//! `DEADLINE_EXCEEDED`; tonic by itself would answer `CANCELLED`. A stream's
//! head is answered at once, so the stream itself ends at
//! `Call::stream_deadline`.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::call::{Call, CallStats, RequestId, Tenant};
use crate::error::{Error, Kind};

/// Bounds on the time of a call.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a call whose client names none.
    pub default: Duration,
    /// The longest that one operation may take; a client that asks for more is
    /// cut, silently, as it loses nothing by waiting longer. Streams have no
    /// limit of ours.
    pub max: Duration,
}

/// Adds the [`Call`] to the extensions of each request and enforces its
/// deadline.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer<R> {
    deadlines: Deadlines,
    reject: R,
}

/// See [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub struct Timed<S, R> {
    inner: S,
    layer: DeadlineLayer<R>,
}

impl<R> DeadlineLayer<R> {
    pub(super) fn new(deadlines: Deadlines, reject: R) -> Self {
        DeadlineLayer { deadlines, reject }
    }

    fn of_request<A>(&self, request: &Request<A>) -> Result<Call, Error> {
        let tenant = request.extensions().get::<Arc<Tenant>>().cloned();
        let tenant = tenant.ok_or_else(|| Error::new(Kind::Internal, "the call has no tenant"))?;
        let request_id = request
            .extensions()
            .get::<RequestId>()
            .cloned()
            .unwrap_or_default();
        let stats = request.extensions().get::<CallStats>().cloned();
        let asked = grpc_timeout(request.headers())?;
        let own = asked.map_or(self.deadlines.default, |asked| {
            asked.min(self.deadlines.max)
        });
        let now = Instant::now();
        Ok(Call {
            tenant,
            request_id,
            deadline: now + own,
            // As the client says: a bulk load may take hours.
            stream_deadline: asked.and_then(|asked| now.checked_add(asked)),
            timeout: self.deadlines.default,
            bulk: false,
            stats: stats.unwrap_or_default(),
        })
    }
}

/// Reads the client's timeout: digits and a unit (gRPC over HTTP/2, Timeout).
fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
        Some(match unit {
            "H" => Duration::from_secs(amount * 3600),
            "M" => Duration::from_secs(amount * 60),
            "S" => Duration::from_secs(amount),
            "m" => Duration::from_millis(amount),
            "u" => Duration::from_micros(amount),
            "n" => Duration::from_nanos(amount),
            _ => return None,
        })
    });
    let violation = || {
        let message = "up to 8 digits and one of H, M, S, m, u, n";
        Error::violation("grpc-timeout", Kind::InvalidParameter, message)
    };
    parsed.map(Some).ok_or_else(violation)
}

impl<S, R: Copy> Layer<S> for DeadlineLayer<R> {
    type Service = Timed<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Timed {
            inner,
            layer: *self,
        }
    }
}

impl<S, A, B, R> Service<Request<A>> for Timed<S, R>
where
    R: Fn(&Error) -> Response<B> + Copy + Send + 'static,
    S: Service<Request<A>, Response = Response<B>>,
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

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let reject = self.layer.reject;
        let call = match self.layer.of_request(&request) {
            Ok(call) => call,
            Err(error) => return std::future::ready(Ok(reject(&error))).boxed(),
        };
        let deadline = call.deadline;
        request.extensions_mut().insert(call);
        let response = tokio::time::timeout_at(deadline, self.inner.call(request));
        async move {
            // A timeout polls the call before the clock, so a quick call would
            // be begun, and even answered, when its time is over already.
            if deadline > Instant::now()
                && let Ok(response) = response.await
            {
                return response;
            }
            let message = "the call's deadline has passed";
            Ok(reject(&Error::new(Kind::DeadlineExceeded, message)))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        default: Duration::from_secs(30),
        max: Duration::from_secs(300),
    };

    /// Answers after `work` with the seconds that the call had when it began.
    async fn response(timeout: Option<&str>, work: Duration) -> String {
        let handler = service_fn(move |request: Request<()>| async move {
            let remaining = request.extensions().get::<Call>().unwrap().remaining();
            tokio::time::sleep(work).await;
            Ok::<_, Infallible>(Response::new(format!("{}", remaining.as_secs())))
        });
        let mut request = Request::new(());
        request.extensions_mut().insert(Arc::new(Tenant {
            name: "t".to_owned(),
            libraries: Vec::new(),
            weight: 1,
        }));
        if let Some(timeout) = timeout {
            request
                .headers_mut()
                .insert("grpc-timeout", timeout.parse().unwrap());
        }
        let layer = DeadlineLayer::new(DEADLINES, |error: &Error| {
            Response::new(error.kind().reason().to_owned())
        });
        layer
            .layer(handler)
            .oneshot(request)
            .await
            .unwrap()
            .into_body()
    }

    #[tokio::test(start_paused = true)]
    async fn the_smaller_of_the_clients_time_and_ours_holds() {
        for (asked, seconds) in [
            (None, "30"),
            (Some("5S"), "5"),
            (Some("99999H"), "300"),
            (Some("2M"), "120"),
        ] {
            assert_eq!(response(asked, Duration::ZERO).await, seconds, "{asked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_past_its_deadline_answers_deadline_exceeded() {
        assert_eq!(
            response(Some("100m"), Duration::from_secs(1)).await,
            "DEADLINE_EXCEEDED"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_time_is_over_is_not_begun() {
        // What grpc-go sends for a deadline that has passed.
        assert_eq!(
            response(Some("0n"), Duration::ZERO).await,
            "DEADLINE_EXCEEDED"
        );
    }

    #[tokio::test]
    async fn a_timeout_that_is_none_is_rejected() {
        for timeout in ["", "S", "5", "5x", "-1S", "123456789S", "١S"] {
            let mut headers = HeaderMap::new();
            headers.insert(
                "grpc-timeout",
                http::HeaderValue::from_bytes(timeout.as_bytes()).unwrap(),
            );
            assert!(grpc_timeout(&headers).is_err(), "{timeout}");
        }
    }
}
