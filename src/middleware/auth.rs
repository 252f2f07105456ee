//! Authenticates a call: determines its tenant, or rejects it.
//!
//! The check runs before anything reads the body, and adds the tenant to the request. Each API has
//! its rule ([`by_credentials`], [`by_access_token`]); what counts as a credential and which tenant
//! it proves is in [`Credentials`].

mod credentials;
mod jwks;
mod jwt;
mod keys;

use std::sync::Arc;

use futures_util::future::{FutureExt, ready};
use http::request::Parts;

use super::guard::Check;
use crate::call::{CallStats, Tenant};
use crate::error::{Error, Result};

pub use credentials::{Credentials, TenantFuture, Tenants, read_only, tenants};

/// Determines the tenant of a request from its head.
pub type Authenticate = Arc<dyn Fn(&Parts) -> TenantFuture + Send + Sync>;

/// Adds the `Arc<Tenant>` to the extensions of each request.
#[derive(Clone)]
pub struct AuthCheck(pub(super) Authenticate);

/// The rule of the gRPC API: its callers use these credentials.
pub fn by_credentials(credentials: Arc<Credentials>) -> Authenticate {
    Arc::new(move |head| credentials.identify(head))
}

/// The rule of the REST API: its access token, where a request carries one, else any credential of
/// the gRPC API. A request without either is rejected by `authenticate`, in the words of the REST
/// API.
pub fn by_access_token(
    has_token: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    authenticate: impl Fn(&Parts) -> Result<Arc<Tenant>> + Send + Sync + 'static,
    credentials: Arc<Credentials>,
) -> Authenticate {
    Arc::new(move |head| {
        if !has_token(head) && Credentials::are_in(head) {
            return credentials.identify(head);
        }
        ready(authenticate(head)).boxed()
    })
}

impl Check for AuthCheck {
    type Hold = ();
    type Observer = ();

    async fn check(&self, head: &mut Parts) -> Result<((), ()), Error> {
        let tenant = (self.0)(head).await?;
        tracing::Span::current().record("tenant", tenant.name.as_str());
        if let Some(stats) = head.extensions.get::<CallStats>() {
            stats.set_tenant(&tenant.name);
        }
        head.extensions.insert(tenant);
        Ok(((), ()))
    }
}
