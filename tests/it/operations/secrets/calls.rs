//! Valid and invalid calls of every kind, whose responses are all kept.

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use prost::Message;
use samegate::proto::v1;
use samegate::proto::v1::add_images_response::Event;
use serde_json::Value;
use tonic::{Code, Request, Response, Status};

use super::super::{bulk_within, item, search};
use super::{REQUEST_ID, Scene};
use crate::support::canary::{Seen, secret};
use crate::support::images::png;
use crate::support::issuer::{Issuer, LATE};
use crate::support::probe::until;
use crate::support::vendor::{Fault, Operation};

/// Returns claims with this expiry.
fn claims(exp: u64) -> Value {
    let mut claims = Issuer::claims("local");
    claims["exp"] = exp.into();
    claims["sub"] = secret("subject").into();
    claims
}

/// Makes a call with a credential.
fn by<T>((header, value): (&'static str, &str), message: T) -> Request<T> {
    let mut request = Request::new(message);
    let headers = request.metadata_mut();
    headers.insert(header, value.parse().unwrap());
    headers.insert("x-request-id", REQUEST_ID.parse().unwrap());
    request
}

fn with_key<T>(message: T) -> Request<T> {
    by(("x-api-key", &secret("key")), message)
}

fn add(image: Bytes) -> v1::AddImageRequest {
    v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(image)),
        ..Default::default()
    }
}

/// Keeps everything in a response; returns its code.
fn note<T: Debug + Message>(seen: &mut Seen, response: Result<Response<T>, Status>) -> Code {
    match response {
        Ok(response) => {
            seen.note("gRPC", format!("{response:?}"));
            seen.note("gRPC", response.get_ref().encode_to_vec());
            Code::Ok
        }
        Err(status) => {
            seen.note("gRPC", format!("{status:?} {status}"));
            seen.note("gRPC", status.details());
            status.code()
        }
    }
}

impl Scene {
    fn image(&mut self, seed: u64) -> Bytes {
        let image = png(seed);
        self.canaries.add_image("an image", &image);
        image
    }

