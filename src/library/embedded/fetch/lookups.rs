//! Looks up names of callers' choice with the system's resolver, within limits.
//!
//! `getaddrinfo` blocks a thread for as long as the name's servers like, up to half a minute, and
//! cannot be cancelled. Its threads are those that tokio has for all blocking work: without a limit,
//! slow names would use all 512, and searches, and the lookups of vendors, of token issuers and of
//! Redis would wait for them (measured: 600 slow names, 8.5 s instead of 0.02 s for a search). So
//! callers' names have a small part of the threads, and each tenant up to half of that. A permit
//! stays with its thread when the caller leaves.
//!
//! A resolver without threads (hickory) would not know what the system's does: nsswitch, search
//! domains, and the caches of the node.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lookups of the process at the same time: a sixteenth of tokio's 512 threads. At 50 ms each, they
/// resolve 640 names a second.
pub(super) const MAX_LOOKUPS: usize = 32;
/// Those of one tenant.
pub(super) const MAX_LOOKUPS_PER_TENANT: usize = MAX_LOOKUPS / 2;

/// Finds the addresses of a name; blocks.
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks up names; clones share the limits.
#[derive(Clone)]
pub(super) struct Lookups(Arc<Inner>);

struct Inner {
    lookup: Box<Lookup>,
    all: Arc<Semaphore>,
    /// By name; tenants come from the configuration, so they are few.
    of_tenants: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The threads belong to the process, and so does their limit.
static OF_PROCESS: LazyLock<Lookups> = LazyLock::new(|| Lookups::new(by_system));

fn by_system(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((name, 0).to_socket_addrs()?.collect())
}

// === impl Lookups ===

impl Lookups {
    /// Returns the lookups that all libraries of this process share.
    pub(super) fn of_process() -> Self {
        OF_PROCESS.clone()
    }

    pub(super) fn new(
        lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Lookups(Arc::new(Inner {
            lookup: Box::new(lookup),
            all: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            of_tenants: Mutex::default(),
        }))
    }

    /// Looks up a name once the limits allow it. Dropping the future before that drops the lookup.
    pub(super) async fn lookup(&self, tenant: &str, name: &str) -> io::Result<Vec<SocketAddr>> {
        // The tenant's first: while it waits for that, it is no obstacle for others.
        let of_tenant = acquire(self.of_tenant(tenant)).await?;
        let of_all = acquire(Arc::clone(&self.0.all)).await?;
        let (lookups, name) = (self.clone(), name.to_owned());
        #[expect(clippy::disallowed_methods, reason = "the permits bound it")]
        let lookup = tokio::task::spawn_blocking(move || {
            let _permits = (of_tenant, of_all);
            (lookups.0.lookup)(&name)
        });
        lookup.await?
    }

    /// Returns how many more lookups could begin now.
    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.0.all.available_permits()
    }

    fn of_tenant(&self, tenant: &str) -> Arc<Semaphore> {
        let tenants = self.0.of_tenants.lock();
        let mut tenants = tenants.unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(MAX_LOOKUPS_PER_TENANT));
        Arc::clone(tenants.entry(tenant.to_owned()).or_insert_with(new))
    }
}

async fn acquire(semaphore: Arc<Semaphore>) -> io::Result<OwnedSemaphorePermit> {
    semaphore.acquire_owned().await.map_err(io::Error::other)
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}
