//! Resolves the names in callers' URLs for the HTTP client, to addresses in the scope.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::task_local;

use super::lookups::Lookups;
use super::scope::{AddressScope, NotPublic};
use crate::call::Tenant;

task_local! {
    /// Whose request the HTTP client sends: its resolver gets the name only.
    static CALLER: Arc<Tenant>;
}

/// Resolves names within the limits of [`Lookups`].
#[derive(Debug)]
pub(super) struct Resolver {
    scope: AddressScope,
    lookups: Lookups,
}

/// Sends a request for a tenant, whose share of lookups it uses.
pub(super) async fn on_behalf_of<T>(tenant: Arc<Tenant>, request: impl Future<Output = T>) -> T {
    CALLER.scope(tenant, request).await
}

// === impl Resolver ===

impl Resolver {
    pub(super) fn new(scope: AddressScope, lookups: Lookups) -> Self {
        Resolver { scope, lookups }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (scope, lookups) = (self.scope, self.lookups.clone());
        // Read before the first await: the client may move a connection that it opens to a task of
        // its own, but begins it in the task of the request. All others share one share.
        let tenant = CALLER.try_with(|tenant| tenant.name.clone());
        Box::pin(async move {
            let found = lookups
                .lookup(&tenant.unwrap_or_default(), name.as_str())
                .await?;
            let addresses: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| scope.includes(address.ip()))
                .collect();
            if addresses.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
