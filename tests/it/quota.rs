//! Quotas of tenants at both APIs, in the process and in Redis.

mod shared;

use std::collections::BTreeMap;

use samegate::proto::v1;
use samegate::proto::v1::add_images_item::Source;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::v1::add_images_response::Event;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::gateway::Gateway;
use crate::support::images::png;

/// A gateway whose only tenant has this quota, and the REST key ann/secret.
async fn with_quota(quota: &str) -> Gateway {
    Gateway::with_config(&config(quota, "")).await
}

fn config(quota: &str, rest: &str) -> String {
    format!(
        "[tenants.ann]\nlibraries = [\"default\"]\n\
         rest_keys = [{{ api_key = \"ann\", secret_key = \"secret\" }}]\n\
         quota = {{ {quota} }}\n{rest}"
    )
}

/// Requests the size of the library: the cheapest call.
async fn call(gateway: &Gateway) -> Result<(), Status> {
    let response = gateway
        .client()
        .await
        .get_library(v1::GetLibraryRequest::default())
        .await;
    response.map(drop)
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

/// Returns the REST API's code for a search without an image.
async fn rest_code(gateway: &Gateway) -> i64 {
    let client = reqwest::Client::new();
    let keys = "grant_type=client_credentials&client_id=ann&client_secret=secret";
    let address = gateway.rest_url();
    let grant = json(client.get(format!("{address}/oauth/2.0/token?{keys}"))).await;
    let token = grant["access_token"].as_str().unwrap();
    let url = format!("{address}/rest/2.0/realtime_search/same_hq/search?access_token={token}");
    let response = json(client.post(url).body("image=")).await;
    response["error_code"].as_i64().unwrap()
}

/// Sends a request and parses the body of its response.
async fn json(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_rejection_of_a_call_over_the_rate_names_limit_and_wait() {
    let gateway = with_quota("requests_per_second = 1, burst = 2").await;
    call(&gateway).await.unwrap();

    let rejected = loop {
        if let Err(rejected) = call(&gateway).await {
            break rejected;
        }
    };

    assert_eq!(rejected.code(), Code::ResourceExhausted);
    assert_eq!(reason(&rejected), "QUOTA_RATE_EXCEEDED");
    let details = rejected.get_error_details();
    let quota = &details.quota_failure().unwrap().violations[0];
    assert_eq!(quota.subject, "requests_per_second");
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(wait.as_secs_f64() <= 1.001, "{wait:?}");
    let pushback = rejected.metadata().get("grpc-retry-pushback-ms").unwrap();
    assert!(pushback.to_str().unwrap().parse::<u64>().unwrap() <= 1001);
}

#[tokio::test]
async fn the_rest_api_returns_18_for_the_rate_and_17_for_the_day() {
    for (quota, code) in [
        ("requests_per_second = 1, burst = 1", 18),
        ("requests_per_day = 1", 17),
    ] {
        let gateway = with_quota(quota).await;
        let mut codes = BTreeMap::new();
        // A token request is no call and is not counted.
        while !codes.contains_key(&code) {
            *codes.entry(rest_code(&gateway).await).or_insert(0) += 1;
            assert!(codes.values().sum::<u32>() < 1000, "{quota}: {codes:?}");
        }

        assert_eq!(codes.len(), 2, "{codes:?}");
        assert!(
            codes.contains_key(&216_200),
            "the first is admitted: {codes:?}"
        );
    }
}

#[tokio::test]
async fn both_apis_share_one_quota() {
    let gateway = with_quota("requests_per_day = 3").await;

    call(&gateway).await.unwrap();
    assert_eq!(rest_code(&gateway).await, 216_200);
    call(&gateway).await.unwrap();

    assert_eq!(rest_code(&gateway).await, 17);
    assert_eq!(
        reason(&call(&gateway).await.unwrap_err()),
        "QUOTA_DAY_EXCEEDED"
    );
}

#[tokio::test]
async fn bytes_of_a_call_without_a_content_length_count_for_the_next() {
    let gateway = with_quota("bytes_per_second = 65536").await;
    let mut image = png(1).to_vec();
    image.resize(2_000_000, 0);
    let request = v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(image.into())),
        ..Default::default()
    };

    gateway.client().await.add_image(request).await.unwrap();

    // 2 MB at 64 KiB a second are paid in half a minute.
    assert_eq!(
        reason(&call(&gateway).await.unwrap_err()),
        "QUOTA_BYTES_EXCEEDED"
    );
    assert_eq!(rest_code(&gateway).await, 18);
}

#[tokio::test]
async fn in_shadow_mode_nothing_is_rejected() {
    let config = config("requests_per_day = 1", "[quota]\nshadow_mode = true\n");
    let gateway = Gateway::with_config(&config).await;

    for _ in 0..5 {
        call(&gateway).await.unwrap();
    }
}

#[tokio::test]
async fn items_of_a_bulk_load_count_as_requests_and_wait_for_the_quota() {
    // The stream is one request, its items are five; two may come at once.
    let gateway = with_quota("requests_per_second = 20, burst = 2").await;
    let started = tokio::time::Instant::now();

    let results = load(&gateway, 5).await;

    assert_eq!(results, vec![(0, String::new()); 5]);
    // Six requests, of which two are free: four waits of a twentieth.
    assert!(
        started.elapsed().as_millis() >= 190,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn items_beyond_the_days_quota_fail_one_by_one() {
    let gateway = with_quota("requests_per_day = 4").await;

    let results = load(&gateway, 5).await;

    let ok = results.iter().filter(|(code, _)| *code == 0).count();
    assert_eq!(ok, 3, "{results:?}");
    let failed = results
        .iter()
        .filter(|(_, reason)| reason == "QUOTA_DAY_EXCEEDED");
    assert_eq!(failed.count(), 2, "{results:?}");
}

/// Loads this many images and returns their codes and reasons.
async fn load(gateway: &Gateway, count: u64) -> Vec<(i32, String)> {
    let payload = |payload| v1::AddImagesRequest {
        payload: Some(payload),
    };
    let mut messages = vec![payload(Payload::Options(v1::AddImagesOptions::default()))];
    messages.extend((0..count).map(|number| {
        payload(Payload::Item(v1::AddImagesItem {
            key: number.to_string(),
            source: Some(Source::Content(png(number))),
            ..Default::default()
        }))
    }));
    let response = gateway
        .client()
        .await
        .add_images(tokio_stream::iter(messages))
        .await;
    let mut events = response.unwrap().into_inner();
    let mut results = Vec::new();
    while let Some(response) = events.message().await.unwrap() {
        if let Some(Event::Result(result)) = response.event {
            let status = result.status.unwrap();
            results.push((status.code, status.reason));
        }
    }
    results
}
