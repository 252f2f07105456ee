//! Gives every request a name for logs and answers.
//!
//! A caller's own `x-request-id` is kept when it is short printable ASCII, so
//! that one name follows a request through several services. The answer
//! carries it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderName, HeaderValue, Request, Response};
use tower::{Layer, Service};

use crate::call::RequestId;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest name that is taken from a caller.
const MAX_BYTES: usize = 128;

/// Adds a [`RequestId`] to the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct RequestIdLayer;

/// See [`RequestIdLayer`].
#[derive(Clone, Debug)]
pub struct NamedRequests<S>(S);

impl<S> Layer<S> for RequestIdLayer {
    type Service = NamedRequests<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NamedRequests(inner)
    }
}

impl<S, A, B> Service<Request<A>> for NamedRequests<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let header = request
            .headers()
            .get(HEADER)
            .filter(|value| acceptable(value))
            .cloned();
        let header = header.unwrap_or_else(new_name);
        let name: Arc<str> = header.to_str().unwrap_or_default().into();
        request.extensions_mut().insert(RequestId(name));
        let response = self.0.call(request);
        async move {
            let mut response = response.await?;
            response.headers_mut().insert(HEADER, header);
            Ok(response)
        }
        .boxed()
    }
}

fn acceptable(value: &HeaderValue) -> bool {
    !value.is_empty()
        && value.len() <= MAX_BYTES
        && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// A name that no other request of this process has, and that one of another
/// process hardly has: start time and count, mixed to spread over 64 bits.
fn new_name() -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SEED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        since_epoch.as_secs().wrapping_mul(1_000_000_007)
            ^ u64::from(since_epoch.subsec_nanos()) << 20
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Fibonacci hashing (Knuth, TAOCP vol. 3, 6.4): a bijection on 64 bits.
    let name = SEED.wrapping_add(count).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    HeaderValue::try_from(format!("{name:016x}")).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn name_of(request: Request<()>) -> String {
        let echo = service_fn(|request: Request<()>| async move {
            let name = request
                .extensions()
                .get::<RequestId>()
                .unwrap()
                .0
                .to_string();
            Ok::<_, Infallible>(Response::new(name))
        });
        let response = RequestIdLayer.layer(echo).oneshot(request).await.unwrap();
        assert_eq!(response.headers()[HEADER], response.body().as_str());
        response.into_body()
    }

    #[tokio::test]
    async fn a_callers_own_name_is_kept_and_echoed() {
        let request = Request::builder().header(HEADER, "job-7").body(()).unwrap();

        assert_eq!(name_of(request).await, "job-7");
    }

    #[tokio::test]
    async fn an_unusable_name_is_replaced_and_names_differ() {
        let long = Request::builder()
            .header(HEADER, "x".repeat(129))
            .body(())
            .unwrap();

        let (first, second) = (name_of(long).await, name_of(Request::new(())).await);
        assert_eq!(first.len(), 16);
        assert_ne!(first, second);
    }
}
