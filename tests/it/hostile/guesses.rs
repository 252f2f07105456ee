//! Clients that guess secret keys at the token endpoint.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::support::gateway::Gateway;
use crate::support::probe::until_metric;

/// A tenant whose key pair is known, and a low limit.
const CONFIG: &str = r#"
[auth]
max_token_failures_per_minute = 3
[tenants.ann]
libraries = ["default"]
rest_keys = [{ api_key = "ann-key", secret_key = "ann-secret" }]
"#;

/// Asks for a token from a loopback address; returns the response.
async fn ask(rest: SocketAddr, host: u8, key: &str, secret: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    let address = IpAddr::from([127, 0, 0, host]);
    socket.bind((address, 0).into()).unwrap();
    let mut stream = socket.connect(rest).await.unwrap();
    let request = format!(
        "GET /oauth/2.0/token?grant_type=client_credentials&client_id={key}&client_secret={secret} \
         HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn status(rest: SocketAddr, host: u8, key: &str, secret: &str) -> u16 {
    let response = ask(rest, host, key, secret).await;
    response[9..12].parse().unwrap()
}

#[tokio::test]
async fn guesses_of_a_secret_are_limited_and_lock_no_one_else_out() {
    let gateway = Gateway::with_config(CONFIG).await;
    let rest = gateway.addresses.rest;
    for guess in 0..3 {
        let guess = format!("guess-{guess}");
        assert_eq!(status(rest, 2, "ann-key", &guess).await, 401);
    }

    let limited = ask(rest, 2, "ann-key", "ann-secret").await;

    assert!(limited.starts_with("HTTP/1.1 429"), "{limited}");
    assert!(limited.contains("retry-after: "), "{limited}");
    let body =
        r#"{"error":"temporarily_unavailable","error_description":"Too many failed attempts"}"#;
    assert!(limited.ends_with(body), "{limited}");
    assert_eq!(status(rest, 3, "ann-key", "ann-secret").await, 200);
    for (reason, count) in [("wrong_secret", 3.0), ("rate_limited", 1.0)] {
        let rejections = format!("samegate_token_rejections_total{{reason=\"{reason}\"}}");
        until_metric(gateway.addresses.admin, &rejections, count).await;
    }
}

#[tokio::test]
async fn guesses_from_many_addresses_do_not_lock_out_the_owner_of_the_key() {
    let gateway = Gateway::with_config(CONFIG).await;
    let rest = gateway.addresses.rest;
    for host in 10..20 {
        for _ in 0..3 {
            assert_eq!(status(rest, host, "ann-key", "guess").await, 401);
        }
    }

    // The limit of the key is reached: a new address has one guess.
    assert_eq!(status(rest, 20, "ann-key", "guess").await, 401);
    assert_eq!(status(rest, 20, "ann-key", "guess").await, 429);
    for _ in 0..5 {
        assert_eq!(status(rest, 21, "ann-key", "ann-secret").await, 200);
    }
}

#[tokio::test]
async fn a_reload_keeps_the_count_of_failures() {
    let mut gateway = Gateway::with_config(CONFIG).await;
    let rest = gateway.addresses.rest;
    for _ in 0..3 {
        assert_eq!(status(rest, 2, "ann-key", "guess").await, 401);
    }

    gateway.reload(CONFIG);

    assert_eq!(status(rest, 2, "ann-key", "ann-secret").await, 429);
}

#[tokio::test]
async fn unknown_keys_are_guessed_a_limited_number_of_times() {
    let gateway = Gateway::with_config(CONFIG).await;
    let rest = gateway.addresses.rest;

    for number in 0..30 {
        let key = format!("unknown-{number}");
        assert_eq!(status(rest, 2, &key, "x").await, 401);
    }

    assert_eq!(status(rest, 2, "unknown", "x").await, 429);
}
