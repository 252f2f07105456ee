//! No error contains a token, a key, an address or an image.

use std::error::Error as _;

use samegate::error::Error;

use super::*;

const API_KEY_CANARY: &str = "canary-api-key";
const SECRET_KEY_CANARY: &str = "canary-secret-key";

/// Everything that can be printed of an error.
fn shown(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("{cause}\n{cause:?}\n"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn no_error_shows_token_key_address_or_image() {
    let vendor = Vendor::start().await;
    let mut with_canaries = config(&vendor);
    with_canaries.timeout = Duration::from_millis(500);
    with_canaries.credentials = vec![Credential {
        api_key: API_KEY_CANARY.to_owned(),
        secret_key: SECRET_KEY_CANARY.to_owned().into(),
    }];
    let working = library(&vendor);
    add(&working, png(1), "a").await.unwrap();
    let token = vendor.calls()[0].token.clone();
    let quoting = format!(r#"{{"error_code":2,"error_msg":"bad {token}"}}"#);
    let mut printed = format!("{working:?}\n");

    for fault in [
        Fault::Reset,
        Fault::HalfBody,
        Fault::html(500),
        Fault::html(404),
        Fault::code(282_000),
        Fault::json("not json"),
        Fault::invalid_client(),
        Fault::json(&quoting),
        // Last: after it the library uses another token than the quoted one.
        Fault::code(110),
    ] {
        vendor.script(Operation::Add, fault.clone());
        vendor.script(Operation::Add, fault.clone());
        if let Err(error) = add(&working, png(1), "a").await {
            printed.push_str(&shown(&error));
        }
        vendor.behave(Operation::Add);

        let fresh = open(&with_canaries);
        vendor.script(Operation::Token, fault);
        let error = add(&fresh, png(1), "a").await.unwrap_err();
        printed.push_str(&shown(&error));
    }
    let port = vendor.url().rsplit(':').next().unwrap().to_owned();
    drop(vendor);
    let error = add(&working, png(1), "a").await.unwrap_err();
    printed.push_str(&shown(&error));

    for secret in [&token, "canary", "access_token=", "oauth", "same_hq/add"] {
        assert!(!printed.contains(secret), "`{secret}` in:\n{printed}");
    }
    // The error of a refused connection may contain the peer's socket address, but nothing of the
    // path.
    assert!(!printed.contains(&format!("{port}/")), "{printed}");
}
