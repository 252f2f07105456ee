//! The layers of both doors, in the order in which a request meets them.
//!
//! [`outer`] wraps everything a port serves; [`api`] wraps only the calls that
//! reach a library. Health checks and reflection therefore need no exceptions
//! by path, and a gateway that refuses calls still answers its probes.
//!
//! A layer that refuses a request does not know which door it guards: it gets
//! a [`Refuse`] that gives the error the door's own face.

mod auth;
mod deadline;
mod panic;
mod request_id;
mod trace;

use http::Response;
use tower::ServiceBuilder;
use tower::layer::util::{Identity, Stack};

pub use auth::{ApiKeys, Authenticate};
pub use deadline::Deadlines;

use crate::error::Error;

/// Gives an error the face that a door's clients understand.
pub type Refuse<B> = fn(&Error) -> Response<B>;

/// Layers around everything that a port serves.
type Outer<B> = Stack<
    panic::PanicLayer<Refuse<B>>,
    Stack<trace::TraceLayer, Stack<request_id::RequestIdLayer, Identity>>,
>;

/// Layers around the calls that reach a library.
type Api<B> =
    Stack<deadline::DeadlineLayer<Refuse<B>>, Stack<auth::AuthLayer<Refuse<B>>, Identity>>;

/// Wraps everything that a port serves.
pub fn outer<B>(refuse: Refuse<B>) -> ServiceBuilder<Outer<B>> {
    ServiceBuilder::new()
        // First, so that every line about a request can name it.
        .layer(request_id::RequestIdLayer)
        // Outside the panic layer, so that a panic is logged with its answer.
        .layer(trace::TraceLayer)
        // Around all of our code, none of which may take the process down.
        .layer(panic::PanicLayer::new(refuse))
}

/// Wraps the calls that reach a library.
pub fn api<B>(
    authenticate: Authenticate,
    deadlines: Deadlines,
    refuse: Refuse<B>,
) -> ServiceBuilder<Api<B>> {
    ServiceBuilder::new()
        // Before anything is spent on a caller whom nobody knows.
        .layer(auth::AuthLayer::new(authenticate, refuse))
        // Last, so that the time covers the handler and nothing refused before.
        .layer(deadline::DeadlineLayer::new(deadlines, refuse))
}
