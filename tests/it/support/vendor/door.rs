//! The fake vendor's HTTP side: reads requests, notes them, plays the scripted
//! fault, answers.
//!
//! Order of a call: arrival noted, body read, form decoded and noted, fault
//! taken, (held,) token checked, served, (held,) answered. Accepts connections
//! itself because axum's own loop cannot break one on purpose.

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

use super::Shared;
use super::fault::Fault;
use super::form::{Form, Image};
use super::journal::{Call, Ongoing, Operation};
use super::library::{Rejection, reject};
use super::tokens::Rejected;

/// Marks a response that must not be sent: the connection breaks instead.
#[derive(Clone)]
struct Break;

/// A request that was noted.
struct Noted {
    vendor: Arc<Shared>,
    operation: Operation,
    form: Form,
    token: String,
    trace: [String; 2],
    ongoing: Ongoing,
}

/// Far more than any legal request has.
const MAX_BODY: usize = 64 << 20;

/// Serves until dropped, and then breaks every connection.
pub(super) async fn serve(listener: TcpListener, vendor: Arc<Shared>) {
    let router = Router::new()
        .route("/oauth/2.0/token", any(token))
        .route("/rest/2.0/realtime_search/same_hq/{operation}", post(call))
        .fallback(strange)
        .with_state(vendor);
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let router = router.clone();
        let service = service_fn(move |request| response_or_break(router.clone(), request));
        let http = hyper::server::conn::http1::Builder::new();
        connections.spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

async fn response_or_break(
    router: Router,
    request: Request<hyper::body::Incoming>,
) -> io::Result<Response> {
    let response: Result<_, Infallible> = router.oneshot(request).await;
    let Ok(response) = response;
    match response.extensions().get::<Break>() {
        Some(Break) => Err(broken()),
        None => Ok(response),
    }
}

/// Takes all three styles of the SDKs: GET or POST with a query, POST with a
/// form.
async fn token(
    State(vendor): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
    let ongoing = Ongoing::begin(&vendor, Operation::Token, Instant::now());
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return interrupted();
    };
    let mut fields = pairs(query.unwrap_or_default().as_bytes());
    fields.append(&mut pairs(&body));
    let fault = vendor.change(|state| {
        if fields.get("grant_type").map(String::as_str) != Some("client_credentials") {
            let what = "`grant_type` is not `client_credentials`";
            state.journal.complain(Operation::Token, what);
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
        _ => return strange(State(vendor)).await,
    };
    let ongoing = Ongoing::begin(&vendor, operation, arrival);
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return interrupted();
    };
    let content_type = headers
        .get(CONTENT_TYPE)
        .map_or("", |value| value.to_str().unwrap_or_default());
    let form = Form::read(operation, content_type, &body);
    let mut query = pairs(query.unwrap_or_default().as_bytes());
    let token = query.remove("access_token").unwrap_or_default();
    let noted = Noted {
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
    let fault = noted.enter(arrival);
    let Noted {
        form,
        token,
        ongoing,
        ..
    } = noted;
    let shared = vendor.clone();
    let serve = move || (200, serve_call(&shared, operation, &token, &form));
    play(&vendor, fault, ongoing, serve).await
}

async fn strange(State(vendor): State<Arc<Shared>>) -> Response {
    vendor.change(|state| {
        let what = "a request for a path or method that does not exist".to_owned();
        state.journal.complaints.push(what);
    });
    let body = json!({ "error_code": 3, "error_msg": "Unsupported openapi method" });
    whole(200, "application/json", body.to_string())
}

// === impl Noted ===

impl Noted {
    /// Writes the call into the journal and takes its fault.
    fn enter(&self, arrival: Instant) -> Option<Fault> {
        let image = match &self.form.image {
            Image::Bytes(image) => Some(image.clone()),
            Image::Absent | Image::TooLong | Image::Undecodable => None,
        };
        self.vendor.change(|state| {
            if self.token.is_empty() {
                let what = "no `access_token` in the query";
                state.journal.complain(self.operation, what);
            }
            for what in &self.form.complaints {
                state.journal.complain(self.operation, what);
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
            let whose = (account.unwrap_or_default(), self.operation);
            let rejection = state.rejections.get(&whose).cloned();
            rejection.or_else(|| state.scripts.next(self.operation))
        })
    }
}

/// Plays a fault around `serve`, which gives HTTP status and body.
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
            return interrupted();
        }
        Some(Fault::Head(gate)) => {
            gate.hold(vendor).await;
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

/// Sends the response of a request that took effect.
async fn send(
    vendor: &Arc<Shared>,
    fault: Option<Fault>,
    ongoing: Ongoing,
    status: u16,
    body: String,
) -> Response {
    let (start, rest) = halves(&body);
    match fault {
        Some(Fault::LateHead(gate)) => gate.hold(vendor).await,
        Some(Fault::SlowBody(gate)) => {
            let vendor = vendor.clone();
            let rest = async move {
                gate.hold(&vendor).await;
                ongoing.finish();
                Ok(rest)
            };
            return in_two(status, body.len(), start, rest);
        }
        Some(Fault::HalfBody) => {
            let rest = async move {
                // Pending once, so that the first half leaves before the end.
                tokio::task::yield_now().await;
                ongoing.finish();
                Err(broken())
            };
            return in_two(status, body.len(), start, rest);
        }
        Some(Fault::LostResponse) => {
            ongoing.finish();
            return interrupted();
        }
        _ => {}
    }
    ongoing.finish();
    whole(status, "application/json", body)
}

/// Checks the token, then lets the library answer.
fn serve_call(vendor: &Shared, operation: Operation, token: &str, form: &Form) -> Value {
    vendor.change(|state| {
        let token = state
            .tokens
            .check(token)
            .map_err(|rejected| match rejected {
                Rejected::Missing => reject(100, "Invalid parameter"),
                Rejected::Unknown => reject(110, "Access token invalid or no longer valid"),
                Rejected::Expired => reject(111, "Access token expired"),
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
                if let Some(what) = &rejection.complaint {
                    state.journal.complain(operation, what);
                }
                rejection_body(rejection, log_id)
            }
        }
    })
}

/// The platform's own gateway (three-digit codes) gives no log id.
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

fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn halves(body: &str) -> (Bytes, Bytes) {
    let mut start = Bytes::copy_from_slice(body.as_bytes());
    let rest = start.split_off(start.len() / 2);
    (start, rest)
}

fn whole(status: u16, content_type: &str, body: String) -> Response {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type);
    response.body(body.into()).expect("the parts are valid")
}

/// Promises the whole length, sends `start`, then what `rest` comes to.
fn in_two(
    status: u16,
    length: usize,
    start: Bytes,
    rest: impl Future<Output = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let body = stream::iter([Ok(start)]).chain(stream::once(rest));
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, length);
    let body = Body::from_stream(body);
    response.body(body).expect("the parts are valid")
}

fn interrupted() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Break);
    response
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
