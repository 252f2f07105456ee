//! API keys: stored as SHA-256 digests only; several can be valid at once.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::call::Tenant;

/// API keys of all tenants.
#[derive(Clone, Default)]
pub(super) struct ApiKeys(Vec<([u8; 32], Arc<Tenant>)>);

// === impl ApiKeys ===

impl ApiKeys {
    /// Stores digests of keys.
    pub(super) fn new(keys: Vec<([u8; 32], Arc<Tenant>)>) -> Self {
        ApiKeys(keys)
    }

    /// Returns the tenant that a key belongs to.
    pub(super) fn tenant(&self, key: &[u8]) -> Option<&Arc<Tenant>> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        // All digests are compared, each in constant time: the time shows nothing about a match.
        let mut found = None;
        for (known, tenant) in &self.0 {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(tenant);
            }
        }
        found
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({} keys)", self.0.len())
    }
}

/// Returns the key or token that a request carries, in `x-api-key: KEY` or `authorization: Bearer
/// KEY`.
pub(super) fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}
