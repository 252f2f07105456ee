//! Verifies JSON Web Tokens (RFC 7519) of one issuer.
//!
//! A token is valid only by a signature with a public key that the issuer has published under the
//! token's `kid` and for the token's algorithm. What a token says about itself decides nothing (RFC
//! 8725 section 3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::jwks::{Jwks, KeyLookup};
use crate::call::Tenant;
use crate::config::Jwt;
use crate::error::{Error, Kind, Result};

/// Verifies tokens and returns their tenants; clones share the issuer's keys.
#[derive(Clone, Debug)]
pub(super) struct JwtVerifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    audience: Vec<String>,
    tenant_claim: String,
    tenants: BTreeMap<String, Arc<Tenant>>,
    jwks: Jwks,
    jwks_timeout: Duration,
}

/// Accepted algorithms: the asymmetric ones of RFC 7518 and RFC 8037. With a symmetric one, a
/// published key would be the secret.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Maximum difference between our clock and the issuer's, in seconds.
const MAX_CLOCK_SKEW_S: u64 = 60;

/// Returns whether a credential has the form of a token: three parts.
pub(super) fn is_jwt(text: &str) -> bool {
    text.split('.').count() == 3
}

// === impl JwtVerifier ===

impl JwtVerifier {
    /// Accepts the tokens of the configured issuer for these tenants, and starts to fetch the
    /// issuer's keys.
    ///
    /// # Errors
    ///
    /// `Internal` when the TLS library cannot be set up.
    pub(super) fn new(config: &Jwt, tenants: BTreeMap<String, Arc<Tenant>>) -> Result<Self> {
        Ok(JwtVerifier(Arc::new(Inner {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            tenant_claim: config.tenant_claim.clone(),
            tenants,
            jwks: Jwks::new(&config.jwks, config.jwks_cooldown)?,
            jwks_timeout: config.jwks_timeout,
        })))
    }

    /// Verifies a token and returns the tenant that it names.
    pub(super) async fn verify(self, token: String) -> Result<Arc<Tenant>> {
        let header = decode_header(&token).map_err(|_| invalid("the token cannot be read"))?;
        // Extensions that must be understood, and none is (RFC 7515 4.1.11).
        if header.crit.is_some() {
            return Err(invalid(
                "the token has a `crit` header, which is not supported",
            ));
        }
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid("the token's algorithm is not accepted"));
        }
        let kid = header
            .kid
            .ok_or_else(|| invalid("the token has no `kid`"))?;
        // The deadline of the call begins after its authentication, so the wait has a limit of its
        // own. The fetch continues for later calls.
        let found = timeout(self.0.jwks_timeout, self.0.jwks.find(&kid)).await;
        let key = match found.unwrap_or(KeyLookup::Unavailable) {
            KeyLookup::Found(key) => key,
            KeyLookup::Unknown => return Err(invalid("the token's key is unknown")),
            KeyLookup::Unavailable => {
                let message = "the keys of the token issuer cannot be fetched";
                return Err(Error::new(Kind::IssuerUnavailable, message));
            }
        };
        if !key.is_for(header.alg) {
            return Err(invalid("the token's key is not for its algorithm"));
        }
        let claims: Map<String, Value> =
            decode(&token, key.decoding(), &self.validation(header.alg))
                .map_err(|error| rejection(error.kind()))?
                .claims;
        // The library also accepts a list of issuers; RFC 7519 4.1.1 has one string.
        if !claims.get("iss").is_some_and(Value::is_string) {
            return Err(invalid("the token's `iss` is not a string"));
        }
        let tenant = claims
            .get(&self.0.tenant_claim)
            .and_then(Value::as_str)
            .and_then(|name| self.0.tenants.get(name));
        tenant.cloned().ok_or_else(|| {
            let message = format!("the token's `{}` names no tenant", self.0.tenant_claim);
            Error::new(Kind::IdentityUnknown, message)
        })
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.0.issuer]);
        validation.set_audience(&self.0.audience);
        validation.validate_nbf = true;
        validation.leeway = MAX_CLOCK_SKEW_S;
        validation
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Kind::CredentialsInvalid, message)
}

fn rejection(kind: &ErrorKind) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest are malformed tokens, which the caller need not tell apart"
    )]
    match kind {
        ErrorKind::ExpiredSignature => {
            Error::new(Kind::CredentialsExpired, "the token has expired")
        }
        ErrorKind::ImmatureSignature => invalid("the token is not valid yet"),
        ErrorKind::InvalidIssuer => invalid("the token is from another issuer"),
        ErrorKind::InvalidAudience => invalid("the token is for another audience"),
        ErrorKind::MissingRequiredClaim(claim) => invalid(&format!("the token has no `{claim}`")),
        ErrorKind::InvalidSignature => invalid("the token's signature is not valid"),
        _ => invalid("the token cannot be read"),
    }
}
