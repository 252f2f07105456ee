//! Tests the fake vendor against the documentation of the real one, with a plain HTTP client: with
//! a wrong fake, a wrong client would pass its tests.

mod faults;
mod library;
mod records;
mod tokens;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::images::{jpeg, png, variant};
use crate::support::vendor::{API_KEY, BatchDelete, Fault, Gate, Operation, SECRET_KEY, Vendor};

const FORM: &str = "application/x-www-form-urlencoded";

/// A plain HTTP client with a token, and the vendor that it calls.
struct PlainClient {
    vendor: Vendor,
    http: Client,
    token: String,
}

type Fields<'a> = &'a [(&'a str, &'a str)];

// === impl PlainClient ===

impl PlainClient {
    async fn start() -> Self {
        let vendor = Vendor::start().await;
        let http = Client::builder().no_proxy().build().unwrap();
        let token = grant(&http, &vendor).await;
        PlainClient {
            vendor,
            http,
            token,
        }
    }

    async fn post(
        &self,
        operation: &str,
        content_type: &str,
        body: String,
    ) -> reqwest::Result<Bytes> {
        let (url, token) = (self.vendor.url(), &self.token);
        let url = format!(
            "{url}/rest/2.0/realtime_search/same_hq/{operation}?access_token={token}&aipVersion=1"
        );
        let request = self.http.post(url).header(CONTENT_TYPE, content_type);
        request.body(body).send().await?.bytes().await
    }

    async fn call(&self, operation: &str, fields: Fields<'_>) -> Value {
        let body = self.post(operation, FORM, encode(fields)).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    async fn add(&self, image: &Bytes, brief: &str, tags: &str) -> String {
        let fields = [
            ("image", &*STANDARD.encode(image)),
            ("brief", brief),
            ("tags", tags),
        ];
        let response = self.call("add", &fields).await;
        response["cont_sign"].as_str().unwrap().to_owned()
    }

    async fn briefs(&self, image: &Bytes, more: Fields<'_>) -> Vec<String> {
        let found = self.search(image, more).await;
        let hits = found["result"].as_array().unwrap();
        hits.iter()
            .map(|hit| hit["brief"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn search(&self, image: &Bytes, more: Fields<'_>) -> Value {
        let image = STANDARD.encode(image);
        self.call("search", &[&[("image", image.as_str())], more].concat())
            .await
    }

    async fn code(&self, operation: &str, fields: Fields<'_>) -> i64 {
        let response = self.call(operation, fields).await;
        response["error_code"].as_i64().unwrap_or(0)
    }
}

async fn grant(http: &Client, vendor: &Vendor) -> String {
    let (_, body) = request_token(http, vendor, API_KEY, SECRET_KEY).await;
    body["access_token"].as_str().unwrap().to_owned()
}

async fn request_token(http: &Client, vendor: &Vendor, id: &str, secret: &str) -> (u16, Value) {
    let form = encode(&[
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ]);
    let url = format!("{}/oauth/2.0/token", vendor.url());
    let response = http.post(url).body(form).send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
    )
}

fn encode(fields: Fields<'_>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}
