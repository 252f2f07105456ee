//! Bounds the time of a call and passes the deadline to everything below.
//!
//! The deadline is the smaller of the client's (`grpc-timeout`, `connect-timeout-ms`) and ours. A unary call that exceeds
//! it is dropped, with its upstream request, and gets `DEADLINE_EXCEEDED`; tonic by itself would
//! return `CANCELLED`. The head of a stream is sent at once, so the stream itself ends at
//! `Call::stream_deadline`.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use tokio::time::Instant;

use super::guard::{Check, Hold};
use crate::admission::CallPermit;
use crate::call::{Call, Tenant};
use crate::error::{Error, Kind, Violation};

/// Header with the timeout of a client of Connect.
const CONNECT_TIMEOUT: &str = "connect-timeout-ms";

/// Limits on the time of a call; as a check, adds the [`Call`] to the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a call whose client sets none.
    pub default: Duration,
    /// Maximum for one operation. A longer timeout of a client is cut to it silently: the client
    /// loses nothing by waiting longer. Streams have no limit of ours.
    pub max: Duration,
}

/// Ends a call at this time.
#[derive(Debug)]
pub struct DeadlineHold(Instant);

impl Check for Deadlines {
    type Hold = DeadlineHold;
    type Observer = ();

    async fn check(&self, head: &mut Parts) -> Result<(DeadlineHold, ()), Error> {
        let call = self.call(head)?;
        let deadline = call.deadline;
        head.extensions.insert(call);
        Ok((DeadlineHold(deadline), ()))
    }
}

impl Hold for DeadlineHold {
    type Kept = ();

    async fn run<T: Send>(&mut self, response: impl Future<Output = T> + Send) -> Result<T, Error> {
        // A timeout polls the call before the clock: without this check, a quick call whose time is
        // over would start, and even succeed.
        if self.0 > Instant::now()
            && let Ok(response) = tokio::time::timeout_at(self.0, response).await
        {
            return Ok(response);
        }
        let message = "the call's deadline has passed";
        Err(Error::new(Kind::DeadlineExceeded, message))
    }

    fn release(self) {}
}

impl Deadlines {
    fn call(&self, head: &Parts) -> Result<Call, Error> {
        let tenant = head.extensions.get::<Arc<Tenant>>().cloned();
        let tenant = tenant.ok_or_else(|| Error::new(Kind::Internal, "the call has no tenant"))?;
        let client = match connect_timeout(&head.headers)? {
            None => grpc_timeout(&head.headers)?,
            timeout => timeout,
        };
        let now = Instant::now();
        Ok(Call {
            tenant,
            request_id: head.extensions.get().cloned().unwrap_or_default(),
            deadline: now + client.map_or(self.default, |client| client.min(self.max)),
            // As the client says: a bulk load may run for hours.
            stream_deadline: client.and_then(|client| now.checked_add(client)),
            timeout: self.default,
            bulk: false,
            permit: CallPermit::default(),
            stats: head.extensions.get().cloned().unwrap_or_default(),
        })
    }
}

/// Parses the client's timeout: digits and a unit (gRPC over HTTP/2, Timeout).
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
    parsed.map(Some).ok_or_else(|| {
        let message = "must be up to 8 digits and one of H, M, S, m, u, n";
        Error::invalid(vec![Violation::new(
            "grpc-timeout",
            Kind::InvalidParameter,
            message,
        )])
    })
}

/// Parses the client's timeout: up to 10 digits (Connect protocol, Timeout-Milliseconds).
fn connect_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get(CONNECT_TIMEOUT) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let is_valid = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(milliseconds) if is_valid => Ok(Some(Duration::from_millis(milliseconds))),
        Ok(_) | Err(_) => Err(Error::violation(
            CONNECT_TIMEOUT,
            Kind::InvalidParameter,
            "must be 1 to 10 digits",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::pin::Pin;

    use http::{Request, Response};
    use http_body::Body;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::middleware::api_info::Reject;
    use crate::middleware::around::Around;
    use crate::middleware::body::ObservedBody;
    use crate::middleware::guard::Guard;

    const DEADLINES: Deadlines = Deadlines {
        default: Duration::from_secs(30),
        max: Duration::from_secs(300),
    };

    /// Returns the seconds that a call has left at its start; its handler runs for `work`.
    async fn response(timeout: Option<&str>, work: Duration) -> String {
        let handler = service_fn(move |request: Request<ObservedBody<(), ()>>| async move {
            let remaining = request.extensions().get::<Call>().unwrap().remaining();
            tokio::time::sleep(work).await;
            Ok::<_, Infallible>(Response::new(format!("{}", remaining.as_secs())))
        });
        let mut request = Request::new(());
        request.extensions_mut().insert(Arc::new(Tenant {
            name: "t".to_owned(),
            libraries: Vec::new(),
            weight: 1,
            read_only: false,
        }));
        if let Some(timeout) = timeout {
            request
                .headers_mut()
                .insert("grpc-timeout", timeout.parse().unwrap());
        }
        let reject: Reject<String> = |error| Response::new(error.kind().reason().to_owned());
        let layer = Around(Guard {
            check: DEADLINES,
            reject,
        });
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        let mut body = response.into_body();
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let data = frame.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(data.into()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_smaller_of_the_clients_timeout_and_ours_applies() {
        for (timeout, seconds) in [
            (None, "30"),
            (Some("5S"), "5"),
            (Some("99999H"), "300"),
            (Some("2M"), "120"),
        ] {
            let response = response(timeout, Duration::ZERO).await;
            assert_eq!(response, seconds, "{timeout:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_past_its_deadline_gets_deadline_exceeded() {
        assert_eq!(
            response(Some("100m"), Duration::from_secs(1)).await,
            "DEADLINE_EXCEEDED"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_deadline_has_passed_is_not_started() {
        // What grpc-go sends for a deadline that has passed.
        assert_eq!(
            response(Some("0n"), Duration::ZERO).await,
            "DEADLINE_EXCEEDED"
        );
    }

    #[tokio::test]
    async fn a_malformed_timeout_is_rejected() {
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
