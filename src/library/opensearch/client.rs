//! The HTTP client of a cluster: sends a request to one of its nodes, returns the bounded response.
//!
//! Nodes take turns; one whose circuit breaker is open is left out. In order: a request that a node
//! did not get goes to the next node at once; an idempotent one that failed, or any that was
//! rejected before it was done, is sent again after a backoff, within the deadline and the retry
//! budget. Knows no operation of a library. Neither URLs nor credentials are in its errors.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::failure::{self, Failure};
use crate::call::Call;
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::jitter;
use crate::library::ClusterState;
use crate::library::rest::attempt::AttemptRecorder;
use crate::library::rest::circuit_breaker::CircuitBreaker;
use crate::library::rest::retry::RetryBudget;
use crate::telemetry::{self, Metrics, names::attribute::HTTP_STATUS};

/// Maximum size of a response: 1000 images with their features have 9 MB, 100 with thumbnails 3 MB.
const MAX_RESPONSE_BYTES: usize = 48 << 20;
/// Connect timeout: a node that is down is replaced by another one, so it is short.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_millis(1600);
/// Maximum number of retries of a request.
const MAX_RETRIES: u32 = 3;

/// Sends requests to the nodes of one cluster.
pub(super) struct Client {
    http: reqwest::Client,
    nodes: Vec<Node>,
    next: AtomicUsize,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    budget: RetryBudget,
    attempts: AttemptRecorder,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    candidates: AtomicU64,
}

struct Node {
    url: Url,
    breaker: CircuitBreaker,
}

/// A request of a call.
pub(super) struct Request {
    /// Its name in metrics and traces.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path below the URL of a node, with its query.
    pub(super) path: String,
    pub(super) body: Bytes,
    /// Whether a second one has the same effect and response.
    pub(super) is_idempotent: bool,
}

// === impl Client ===

impl Client {
    /// Sets up the connections of a library; the first request makes the first one.
    ///
    /// # Errors
    ///
    /// `ClusterSetup` for certificates and credentials that cannot be used.
    pub(super) fn new(config: &config::OpenSearch, name: &str, metrics: &Metrics) -> Result<Self> {
        let setup = |what: &'static str| {
            move |error: reqwest::Error| {
                let message = format!("{what} of this library cannot be used");
                Error::new(Kind::ClusterSetup, message).with_source(error.without_url())
            }
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("samegate/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .http1_only()
            // A redirect, or a proxy that a variable of the environment names, would get the
            // credentials.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(ca) = &config.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(ca.as_bytes());
            builder = builder.tls_certs_only(certificates.map_err(setup("`ca`"))?);
        }
        if let Some(identity) = &config.client_identity {
            let identity = reqwest::Identity::from_pem(identity.expose_secret().as_bytes());
            builder = builder.identity(identity.map_err(setup("`client_certificate`"))?);
        }
        let header = config.auth.header().map(|header| {
            let mut header = HeaderValue::from_str(header.expose_secret()).map_err(|_| {
                let message = "`password` or `api_key` of this library has invalid characters";
                Error::new(Kind::ClusterSetup, message)
            })?;
            header.set_sensitive(true);
            Ok::<_, Error>(header)
        });
        let node = |url: &Url| Node {
            url: url.clone(),
            breaker: CircuitBreaker::new(config.timeout),
        };
        Ok(Client {
            http: builder.build().map_err(setup("TLS"))?,
            nodes: config.urls.iter().map(node).collect(),
            next: AtomicUsize::new(0),
            authorization: header.transpose()?,
            timeout: config.timeout,
            budget: RetryBudget::new(),
            attempts: AttemptRecorder::new(name, metrics.clone()),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            candidates: AtomicU64::new(0),
        })
    }

    /// Sends a request until it succeeds, or another attempt cannot help; dropping the future aborts
    /// it, and the cluster cancels the search. The body of `NOT_FOUND` is a response if the cluster
    /// says so by it.
    ///
    /// # Errors
    ///
    /// `DeadlineExceeded`, `ClusterUnavailable`, `ClusterBusy`, `ClusterSetup` and `DiskFull`.
    pub(super) async fn send(
        &self,
        deadline: Instant,
        call: Option<&Call>,
        request: &Request,
    ) -> Result<Bytes> {
        self.budget.deposit();
        let mut retries = 0;
        let mut failovers = self.nodes.len() - 1;
        loop {
            let failure = match self.attempt(deadline, call, request).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let may_repeat = request.is_idempotent || !failure.may_be_done;
            let kind = failure.error.kind();
            let can_help = matches!(kind, Kind::ClusterUnavailable | Kind::ClusterBusy);
            if !may_repeat || !can_help {
                return Err(failure.error);
            }
            if failure.is_of_node && failovers > 0 {
                failovers -= 1;
                continue;
            }
            let wait = jitter::backoff(INITIAL_BACKOFF, MAX_BACKOFF, retries, 0.5..1.0);
            let is_in_time = Instant::now() + wait < deadline;
            if retries >= MAX_RETRIES || !is_in_time || !self.budget.withdraw() {
                return Err(failure.error);
            }
            retries += 1;
            sleep(wait).await;
        }
    }

