//! The Connect protocol on the gRPC port: JSON as curl sends it, protobuf, streams, errors.

mod bodies;
mod limits;
mod openapi;
mod streams;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost::Message;
use reqwest::RequestBuilder;
use samegate::proto::v1;
use serde_json::{Value, json};
use tonic_types::pb;

use super::add;
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::{metric, until_metric};

const JSON: &str = "application/json";
const PROTO: &str = "application/proto";

/// A request to a method of the service, over HTTP/1.1 as through most proxies.
fn post(gateway: &Gateway, method: &str, content_type: &str) -> RequestBuilder {
    post_to(
        gateway,
        &format!("samegate.v1.SameImageService/{method}"),
        content_type,
    )
}

fn post_to(gateway: &Gateway, path: &str, content_type: &str) -> RequestBuilder {
    let client = reqwest::Client::builder().http1_only().build().unwrap();
    let request = client.post(format!("http://{}/{path}", gateway.addresses.grpc));
    request.header("content-type", content_type)
}

/// Calls a method in JSON; returns status and response.
async fn call(gateway: &Gateway, method: &str, request: Value) -> (u16, Value) {
    received(post(gateway, method, JSON).body(request.to_string())).await
}

async fn received(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], JSON);
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
    )
}

/// Returns the reason of an error.
fn reason(error: &Value) -> &str {
    let details = error["details"].as_array().unwrap();
    let mut details = details.iter();
    let info = details.find(|detail| detail["type"] == "google.rpc.ErrorInfo");
    info.unwrap()["debug"]["reason"].as_str().unwrap()
}

fn in_base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn images_are_added_found_changed_listed_and_deleted_in_json() {
    let gateway = Gateway::start().await;
    let image = in_base64(png(1));

    let add = json!({"content": image, "brief": "中", "tags": [7]});
    let (status, added) = call(&gateway, "AddImage", add).await;
    assert_eq!(status, 200, "{added}");
    let sign = &added["contSign"];
    let (_, found) = call(
        &gateway,
        "SearchImages",
        json!({"content": image, "limit": 3}),
    )
    .await;
    let (_, changed) = call(
        &gateway,
        "UpdateImage",
        json!({"cont_sign": sign, "brief": "x"}),
    )
    .await;
    let (_, listed) = call(&gateway, "ListImages", json!({"thumbnails": true})).await;
    let (_, libraries) = call(&gateway, "ListLibraries", json!({})).await;
    let delete = json!({"contSigns": {"values": [sign]}});
    let (_, deleted) = call(&gateway, "DeleteImages", delete).await;

    assert_eq!(found["matches"][0]["contSign"], *sign, "{found}");
    assert_eq!(found["matches"][0]["brief"], "中");
    assert!(found["matches"][0]["score"].as_f64().unwrap() > 0.9);
    // Integers of 64 bits are strings, defaults are absent.
    assert!(
        changed["logId"].as_str().unwrap().parse::<u64>().is_ok(),
        "{changed}"
    );
    assert_eq!(added.get("existed"), None);
    let image = &listed["images"][0];
    assert_eq!(
        (&image["brief"], &image["width"]),
        (&"x".into(), &320.into())
    );
    let thumbnail = STANDARD
        .decode(image["thumbnailJpeg"].as_str().unwrap())
        .unwrap();
    assert!(thumbnail.starts_with(b"\xff\xd8"));
    assert!(image["addTime"].as_str().unwrap().ends_with('Z'), "{image}");
    assert_eq!(
        libraries["libraries"][0]["capabilities"][0],
        "CAPABILITY_LIST"
    );
    assert_eq!(deleted["results"][0]["contSign"], *sign, "{deleted}");
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn a_request_without_fields_needs_no_body() {
    let gateway = Gateway::start().await;

    for request in [
        post(&gateway, "GetLibrary", JSON),
        post(&gateway, "GetLibrary", JSON).body("{}"),
        post(&gateway, "GetLibrary", "application/json; charset=utf-8").body(" { } "),
        post(&gateway, "GetLibrary", JSON).header("content-encoding", "gzip"),
    ] {
        let (status, library) = received(request).await;

        assert_eq!((status, &library["library"]), (200, &"default".into()));
    }
    let (_, health) = received(post_to(&gateway, "grpc.health.v1.Health/Check", JSON)).await;
    assert_eq!(health, json!({"status": "SERVING"}));
}

#[tokio::test]
async fn messages_in_protobuf_have_no_prefix() {
    let gateway = Gateway::start().await;
    let request = add(png(1)).encode_to_vec();

    let response = post(&gateway, "AddImage", PROTO)
        .body(request)
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], PROTO);
    assert!(response.headers().contains_key("content-length"));
    assert!(response.headers().contains_key("x-request-id"));
    assert!(
        !response
            .headers()
            .keys()
            .any(|name| name.as_str().starts_with("grpc-"))
    );
    let added = v1::AddImageResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert!(!added.cont_sign.is_empty());
    let empty = post(&gateway, "GetLibrary", PROTO).send().await.unwrap();
    let library = v1::GetLibraryResponse::decode(empty.bytes().await.unwrap()).unwrap();
    assert_eq!(library.image_count, 1);
}

