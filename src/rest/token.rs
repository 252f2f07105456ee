//! Access tokens without state: every replica accepts the tokens of all others.
//!
//! A token looks like the vendor's. It contains its expiry, the id of the application (a digest of
//! the API key), and a MAC over both under the secret of the key pair. So a token needs no store,
//! and removing a key pair revokes its tokens. Two pairs with the same API key and different
//! secrets can be valid at the same time: this is how a secret is replaced without an interruption.
//!
//! Issuing and checking know no HTTP and get the time as an argument; only [`Keys::authenticate`]
//! and [`Keys::are_in`] read a request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::header;
use http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::form::Fields;
use crate::call::Tenant;
use crate::error::{Error, Kind, Result};
use crate::wire::{NoErrorCode, TokenGrant, TokenRejection};

/// Time to live of an access token in seconds: 30 days (vendor's).
const ACCESS_TTL_S: u64 = 2_592_000;
/// Time to live in a refresh token in seconds (vendor's); refresh tokens are never accepted.
const REFRESH_TTL_S: u64 = 315_360_000;
/// Number before the application id in a token (vendor's).
const PLATFORM: &str = "282335";
/// Length of the MAC in a token: 32 hex digits, as in the vendor's tokens. RFC 2104 section 5
/// requires 128 bits or more of a truncated HMAC-SHA256.
const MAC_BYTES: usize = 16;
/// Scope of every token; SDKs stop using tokens without this word.
const SCOPE: &str = "public brain_all_scope";

/// Field of the violation when a call has a signature instead of a token.
pub(super) const SIGNATURE: &str = "authorization";
/// Start of the `authorization` header of such a call (the vendor's BCE signature, version 1).
const SIGNATURE_SCHEME: &[u8] = b"bce-auth-v1/";

/// A pair of API key and secret key, and the tenant that it identifies.
#[derive(Clone)]
pub struct KeyPair {
    api_key: String,
    secret_key: SecretString,
    tenant: Arc<Tenant>,
}

/// Every key pair that the REST API accepts, by application id.
#[derive(Clone, Default)]
pub struct Keys(Arc<BTreeMap<u64, Vec<KeyPair>>>);

// === impl Keys ===

impl Keys {
    /// Collects key pairs; several can have the same API key.
    pub fn new(pairs: impl IntoIterator<Item = KeyPair>) -> Self {
        let mut keys = BTreeMap::<u64, Vec<KeyPair>>::new();
        for pair in pairs {
            keys.entry(app_id(&pair.api_key)).or_default().push(pair);
        }
        Keys(Arc::new(keys))
    }

    /// Grants a token that is valid for 30 days.
    ///
    /// # Errors
    ///
    /// The OAuth error `invalid_client` for an unknown API key, and for a secret that does not
    /// belong to the key; the descriptions are the vendor's.
    pub fn issue(
        &self,
        api_key: &str,
        secret_key: &str,
        now: SystemTime,
    ) -> Result<TokenGrant, TokenRejection> {
        let app_id = app_id(api_key);
        let pairs: Vec<_> = self
            .pairs(app_id)
            .iter()
            .filter(|pair| pair.api_key == api_key)
            .collect();
        if pairs.is_empty() {
            return Err(rejection("unknown client id"));
        }
        match pairs.iter().find(|pair| pair.has_secret(secret_key)) {
            Some(pair) => Ok(pair.grant(app_id, unix_seconds(now))),
            None => Err(rejection("Client authentication failed")),
        }
    }

    /// Returns the id of the application of an API key; `None` for an unknown key.
    pub(super) fn app_id(&self, api_key: &str) -> Option<u64> {
        let app_id = app_id(api_key);
        let mut pairs = self.pairs(app_id).iter();
        pairs.any(|pair| pair.api_key == api_key).then_some(app_id)
    }

    /// Returns whether a request has an access token, or a signature instead.
    pub fn are_in(head: &Parts) -> bool {
        access_token(head).is_some() || is_signed(head)
    }

    /// Finds the tenant by the `access_token` in a request's query.
    ///
    /// # Errors
    ///
    /// Those of [`Keys::tenant`]; a signature without a token is `CredentialsMissing`.
    pub fn authenticate(&self, head: &Parts) -> Result<Arc<Tenant>> {
        let mut token = access_token(head).unwrap_or_default();
        // The Node SDK appends its own query to a URL that has one (`TOKEN?aipSdk=node`).
        token.truncate(token.find('?').unwrap_or(token.len()));
        if token.is_empty() && is_signed(head) {
            let message = "signatures are not supported; request a token with valid keys";
            return Err(Error::violation(
                SIGNATURE,
                Kind::CredentialsMissing,
                message,
            ));
        }
        self.tenant(&token, SystemTime::now())
    }

