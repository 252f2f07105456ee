//! The HTTP client of a cluster: sends a request to one of its nodes, returns the bounded response.
//!
//! Nodes take turns; one whose circuit breaker is open is left out. In order: a request that a node
//! did not get goes at once to a node that has not had it, and so does an idempotent one that a node
//! did not respond to within half of the time; an idempotent one that failed or is not whole, or any
//! that was rejected before it was done, is sent again after a backoff, within the deadline and the
//! retry budget. Knows no operation of a library. Neither URLs nor credentials are in its errors.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::failure::{self, Failure};
use super::response;
use crate::call::Call;
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::jitter;
use crate::library::ClusterState;
use crate::library::rest::attempt::AttemptRecorder;
use crate::library::rest::circuit_breaker::{CallGuard, CircuitBreaker};
use crate::library::rest::retry::RetryBudget;
use crate::telemetry::{self, Metrics, names::attribute::HTTP_STATUS};

/// Maximum size of a response: 1000 images with their features have 9 MB, 100 with thumbnails 3 MB.
const MAX_RESPONSE_BYTES: usize = 48 << 20;
/// Connect timeout: a node that is down is replaced by another one, so it is short.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
pub(super) const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
pub(super) const MAX_BACKOFF: Duration = Duration::from_millis(1600);
/// Maximum number of retries of a request.
pub(super) const MAX_RETRIES: u32 = 3;

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
    /// Whether a response is an error unless every shard has contributed.
    pub(super) needs_all_shards: bool,
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
        let (mut retries, mut tried) = (0, Vec::new());
        loop {
            let attempt = self.attempt(deadline, call, request, &mut tried);
            let failure = match attempt.await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let may_repeat = request.is_idempotent || !failure.may_be_done;
            let kind = failure.error.kind();
            let can_help = matches!(kind, Kind::ClusterUnavailable | Kind::ClusterBusy);
            if !may_repeat || !can_help {
                return Err(failure.error);
            }
            if failure.is_of_node && self.has_other(&tried) {
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

    /// Makes one attempt at the next node, which becomes one of those that were tried.
    async fn attempt(
        &self,
        deadline: Instant,
        call: Option<&Call>,
        request: &Request,
        tried: &mut Vec<usize>,
    ) -> Result<Bytes, Failure> {
        let now = Instant::now();
        if deadline <= now {
            return Err(Failure::not_sent(failure::deadline_passed()));
        }
        let Some((node, guard)) = self.choose(now, tried) else {
            return Err(Failure::not_sent(failure::circuit_open()));
        };
        let mut patience = (deadline - now).min(self.timeout);
        if request.is_idempotent && self.has_other(tried) {
            // A node that hangs leaves time for another one.
            patience /= 2;
        }
        let limit = now + patience;
        let exchange = async {
            match timeout_at(limit, self.exchange(node, call, request)).await {
                Ok(response) => response,
                Err(_) if deadline <= limit => Err(Failure::unanswered()),
                Err(_) => Err(Failure::of_node(failure::no_response(patience))),
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
            Some(failure) if failure.is_unanswered => drop(guard),
            Some(_) | None => guard.responded(),
        }
        response.map_err(|error| failed.unwrap_or_else(|| Failure::of_request(error)))
    }

    /// Returns the next node, one that was not tried if there is one.
    fn choose(&self, now: Instant, tried: &mut Vec<usize>) -> Option<(&Node, CallGuard<'_>)> {
        let turn = self.next.fetch_add(1, Relaxed);
        let count = self.nodes.len();
        let mut order: Vec<usize> = (0..count).map(|at| (turn + at) % count).collect();
        order.sort_by_key(|at| tried.contains(at));
        let guard = |at: usize| Some((at, self.nodes[at].breaker.try_call(now).ok()?));
        let (at, guard) = order.into_iter().find_map(guard)?;
        tried.push(at);
        Some((&self.nodes[at], guard))
    }

    /// Returns whether a node that was not tried would get a request.
    fn has_other(&self, tried: &[usize]) -> bool {
        let now = Instant::now();
        let mut nodes = self.nodes.iter().enumerate();
        nodes.any(|(at, node)| !tried.contains(&at) && node.breaker.rejects_for(now).is_none())
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
            status if status.is_success() => {
                if request.needs_all_shards {
                    response::whole(&body).map_err(Failure::of_request)?;
                }
                Ok(body)
            }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn listen() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url.parse().unwrap())
    }

    /// Starts a node that gives these responses, one for each connection.
    async fn node(bodies: Vec<&'static str>) -> Url {
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            for body in bodies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await.unwrap();
                let length = body.len();
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
                let response = format!("{head} {length}\r\n\r\n{body}");
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        });
        url
    }

    async fn send(urls: Vec<Url>) -> Result<Bytes> {
        let config = config::OpenSearch {
            urls,
            index: "posters".to_owned(),
            auth: config::ClusterAuth::None,
            ca: None,
            client_identity: None,
            shards: 1,
            replicas: 0,
            capacity: 1000,
            candidates: 200,
            timeout: Duration::from_secs(2),
            profile: config::Profile::default(),
            effort: config::Effort::default(),
            min_score: 0.0,
            allow_private_addresses: false,
            max_side: 4096,
        };
        let client = Client::new(&config, "posters", &Metrics::new()).unwrap();
        let request = Request {
            operation: "search",
            method: Method::POST,
            path: "posters/_search".to_owned(),
            body: Bytes::from_static(b"{}"),
            is_idempotent: true,
            needs_all_shards: true,
        };
        let deadline = Instant::now() + Duration::from_secs(2);
        client.send(deadline, None, &request).await
    }

    const WHOLE: &str = r#"{"_shards":{"total":1,"successful":1,"failed":0}}"#;

    #[tokio::test]
    async fn a_node_that_accepts_and_hangs_is_replaced_within_the_deadline() {
        let (_hangs, url) = listen().await;

        let response = send(vec![url, node(vec![WHOLE]).await]).await;

        assert_eq!(response.unwrap(), WHOLE);
    }

    #[tokio::test]
    async fn a_response_that_is_not_whole_is_asked_for_again() {
        let part = r#"{"_shards":{"total":2,"successful":1,"failed":0}}"#;
        let busy = r#"{"responses":[{"error":{"type":"x"},"status":429}]}"#;

        for body in [part, busy] {
            let response = send(vec![node(vec![body, WHOLE]).await]).await;
            assert_eq!(response.unwrap(), WHOLE);
        }
    }
}
