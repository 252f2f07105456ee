//! Pages that call in JSON.

use std::net::SocketAddr;

use http::StatusCode;

use super::{APP, GET_LIBRARY, LISTED, Response, send};
use crate::support::gateway::Gateway;

/// Sends the request of a page in JSON.
async fn json(address: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let kind = ("Content-Type", "application/json");
    let headers = [&[kind], headers].concat();
    send(address, &format!("POST {GET_LIBRARY}"), &headers, body).await
}

#[tokio::test]
async fn a_page_of_a_listed_origin_asks_first_and_then_calls_in_json() {
    let gateway = Gateway::with_config(LISTED).await;
    let address = gateway.addresses.grpc;
    let host = address.to_string();
    let page = [
        ("Host", host.as_str()),
        ("Origin", APP),
        ("Sec-Fetch-Site", "cross-site"),
    ];
    let asked = [
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];

    let preflight = [&page[..], &asked].concat();
    let preflight = send(address, &format!("OPTIONS {GET_LIBRARY}"), &preflight, b"").await;
    let (served, failed) = (
        json(address, &page, b"{}").await,
        json(address, &page, b"{").await,
    );

    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    let allowed = preflight
        .head
        .lines()
        .find_map(|line| line.strip_prefix("access-control-allow-headers: "));
    let allowed: Vec<&str> = allowed.unwrap().split(", ").collect();
    for header in [
        "authorization",
        "content-type",
        "content-encoding",
        "connect-protocol-version",
        "connect-timeout-ms",
        "x-api-key",
    ] {
        assert!(allowed.contains(&header), "{header}: {allowed:?}");
    }
    assert_eq!((served.status, failed.status), (200, 400));
    for response in [served, failed] {
        let head = response.head;
        assert!(
            head.contains("access-control-allow-origin: https://app.test"),
            "{head}"
        );
        assert!(head.contains("retry-after, x-request-id"), "{head}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_listed_calls_nothing_in_json() {
    let gateway = Gateway::with_config(LISTED).await;
    let host = gateway.addresses.grpc.to_string();
    let host = ("Host", host.as_str());

    for page in [
        &[host, ("Origin", "https://evil.test")][..],
        &[host, ("Origin", "null")],
        &[host, ("Sec-Fetch-Site", "cross-site")],
        &[("Host", "evil.test"), ("Origin", "http://evil.test")],
    ] {
        let rejected = json(gateway.addresses.grpc, page, b"{}").await;

        assert!(matches!(rejected.status, 403 | 421), "{page:?}");
        assert!(
            !rejected.head.contains("access-control"),
            "{}",
            rejected.head
        );
    }
}
