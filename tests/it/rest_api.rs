//! The REST API behind its layers, in front of a library in memory.

mod calls;
mod fields;
mod responses;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use form_urlencoded::byte_serialize;
use samegate::admission::Budget;
use samegate::call::Tenant;
use samegate::config::RestKey;
use samegate::library::{Libraries, Library};
use samegate::middleware::{self, Authenticate, Bounds, Deadlines};
use samegate::quota::{LocalStore, Quotas, Rejections};
use samegate::rest::{self, KeyPair, Keys};
use samegate::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::memory::Memory;

/// Greatest body at the doors of these tests.
const MAX_BODY_BYTES: usize = 64 * 1024;
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const NONE: &str = "";
const CALLS: &str = "/rest/2.0/realtime_search/same_hq";

/// A served door with two libraries for one caller, and a token for it.
struct Door {
    address: SocketAddr,
    token: String,
}

struct Response {
    status: u16,
    head: String,
    json: Value,
}

impl Door {
    async fn open() -> Self {
        Door::in_front_of(Memory::default()).await
    }

    async fn in_front_of(first: Memory) -> Self {
        let libraries = Libraries::new([
            named("first", first),
            named("second", Memory::default()),
            named("other", Memory::default()),
        ]);
        let tenant = Tenant {
            name: "ann".to_owned(),
            libraries: vec!["first".to_owned(), "second".to_owned()],
            weight: 1,
        };
        let pair = RestKey {
            api_key: "ann-key".to_owned(),
            secret_key: "s+t".into(),
        };
        let keys = Keys::new([KeyPair::new(&pair, Arc::new(tenant))]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = layered(rest::calls(libraries, MAX_BODY_BYTES), keys);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut door = Door {
            address,
            token: String::new(),
        };
        let keys = "grant_type=client_credentials&client_id=ann-key&client_secret=s%2Bt";
        let target = format!("/oauth/2.0/token?{keys}");
        let granted = door.send("GET", &target, NONE, b"").await;
        door.token = granted.json["access_token"].as_str().unwrap().to_owned();
        door
    }

    /// Sends a form to an operation with a good token.
    async fn call(&self, operation: &str, form: &str) -> Value {
        let target = format!("{CALLS}/{operation}?access_token={}", self.token);
        let response = self.send("POST", &target, FORM, form.as_bytes()).await;
        assert_eq!(response.status, 200);
        response.json
    }

    /// Sends a request as it is, all of it before anything is read.
    async fn send(&self, method: &str, target: &str, header: &str, body: &[u8]) -> Response {
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\
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

/// Puts the calls behind the layers that the gateway gives them.
fn layered(calls: Router, keys: Keys) -> Router {
    let known = keys.clone();
    let authenticate: Authenticate =
        Arc::new(move |head| Box::pin(std::future::ready(known.authenticate(head))));
    let bounds = Bounds {
        quotas: Quotas::of(
            Arc::new(LocalStore::default()),
            BTreeMap::new(),
            false,
            Rejections::default(),
        ),
        budget: Budget::new(64, 1024 * 1024),
        max_message_bytes: MAX_BODY_BYTES,
        deadlines: Deadlines {
            default: Duration::from_secs(30),
            max: Duration::from_secs(30),
        },
    };
    let calls = calls.layer(middleware::api(authenticate, bounds, rest::reject));
    let door = middleware::Door {
        system: "same_hq",
        methods: Arc::default(),
        metrics: Metrics::new(),
    };
    rest::routes(calls, keys).layer(middleware::outer(&door, Body::new, rest::reject))
}

fn named(name: &str, library: Memory) -> (String, Arc<dyn Library>) {
    (name.to_owned(), Arc::new(library))
}

fn numbered_image(number: u8) -> Vec<u8> {
    bitmap(64, 64, number)
}

/// Head of a bitmap file and some content whose base64 text has every letter.
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
        .expect("a service's code has a log id");
    assert!(log_id > 1 << 53, "{log_id}");
}

/// Compares keys and kinds of values with a recorded answer of the vendor.
fn assert_same_shape(response: &Value, file: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rest");
    let sample = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    let sample: Value = serde_json::from_str(&sample).unwrap();
    assert_eq!(
        shape(response),
        shape(&sample),
        "{response} is not like {file}"
    );
}

/// Replaces every value by its kind, and a list by its first element.
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
