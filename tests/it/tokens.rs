//! Signed tokens (JWT) of an issuer, as credentials of the gRPC API.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use samegate::proto::v1;
use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::gateway::Gateway;
use crate::support::issuer::{Issuer, LATE, NAME};
use crate::support::process::Process;

/// Starts a gateway that accepts tokens of this issuer for its tenant `local`.
async fn gateway(issuer: &Issuer, cooldown: &str) -> Gateway {
    Gateway::with_config(&issuer.config(cooldown)).await
}

async fn call(gateway: &Gateway, token: &str) -> Result<(), Status> {
    let mut request = Request::new(v1::GetLibraryRequest::default());
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let response = gateway.client().await.get_library(request).await;
    response.map(drop)
}

async fn rejected(gateway: &Gateway, token: &str) -> (Code, String) {
    let status = call(gateway, token).await.unwrap_err();
    let reason = status.get_details_error_info().unwrap().reason;
    (status.code(), reason)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = Issuer::claims("local");
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = Issuer::claims("local");
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn seconds_from_now(seconds: i64) -> Value {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    now.checked_add_signed(seconds).unwrap().into()
}

/// Makes a token from these parts.
fn assemble(header: &str, claims: &str, signature: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn the_first_token_of_a_rotated_key_is_accepted() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "24h").await;
    let claims = Issuer::claims("local");
    call(&gateway, &issuer.sign("one", &claims)).await.unwrap();

    issuer.rename_key("two");

    call(&gateway, &issuer.sign("two", &claims)).await.unwrap();
    // The same fetch removes the old key.
    let old = rejected(&gateway, &issuer.sign("one", &claims)).await;
    assert_eq!(old, (Code::Unauthenticated, "CREDENTIALS_INVALID".into()));
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn unknown_keys_cost_the_issuer_one_fetch_per_cooldown() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "24h").await;
    let good = issuer.sign("one", &Issuer::claims("local"));
    call(&gateway, &good).await.unwrap();

    let strange = (0..50).map(|number| {
        let token = issuer.sign(&format!("strange-{number}"), &Issuer::claims("local"));
        let gateway = &gateway;
        async move { rejected(gateway, &token).await }
    });
    let rejections = futures_util::future::join_all(strange).await;

    let rejection = (Code::Unauthenticated, "CREDENTIALS_INVALID".to_owned());
    assert!(
        rejections.iter().all(|each| *each == rejection),
        "{rejections:?}"
    );
    assert_eq!(issuer.fetches(), 2, "at start, and for all of them");
    call(&gateway, &good).await.unwrap();
}

#[tokio::test]
async fn a_forged_or_unfit_token_is_rejected() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "24h").await;
    let claims = Issuer::claims("local");
    let good = issuer.sign("one", &claims);
    call(&gateway, &good).await.unwrap();

    let by_public_key = {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("one".to_owned());
        encode(
            &header,
            &claims,
            &EncodingKey::from_secret(issuer.public_key()),
        )
        .unwrap()
    };
    let tampered = {
        let (head, rest) = good.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let others = URL_SAFE_NO_PAD.encode(Issuer::claims("other").to_string());
        format!("{head}.{others}.{signature}")
    };
    let nested = "[".repeat(5_000);
    let es256 = r#"{"alg":"ES256","kid":"one"}"#;
    let bad = [
        (
            "no algorithm",
            assemble(r#"{"alg":"none","kid":"one"}"#, &claims.to_string(), b""),
        ),
        ("the public key as a secret", by_public_key),
        ("other claims below the signature", tampered),
        ("no signature", assemble(es256, &claims.to_string(), b"")),
        ("a header nested too deep", assemble(&nested, "{}", b"s")),
        ("claims nested too deep", assemble(es256, &nested, b"s")),
        (
            "another audience",
            issuer.sign("one", &with("aud", json!("them"))),
        ),
        (
            "another issuer",
            issuer.sign("one", &with("iss", json!("https://evil.example"))),
        ),
        ("no audience", issuer.sign("one", &without("aud"))),
        ("no issuer", issuer.sign("one", &without("iss"))),
        ("no expiry", issuer.sign("one", &without("exp"))),
        (
            "not valid yet",
            issuer.sign("one", &with("nbf", seconds_from_now(120))),
        ),
    ];
    for (case, token) in bad {
        let rejection = rejected(&gateway, &token).await;
        let expected = (Code::Unauthenticated, "CREDENTIALS_INVALID".to_owned());
        assert_eq!(rejection, expected, "{case}");
    }
}

