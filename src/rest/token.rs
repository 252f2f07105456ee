//! Access tokens without state: every replica knows every token.
//!
//! A token looks like the vendor's and holds its expiry and the number of the
//! application, a digest of the API key. What stands between is a MAC under
//! the key pair's secret, so a token needs no store, and removing the key pair
//! revokes its tokens. A pair under the same API key with another secret may
//! stand beside it: that is how a secret is changed without a gap.
//!
//! Issuing and checking know no HTTP, and take the time as an argument; only
//! [`Keys::authenticate`] reads a request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
use crate::config::RestKey;
use crate::error::{Error, Kind, Result, Violation};
use crate::wire::{TokenGrant, TokenRejection};

/// Life of an access token in seconds: 30 days (vendor's).
const ACCESS_LIFE_S: u64 = 2_592_000;
/// Life that a refresh token names in seconds (vendor's); none is ever taken.
const REFRESH_LIFE_S: u64 = 315_360_000;
/// Number before the application's in a token (vendor's).
const PLATFORM: &str = "282335";
/// Bytes of the MAC in a token: 32 hex digits, the vendor's length. 128 bits
/// are what RFC 2104 section 5 asks of a truncated HMAC-SHA256.
const MAC_BYTES: usize = 16;
/// Rights of every token; without this word SDKs stop using tokens.
const SCOPE: &str = "public brain_all_scope";

/// Field at violation when a call is signed instead of carrying a token.
pub(super) const SIGNATURE: &str = "authorization";
/// How such a call's header begins (the vendor's BCE signature, version 1).
const SIGNATURE_SCHEME: &[u8] = b"bce-auth-v1/";

/// A pair of keys and the caller that it stands for.
#[derive(Clone)]
pub struct KeyPair {
    api_key: String,
    secret_key: SecretString,
    tenant: Arc<Tenant>,
}

impl fmt::Debug for KeyPair {
    /// Tells that there is a pair of keys and neither of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// Every key pair that opens the REST API.
#[derive(Clone, Default)]
pub struct Keys(Arc<BTreeMap<u64, Vec<KeyPair>>>);

// === impl Keys ===

impl Keys {
    /// Gathers key pairs; several may share an API key.
    pub fn new(pairs: impl IntoIterator<Item = KeyPair>) -> Self {
        let mut keys = BTreeMap::<u64, Vec<KeyPair>>::new();
        for pair in pairs {
            keys.entry(app_id(&pair.api_key)).or_default().push(pair);
        }
        Keys(Arc::new(keys))
    }

    /// Grants a token that lives for 30 days.
    ///
    /// # Errors
    ///
    /// The vendor's rejections of an API key that it does not know, and of a
    /// secret that does not belong to the key.
    pub fn issue(
        &self,
        api_key: &str,
        secret_key: &str,
        now: SystemTime,
    ) -> Result<TokenGrant, TokenRejection> {
        let app_id = app_id(api_key);
        let known = self.0.get(&app_id).map_or(&[][..], Vec::as_slice);
        let mut known = known.iter().filter(|pair| pair.api_key == api_key);
        let Some(first) = known.next() else {
            return Err(rejection("unknown client id"));
        };
        let owned = std::iter::once(first).chain(known);
        match owned.into_iter().find(|pair| pair.opens_with(secret_key)) {
            Some(pair) => Ok(pair.grant(app_id, unix_seconds(now))),
            None => Err(rejection("Client authentication failed")),
        }
    }

    /// Whether a request carries an access token, or a signature in its place.
    pub fn are_in(head: &Parts) -> bool {
        let token = Fields::of_query(head.uri.query()).text("access_token");
        let authorization = head.headers.get(header::AUTHORIZATION);
        token.is_ok_and(|token| token.is_some())
            || authorization.is_some_and(|value| value.as_bytes().starts_with(SIGNATURE_SCHEME))
    }

    /// Finds the caller by the `access_token` in a request's query.
    ///
    /// # Errors
    ///
    /// Those of [`Keys::tenant`]; a signature instead of a token is a missing
    /// one.
    pub fn authenticate(&self, head: &Parts) -> Result<Arc<Tenant>> {
        let token = Fields::of_query(head.uri.query()).text("access_token");
        let mut token = token.ok().flatten().unwrap_or_default();
        // The Node SDK appends its own query to an address that has one
        // (`TOKEN?aipSdk=node`).
        token.truncate(token.find('?').unwrap_or(token.len()));
        let authorization = head.headers.get(header::AUTHORIZATION);
        let signed =
            authorization.is_some_and(|value| value.as_bytes().starts_with(SIGNATURE_SCHEME));
        if token.is_empty() && signed {
            let message = "signatures are not taken here; ask for a token with valid keys";
            let violation = Violation::new(SIGNATURE, Kind::CredentialsMissing, message);
            return Err(Error::invalid(vec![violation]));
        }
        self.tenant(&token, SystemTime::now())
    }

