//! One unary call: its deadline and its retries.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Request, Response, Status};

use crate::backoff::CALL;
use crate::error::Error;
use crate::settings::Settings;

/// After which errors a call is sent again. `RESOURCE_EXHAUSTED` was not carried out; `UNAVAILABLE` may
/// have been.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retries {
    /// After none.
    Never,
    /// After `RESOURCE_EXHAUSTED`, and where there was no connection.
    Unprocessed,
    /// Also after `UNAVAILABLE`: the call is idempotent.
    Idempotent,
}

/// Sends a request with `send` until it succeeds, fails for good, or its deadline is near.
pub(crate) async fn call<Q, R, F>(
    settings: &Settings,
    retries: Retries,
    message: Q,
    send: impl Fn(Request<Q>) -> F,
) -> Result<R, Error>
where
    Q: Clone,
    F: Future<Output = Result<Response<R>, Status>>,
{
    let deadline = Instant::now() + settings.timeout;
    let mut attempts = 0;
    loop {
        let mut request = Request::new(message.clone());
        request.set_timeout(remaining(deadline));
        let error = match timeout_at(deadline, send(request)).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Error::from(status),
            Err(_) => return Err(Error::deadline(settings.timeout)),
        };
        attempts += 1;
        let is_retried = retries != Retries::Never
            && attempts < settings.call_attempts
            && error.is_retryable(retries == Retries::Idempotent);
        let wait = error.retry_after().unwrap_or_else(|| CALL.after(attempts));
        if !is_retried || wait >= remaining(deadline) {
            return Err(error);
        }
        settings.notify(&error, wait);
        sleep(wait).await;
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