    async fn search(&mut self, credential: (&'static str, &str), image: Bytes) -> Code {
        let request = by(credential, search(image));
        let response = self.process.client().await.search_images(request).await;
        note(&mut self.seen, response)
    }

    pub(super) async fn grpc_valid(&mut self) {
        let mut client = self.process.client().await;
        let first = self.image(1);
        let request = with_key(add(first.clone()));
        assert_eq!(
            note(&mut self.seen, client.add_image(request).await),
            Code::Ok
        );
        let key = format!("Bearer {}", secret("key"));
        assert_eq!(
            self.search(("authorization", &key), first.clone()).await,
            Code::Ok
        );
        let token = self.issuer.sign("one", &claims(LATE));
        self.canaries.add("a JWT", &token[token.len() - 40..]);
        let token = format!("Bearer {token}");
        assert_eq!(
            self.search(("authorization", &token), first.clone()).await,
            Code::Ok
        );
        let update = v1::UpdateImageRequest {
            target: Some(v1::update_image_request::Target::Content(first.clone())),
            brief: Some("brief".to_owned()),
            ..Default::default()
        };
        let response = client.update_image(with_key(update)).await;
        assert_eq!(note(&mut self.seen, response), Code::Ok);
        let delete = v1::DeleteImagesRequest {
            target: Some(v1::delete_images_request::Target::Content(first)),
            ..Default::default()
        };
        let response = client.delete_images(with_key(delete)).await;
        assert_eq!(note(&mut self.seen, response), Code::Ok);
        self.bulk().await;
    }

    async fn bulk(&mut self) {
        let (items, mut events) = bulk_within(&mut self.process.client().await, with_key).await;
        for seed in 10..13 {
            let image = self.image(seed);
            items.send(item(&seed.to_string(), image)).await.unwrap();
        }
        let broken = self.image(13).slice(..2000);
        self.canaries.add_image("a broken image", &broken);
        items.send(item("broken", broken)).await.unwrap();
        drop(items);
        let mut failed = 0;
        while let Some(event) = events.message().await.unwrap() {
            note(&mut self.seen, Ok(Response::new(event.clone())));
            if let Some(Event::Result(result)) = event.event {
                failed += usize::from(!super::super::is_ok(&result));
            }
        }
        assert_eq!(failed, 1);
    }

    pub(super) async fn grpc_invalid(&mut self) {
        let image = self.image(20);
        let past = self.issuer.sign("one", &claims(1));
        let strange = self.issuer.sign("two", &claims(LATE));
        let [wrong, no_token] = ["wrong-key", "a.b.c"].map(secret);
        for (header, value) in [
            ("x-api-key", wrong.clone()),
            ("authorization", format!("Basic {wrong}")),
            ("authorization", format!("Bearer {no_token}")),
            ("authorization", format!("Bearer {past}")),
            ("authorization", format!("Bearer {strange}")),
        ] {
            let code = self.search((header, &value), image.clone()).await;
            assert_eq!(code, Code::Unauthenticated, "{header}");
        }
        for token in [past, strange] {
            self.canaries.add("a bad JWT", &token[token.len() - 40..]);
        }

        let key = secret("key");
        let key = ("x-api-key", key.as_str());
        let no_image = Bytes::from(secret("no-image"));
        assert_eq!(self.search(key, no_image).await, Code::InvalidArgument);
        let empty = self.search(key, Bytes::new()).await;
        assert_eq!(empty, Code::InvalidArgument);
        let large = [image, vec![7; 5 << 20].into()].concat();
        assert_eq!(self.search(key, large.into()).await, Code::InvalidArgument);
        let url = format!(
            "http://{}@example.org/?sign={}",
            secret("user"),
            secret("sign")
        );
        let by_url = v1::SearchImagesRequest {
            source: Some(v1::search_images_request::Source::Url(url)),
            ..Default::default()
        };
        let response = self
            .process
            .client()
            .await
            .search_images(with_key(by_url))
            .await;
        let code = note(&mut self.seen, response);
        assert_eq!(code, Code::FailedPrecondition);
    }

    /// Posts to the REST API; returns the response and keeps it, unless it is a granted token.
    async fn post(&mut self, path: &str, form: &str) -> Value {
        let address = format!("http://{}{path}", self.process.rest);
        let request = reqwest::Client::new().post(address).body(form.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.send().await.unwrap();
        self.seen.note("REST", format!("{:?}", response.headers()));
        let body = response.bytes().await.unwrap();
        let response: Value = serde_json::from_slice(&body).unwrap();
        if response.get("access_token").is_none() {
            self.seen.note("REST", body);
        }
        response
    }

    async fn grant(&mut self, key: &str, secret_key: &str) -> Value {
        let keys = format!(
            "client_id={}&client_secret={}",
            secret(key),
            secret(secret_key)
        );
        let form = format!("grant_type=client_credentials&{keys}");
        self.post("/oauth/2.0/token", &form).await
    }

    pub(super) async fn rest(&mut self) {
        let rejected = self.grant("rest-key", "wrong-secret").await;
        assert_eq!(rejected["error"], "invalid_client");
        let rejected = self.grant("wrong-rest-key", "rest-secret").await;
        assert_eq!(rejected["error"], "invalid_client");
        let granted = self.grant("rest-key", "rest-secret").await;
        let granted = granted["access_token"].as_str().unwrap().to_owned();
        self.canaries.add("a token of the gateway", &granted);

        let image = STANDARD.encode(self.image(30));
        let broken = STANDARD.encode(&self.image(31)[..2000]);
        let escaped = |base64: &str| byte_serialize(base64.as_bytes()).collect::<String>();
        let path = |operation: &str, token: &str| {
            format!("/rest/2.0/realtime_search/same_hq/{operation}?access_token={token}")
        };
        let image = format!("image={}", escaped(&image));
        for (operation, token, form, code) in [
            ("add", &granted, format!("{image}&brief=b"), None),
            ("search", &granted, image.clone(), None),
            ("add", &granted, format!("{image}&brief=b"), Some(216_681)),
            ("search", &secret("wrong-token"), image.clone(), Some(110)),
            ("search", &format!("{granted}0"), image.clone(), Some(110)),
            (
                "search",
                &granted,
                format!("image={}", escaped(&broken)),
                Some(283_300),
            ),
            ("search", &granted, format!("{image}!!"), Some(216_203)),
            (
                "search",
                &granted,
                format!("{image}&rn={}", secret("rn")),
                Some(216_100),
            ),
            ("search", &granted, secret("no-form"), Some(216_101)),
            ("strange", &granted, image.clone(), Some(3)),
            ("delete", &granted, image.clone(), None),
        ] {
            let response = self.post(&path(operation, token), &form).await;
            assert_eq!(
                response.get("error_code").and_then(Value::as_i64),
                code,
                "{response}"
            );
        }
    }

    /// Makes the vendor fail in every way, also by quoting the request.
    pub(super) async fn vendor_failures(&mut self) {
        let image = self.image(40);
        let token = self.vendor.calls()[0].token.clone();
        let quoted = format!("{token} {}", STANDARD.encode(&image));
        let vendor_error = |code: i64| {
            Fault::json(&format!(
                r#"{{"error_code":{code},"error_msg":"bad {quoted}"}}"#
            ))
        };
        let page = Fault::Response {
            status: 404,
            content_type: "text/html",
            body: quoted.clone(),
        };
        let key = secret("key");
        let key = ("x-api-key", key.as_str());
        for (failure, code) in [
            (vendor_error(216_100), Code::InvalidArgument),
            (vendor_error(123_456), Code::Unknown),
            (vendor_error(282_000), Code::Unavailable),
            (Fault::json(&quoted), Code::Unknown),
            (page, Code::Unknown),
            (Fault::html(500), Code::Unavailable),
            (Fault::Reset, Code::Unavailable),
            (Fault::HalfBody, Code::Unavailable),
            (Fault::code(110), Code::Unavailable),
        ] {
            self.vendor.always(Operation::Search, failure.clone());
            let response = self.search(key, image.clone()).await;
            assert_eq!(response, code, "{failure:?}");
            self.vendor.behave(Operation::Search);
            assert_eq!(
                self.search(key, image.clone()).await,
                Code::Ok,
                "{failure:?}"
            );
        }
        // Last: the credential is in cool-down from now on. A token is refreshed once a second.
        self.vendor.revoke_tokens();
        self.vendor
            .always(Operation::Token, Fault::invalid_client());
        until("the vendor has rejected the keys", async || {
            self.search(key, image.clone()).await == Code::FailedPrecondition
        })
        .await;
    }
}
