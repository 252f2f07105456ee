//! The HTTP server of the fake vendor: reads and records requests, plays the scripted fault,
//! responds.
//!
//! Order of a call: arrival recorded, body read, form decoded and recorded, fault chosen, (held,)
//! token checked, served, (held,) response sent. It accepts connections itself because axum's
//! accept loop cannot close one on purpose.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::ServiceExt;

use super::fault::Fault;
use super::form::{Form, Image};
use super::gate::Gate;
use super::journal::{Call, Operation};
use super::library::{Rejection, reject};
use super::ongoing::Ongoing;
use super::shared::Shared;
use super::tokens::InvalidToken;

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Clone)]
struct CloseConnection;

/// A request that was read.
struct Received {
    vendor: Arc<Shared>,
    operation: Operation,
    form: Form,
    token: String,
    trace: [String; 2],
    ongoing: Ongoing,
}

/// Far above the size of any valid request.
const MAX_BODY: usize = 64 << 20;

/// Serves until dropped, and then closes every connection.
pub(super) async fn serve(listener: TcpListener, vendor: Arc<Shared>) {
    let router = Router::new()
        .route("/oauth/2.0/token", any(token))
        .route("/rest/2.0/realtime_search/same_hq/{operation}", post(call))
        .fallback(unknown_path)
        .with_state(vendor);
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let router = router.clone();
        let service = service_fn(move |request| respond_or_close(router.clone(), request));
        let http = hyper::server::conn::http1::Builder::new();
        connections.spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond_or_close(
    router: Router,
    request: Request<hyper::body::Incoming>,
) -> io::Result<Response> {
    let response: Result<_, Infallible> = router.oneshot(request).await;
    let Ok(response) = response;
    match response.extensions().get::<CloseConnection>() {
        Some(CloseConnection) => Err(broken()),
        None => Ok(response),
    }
}

/// Accepts all three styles of the SDKs: GET or POST with a query, POST with a form.
async fn token(
    State(vendor): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
    let ongoing = Ongoing::begin(&vendor, Operation::Token, Instant::now());
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return close_connection();
    };
    let mut fields = pairs(query.unwrap_or_default().as_bytes());
    fields.append(&mut pairs(&body));
    let fault = vendor.change(|state| {
        if fields.get("grant_type").map(String::as_str) != Some("client_credentials") {
            let what = "`grant_type` is not `client_credentials`";
            state.journal.add_violation(Operation::Token, what);
        }
        state.scripts.next(Operation::Token)
    });
    let shared = vendor.clone();
    let grant = move || {
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        shared.change(|state| {
            state
                .tokens
                .grant(&field("client_id"), &field("client_secret"))
        })
    };
    play(&vendor, fault, ongoing, grant).await
}

async fn call(
    State(vendor): State<Arc<Shared>>,
    Path(operation): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let arrival = Instant::now();
    let operation = match operation.as_str() {
        "add" => Operation::Add,
        "search" => Operation::Search,
        "update" => Operation::Update,
        "delete" => Operation::Delete,
        _ => return unknown_path(State(vendor)).await,
    };
    let ongoing = Ongoing::begin(&vendor, operation, arrival);
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return close_connection();
    };
    let content_type = headers
        .get(CONTENT_TYPE)
        .map_or("", |value| value.to_str().unwrap_or_default());
    let form = Form::read(operation, content_type, &body);
    let mut query = pairs(query.unwrap_or_default().as_bytes());
    let token = query.remove("access_token").unwrap_or_default();
    let received = Received {
        vendor: vendor.clone(),
        operation,
        form,
        token,
        trace: ["traceparent", "tracestate"].map(|name| {
            let value = headers.get(name).map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        }),
        ongoing,
    };
    let fault = received.record(arrival);
    let Received {
        form,
        token,
        ongoing,
        ..
    } = received;
    let shared = vendor.clone();
    let serve = move || (200, serve_call(&shared, operation, &token, &form));
    play(&vendor, fault, ongoing, serve).await
}

async fn unknown_path(State(vendor): State<Arc<Shared>>) -> Response {
    vendor.change(|state| {
        let what = "a request for a path or method that does not exist".to_owned();
        state.journal.violations.push(what);
    });
    let body = json!({ "error_code": 3, "error_msg": "Unsupported openapi method" });
    whole(200, "application/json", body.to_string())
}

// === impl Received ===

impl Received {
    /// Records the call in the journal and returns its fault.
    fn record(&self, arrival: Instant) -> Option<Fault> {
        let image = match &self.form.image {
            Image::Bytes(image) => Some(image.clone()),
            Image::Absent | Image::TooLong | Image::Undecodable => None,
        };
        self.vendor.change(|state| {
            if self.token.is_empty() {
                let what = "no `access_token` in the query";
                state.journal.add_violation(self.operation, what);
            }
            for what in &self.form.violations {
                state.journal.add_violation(self.operation, what);
            }
            let account = state.tokens.account_of(&self.token).map(str::to_owned);
            state.journal.calls.push(Call {
                operation: self.operation,
                fields: self.form.fields.clone(),
                image,
                token: self.token.clone(),
                account: account.clone(),
                trace: self.trace.clone(),
                arrival,
            });
            let key = (account.unwrap_or_default(), self.operation);
            let of_account = state.account_faults.get(&key).cloned();
            of_account.or_else(|| state.scripts.next(self.operation))
        })
    }
}

