//! The token endpoint, and calls without a valid token.

use serde_json::json;

use super::{CALLS, FORM, JSON, NONE, RestApi, assert_same_shape, error};

#[tokio::test]
async fn all_three_kinds_of_token_requests_are_accepted_with_any_content_type() {
    let api = RestApi::start().await;
    let keys = "grant_type=client_credentials&client_id=ann-key&client_secret=s%2Bt";
    let query = format!("/oauth/2.0/token?{keys}");
    let path = "/oauth/2.0/token";

    for (method, target, header, body) in [
        ("GET", query.as_str(), NONE, ""),
        ("POST", &query, NONE, ""),
        ("POST", &query, JSON, ""),
        ("POST", &query, FORM, ""),
        ("POST", path, NONE, keys),
        ("POST", path, FORM, keys),
        ("POST", path, "Content-Type: text/plain\r\n", keys),
    ] {
        let response = api.send(method, target, header, body.as_bytes()).await;

        assert_eq!(response.status, 200, "{method} {target} {header}");
        assert_same_shape(&response.json, "token.json");
        assert_eq!(response.json["expires_in"], 2_592_000);
        let scope = response.json["scope"].as_str().unwrap();
        assert!(scope.split(' ').any(|word| word == "brain_all_scope"));
        assert!(response.head.contains("cache-control: no-store"));
    }
}

#[tokio::test]
async fn wrong_keys_are_rejected_with_an_oauth_error() {
    let api = RestApi::start().await;

    for (keys, description) in [
        ("client_id=unknown&client_secret=x", "unknown client id"),
        (
            "client_id=ann-key&client_secret=x",
            "Client authentication failed",
        ),
        ("client_id=ann-key", "Client authentication failed"),
        ("x=y", "unknown client id"),
    ] {
        let target = format!("/oauth/2.0/token?grant_type=client_credentials&{keys}");
        let response = api.send("GET", &target, NONE, b"").await;

        assert_eq!(response.status, 401);
        assert_same_shape(&response.json, "token_rejected.json");
        assert_eq!(response.json["error"], "invalid_client");
        assert_eq!(response.json["error_description"], description);
    }
}

#[tokio::test]
async fn other_grant_types_are_unsupported() {
    let api = RestApi::start().await;

    for query in [
        "",
        "?grant_type=refresh_token&refresh_token=25.x",
        "?grant_type",
    ] {
        let target = format!("/oauth/2.0/token{query}");
        let response = api.send("POST", &target, FORM, b"").await;

        assert_eq!(response.status, 400);
        assert_eq!(response.json["error"], "unsupported_grant_type");
    }
    let too_long = vec![b'x'; 16 * 1024 + 1];
    let response = api.send("POST", "/oauth/2.0/token", FORM, &too_long).await;
    assert_eq!(
        (response.status, &response.json["error"]),
        (400, &json!("invalid_request"))
    );
}

#[tokio::test]
async fn a_call_without_a_valid_token_has_the_error_of_the_platform() {
    let api = RestApi::start().await;
    let foreign = format!("24.{}.2592000.9999999999.282335-1", "0".repeat(32));

    for (query, header, error) in [
        (String::new(), FORM, error(100, "Invalid parameter")),
        (
            "?access_token=".to_owned(),
            FORM,
            error(100, "Invalid parameter"),
        ),
        (
            format!("?access_token={foreign}"),
            FORM,
            error(110, "Access token invalid or no longer valid"),
        ),
        (
            "?aipSdk=python".to_owned(),
            "Authorization: bce-auth-v1/ann-key/2026-01-01T00:00:00Z/1800/host/0\r\n",
            error(14, "IAM Certification failed"),
        ),
    ] {
        let target = format!("{CALLS}/search{query}");
        let response = api
            .send("POST", &target, header, b"url=http://e.org/a")
            .await;

        assert_eq!((response.status, response.json), (200, error), "{query}");
    }
}
