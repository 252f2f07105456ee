//! JSON Web Tokens (RFC 7519) of one issuer.
//!
//! Only signatures with public keys count, and only with the key that the
//! issuer published under the token's `kid` and for that algorithm: what a
//! token says about itself decides nothing (RFC 8725 section 3).

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::jwks::{Found, Jwks};
use crate::call::Tenant;
use crate::config::Jwt;
use crate::error::{Error, Kind, Result};

/// Reads tokens and finds their tenants; clones share the issuer's keys.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    issuer: String,
    audience: Vec<String>,
    tenant_claim: String,
    tenants: BTreeMap<String, Arc<Tenant>>,
    jwks: Jwks,
}

/// Algorithms that are taken: the asymmetric ones of RFC 7518 and RFC 8037.
/// With a symmetric one, a published key would be the secret.
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
/// How far our clock may be from the issuer's, in seconds.
const SKEW_S: u64 = 60;

/// Whether a credential has the form of a token: three parts.
pub(super) fn is_one(text: &str) -> bool {
    text.split('.').count() == 3
}

// === impl Tokens ===

impl Tokens {
    /// Takes the tokens of the configured issuer for these tenants, and begins
    /// to fetch its keys.
    ///
    /// # Errors
    ///
    /// `Internal` when the TLS library cannot be set up.
    pub fn new(config: &Jwt, tenants: BTreeMap<String, Arc<Tenant>>) -> Result<Self> {
        Ok(Tokens(Arc::new(Shared {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            tenant_claim: config.tenant_claim.clone(),
            tenants,
            jwks: Jwks::new(&config.jwks, config.jwks_cooldown)?,
        })))
    }

    /// Finds the tenant that a token names.
    pub(super) async fn tenant(self, token: String) -> Result<Arc<Tenant>> {
        let header = decode_header(&token).map_err(|_| invalid("the token cannot be read"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid("the token's algorithm is not taken"));
        }
        let kid = header
            .kid
            .ok_or_else(|| invalid("the token has no `kid`"))?;
        let key = match self.0.jwks.find(&kid).await {
            Found::Key(key) => key,
            Found::Nothing => return Err(invalid("the token's key is not known")),
            Found::Unavailable => {
                let message = "the keys of the tokens' issuer cannot be fetched";
                return Err(Error::new(Kind::IssuerUnavailable, message));
            }
        };
        if !key.is_for(header.alg) {
            return Err(invalid("the token's key is not for its algorithm"));
        }
        let claims: Map<String, Value> = decode(&token, key.decoding(), &self.rules(header.alg))
            .map_err(|error| rejection(error.kind()))?
            .claims;
        let name = claims.get(&self.0.tenant_claim).and_then(Value::as_str);
        let tenant = name.and_then(|name| self.0.tenants.get(name));
        tenant.cloned().ok_or_else(|| {
            let message = format!("the token's `{}` names no tenant", self.0.tenant_claim);
            Error::new(Kind::IdentityUnknown, message)
        })
    }

    fn rules(&self, algorithm: Algorithm) -> Validation {
        let mut rules = Validation::new(algorithm);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.set_issuer(&[&self.0.issuer]);
        rules.set_audience(&self.0.audience);
        rules.validate_nbf = true;
        rules.leeway = SKEW_S;
        rules
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Kind::CredentialsInvalid, message)
}

fn rejection(kind: &ErrorKind) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest are violations of the token's form, and all the same to its holder"
    )]
    match kind {
        ErrorKind::ExpiredSignature => {
            Error::new(Kind::CredentialsExpired, "the token has expired")
        }
        ErrorKind::ImmatureSignature => invalid("the token is not valid yet"),
        ErrorKind::InvalidIssuer => invalid("the token is of another issuer"),
        ErrorKind::InvalidAudience => invalid("the token is for another audience"),
        ErrorKind::MissingRequiredClaim(claim) => invalid(&format!("the token has no `{claim}`")),
        ErrorKind::InvalidSignature => invalid("the token's signature is not valid"),
        _ => invalid("the token cannot be read"),
    }
}