#[tokio::test]
async fn critical_extensions_and_a_list_of_issuers_are_rejected() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "24h").await;
    let claims = Issuer::claims("local");
    let plain = issuer.sign_with(r#"{"alg":"ES256","kid":"one"}"#, &claims);
    call(&gateway, &plain).await.unwrap();

    for (case, token) in [
        (
            "a list of issuers",
            issuer.sign("one", &with("iss", json!([NAME, "https://evil.example"]))),
        ),
        (
            "critical extensions",
            issuer.sign_with(r#"{"alg":"ES256","kid":"one","crit":["exp"]}"#, &claims),
        ),
        (
            "no critical extension",
            issuer.sign_with(r#"{"alg":"ES256","kid":"one","crit":[]}"#, &claims),
        ),
    ] {
        let rejection = rejected(&gateway, &token).await;
        let expected = (Code::Unauthenticated, "CREDENTIALS_INVALID".to_owned());
        assert_eq!(rejection, expected, "{case}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_up_to_a_minute() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "24h").await;
    let until = |seconds| issuer.sign("one", &with("exp", seconds_from_now(seconds)));
    let from = |seconds| issuer.sign("one", &with("nbf", seconds_from_now(seconds)));

    call(&gateway, &until(-30)).await.unwrap();
    call(&gateway, &from(30)).await.unwrap();
    let late = rejected(&gateway, &until(-62)).await;
    assert_eq!(late, (Code::Unauthenticated, "CREDENTIALS_EXPIRED".into()));
}

#[tokio::test]
async fn a_token_of_an_unknown_tenant_is_denied() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "24h").await;

    for claims in [
        Issuer::claims("absent"),
        with("tenant", json!(7)),
        without("tenant"),
    ] {
        let rejection = rejected(&gateway, &issuer.sign("one", &claims)).await;
        assert_eq!(
            rejection,
            (Code::PermissionDenied, "IDENTITY_UNKNOWN".into())
        );
    }
}

#[tokio::test]
async fn proxy_variables_of_the_environment_do_not_apply_to_the_issuer() {
    let issuer = Issuer::start().await;
    // Nothing listens on port 1.
    let variables = [("http_proxy", "http://127.0.0.1:1")];
    let gateway = Process::start_with(&issuer.config("24h"), &variables).await;
    let token = issuer.sign("one", &Issuer::claims("local"));
    let mut request = Request::new(v1::GetLibraryRequest::default());
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);

    let response = gateway.client().await.get_library(request).await;

    response.unwrap();
}

#[tokio::test]
async fn an_unavailable_issuer_is_not_reported_as_an_error_of_the_caller() {
    let issuer = Issuer::start().await;
    issuer.set_down(true);
    let gateway = gateway(&issuer, "1s").await;
    let token = issuer.sign(
        "one",
        &json!({
            "iss": NAME, "aud": ["them", "us"], "exp": LATE, "tenant": "local",
        }),
    );

    let rejection = rejected(&gateway, &token).await;
    assert_eq!(rejection, (Code::Unavailable, "ISSUER_UNAVAILABLE".into()));

    issuer.set_down(false);
    crate::support::probe::until("the keys are there", async || {
        call(&gateway, &token).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_hangs_delays_a_call_by_a_bounded_wait() {
    let issuer = Issuer::start().await;
    issuer.set_hanging(true);
    let config = issuer.config("1s");
    let config = config.replace("jwks_cooldown", "jwks_timeout = \"50ms\", jwks_cooldown");
    let gateway = Gateway::with_config(&config).await;
    let token = issuer.sign("one", &Issuer::claims("local"));

    let status = call(&gateway, &token).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "ISSUER_UNAVAILABLE");
    assert!(details.retry_info().unwrap().retry_delay.is_some());
}
