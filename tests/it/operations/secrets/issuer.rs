//! Somebody who signs tokens for callers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::json;

use crate::support::canary::secret;

const NAME: &str = "https://id.example.org";
/// In 2100.
const LATE: u64 = 4_102_444_800;

/// An issuer whose public key lies in a file.
pub(super) struct Issuer {
    key: KeyPair,
    folder: tempfile::TempDir,
}

impl Issuer {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        // An uncompressed point: 4, x, y.
        let (x, y) = key.public_key_raw()[1..].split_at(32);
        let [x, y] = [x, y].map(|side| URL_SAFE_NO_PAD.encode(side));
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one",
            "x": x, "y": y,
        });
        let keys = json!({ "keys": [jwk] }).to_string();
        std::fs::write(folder.path().join("jwks.json"), keys).unwrap();
        Issuer { key, folder }
    }

    /// The table of the configuration that takes its tokens.
    pub(super) fn config(&self) -> String {
        let file = self.folder.path().join("jwks.json");
        format!(
            "[auth]\njwt = {{ issuer = \"{NAME}\", audience = [\"us\"], jwks_file = {file:?} }}\n"
        )
    }

    /// A token that is good.
    pub(super) fn good(&self) -> String {
        self.sign("one", LATE)
    }

    /// Tokens that are not: past, and of an unknown key.
    pub(super) fn bad(&self) -> [String; 2] {
        [self.sign("one", 1), self.sign("two", LATE)]
    }

    fn sign(&self, kid: &str, exp: u64) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        let claims = json!({
            "iss": NAME, "aud": "us", "exp": exp, "tenant": "local",
            "sub": secret("subject"),
        });
        let key = EncodingKey::from_ec_der(self.key.serialized_der());
        encode(&header, &claims, &key).unwrap()
    }
}
