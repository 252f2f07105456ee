//! Sends any text as a JWT: only what the issuer has signed is accepted.

#![no_main]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use samegate::config::{Auth, JwksSource, Jwt, Tenant, TenantQuota};
use samegate::middleware::{Credentials, tenants};
use samegate_fuzz::block_on;

// Signed once, until 2100, with a private key that was deleted.
const PUBLIC_KEY: &str = "HO1Zd6pljOrpo8wtAbmJ9XF8nCP-49hl9zVus4oTS-Y";
const SIGNED: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.\
                      eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoic2FtZWdhdGUiLCJleHAiOjQxMDI0NDQ4MDAsInRlbmFudCI6InNob3AifQ";
const SIGNATURE: &str = "VetGSofipV4e6WegodWTrMKWLguADjiVVsJ9YMI8k6O\
                         aIaqycvI-Qn0Ml9xGpp773YcF5jLh9aJZoGDRQUlcDg";

static CREDENTIALS: LazyLock<Credentials> = LazyLock::new(|| block_on(credentials()));

fuzz_target!(|token: &[u8]| {
    let Ok(value) = http::HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
        return;
    };
    let request = http::Request::builder().header("authorization", value);
    let (head, ()) = request.body(()).expect("a header value is valid").into_parts();
    let tenant = block_on(CREDENTIALS.identify(&head));
    assert!(tenant.is_err() || token.starts_with(SIGNED.as_bytes()));
});

/// Credentials of one issuer with one key; the genuine token must be valid, or the target tests
/// nothing.
async fn credentials() -> Credentials {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let keys = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"k","x":"{PUBLIC_KEY}"}}]}}"#
    );
    file.write_all(keys.as_bytes()).expect("a writable file");
    let auth = Auth {
        anonymous: false,
        jwt: Some(Jwt {
            issuer: "https://issuer.test".into(),
            audience: vec!["samegate".into()],
            jwks: JwksSource::File(file.path().into()),
            tenant_claim: "tenant".into(),
            jwks_cooldown: Duration::from_hours(24),
            jwks_timeout: Duration::from_secs(5),
        }),
        max_token_failures_per_minute: 60,
    };
    let shop = Tenant {
        libraries: vec!["default".into()],
        api_keys: Vec::new(),
        read_keys: Vec::new(),
        rest_keys: Vec::new(),
        weight: 1,
        identities: Vec::new(),
        quota: TenantQuota::default(),
    };
    let configured = BTreeMap::from([("shop".to_owned(), shop)]);
    let credentials = Credentials::new(&auth, &configured, &tenants(&configured)).expect("TLS");
    let genuine = http::Request::builder()
        .header("authorization", format!("Bearer {SIGNED}.{SIGNATURE}"))
        .body(())
        .expect("a header value is valid");
    let tenant = credentials.identify(&genuine.into_parts().0).await;
    assert_eq!(tenant.expect("the genuine token is valid").name, "shop");
    credentials
}
