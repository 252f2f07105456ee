//! Makes a tower layer from one function around a call.
//!
//! A middleware implements [`Middleware`]; the tower boilerplate exists here only.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

/// The future of a response.
pub type ResponseFuture<B> = BoxFuture<'static, Result<Response<B>, Infallible>>;

/// A function around each call of the service `S` by a request with the body `A`.
pub trait Middleware<S, A>: Clone {
    /// Body of the request that the inner service gets.
    type RequestBody;
    /// Body of the response that the caller gets.
    type ResponseBody;

    /// Serves one request. `inner` is ready for one call.
    fn call(&self, inner: &mut S, request: Request<A>) -> ResponseFuture<Self::ResponseBody>;
}

/// Layer that puts a [`Middleware`] around a service.
#[derive(Clone, Debug)]
pub struct Around<M>(pub(super) M);

/// A service with a [`Middleware`] around it.
#[derive(Clone, Debug)]
pub struct AroundService<S, M> {
    inner: S,
    middleware: M,
}

impl<S, M: Clone> Layer<S> for Around<M> {
    type Service = AroundService<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        AroundService {
            inner,
            middleware: self.0.clone(),
        }
    }
}

impl<S, A, M> Service<Request<A>> for AroundService<S, M>
where
    M: Middleware<S, A>,
    S: Service<Request<M::RequestBody>, Error = Infallible>,
{
    type Response = Response<M::ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture<M::ResponseBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        self.middleware.call(&mut self.inner, request)
    }
}