#[tokio::test]
async fn an_error_has_its_code_message_and_details_and_a_status_of_http() {
    let gateway = Gateway::start().await;
    let (_, added) = call(&gateway, "AddImage", json!({"content": in_base64(png(1))})).await;

    for content_type in [JSON, PROTO] {
        let request = match content_type {
            JSON => json!({"content": in_base64(png(1))})
                .to_string()
                .into_bytes(),
            _ => add(png(1)).encode_to_vec(),
        };
        let (status, error) =
            received(post(&gateway, "AddImage", content_type).body(request)).await;

        assert_eq!(
            (status, &error["code"]),
            (409, &"already_exists".into()),
            "{error}"
        );
        let detail = &error["details"][0];
        assert_eq!(detail["type"], "google.rpc.ErrorInfo");
        assert_eq!(detail["debug"]["reason"], "IMAGE_ALREADY_EXISTS");
        let value = STANDARD_NO_PAD
            .decode(detail["value"].as_str().unwrap())
            .unwrap();
        let info = pb::ErrorInfo::decode(value.as_slice()).unwrap();
        assert_eq!(info.metadata["cont_sign"], added["contSign"]);
    }
    let (_, same) = call(
        &gateway,
        "AddImage",
        json!({"content": in_base64(crate::support::images::jpeg(1)), "onMatch": "ON_MATCH_REJECT"}),
    )
    .await;
    let detail = &same["details"][1];
    assert_eq!(detail["type"], "samegate.v1.SameImages", "{same}");
    assert_eq!(detail["debug"]["matches"][0]["contSign"], added["contSign"]);
}

#[tokio::test]
async fn codes_have_the_status_of_the_connect_protocol() {
    let gateway = Gateway::start().await;

    for (method, request, status, code) in [
        ("SearchImages", json!({}), 400, "invalid_argument"),
        ("GetLibrary", json!({"library": "none"}), 404, "not_found"),
        ("GetImage", json!({"contSign": "1"}), 404, "not_found"),
        ("NoMethod", json!({}), 501, "unimplemented"),
    ] {
        let (actual, error) = call(&gateway, method, request).await;

        assert_eq!(
            (actual, &error["code"]),
            (status, &code.into()),
            "{method} {error}"
        );
        assert!(error["message"].is_string() || method == "NoMethod");
    }
    let (status, _) = received(post_to(&gateway, "no.Service/Method", JSON)).await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn an_invalid_document_is_one_violation_that_names_the_path() {
    let gateway = Gateway::start().await;

    for (request, field, message) in [
        (
            r#"{"filter": {"tags": ["x"]}}"#,
            "filter.tags[0]",
            "must be an integer",
        ),
        (
            r#"{"pagesize": 3}"#,
            "pagesize",
            "is no field of ListImagesRequest",
        ),
        ("no JSON", "body", "is no valid JSON"),
    ] {
        let (status, error) = received(post(&gateway, "ListImages", JSON).body(request)).await;

        assert_eq!((status, &error["code"]), (400, &"invalid_argument".into()));
        assert_eq!(reason(&error), "INVALID_PARAMETER");
        let violation = &error["details"][1]["debug"]["fieldViolations"][0];
        assert_eq!(violation["field"], field, "{error}");
        assert!(
            violation["description"]
                .as_str()
                .unwrap()
                .starts_with(message),
            "{error}"
        );
    }
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn what_is_no_protobuf_is_invalid() {
    let gateway = Gateway::start().await;

    let request = post(&gateway, "GetLibrary", PROTO).body("no protobuf");
    let (status, error) = received(request).await;

    assert_eq!((status, &error["code"]), (400, &"invalid_argument".into()));
    assert_eq!(reason(&error), "INVALID_PARAMETER");
}

#[tokio::test]
async fn a_method_is_called_with_post_and_a_content_type_that_suits_it() {
    let gateway = Gateway::start().await;

    let url = format!(
        "http://{}/samegate.v1.SameImageService/GetLibrary",
        gateway.addresses.grpc
    );
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let rejections = "samegate_web_rejections_total{listener=\"grpc\",reason=\"method\"}";
    assert_eq!(metric(gateway.addresses.admin, rejections).await, Some(1.0));
    for (method, content_type, hint) in [
        ("FindDuplicates", JSON, "application/connect+json"),
        ("AddImages", PROTO, "application/connect+json"),
        ("GetLibrary", "application/connect+json", "application/json"),
    ] {
        let (status, error) = received(post(&gateway, method, content_type)).await;

        assert_eq!((status, &error["code"]), (415, &"unimplemented".into()));
        assert!(error["message"].as_str().unwrap().contains(hint), "{error}");
    }
    for content_type in [
        "text/plain",
        "application/jsonp",
        "application/connect+xml",
        "application/x-www-form-urlencoded",
    ] {
        let response = post(&gateway, "GetLibrary", content_type)
            .send()
            .await
            .unwrap();

        assert_eq!(response.status(), 415, "{content_type}");
    }
}
