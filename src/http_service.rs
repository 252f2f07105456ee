//! The bounds of an HTTP service, named once: for every middleware, and for what a listener serves.

use std::convert::Infallible;

use http::{Request, Response};
use tower::Service;

/// A service that responds to every request whose body is an `A`.
pub trait HttpService<A>:
    Service<
        Request<A>,
        Response = Response<Self::ResponseBody>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// Body of its responses.
    type ResponseBody: Send + 'static;
}

impl<S, A, B> HttpService<A> for S
where
    S: Service<Request<A>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
{
    type ResponseBody = B;
}
