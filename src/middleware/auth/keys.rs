//! API keys: known by their SHA-256 only, several valid at once.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::call::Tenant;

/// API keys of all tenants.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<([u8; 32], Arc<Tenant>)>);

// === impl ApiKeys ===

impl ApiKeys {
    /// Knows the keys by their digests.
    pub fn new(keys: Vec<([u8; 32], Arc<Tenant>)>) -> Self {
        ApiKeys(keys)
    }

    /// Finds the tenant whose key this is.
    pub(super) fn tenant(&self, key: &[u8]) -> Option<&Arc<Tenant>> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        // All digests are compared, in constant time, whichever fits.
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

/// The key or token that a request carries, in `x-api-key: KEY` or
/// `authorization: Bearer KEY`.
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
