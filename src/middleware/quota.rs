//! Rejects calls that are over their tenant's quota.
//!
//! A call is asked for before its body is read, with its announced length. A
//! gRPC client announces none: what arrives is charged when the call has been
//! answered, and the tenant is rejected while it has more debt than a second
//! pays. A stream's head is answered at once, so its items ask for themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use tower::{Layer, Service};

use super::announced;
use super::watched::Watched;
use crate::call::Tenant;
use crate::error::{Error, Kind};
use crate::quota::{Quotas, TenantLimiter};

/// Asks the quota of the request's tenant.
#[derive(Clone, Debug)]
pub struct QuotaLayer<R> {
    quotas: Quotas,
    reject: R,
}

/// See [`QuotaLayer`].
#[derive(Clone, Debug)]
pub struct Metered<S, R> {
    inner: S,
    layer: QuotaLayer<R>,
}

/// Charges what arrived beyond the announced length when the call ends, also
/// for a caller that leaves before the response.
struct Bill {
    meter: TenantLimiter,
    announced: u64,
    arrived: Arc<AtomicU64>,
}

impl Drop for Bill {
    fn drop(&mut self) {
        let arrived = self.arrived.load(Ordering::Relaxed);
        self.meter.charge(arrived.saturating_sub(self.announced));
    }
}

impl<R> QuotaLayer<R> {
    pub(super) fn new(quotas: Quotas, reject: R) -> Self {
        QuotaLayer { quotas, reject }
    }
}

impl<S, R: Clone> Layer<S> for QuotaLayer<R> {
    type Service = Metered<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Metered {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S, A, B, R> Service<Request<A>> for Metered<S, R>
where
    R: Fn(&Error) -> Response<B> + Copy + Send + 'static,
    S: Service<Request<Watched<A>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    A: Send + 'static,
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
        let Some(tenant) = request.extensions().get::<Arc<Tenant>>() else {
            let error = Error::new(Kind::Internal, "the call has no tenant");
            return std::future::ready(Ok(reject(&error))).boxed();
        };
        let meter = self.layer.quotas.limiter(&tenant.name);
        let announced = announced(request.headers());
        // The service that is ready goes with the call; its copy stays.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        async move {
            let running = match meter.acquire(announced).await {
                Ok(running) => running,
                Err(error) => return Ok(reject(&error)),
            };
            let arrived = Arc::new(AtomicU64::new(0));
            let bill = Bill {
                meter,
                announced,
                arrived: Arc::clone(&arrived),
            };
            let watch = move |bytes| {
                arrived.fetch_add(bytes as u64, Ordering::Relaxed);
                true
            };
            let request = request.map(|body| Watched::new(body, Box::new(watch)));
            let response = inner.call(request).await;
            drop((running, bill));
            response
        }
        .boxed()
    }
}
