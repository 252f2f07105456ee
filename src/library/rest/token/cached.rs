//! A granted token, and how long a cache keeps it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use moka::Expiry;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::wire::TokenGrant;

/// Maximum ttl that is believed; the vendor grants 30 days.
const MAX_TTL: Duration = Duration::from_secs(366 * 86_400);

/// A granted token.
pub(crate) struct CachedToken {
    text: SecretString,
    granted_at: Instant,
    expires_at: Instant,
    /// Whether the vendor has accepted it in a call.
    accepted: AtomicBool,
    /// See [`CachedToken::in_urls`].
    urls: OnceLock<Box<[Url]>>,
}

// === impl CachedToken ===

impl CachedToken {
    /// Reads a grant; its ttl counts from `requested_at`.
    ///
    /// # Errors
    ///
    /// `VendorProtocol` for a grant without a token or with a ttl of zero.
    pub(super) fn new(grant: TokenGrant, requested_at: Instant) -> Result<Self> {
        if grant.access_token.is_empty() || grant.expires_in == 0 {
            let message = "the token endpoint granted a token without text or ttl";
            return Err(Error::new(Kind::VendorProtocol, message));
        }
        Ok(CachedToken {
            text: grant.access_token.into(),
            granted_at: requested_at,
            expires_at: requested_at + Duration::from_secs(grant.expires_in).min(MAX_TTL),
            accepted: AtomicBool::new(false),
            urls: OnceLock::new(),
        })
    }

    /// Returns the text, to compare it.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Returns URLs with the token in their query, built at the first call from those that it
    /// passes; each call needs one, and all calls of a token go to the same vendor.
    pub(crate) fn in_urls(&self, urls: &[Url]) -> &[Url] {
        let with_token = |url: &Url| {
            let mut url = url.clone();
            url.query_pairs_mut()
                .append_pair("access_token", self.expose());
            url
        };
        self.urls
            .get_or_init(|| urls.iter().map(with_token).collect())
    }

    /// Returns whether the ttl is over.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at <= now
    }

    /// Records that the vendor accepted it.
    pub(crate) fn mark_accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// Returns whether the vendor accepted it before: a rejection then means that it was revoked.
    pub(crate) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Returns the time since the grant.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.granted_at)
    }

    /// Returns the remaining ttl.
    pub(super) fn ttl(&self, now: Instant) -> Duration {
        self.expires_at.saturating_duration_since(now)
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedToken(..)")
    }
}

/// Lets moka remove each token at the end of its ttl, so that expired secrets leave the memory.
pub(super) struct RemainingTtl;

impl<K> Expiry<K, Arc<CachedToken>> for RemainingTtl {
    fn expire_after_create(
        &self,
        _key: &K,
        token: &Arc<CachedToken>,
        _created_at: std::time::Instant,
    ) -> Option<Duration> {
        Some(token.ttl(Instant::now()))
    }

    fn expire_after_update(
        &self,
        _key: &K,
        token: &Arc<CachedToken>,
        _updated_at: std::time::Instant,
        _remaining_of_the_old_one: Option<Duration>,
    ) -> Option<Duration> {
        Some(token.ttl(Instant::now()))
    }
}
