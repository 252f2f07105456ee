//! One unary call: its deadline and its retries.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Request, Response, Status};

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
///
/// If a retry of an idempotent call meets the deadline, the error is that of the attempt before, which
/// says why; another call may have been carried out.
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
    let mut before = None;
    loop {
        let mut request = Request::new(message.clone());
        request.set_timeout(remaining(deadline));
        let error = match timeout_at(deadline, send(request)).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Error::from(status),
            Err(_) => Error::deadline(settings.timeout),
        };
        if error.code() == Some(Code::DeadlineExceeded) && retries == Retries::Idempotent {
            return Err(before.unwrap_or(error));
        }
        attempts += 1;
        let is_retried = retries != Retries::Never
            && attempts < settings.call_attempts
            && error.is_retryable(retries == Retries::Idempotent);
        let asked = error.retry_after().unwrap_or_default();
        let wait = CALL.after(attempts).max(asked);
        if !is_retried || wait >= remaining(deadline) {
            return Err(error);
        }
        settings.notify(&error, wait);
        before = Some(error);
        sleep(wait).await;
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn rejection(reason: &str, wait: Duration) -> Status {
        let mut details = ErrorDetails::with_retry_info(Some(wait));
        if !reason.is_empty() {
            details.set_error_info(reason, "samegate", []);
        }
        Status::with_error_details(Code::ResourceExhausted, "later", details)
    }

    /// Makes a call that is rejected once, and whose second attempt hangs; returns its error and the
    /// number of attempts.
    async fn rejected(retries: Retries, reason: &str) -> (Error, u32) {
        let settings = Settings {
            timeout: Duration::from_secs(3),
            ..Settings::default()
        };
        let attempts = Cell::new(0);
        let send = |_: Request<()>| {
            attempts.set(attempts.get() + 1);
            let status = (attempts.get() == 1).then(|| rejection(reason, Duration::from_secs(2)));
            async {
                match status {
                    Some(status) => Err::<Response<()>, _>(status),
                    None => std::future::pending().await,
                }
            }
        };
        let error = call(&settings, retries, (), send).await.unwrap_err();
        (error, attempts.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_that_meets_the_deadline_keeps_the_reason_of_the_attempt_before() {
        let (error, attempts) = rejected(Retries::Idempotent, "QUOTA_RATE_EXCEEDED").await;

        assert_eq!((error.reason(), attempts), ("QUOTA_RATE_EXCEEDED", 2));
        let (error, attempts) = rejected(Retries::Unprocessed, "QUOTA_RATE_EXCEEDED").await;
        assert_eq!(
            (error.code(), attempts),
            (Some(Code::DeadlineExceeded), 2),
            "it may have been carried out"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reason_only_idempotent_calls_are_retried() {
        assert_eq!(rejected(Retries::Unprocessed, "").await.1, 1);
        assert_eq!(rejected(Retries::Idempotent, "").await.1, 2);
    }
}
