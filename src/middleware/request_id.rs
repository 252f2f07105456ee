//! Assigns an id to every request, for logs and responses.
//!
//! A caller's own `x-request-id` is kept when it is short printable ASCII, so that one id follows a
//! request through several services. The response returns it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use futures_util::future::FutureExt;
use http::{HeaderName, HeaderValue, Request};

use super::around::{Middleware, ResponseFuture};
use crate::call::RequestId;
use crate::http_service::HttpService;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of an id that a caller sends.
const MAX_BYTES: usize = 128;

/// Adds a [`RequestId`] to the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct AssignRequestId;

impl<S: HttpService<A>, A> Middleware<S, A> for AssignRequestId {
    type RequestBody = A;
    type ResponseBody = S::ResponseBody;

    fn call(&self, inner: &mut S, mut request: Request<A>) -> ResponseFuture<S::ResponseBody> {
        let id = request
            .headers()
            .get(HEADER)
            .filter(|value| is_acceptable(value))
            .cloned()
            .unwrap_or_else(generate);
        request
            .extensions_mut()
            .insert(RequestId(Arc::from(id.to_str().unwrap_or_default())));
        let response = inner.call(request);
        async move {
            let mut response = response.await?;
            response.headers_mut().insert(HEADER, id);
            Ok(response)
        }
        .boxed()
    }
}

fn is_acceptable(value: &HeaderValue) -> bool {
    !value.is_empty()
        && value.len() <= MAX_BYTES
        && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Generates an id that is unique in this process and, with high probability, among processes:
/// start time and count, mixed to spread over 64 bits.
fn generate() -> HeaderValue {
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
    let id = SEED.wrapping_add(count).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    HeaderValue::try_from(format!("{id:016x}")).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::middleware::around::Around;

    async fn id_of(request: Request<()>) -> String {
        let echo = service_fn(|request: Request<()>| async move {
            let RequestId(id) = request.extensions().get().unwrap();
            Ok::<_, Infallible>(Response::new(id.to_string()))
        });
        let response = Around(AssignRequestId)
            .layer(echo)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.headers()[HEADER], response.body().as_str());
        response.into_body()
    }

    #[tokio::test]
    async fn a_callers_own_id_is_kept_and_echoed() {
        let request = Request::builder().header(HEADER, "job-7").body(()).unwrap();

        assert_eq!(id_of(request).await, "job-7");
    }

    #[tokio::test]
    async fn an_unusable_id_is_replaced_and_ids_differ() {
        let long = Request::builder()
            .header(HEADER, "x".repeat(129))
            .body(())
            .unwrap();

        let (first, second) = (id_of(long).await, id_of(Request::new(())).await);
        assert_eq!(first.len(), 16);
        assert_ne!(first, second);
    }
}