    /// Finds the caller to whom a token was granted.
    ///
    /// # Errors
    ///
    /// `CredentialsMissing` for an empty token, `CredentialsExpired` for one
    /// that was granted here more than 30 days ago, else `CredentialsInvalid`.
    pub fn tenant(&self, token: &str, now: SystemTime) -> Result<Arc<Tenant>> {
        if token.is_empty() {
            let message = "`access_token` is required in the query";
            return Err(Error::new(Kind::CredentialsMissing, message));
        }
        let invalid = || Error::new(Kind::CredentialsInvalid, "the access token is not valid");
        let (expiry, app_id) = claims(token).ok_or_else(invalid)?;
        let pairs = self.0.get(&app_id).ok_or_else(invalid)?;
        // The whole token is written again and compared, so there is exactly
        // one spelling of each: no leading zero, no sign, no upper case.
        let granted = |pair: &&KeyPair| {
            let expected = pair.token("24", ACCESS_LIFE_S, expiry, app_id);
            bool::from(expected.as_bytes().ct_eq(token.as_bytes()))
        };
        let pair = pairs.iter().find(granted).ok_or_else(invalid)?;
        if expiry <= unix_seconds(now) {
            let message = "the access token has expired";
            return Err(Error::new(Kind::CredentialsExpired, message));
        }
        Ok(pair.tenant.clone())
    }
}

impl fmt::Debug for Keys {
    /// Tells how many API keys there are, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

// === impl KeyPair ===

impl KeyPair {
    /// Names the holder of a configured pair.
    pub fn new(pair: &RestKey, tenant: Arc<Tenant>) -> Self {
        KeyPair {
            api_key: pair.api_key.clone(),
            secret_key: pair.secret_key.clone(),
            tenant,
        }
    }

    /// Compares digests, so that not even the secret's length shows in time.
    fn opens_with(&self, secret_key: &str) -> bool {
        let ours = Sha256::digest(self.secret_key.expose_secret());
        let theirs = Sha256::digest(secret_key);
        ours.as_slice().ct_eq(theirs.as_slice()).into()
    }

    fn grant(&self, app_id: u64, now_s: u64) -> TokenGrant {
        let expiry = now_s + ACCESS_LIFE_S;
        let session = self.mac(&format!("session.{expiry}"));
        TokenGrant {
            access_token: self.token("24", ACCESS_LIFE_S, expiry, app_id),
            expires_in: ACCESS_LIFE_S,
            refresh_token: self.token("25", REFRESH_LIFE_S, now_s + REFRESH_LIFE_S, app_id),
            scope: SCOPE.to_owned(),
            session_key: STANDARD.encode(session),
            session_secret: hex(&session[..MAC_BYTES]),
        }
    }

    /// Writes a token: its kind, the MAC over everything else, and the rest.
    fn token(&self, kind: &str, life_s: u64, expiry: u64, app_id: u64) -> String {
        let rest = format!("{life_s}.{expiry}.{PLATFORM}-{app_id}");
        let mac = self.mac(&format!("{kind}.{rest}"));
        format!("{kind}.{}.{rest}", hex(&mac[..MAC_BYTES]))
    }

    /// HMAC-SHA256 (RFC 2104) under the secret.
    #[expect(clippy::expect_used, reason = "cannot fail, see the message")]
    fn mac(&self, text: &str) -> [u8; 32] {
        let secret = self.secret_key.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)
            .expect("HMAC takes a key of any length (RFC 2104 section 3)");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Number of an application: the first 8 bytes of its API key's SHA-256.
fn app_id(api_key: &str) -> u64 {
    let digest = Sha256::digest(api_key);
    let head = digest.iter().take(8);
    head.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads expiry and application from a token whose MAC is not checked yet.
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

/// Seconds since 1970; 0 on a clock that stands before it.
fn unix_seconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-06-01, long after 1970 and long before the numbers run out.
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
            }),
        }
    }

    fn rejected(keys: &Keys, token: &str, now: SystemTime) -> Kind {
        keys.tenant(token, now).unwrap_err().kind()
    }

    #[test]
    fn a_token_names_its_holder_at_every_replica_until_its_key_is_removed() {
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
        let [kind, mac, life, expiry, app] = parts[..] else {
            panic!("{} parts", parts.len());
        };
        assert_eq!((kind, life, expiry), ("24", "2592000", "1751328000"));
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
    fn a_token_is_taken_until_its_last_second_and_then_called_expired() {
        let keys = Keys::new([pair("a", "s", "ann")]);
        let token = keys.issue("a", "s", now()).unwrap().access_token;
        let life = Duration::from_secs(ACCESS_LIFE_S);

        keys.tenant(&token, now() + life - Duration::from_secs(1))
            .unwrap();
        assert_eq!(
            rejected(&keys, &token, now() + life),
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
    fn an_unknown_key_is_told_apart_from_a_wrong_secret() {
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