    /// Finds the tenant to which a token was granted.
    ///
    /// # Errors
    ///
    /// `CredentialsMissing` for an empty token, `CredentialsExpired` for a token that was granted
    /// here more than 30 days ago, else `CredentialsInvalid`.
    pub fn tenant(&self, token: &str, now: SystemTime) -> Result<Arc<Tenant>> {
        if token.is_empty() {
            let message = "`access_token` is required in the query";
            return Err(Error::new(Kind::CredentialsMissing, message));
        }
        let invalid = || Error::new(Kind::CredentialsInvalid, "the access token is not valid");
        let (expiry, app_id) = claims(token).ok_or_else(invalid)?;
        // The expected token is written and compared as a whole, so that each token has exactly one
        // valid spelling: no leading zero, no sign, no upper case.
        let is_of = |pair: &&KeyPair| {
            let expected = pair.token("24", ACCESS_TTL_S, expiry, app_id);
            bool::from(expected.as_bytes().ct_eq(token.as_bytes()))
        };
        let pair = self.pairs(app_id).iter().find(is_of).ok_or_else(invalid)?;
        if expiry <= unix_seconds(now) {
            let message = "the access token has expired";
            return Err(Error::new(Kind::CredentialsExpired, message));
        }
        Ok(pair.tenant.clone())
    }

