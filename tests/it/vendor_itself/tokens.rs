//! The token endpoint.

use super::*;

#[tokio::test]
async fn a_token_is_granted_in_all_three_styles_of_the_sdks() {
    let PlainClient { vendor, http, .. } = PlainClient::start().await;
    let url = format!("{}/oauth/2.0/token", vendor.url());
    let form =
        format!("grant_type=client_credentials&client_id={API_KEY}&client_secret={SECRET_KEY}");

    for request in [
        http.get(format!("{url}?{form}")),
        http.post(format!("{url}?{form}")),
        http.post(&url).body(form),
    ] {
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let grant: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(grant["expires_in"], 2_592_000);
        assert!(grant["access_token"].as_str().unwrap().starts_with("24."));
        assert!(grant["scope"].as_str().unwrap().contains("brain_all_scope"));
    }

    assert_eq!(vendor.token_requests(), 4);
    assert_eq!(vendor.token_arrivals().len(), 4);
}

#[tokio::test]
async fn wrong_keys_get_no_token() {
    let PlainClient { vendor, http, .. } = PlainClient::start().await;

    for (id, secret, why) in [
        ("other", SECRET_KEY, "unknown client id"),
        (API_KEY, "other", "Client authentication failed"),
    ] {
        let rejection = json!({ "error": "invalid_client", "error_description": why });
        assert_eq!(
            request_token(&http, &vendor, id, secret).await,
            (401, rejection)
        );
    }
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_rejected_without_a_log_id() {
    let mut client = PlainClient::start().await;
    let old = client.token.clone();
    client.token = grant(&client.http, &client.vendor).await;

    client.vendor.expire_tokens();
    let expired = client.search(&png(1), &[]).await;
    client.vendor.revoke_tokens();
    let revoked = client.search(&png(1), &[]).await;

    assert_ne!(old, client.token);
    assert_eq!(
        expired,
        json!({ "error_code": 111, "error_msg": "Access token expired" })
    );
    assert_eq!(revoked["error_code"], 110);
}

#[tokio::test]
async fn a_token_expires_after_its_ttl() {
    let mut client = PlainClient::start().await;
    tokio::time::pause();
    client.vendor.set_token_ttl(60);
    client.token = grant(&client.http, &client.vendor).await;

    tokio::time::advance(Duration::from_secs(55)).await;
    assert_eq!(client.search(&png(1), &[]).await["result_num"], 0);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(client.search(&png(1), &[]).await["error_code"], 111);
}
