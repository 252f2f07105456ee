//! The vendor: drains the body of each call, and answers with fixed JSON.
//!
//! `POST /control?hold_ms=N&check=0|1` sets how long it holds a call, and whether it compares
//! pictures byte for byte; it answers with how many it has compared, and how many were mangled.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{Result, picture};

/// Numbers of hits that a search can ask for.
const HITS: [usize; 3] = [1, 10, 300];

#[derive(Default)]
struct Vendor {
    hold_ms: AtomicU64,
    checks: AtomicBool,
    compared: AtomicU64,
    mangled: AtomicU64,
    found: Vec<Bytes>,
}

pub async fn serve(address: &str) -> Result<()> {
    let vendor = Arc::new(Vendor {
        found: HITS.map(found).to_vec(),
        ..Vendor::default()
    });
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let vendor = vendor.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(vendor.clone(), request));
            // A client that leaves is no failure.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(
    vendor: Arc<Vendor>,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let uri = request.uri().clone();
    let checks = vendor.checks.load(Relaxed);
    let operation = uri.path().rsplit('/').next().unwrap_or_default();
    let body = drain(request.into_body(), checks || operation == "search").await;
    let response = match operation {
        "control" => vendor.control(uri.query().unwrap_or_default()),
        "token" => json!({ "access_token": "24.bench", "expires_in": 2_592_000 })
            .to_string()
            .into(),
        "search" => vendor.search(&body),
        "add" => r#"{"log_id":1,"cont_sign":"1,2"}"#.into(),
        _ => r#"{"log_id":1}"#.into(),
    };
    if checks && operation == "add" {
        vendor.compare(&body);
    }
    let hold = vendor.hold_ms.load(Relaxed);
    if hold > 0 && operation != "control" && operation != "token" {
        tokio::time::sleep(Duration::from_millis(hold)).await;
    }
    let mut response = Response::new(Full::new(response));
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

/// Reads a body to its end; returns its bytes if they are needed.
async fn drain(mut body: Incoming, is_needed: bool) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let (true, Some(data)) = (is_needed, frame.data_ref()) {
            read.extend_from_slice(data);
        }
    }
    read
}

impl Vendor {
    fn control(&self, query: &str) -> Bytes {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "hold_ms" => self.hold_ms.store(value.parse().unwrap_or(0), Relaxed),
                "check" => self.checks.store(value == "1", Relaxed),
                _ => {}
            }
        }
        let [compared, mangled] = [&self.compared, &self.mangled].map(|count| count.load(Relaxed));
        json!({ "compared": compared, "mangled": mangled })
            .to_string()
            .into()
    }

    fn search(&self, body: &[u8]) -> Bytes {
        let wanted = field(body, "rn").and_then(|text| text.parse().ok());
        let index = HITS.iter().position(|hits| Some(*hits) == wanted);
        self.found[index.unwrap_or(0)].clone()
    }

    fn compare(&self, body: &[u8]) {
        let image = field(body, "image").and_then(|text| STANDARD.decode(text).ok());
        self.compared.fetch_add(1, Relaxed);
        if image.is_none_or(|image| image != picture::of_size(image.len())) {
            self.mangled.fetch_add(1, Relaxed);
        }
    }
}

fn field(body: &[u8], name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(body);
    fields
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn found(hits: usize) -> Bytes {
    let hit = |n: usize| {
        let score = 1.0 - n as f64 / 1000.0;
        json!({ "cont_sign": format!("{},{n}", 7 * n), "score": score, "brief": format!("sku {n}") })
    };
    let result: Vec<_> = (0..hits).map(hit).collect();
    json!({ "log_id": 1, "result_num": hits, "has_more": false, "result": result })
        .to_string()
        .into()
}