    fn pairs(&self, app_id: u64) -> &[KeyPair] {
        self.0.get(&app_id).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Keys {
    /// Writes the number of API keys, and none of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

// === impl KeyPair ===

impl KeyPair {
    /// Makes a key pair of a tenant.
    pub fn new(api_key: &str, secret_key: SecretString, tenant: Arc<Tenant>) -> Self {
        KeyPair {
            api_key: api_key.to_owned(),
            secret_key,
            tenant,
        }
    }

    /// Compares secrets in constant time; comparing digests hides their length too.
    fn has_secret(&self, secret_key: &str) -> bool {
        let ours = Sha256::digest(self.secret_key.expose_secret());
        let theirs = Sha256::digest(secret_key);
        ours.as_slice().ct_eq(theirs.as_slice()).into()
    }

    fn grant(&self, app_id: u64, now_s: u64) -> TokenGrant {
        let expiry = now_s + ACCESS_TTL_S;
        let session = self.mac(&format!("session.{expiry}"));
        TokenGrant {
            access_token: self.token("24", ACCESS_TTL_S, expiry, app_id),
            expires_in: ACCESS_TTL_S,
            refresh_token: self.token("25", REFRESH_TTL_S, now_s + REFRESH_TTL_S, app_id),
            scope: SCOPE.to_owned(),
            session_key: STANDARD.encode(session),
            session_secret: hex(&session[..MAC_BYTES]),
            error_code: NoErrorCode,
        }
    }

    /// Writes a token: its kind, the MAC, and the claims.
    fn token(&self, kind: &str, ttl_s: u64, expiry: u64, app_id: u64) -> String {
        let claims = format!("{ttl_s}.{expiry}.{PLATFORM}-{app_id}");
        let mac = self.mac(&format!("{kind}.{claims}"));
        format!("{kind}.{}.{claims}", hex(&mac[..MAC_BYTES]))
    }

    /// Computes the HMAC-SHA256 (RFC 2104) under the secret.
    #[expect(clippy::expect_used, reason = "cannot fail, see the message")]
    fn mac(&self, text: &str) -> [u8; 32] {
        let secret = self.secret_key.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)
            .expect("HMAC accepts a key of any length (RFC 2104 section 3)");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for KeyPair {
    /// Writes neither key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// Reads the access token from a request's query.
fn access_token(head: &Parts) -> Option<String> {
    Fields::from_query(head.uri.query())
        .text("access_token")
        .ok()
        .flatten()
}

/// Returns whether a request has a signature.
fn is_signed(head: &Parts) -> bool {
    head.headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().starts_with(SIGNATURE_SCHEME))
}

/// Computes the id of an application: the first 8 bytes of the SHA-256 of its API key.
fn app_id(api_key: &str) -> u64 {
    Sha256::digest(api_key)
        .iter()
        .take(8)
        .fold(0, |id, byte| id << 8 | u64::from(*byte))
}

/// Reads expiry and application id from a token whose MAC is not checked yet.
fn claims(token: &str) -> Option<(u64, u64)> {
    let mut parts = token.splitn(5, '.').skip(3);
    let expiry = parts.next()?.parse().ok()?;
    let (_, app_id) = parts.next()?.split_once('-')?;
    Some((expiry, app_id.parse().ok()?))
}

fn rejection(description: &str) -> TokenRejection {
    TokenRejection {
        error: "invalid_client".to_owned(),
        error_description: description.to_owned(),
    }
}

/// Returns the seconds since 1970; 0 when the clock is before it.
fn unix_seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2025-06-01.
    const NOW: Duration = Duration::from_secs(1_748_736_000);

    fn now() -> SystemTime {
        UNIX_EPOCH + NOW
    }

    fn pair(api_key: &str, secret_key: &str, tenant: &str) -> KeyPair {
        KeyPair {
            api_key: api_key.to_owned(),
            secret_key: secret_key.into(),
            tenant: Arc::new(Tenant {
                name: tenant.to_owned(),
                libraries: Vec::new(),
                weight: 1,
                read_only: false,
            }),
        }
    }

    fn rejected(keys: &Keys, token: &str, now: SystemTime) -> Kind {
        keys.tenant(token, now).unwrap_err().kind()
    }

    #[test]
    fn a_token_identifies_its_tenant_at_every_replica_until_its_key_is_removed() {
        let keys = || Keys::new([pair("a", "s", "ann"), pair("b", "s", "bob")]);
        let token = keys().issue("b", "s", now()).unwrap().access_token;

        assert_eq!(keys().tenant(&token, now()).unwrap().name, "bob");
        let without = Keys::new([pair("a", "s", "ann")]);
        assert_eq!(rejected(&without, &token, now()), Kind::CredentialsInvalid);
    }

    #[test]
    fn a_token_looks_like_the_vendors() {
        let keys = Keys::new([pair("a", "s", "ann")]);
        let grant = keys.issue("a", "s", now()).unwrap();

        let parts: Vec<_> = grant.access_token.split('.').collect();
        let [kind, mac, ttl, expiry, app] = parts[..] else {
            panic!("{} parts", parts.len());
        };
        assert_eq!((kind, ttl, expiry), ("24", "2592000", "1751328000"));
        assert!(mac.len() == 32 && mac.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let number = app.strip_prefix("282335-").unwrap();
        assert!(number.parse::<u64>().is_ok());
        assert!(grant.refresh_token.starts_with("25."));
        assert_eq!(
            rejected(&keys, &grant.refresh_token, now()),
            Kind::CredentialsInvalid
        );
    }

    #[test]
    fn a_token_is_valid_up_to_its_last_second_and_expired_after_it() {
        let keys = Keys::new([pair("a", "s", "ann")]);
        let token = keys.issue("a", "s", now()).unwrap().access_token;
        let ttl = Duration::from_secs(ACCESS_TTL_S);

        keys.tenant(&token, now() + ttl - Duration::from_secs(1))
            .unwrap();
        assert_eq!(
            rejected(&keys, &token, now() + ttl),
            Kind::CredentialsExpired
        );
    }

    #[test]
    fn a_token_changed_in_any_character_is_invalid() {
        let keys = Keys::new([pair("a", "s", "ann")]);
        let token = keys.issue("a", "s", now()).unwrap().access_token;

        for index in 0..token.len() {
            for other in ["0", "9", "f", ".", "-", "+", ""] {
                let mut forged = token.clone();
                forged.replace_range(index..=index, other);
                if forged != token {
                    assert_eq!(
                        rejected(&keys, &forged, now()),
                        Kind::CredentialsInvalid,
                        "{forged}"
                    );
                }
            }
        }
        for text in [
            "24",
            "....",
            "24.a.b.c.d",
            "24.x.2592000.1751328000.282335-",
            "\u{0}",
        ] {
            assert_eq!(rejected(&keys, text, now()), Kind::CredentialsInvalid);
        }
        assert_eq!(rejected(&keys, "", now()), Kind::CredentialsMissing);
    }

    #[test]
    fn an_unknown_key_and_a_wrong_secret_have_different_errors() {
        let keys = Keys::new([pair("a", "s", "ann")]);
        let rejection = |api_key, secret| keys.issue(api_key, secret, now()).unwrap_err();

        assert_eq!(rejection("b", "s").error_description, "unknown client id");
        for secret in ["", "S", "ss"] {
            let rejection = rejection("a", secret);
            assert_eq!(rejection.error, "invalid_client");
            assert_eq!(rejection.error_description, "Client authentication failed");
        }
    }

    #[test]
    fn an_old_and_a_new_secret_are_valid_side_by_side() {
        let both = Keys::new([pair("a", "old", "ann"), pair("a", "new", "ann")]);
        let old = both.issue("a", "old", now()).unwrap().access_token;
        let new = both.issue("a", "new", now()).unwrap().access_token;

        both.tenant(&old, now()).unwrap();
        let after = Keys::new([pair("a", "new", "ann")]);
        after.tenant(&new, now()).unwrap();
        assert_eq!(rejected(&after, &old, now()), Kind::CredentialsInvalid);
    }

    #[test]
    fn debug_output_holds_no_key_and_no_secret() {
        let keys = Keys::new([pair("public-half", "secret-half", "ann")]);

        assert_eq!(format!("{keys:?}"), "Keys(1)");
        assert!(!format!("{:?}", pair("a", "secret-half", "ann")).contains("half"));
    }
}
