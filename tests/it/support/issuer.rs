//! A token issuer: signs JWTs for callers and publishes its keys as a JWKS.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// `iss` of valid tokens.
pub const NAME: &str = "https://id.example.org";
/// An expiry in the year 2100, as Unix time.
pub const LATE: u64 = 4_102_444_800;

/// An issuer with one key, which it publishes under names (`kid`) that the test chooses.
pub struct Issuer {
    key: KeyPair,
    url: String,
    state: Arc<Published>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Published {
    kids: Mutex<Vec<String>>,
    fetches: Mutex<usize>,
    down: Mutex<bool>,
    hangs: Mutex<bool>,
}

impl Issuer {
    /// Starts an issuer that publishes its key as `one`.
    pub async fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let state = Arc::new(Published::default());
        state.kids.lock().unwrap().push("one".to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        // An uncompressed point: 4, x, y.
        let (x, y) = key.public_key_raw()[1..].split_at(32);
        let [x, y] = [x, y].map(|side| URL_SAFE_NO_PAD.encode(side));
        let keys = move |State(state): State<Arc<Published>>| async move {
            *state.fetches.lock().unwrap() += 1;
            if *state.down.lock().unwrap() {
                return Err(StatusCode::INTERNAL_SERVER_ERROR);
            }
            if *state.hangs.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            let kids = state.kids.lock().unwrap().clone();
            let keys = kids.into_iter().map(|kid| {
                json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
                        "x": x, "y": y })
            });
            Ok(json!({ "keys": keys.collect::<Vec<_>>() }).to_string())
        };
        let router = Router::new()
            .route("/jwks.json", get(keys))
            .with_state(state.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Issuer {
            key,
            url,
            state,
            serving,
        }
    }

    /// Returns the configuration that accepts its tokens; unknown keys trigger one fetch per
    /// cool-down.
    pub fn config(&self, cooldown: &str) -> String {
        let url = &self.url;
        format!(
            "[auth]\njwt = {{ issuer = \"{NAME}\", audience = [\"us\"], jwks_url = \"{url}\", \
             jwks_cooldown = \"{cooldown}\" }}\n"
        )
    }

    /// Publishes the key under another name only, as a rotation does.
    pub fn rename_key(&self, kid: &str) {
        *self.state.kids.lock().unwrap() = vec![kid.to_owned()];
    }

    /// Starts or stops to fail every request.
    pub fn set_down(&self, down: bool) {
        *self.state.down.lock().unwrap() = down;
    }

    /// Starts or stops to accept requests without a response.
    pub fn set_hanging(&self, hangs: bool) {
        *self.state.hangs.lock().unwrap() = hangs;
    }

    /// Returns how often the keys were fetched.
    pub fn fetches(&self) -> usize {
        *self.state.fetches.lock().unwrap()
    }

    /// Returns the public key, as any client of the JWKS has it.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key_raw()
    }

    /// Returns claims of a valid token of this tenant.
    pub fn claims(tenant: &str) -> Value {
        json!({ "iss": NAME, "aud": "us", "exp": LATE, "tenant": tenant })
    }

    /// Signs a token with these claims.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        let key = EncodingKey::from_ec_der(self.key.serialized_der());
        encode(&header, claims, &key).unwrap()
    }

    /// Signs a token with exactly this header.
    pub fn sign_with(&self, header: &str, claims: &Value) -> String {
        let [header, claims] =
            [header, &claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
        let message = format!("{header}.{claims}");
        let key = EncodingKey::from_ec_der(self.key.serialized_der());
        let signature = sign(message.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