/// Plays a fault around `serve`, which returns HTTP status and body.
async fn play(
    vendor: &Arc<Shared>,
    mut fault: Option<Fault>,
    ongoing: Ongoing,
    serve: impl FnOnce() -> (u16, Value),
) -> Response {
    match fault {
        Some(Fault::Response {
            status,
            content_type,
            body,
        }) => {
            ongoing.finish();
            return whole(status, content_type, body);
        }
        Some(Fault::Reset) => {
            ongoing.finish();
            return close_connection();
        }
        Some(Fault::Head(gate)) => {
            hold(&gate, vendor).await;
            fault = None;
        }
        _ => {}
    }
    let (status, mut body) = serve();
    if let Some(Fault::QuotedScalars) = fault {
        quote_scalars(&mut body);
    }
    send(vendor, fault, ongoing, status, body.to_string()).await
}

/// Sends the response of a request that had its effect.
async fn send(
    vendor: &Arc<Shared>,
    fault: Option<Fault>,
    ongoing: Ongoing,
    status: u16,
    body: String,
) -> Response {
    let (start, end) = halves(&body);
    match fault {
        Some(Fault::LateHead(gate)) => hold(&gate, vendor).await,
        Some(Fault::SlowBody(gate)) => {
            let vendor = vendor.clone();
            let end = async move {
                hold(&gate, &vendor).await;
                ongoing.finish();
                Ok(end)
            };
            return in_two(status, body.len(), start, end);
        }
        Some(Fault::HalfBody) => {
            let end = async move {
                // Pending once, so that the first half leaves before the end.
                tokio::task::yield_now().await;
                ongoing.finish();
                Err(broken())
            };
            return in_two(status, body.len(), start, end);
        }
        Some(Fault::LostResponse) => {
            ongoing.finish();
            return close_connection();
        }
        _ => {}
    }
    ongoing.finish();
    whole(status, "application/json", body)
}

/// Checks the token, then performs the operation.
fn serve_call(vendor: &Shared, operation: Operation, token: &str, form: &Form) -> Value {
    vendor.change(|state| {
        let token = state.tokens.check(token).map_err(|invalid| match invalid {
            InvalidToken::Missing => reject(100, "Invalid parameter"),
            InvalidToken::Unknown => reject(110, "Access token invalid or no longer valid"),
            InvalidToken::Expired => reject(111, "Access token expired"),
        });
        let web = &state.web;
        let library = &mut state.library;
        let served =
            token.and_then(|()| library.serve(operation, form, |url| web.get(url).cloned()));
        let log_id = 1_234_567_890_123_456_789 + state.journal.calls.len() as u64;
        match served {
            Ok(mut response) => {
                response["log_id"] = log_id.into();
                response
            }
            Err(rejection) => {
                if let Some(what) = &rejection.violation {
                    state.journal.add_violation(operation, what);
                }
                rejection_body(rejection, log_id)
            }
        }
    })
}

/// The vendor's API gateway (three-digit codes) returns no log id.
fn rejection_body(rejection: Rejection, log_id: u64) -> Value {
    let mut body = json!({ "error_code": rejection.code, "error_msg": rejection.message });
    if rejection.code >= 1000 {
        body["log_id"] = log_id.into();
    }
    if let Some(sign) = rejection.cont_sign {
        body["cont_sign"] = sign.into();
    }
    body
}

fn quote_scalars(value: &mut Value) {
    match value {
        Value::Number(_) | Value::Bool(_) => *value = value.to_string().into(),
        Value::Array(items) => items.iter_mut().for_each(quote_scalars),
        Value::Object(fields) => fields.values_mut().for_each(quote_scalars),
        Value::Null | Value::String(_) => {}
    }
}

/// Holds a request at a gate, and wakes the waiting test on each change.
async fn hold(gate: &Gate, vendor: &Shared) {
    gate.hold(|| vendor.change(|_| ())).await;
}

fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn halves(body: &str) -> (Bytes, Bytes) {
    let mut start = Bytes::copy_from_slice(body.as_bytes());
    let end = start.split_off(start.len() / 2);
    (start, end)
}

fn whole(status: u16, content_type: &str, body: String) -> Response {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type);
    response.body(body.into()).expect("the parts are valid")
}

/// Announces the whole length, sends `start`, then `end` once it is ready.
fn in_two(
    status: u16,
    length: usize,
    start: Bytes,
    end: impl Future<Output = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let body = stream::iter([Ok(start)]).chain(stream::once(end));
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, length);
    let body = Body::from_stream(body);
    response.body(body).expect("the parts are valid")
}

fn close_connection() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(CloseConnection);
    response
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
