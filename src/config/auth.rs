//! `[auth]` and `[tenants.NAME]`: who may call, and which libraries each may use.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::jwt::{self, Jwt};
use super::parse;
use super::quota::{self, TenantQuota};
use super::section::Section;

/// How callers authenticate.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether gRPC calls without credentials are accepted also on addresses other than loopback;
    /// they belong to the first tenant that needs no credentials. Default: false.
    pub anonymous: bool,
    /// Accepted signed tokens. Default: none.
    pub jwt: Option<Jwt>,
    /// Failed attempts of one address with one key at the REST API's token endpoint, in a minute.
    /// Default: 10.
    pub max_token_failures_per_minute: u32,
}

/// One caller.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Libraries that it may use; the first is its default.
    pub libraries: Vec<String>,
    /// SHA-256 of its API keys for the gRPC API, as `sha256:` and 64 lower case hex digits. Without
    /// any, and without identities, the tenant needs no credentials there.
    pub api_keys: Vec<[u8; 32]>,
    /// The same of keys that may search and list only.
    pub read_keys: Vec<[u8; 32]>,
    /// Key pairs for the REST API.
    pub rest_keys: Vec<RestKey>,
    /// Share of the vendor's rate limit, relative to other tenants. Default: 1.
    pub weight: u32,
    /// Identities in client certificates: `spiffe://…` or `dns:NAME` in lower case.
    pub identities: Vec<String>,
    /// Limits of its usage.
    pub quota: TenantQuota,
}

/// A key pair for the REST API's token endpoint.
#[derive(Clone)]
pub struct RestKey {
    /// `client_id` of the token request.
    pub api_key: String,
    /// `client_secret` of the token request.
    pub secret_key: RestSecret,
    /// Whether the pair may search only.
    pub read_only: bool,
}

/// The secret of a key pair.
#[derive(Clone, Debug)]
pub enum RestSecret {
    /// The configuration holds it.
    Given(SecretString),
    /// The gateway generates it at its first start and keeps it in this file.
    Generated(PathBuf),
}

// === impl Tenant ===

impl Tenant {
    /// Returns whether calls as this tenant need a credential at the gRPC API.
    pub fn needs_credentials(&self) -> bool {
        !self.api_keys.is_empty() || !self.read_keys.is_empty() || !self.identities.is_empty()
    }
}

// === impl RestKey ===

impl fmt::Debug for RestKey {
    /// Shows the type only: both keys are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestKey").finish_non_exhaustive()
    }
}

/// Prefix of the hash of an API key.
const HASH_PREFIX: &str = "sha256:";

pub(super) fn read(mut section: Section<'_>) -> Option<Auth> {
    let anonymous = section.required("anonymous", parse::boolean);
    let jwt = if section.is_table("jwt") {
        jwt::read(section.section("jwt")).map(Some)
    } else {
        section.optional("jwt", None, |_| Err("must be a table".to_owned()))
    };
    let max_token_failures_per_minute =
        section.required("max_token_failures_per_minute", token_failures);
    section.finish();
    Some(Auth {
        anonymous: anonymous?,
        jwt: jwt?,
        max_token_failures_per_minute: max_token_failures_per_minute?,
    })
}

pub(super) fn read_tenant(mut section: Section<'_>) -> Option<Tenant> {
    let libraries = section.list("libraries");
    let api_keys = digests(&mut section, "api_keys");
    let read_keys = digests(&mut section, "read_keys");
    let rest_keys = section.tables("rest_keys", read_rest_key);
    let weight = section.optional("weight", 1, weight);
    let identities = identities(&mut section);
    let quota = quota::read_tenant(section.section("quota"));
    if libraries.as_ref().is_some_and(Vec::is_empty) {
        section.error("libraries", "must not be empty");
    }
    let (api_keys, read_keys) = (api_keys?, read_keys?);
    for (index, key) in read_keys.iter().enumerate() {
        if api_keys.contains(key) {
            let message = "is a key of `api_keys` too, which may change images";
            section.error(&format!("read_keys[{index}]"), message);
        }
    }
    section.finish();
    Some(Tenant {
        libraries: libraries?,
        api_keys,
        read_keys,
        rest_keys: rest_keys?,
        weight: weight?,
        identities: identities?,
        quota: quota?,
    })
}

/// Reads a list of digests of keys.
fn digests(section: &mut Section<'_>, key: &'static str) -> Option<Vec<[u8; 32]>> {
    let mut digests = Vec::new();
    for (index, hash) in section.list(key)?.iter().enumerate() {
        match digest(hash) {
            Some(digest) => digests.push(digest),
            // The message omits the value: it may be a key that was not hashed.
            None => section.error(
                &format!("{key}[{index}]"),
                "must be `sha256:` and the 64 hex digits of the key's SHA-256",
            ),
        }
    }
    Some(digests)
}

fn token_failures(value: &str) -> Result<u32, String> {
    parse::number(value, &(1..=1_000_000))
}

fn weight(value: &str) -> Result<u32, String> {
    parse::number(value, &(1..=100))
}

fn identities(section: &mut Section<'_>) -> Option<Vec<String>> {
    let mut identities = section.list("identities")?;
    for (index, identity) in identities.iter_mut().enumerate() {
        let spiffe = identity.strip_prefix("spiffe://");
        let dns = identity.strip_prefix("dns:").map(str::to_ascii_lowercase);
        if spiffe.or(dns.as_deref()).is_none_or(str::is_empty) {
            section.error(
                &format!("identities[{index}]"),
                "must be a SPIFFE ID such as `spiffe://DOMAIN/PATH`, or `dns:NAME`",
            );
        }
        if let Some(name) = dns {
            *identity = format!("dns:{name}");
        }
    }
    Some(identities)
}

fn read_rest_key(mut section: Section<'_>) -> Option<RestKey> {
    let api_key = section.required("api_key", parse::non_empty);
    let generate = section.optional("generate_secret", false, parse::boolean)?;
    let is_given = section.holds("secret_key") || section.holds("secret_key_file");
    let secret_key = if generate && !is_given {
        // Its file follows from the tenant's libraries, which are read elsewhere.
        Some(RestSecret::Generated(PathBuf::new()))
    } else {
        section.secret_key().map(RestSecret::Given)
    };
    let read_only = section.optional("read_only", false, parse::boolean);
    section.finish();
    Some(RestKey {
        api_key: api_key?,
        secret_key: secret_key?,
        read_only: read_only?,
    })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(HASH_PREFIX)?.as_bytes();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(digest)
}