    /// Makes one attempt at the next node.
    async fn attempt(
        &self,
        deadline: Instant,
        call: Option<&Call>,
        request: &Request,
    ) -> Result<Bytes, Failure> {
        let now = Instant::now();
        if deadline <= now {
            return Err(Failure::not_sent(failure::deadline_passed()));
        }
        let turn = self.next.fetch_add(1, Relaxed);
        let count = self.nodes.len();
        let mut nodes = (0..count).map(|at| &self.nodes[(turn + at) % count]);
        let chosen = nodes.find_map(|node| Some((node, node.breaker.try_call(now).ok()?)));
        let Some((node, guard)) = chosen else {
            return Err(Failure::not_sent(failure::circuit_open()));
        };
        let timeout = now + self.timeout;
        let exchange = async {
            match timeout_at(deadline.min(timeout), self.exchange(node, call, request)).await {
                Ok(response) => response,
                Err(_) if deadline <= timeout => {
                    Err(Failure::of_request(failure::deadline_passed()))
                }
                Err(_) => Err(Failure::of_node(failure::no_response(self.timeout))),
            }
        };
        let mut failed = None;
        let recorded = async {
            exchange.await.map_err(|failure| {
                let error = failure.error.without_source();
                failed = Some(failure);
                error
            })
        };
        let response = self
            .attempts
            .record(request.operation, call, recorded)
            .await;
        match &failed {
            Some(failure) if failure.is_of_node => guard.failed(Instant::now()),
            Some(failure) if failure.error.kind() == Kind::DeadlineExceeded => drop(guard),
            Some(_) | None => guard.responded(),
        }
        response.map_err(|error| failed.unwrap_or_else(|| Failure::of_request(error)))
    }

    async fn exchange(
        &self,
        node: &Node,
        call: Option<&Call>,
        request: &Request,
    ) -> Result<Bytes, Failure> {
        let base = node.url.as_str().trim_end_matches('/');
        let url = format!("{base}/{}", request.path);
        let mut headers = HeaderMap::new();
        telemetry::add_trace_headers(&mut headers, call.map(|call| &call.trace));
        // Also that of a bulk request, which is lines of JSON.
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut sent = self
            .http
            .request(request.method.clone(), url)
            .headers(headers)
            .header(CONTENT_TYPE, JSON)
            .body(request.body.clone());
        if let Some(authorization) = &self.authorization {
            sent = sent.header(AUTHORIZATION, authorization.clone());
        }
        self.sent_bytes
            .fetch_add(request.body.len() as u64, Relaxed);
        let mut response = sent.send().await.map_err(failure::broken)?;
        let status = response.status();
        telemetry::attribute(
            &tracing::Span::current(),
            HTTP_STATUS,
            i64::from(status.as_u16()),
        );
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failure::broken)? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(Failure::of_request(failure::too_long(MAX_RESPONSE_BYTES)));
            }
            body.extend_from_slice(&chunk);
            self.received_bytes.fetch_add(chunk.len() as u64, Relaxed);
        }
        let body = body.freeze();
        match status {
            status if status.is_success() => Ok(body),
            StatusCode::NOT_FOUND if !failure::is_error(&body) => Ok(body),
            status => Err(failure::of_response(status, &body)),
        }
    }

    /// Counts images that a search has fetched.
    pub(super) fn add_candidates(&self, count: usize) {
        self.candidates.fetch_add(count as u64, Relaxed);
    }

    /// Returns the state for operators.
    pub(super) fn state(&self) -> ClusterState {
        let now = Instant::now();
        let mut nodes = self.nodes.iter();
        ClusterState {
            is_reachable: nodes.any(|node| node.breaker.rejects_for(now).is_none()),
            candidates: self.candidates.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
        }
    }
}
