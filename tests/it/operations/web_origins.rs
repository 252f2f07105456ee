//! Web pages in a browser on this machine: what they may and may not send to the three ports.
//!
//! Requests are written byte by byte, as browsers write them; `make browser` runs a browser.

mod json;

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use samegate::proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::get_library;
use super::grpc_web::frame;
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::{get, metric};
use crate::support::process::Process;

const APP: &str = "https://app.test";
const LISTED: &str = "[listen]\ncors_origins = [\"https://app.test\"]\n";
const GET_LIBRARY: &str = "/samegate.v1.SameImageService/GetLibrary";
const ADD: &str = "/rest/2.0/realtime_search/same_hq/add";

struct Response {
    status: u16,
    /// In lower case.
    head: String,
    body: Vec<u8>,
}

/// Sends a request of HTTP/1.1 with exactly these headers, and its length.
async fn send(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let end = response
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    Response {
        status: head[9..12].parse().unwrap(),
        head: head.to_lowercase(),
        body: response[end + 4..].to_vec(),
    }
}

fn ports(gateway: &Gateway) -> [(SocketAddr, &'static str); 3] {
    let addresses = gateway.addresses;
    [
        (addresses.grpc, GET_LIBRARY),
        (addresses.rest, ADD),
        (addresses.admin, "/state"),
    ]
}

/// Sends the gRPC-Web request of a page.
async fn grpc_web(address: SocketAddr, headers: &[(&str, &str)]) -> Response {
    let body = frame(&v1::GetLibraryRequest::default());
    let kind = ("Content-Type", "application/grpc-web+proto");
    let headers = [&[kind, ("X-Grpc-Web", "1")], headers].concat();
    send(address, &format!("POST {GET_LIBRARY}"), &headers, &body).await
}

/// Adds an image over the REST API with a valid token.
async fn add(gateway: &Gateway, headers: &[(&str, &str)]) -> Response {
    let token = gateway.rest_token().await;
    let image = STANDARD.encode(png(1));
    let mut form = form_urlencoded::Serializer::new(String::new());
    let form = form
        .append_pair("image", &image)
        .append_pair("brief", "page");
    let form = form.finish();
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let headers = [&[kind], headers].concat();
    let line = format!("POST {ADD}?access_token={token}");
    send(gateway.addresses.rest, &line, &headers, form.as_bytes()).await
}

async fn images(gateway: &Gateway) -> u64 {
    let request = v1::GetLibraryRequest::default();
    let library = gateway.client().await.get_library(request).await;
    library.unwrap().into_inner().image_count
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing_even_with_a_valid_token() {
    let gateway = Gateway::start().await;
    let host = gateway.addresses.rest.to_string();
    let host = ("Host", host.as_str());

    for page in [
        &[
            host,
            ("Origin", "https://evil.test"),
            ("Sec-Fetch-Site", "cross-site"),
        ][..],
        &[
            host,
            ("Origin", "http://127.0.0.1:3000"),
            ("Sec-Fetch-Site", "same-site"),
        ],
        &[host, ("Origin", "https://evil.test")],
        // A sandboxed frame.
        &[host, ("Origin", "null")],
        &[host, ("Sec-Fetch-Site", "cross-site")],
    ] {
        let rejected = add(&gateway, page).await;

        assert_eq!(rejected.status, 403, "{page:?}");
        assert!(
            rejected.head.contains("content-type: text/plain"),
            "{}",
            rejected.head
        );
        assert!(
            !rejected.head.contains("access-control"),
            "{}",
            rejected.head
        );
    }
    assert_eq!(images(&gateway).await, 0);

    // The same form without a foreign page is valid.
    assert_eq!(add(&gateway, &[host]).await.status, 200);
    assert_eq!(images(&gateway).await, 1);
}

#[tokio::test]
async fn a_page_whose_own_name_leads_here_reaches_none_of_the_ports() {
    let gateway = Gateway::start().await;

    for (address, path) in ports(&gateway) {
        let host = format!("evil.test:{}", address.port());
        let origin = format!("http://{host}");
        // The browser takes it for a page of the same origin.
        let page = [
            ("Host", host.as_str()),
            ("Origin", &origin),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        for line in [
            format!("GET {path}"),
            format!("POST {path}"),
            "PUT /log-level".to_owned(),
        ] {
            let rejected = send(address, &line, &page, b"off").await;

            assert_eq!(rejected.status, 421, "{line}");
            let text = String::from_utf8(rejected.body).unwrap();
            assert!(text.contains("listen.hosts"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_rejected() {
    let gateway = Gateway::start().await;

    for (address, path) in ports(&gateway) {
        for headers in [&[][..], &[("Host", "localhost"), ("Host", "localhost")]] {
            let rejected = send(address, &format!("GET {path}"), headers, b"").await;

            assert_eq!(rejected.status, 400, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_asks_first_and_then_calls_over_grpc_web() {
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
        (
            "Access-Control-Request-Headers",
            "content-type,x-grpc-web,x-api-key",
        ),
    ];

    let preflight = send(
        address,
        &format!("OPTIONS {GET_LIBRARY}"),
        &[&page[..], &asked].concat(),
        b"",
    )
    .await;
    let response = grpc_web(address, &page).await;

    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    for line in [
        "access-control-allow-origin: https://app.test",
        "access-control-allow-methods: post, get",
        "access-control-max-age: 7200",
        "vary: origin",
    ] {
        assert!(preflight.head.contains(line), "{line}: {}", preflight.head);
    }
    let allowed = preflight
        .head
        .lines()
        .find_map(|line| line.strip_prefix("access-control-allow-headers: "));
    let allowed: Vec<&str> = allowed.unwrap().split(", ").collect();
    for header in [
        "content-type",
        "x-grpc-web",
        "x-user-agent",
        "grpc-timeout",
        "x-api-key",
    ] {
        assert!(allowed.contains(&header), "{header}: {allowed:?}");
    }
    assert_eq!(response.status, 200);
    for line in [
        "access-control-allow-origin: https://app.test",
        "access-control-expose-headers: grpc-status, grpc-message, grpc-status-details-bin",
        "vary: origin",
    ] {
        assert!(response.head.contains(line), "{line}: {}", response.head);
    }
    let text = String::from_utf8_lossy(&response.body);
    assert!(text.contains("grpc-status:0"), "{text}");
    assert!(!response.head.contains("allow-credentials"));
}

#[tokio::test]
async fn the_preflight_of_an_origin_that_is_not_listed_is_rejected() {
    let gateway = Gateway::with_config(LISTED).await;

    for (address, path) in ports(&gateway) {
        let host = address.to_string();
        for origin in [
            "https://evil.test",
            "http://app.test",
            "https://app.test:8443",
        ] {
            let asked = [
                ("Host", host.as_str()),
                ("Origin", origin),
                ("Access-Control-Request-Method", "POST"),
            ];
            let rejected = send(address, &format!("OPTIONS {path}"), &asked, b"").await;

            assert_eq!(rejected.status, 403, "{origin} {path}");
            assert!(
                !rejected.head.contains("access-control"),
                "{}",
                rejected.head
            );
        }
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_reads_the_rest_api_and_its_errors() {
    let gateway = Gateway::with_config(LISTED).await;
    let host = gateway.addresses.rest.to_string();
    let page = [
        ("Host", host.as_str()),
        ("Origin", APP),
        ("Sec-Fetch-Site", "cross-site"),
    ];

    let added = add(&gateway, &page).await;
    let rejected = send(gateway.addresses.rest, &format!("POST {ADD}"), &page, b"").await;

    let allowed = "access-control-allow-origin: https://app.test";
    assert!(added.head.contains(allowed), "{}", added.head);
    assert!(rejected.head.contains(allowed), "{}", rejected.head);
    assert_eq!(images(&gateway).await, 1);
}

#[tokio::test]
async fn a_page_that_the_gateways_own_host_serves_may_call_it() {
    let gateway = Gateway::with_config("[listen]\nhosts = [\"gateway.test\"]\n").await;
    let address = gateway.addresses.grpc;
    let port = address.port();

    for (host, origin) in [
        (
            format!("localhost:{port}"),
            format!("http://localhost:{port}"),
        ),
        (address.to_string(), format!("http://{address}")),
        // Behind a proxy that ends TLS.
        ("gateway.test".to_owned(), "https://gateway.test".to_owned()),
    ] {
        let page = [
            ("Host", host.as_str()),
            ("Origin", &origin),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        let response = grpc_web(address, &page).await;

        assert_eq!(response.status, 200, "{host}");
        let text = String::from_utf8_lossy(&response.body);
        assert!(text.contains("grpc-status:0"), "{text}");
        assert!(
            !response.head.contains("access-control"),
            "{}",
            response.head
        );
    }
}

#[tokio::test]
async fn clients_that_are_no_browsers_call_by_address_and_by_name() {
    let gateway = Gateway::start().await;
    let port = gateway.addresses.grpc.port();

    get_library(gateway.client().await).await.unwrap();
    let named = tonic::transport::Endpoint::from_shared(format!("http://localhost:{port}"));
    let channel = named.unwrap().connect().await;
    // `localhost` may be ::1 first; the gateway listens on 127.0.0.1 only.
    if let Ok(channel) = channel {
        let client = v1::same_image_service_client::SameImageServiceClient::new(channel);
        get_library(client).await.unwrap();
    }
    assert_eq!(get(gateway.addresses.admin, "/livez").await.0, 200);
}

#[tokio::test]
async fn a_grpc_client_that_names_a_foreign_host_is_rejected_until_it_is_configured() {
    let mut gateway = Gateway::start().await;
    let address = gateway.addresses.grpc;
    let call = async || {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
        let origin = "http://gateway.test".parse().unwrap();
        let channel = endpoint.unwrap().origin(origin).connect().await.unwrap();
        let client = v1::same_image_service_client::SameImageServiceClient::new(channel);
        get_library(client).await
    };

    let rejected = call().await.unwrap_err();
    gateway.reload("[listen]\nhosts = [\"gateway.test\"]\n");
    let served = call().await;

    assert!(rejected.message().contains("421"), "{rejected:?}");
    served.unwrap();
    let host = [("Host", "gateway.test")];
    let state = send(gateway.addresses.admin, "GET /state", &host, b"").await;
    assert_eq!(state.status, 200);
}

#[tokio::test]
async fn a_page_of_another_site_can_neither_read_the_state_nor_set_the_log_level() {
    let gateway = Gateway::with_config(LISTED).await;
    let admin = gateway.addresses.admin;
    let host = admin.to_string();
    let page = [("Host", host.as_str()), ("Origin", "https://evil.test")];

    for line in ["GET /state", "PUT /log-level", "GET /metrics"] {
        assert_eq!(send(admin, line, &page, b"off").await.status, 403, "{line}");
    }
    // A listed page may read it; browsers ask before a PUT, and the response allows none.
    let page = [("Host", host.as_str()), ("Origin", APP)];
    assert_eq!(send(admin, "GET /state", &page, b"").await.status, 200);
    let asked = [&page[..], &[("Access-Control-Request-Method", "PUT")]].concat();
    let preflight = send(admin, "OPTIONS /log-level", &asked, b"").await;
    let allowed = "access-control-allow-methods: get\r\n";
    assert!(preflight.head.contains(allowed), "{}", preflight.head);
    // A POST without a preflight changes nothing either.
    let reset = send(admin, "POST /credentials/reset", &page, b"").await;
    assert_eq!(reset.status, 403);
}

#[tokio::test]
async fn rejected_requests_are_counted_and_logged_by_reason() {
    let process = Process::start("[telemetry]\nlog_format = \"json\"\n").await;
    let process = process.ready().await;
    let host = process.rest.to_string();
    let host = ("Host", host.as_str());

    for (address, headers) in [
        (process.rest, &[("Host", "user:canary@localhost")][..]),
        (process.admin, &[("Host", "evil.test")]),
        (process.rest, &[host, ("Origin", "https://evil.test")]),
        (process.rest, &[host, ("Sec-Fetch-Site", "cross-site")]),
        (process.grpc, &[host, ("Content-Type", "text/plain")]),
    ] {
        send(address, "POST /some/path?access_token=canary", headers, b"").await;
    }

    let expected = [
        ("rest", "invalid_host", 400),
        ("admin", "foreign_host", 421),
        ("rest", "foreign_origin", 403),
        ("rest", "cross_site", 403),
        ("grpc", "content_type", 415),
    ];
    for (listener, reason, _) in expected {
        let labels = format!("{{listener=\"{listener}\",reason=\"{reason}\"}}");
        let name = format!("samegate_web_rejections_total{labels}");
        assert_eq!(metric(process.admin, &name).await, Some(1.0), "{name}");
    }
    let log = process.end().await.err;
    assert!(!log.contains("canary"), "{log}");
    let lines = log.lines().map(serde_json::from_str);
    let lines: Vec<serde_json::Value> = lines.map(Result::unwrap).collect();
    let rejected =
        |line: &&serde_json::Value| line["message"] == "request rejected before its call";
    let rejected: Vec<_> = lines.iter().filter(rejected).collect();
    assert_eq!(rejected.len(), expected.len(), "{rejected:#?}");
    for (line, (listener, reason, status)) in rejected.iter().zip(expected) {
        assert_eq!(line["listener"], listener, "{line}");
        assert_eq!(line["reason"], reason, "{line}");
        assert_eq!(line["http_status"], status, "{line}");
        assert_eq!(line["path"], "/some/path", "{line}");
    }
    assert_eq!(rejected[1]["host"], "evil.test");
    assert_eq!(rejected[2]["origin"], "https://evil.test");
}
