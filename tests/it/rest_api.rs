//! The REST API with its middleware, in front of libraries in memory.

mod calls;
mod expect;
mod fields;
mod responses;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use form_urlencoded::byte_serialize;
use samegate::admission::InFlightBudget;
use samegate::call::Tenant;
use samegate::library::{Libraries, Library};
use samegate::middleware::{self, ApiInfo, Authenticate, CallLimits, Deadlines, MinBodyRate};
use samegate::quota::{LocalStore, Quotas, Rejections};
use samegate::rest::{self, KeyPair, Keys};
use samegate::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::memory::{LOG_ID, MemoryLibrary};

/// Integers up to this are exact in JavaScript.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// Maximum size of a request body in these tests, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const NONE: &str = "";
const CALLS: &str = "/rest/2.0/realtime_search/same_hq";

/// A running REST API with two libraries for one tenant, and an access token for it.
struct RestApi {
    address: SocketAddr,
    token: String,
}

struct Response {
    status: u16,
    head: String,
    json: Value,
}

impl RestApi {
    async fn start() -> Self {
        RestApi::with_library(MemoryLibrary::default()).await
    }

    async fn with_library(first: MemoryLibrary) -> Self {
        let libraries = Libraries::new([
            named("first", first),
            named("second", MemoryLibrary::default()),
            named("other", MemoryLibrary::default()),
        ]);
        let tenant = Tenant {
            name: "ann".to_owned(),
            libraries: vec!["first".to_owned(), "second".to_owned()],
            weight: 1,
            read_only: false,
        };
        let keys = Keys::new([KeyPair::new("ann-key", "s+t".into(), Arc::new(tenant))]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = with_middleware(rest::calls(libraries, MAX_BODY_BYTES), keys);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut api = RestApi {
            address,
            token: String::new(),
        };
        let keys = "grant_type=client_credentials&client_id=ann-key&client_secret=s%2Bt";
        let target = format!("/oauth/2.0/token?{keys}");
        let granted = api.send("GET", &target, NONE, b"").await;
        api.token = granted.json["access_token"].as_str().unwrap().to_owned();
        api
    }

    /// Sends a form to an operation with a valid token.
    async fn call(&self, operation: &str, form: &str) -> Value {
        let target = format!("{CALLS}/{operation}?access_token={}", self.token);
        let response = self.send("POST", &target, FORM, form.as_bytes()).await;
        assert_eq!(response.status, 200);
        response.json
    }

    /// Sends a request unchanged, and reads nothing before all of it is sent.
    async fn send(&self, method: &str, target: &str, header: &str, body: &[u8]) -> Response {
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{header}\r\n"
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        Response {
            status: head[9..12].parse().unwrap(),
            head: head.to_lowercase(),
            json: serde_json::from_str(body).unwrap(),
        }
    }
}

/// Wraps the calls in the same middleware as the gateway.
fn with_middleware(calls: Router, keys: Keys) -> Router {
    let keys_of_calls = keys.clone();
    let authenticate: Authenticate =
        Arc::new(move |head| Box::pin(std::future::ready(keys_of_calls.authenticate(head))));
    let limits = CallLimits {
        quotas: Quotas::of(
            Arc::new(LocalStore::default()),
            BTreeMap::new(),
            false,
            Rejections::default(),
        ),
        budget: InFlightBudget::new(64, 1024 * 1024),
        max_message_bytes: MAX_BODY_BYTES,
        min_body_rate: MinBodyRate {
            timeout: Duration::from_secs(20),
            bytes_per_second: 500,
        },
        deadlines: Deadlines {
            default: Duration::from_secs(30),
            max: Duration::from_secs(30),
        },
    };
    let calls = calls.layer(middleware::api(authenticate, limits, rest::reject));
    let metrics = Metrics::new();
    let tokens = rest::TokenEndpoint {
        keys,
        attempts: rest::TokenAttempts::default(),
        max_failures_per_minute: 10,
        metrics: metrics.clone(),
    };
    let api = ApiInfo {
        system: "same_hq",
        methods: Arc::default(),
        metrics,
    };
    rest::routes(calls, tokens)
        .layer(middleware::unread_body(true))
        .layer(middleware::outer(api, rest::reject))
}

fn named(name: &str, library: MemoryLibrary) -> (String, Arc<dyn Library>) {
    (name.to_owned(), Arc::new(library))
}

fn numbered_image(number: u8) -> Vec<u8> {
    bitmap(64, 64, number)
}

/// Builds a bitmap header and content whose base64 text has every character of the alphabet.
fn bitmap(width: u32, height: u32, number: u8) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.resize(14, 0);
    file.extend(40_u32.to_le_bytes());
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.resize(54, number);
    let noise = (0..=255)
        .cycle()
        .map(|byte: u8| byte.wrapping_mul(97) ^ number);
    file.extend(noise.take(6000));
    file
}

fn escape(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn error(code: i64, message: &str) -> Value {
    json!({"error_code": code, "error_msg": message})
}

fn assert_rejected(response: &Value, code: i64, message: &str) {
    assert_eq!(response["error_code"], code, "{response}");
    assert_eq!(response["error_msg"], message, "{response}");
    let log_id = response["log_id"]
        .as_u64()
        .expect("a code of a service has a log id");
    assert!(
        log_id == LOG_ID || (1..=MAX_SAFE_INTEGER).contains(&log_id),
        "{log_id}"
    );
}

/// Compares keys and types of values with a recorded response of the vendor.
fn assert_same_shape(response: &Value, file: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rest");
    let sample = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    let sample: Value = serde_json::from_str(&sample).unwrap();
    assert_eq!(
        shape(response),
        shape(&sample),
        "{response} differs from {file}"
    );
}

/// Replaces every value by its type, and a list by its first element.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let shapes = fields
                .iter()
                .map(|(name, value)| (name.clone(), shape(value)));
            Value::Object(shapes.collect())
        }
        Value::Array(values) => Value::Array(values.iter().take(1).map(shape).collect()),
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(number) if number.is_u64() => json!("integer"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
    }
}
