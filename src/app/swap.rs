//! A router that is replaced while it serves.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use tower::Service;

/// A service that can be replaced between two requests; clones share it.
#[derive(Clone, Debug)]
pub(super) struct SwappableRouter(Arc<ArcSwap<Router>>);

// === impl SwappableRouter ===

impl SwappableRouter {
    pub(super) fn new(router: Router) -> Self {
        SwappableRouter(Arc::new(ArcSwap::from_pointee(router)))
    }

    /// Serves later requests with another router.
    pub(super) fn swap(&self, router: Router) {
        self.0.store(Arc::new(router));
    }
}

impl Service<Request<Incoming>> for SwappableRouter {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Router::clone(&self.0.load()).call(request)
    }
}
