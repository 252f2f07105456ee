//! Which credential of a request counts, and which tenant it proves.
//!
//! The first that a request carries decides: an API key, else a JWT, else the certificate of the
//! connection, else none at all. An invalid credential is rejected; it never counts as none.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use http::request::Parts;

use super::jwt::{self, JwtVerifier};
use super::keys::{self, ApiKeys};
use crate::call::{Peer, Tenant};
use crate::config;
use crate::error::{Error, Kind, Result};

/// Tenants by name.
pub type Tenants = BTreeMap<String, Arc<Tenant>>;

/// The tenant of a request, once its credentials are checked.
pub type TenantFuture = BoxFuture<'static, Result<Arc<Tenant>>>;

/// Every credential that proves a tenant to both APIs.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    keys: ApiKeys,
    /// Signed tokens of an issuer.
    tokens: Option<JwtVerifier>,
    /// Identities in client certificates, as the configuration writes them.
    identities: Tenants,
    /// Tenant of calls without any credential; `None` rejects them.
    anonymous: Option<Arc<Tenant>>,
}

// === impl Credentials ===

impl Credentials {
    /// Collects the credentials of every tenant.
    ///
    /// The anonymous tenant is the first one without keys and identities. With JWTs configured,
    /// there is one only if the configuration says so, as that tenant has tokens then.
    ///
    /// # Errors
    ///
    /// `Internal` when the TLS library cannot be set up for fetching the issuer's keys.
    pub fn new(
        auth: &config::Auth,
        configured: &BTreeMap<String, config::Tenant>,
        tenants: &Tenants,
    ) -> Result<Self> {
        let allows_anonymous = auth.jwt.is_none() || auth.anonymous;
        let mut credentials = Credentials::default();
        let mut keys = Vec::new();
        for (config, tenant) in configured
            .iter()
            .filter_map(|(name, config)| Some((config, tenants.get(name)?)))
        {
            keys.extend(config.api_keys.iter().map(|key| (*key, tenant.clone())));
            let reader = read_only(tenant);
            keys.extend(config.read_keys.iter().map(|key| (*key, reader.clone())));
            credentials.identities.extend(
                config
                    .identities
                    .iter()
                    .map(|identity| (identity.clone(), tenant.clone())),
            );
            if allows_anonymous && !config.needs_credentials() {
                credentials.anonymous.get_or_insert_with(|| tenant.clone());
            }
        }
        credentials.keys = ApiKeys::new(keys);
        if let Some(jwt) = &auth.jwt {
            credentials.tokens = Some(JwtVerifier::new(jwt, tenants.clone())?);
        }
        Ok(credentials)
    }

    /// Returns whether a request carries a credential of this kind.
    pub fn are_in(head: &Parts) -> bool {
        keys::presented(&head.headers).is_some() || head.extensions.get::<Peer>().is_some()
    }

    /// Returns the tenant of a request.
    ///
    /// # Errors
    ///
    /// `CredentialsMissing` without credentials where anonymous calls are rejected,
    /// `CredentialsInvalid` for an invalid key or token, `CredentialsExpired` for an expired token,
    /// `IdentityUnknown` for a valid token or certificate that names no tenant, `IssuerUnavailable`
    /// when the keys of the token issuer cannot be fetched.
    pub fn identify(&self, head: &Parts) -> TenantFuture {
        let Some(presented) = keys::presented(&head.headers) else {
            return ready(self.of_connection(head)).boxed();
        };
        if let Some(tenant) = self.keys.tenant(presented) {
            return ready(Ok(tenant.clone())).boxed();
        }
        match (&self.tokens, std::str::from_utf8(presented)) {
            (Some(tokens), Ok(token)) if jwt::is_jwt(token) => {
                tokens.clone().verify(token.to_owned()).boxed()
            }
            _ => {
                let error = Error::new(Kind::CredentialsInvalid, "the API key is unknown");
                ready(Err(error)).boxed()
            }
        }
    }

    fn of_connection(&self, head: &Parts) -> Result<Arc<Tenant>> {
        let Some(peer) = head.extensions.get::<Peer>() else {
            return self.anonymous.clone().ok_or_else(missing);
        };
        let tenant = peer
            .identities
            .iter()
            .find_map(|identity| self.identities.get(identity));
        tenant.cloned().ok_or_else(|| {
            let message = "the client certificate has no known identity";
            Error::new(Kind::IdentityUnknown, message)
        })
    }
}

/// Makes the callers of the configured tenants.
pub fn tenants(configured: &BTreeMap<String, config::Tenant>) -> Tenants {
    configured
        .iter()
        .map(|(name, config)| {
            let tenant = Tenant {
                name: name.clone(),
                libraries: config.libraries.clone(),
                weight: config.weight,
                read_only: false,
            };
            (name.clone(), Arc::new(tenant))
        })
        .collect()
}

/// Returns the tenant as the caller that a read key proves.
pub fn read_only(tenant: &Tenant) -> Arc<Tenant> {
    Arc::new(Tenant {
        read_only: true,
        ..tenant.clone()
    })
}

fn missing() -> Error {
    let message = "send an API key as `authorization: Bearer KEY` or `x-api-key: KEY`, or use \
                   another credential that the gateway is configured for";
    Error::new(Kind::CredentialsMissing, message)
}

#[cfg(test)]
mod tests;
