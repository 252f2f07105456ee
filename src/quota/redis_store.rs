//! The quota store in Redis, for all replicas.
//!
//! One script decides about one call (`acquire.lua`), atomically and in Redis time. Concurrent
//! calls are leases there, so those of a replica that crashed expire.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::store::{ConcurrencyPermit, Decision, Limit, Limits, Rejection, Store};
use crate::error::{Error, Kind, Result};
use crate::replicas::{Redis, Script, ScriptInvocation, in_background};

/// Counts in Redis; clones share the connection.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    redis: Redis,
    acquire: Script,
    max_call_time: Duration,
}

// === impl RedisStore ===

impl RedisStore {
    /// Counts in this Redis; see [`super::open`].
    pub fn new(redis: Redis, max_call_time: Duration) -> Self {
        RedisStore(Arc::new(Inner {
            redis,
            acquire: Script::new(include_str!("acquire.lua")),
            max_call_time,
        }))
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<(u8, u64)> {
        self.0.redis.run(call).await.map_err(|failure| {
            let message = "the quota store is unavailable";
            Error::new(Kind::QuotaStoreUnavailable, message).with_source(failure)
        })
    }

    fn invocation(
        &self,
        tenant: &str,
        limits: &Limits,
        bytes: u64,
        name: &str,
    ) -> ScriptInvocation<'_> {
        let rate = limits.requests_per_second.unwrap_or(0);
        let mut call = self.0.acquire.prepare_invoke();
        call.key(counts_key(tenant))
            .key(concurrent_key(tenant))
            .arg(rate)
            .arg(limits.burst.unwrap_or(rate))
            .arg(limits.bytes_per_second.unwrap_or(0))
            .arg(limits.requests_per_day.unwrap_or(0))
            .arg(limits.concurrent.unwrap_or(0))
            .arg(bytes)
            .arg(name)
            .arg(self.0.max_call_time.as_secs_f64());
        call
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn acquire(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        let name = self.0.redis.unique_name();
        let (limit, wait) = self
            .run(&self.invocation(tenant, limits, bytes, &name))
            .await?;
        let limit = match limit {
            0 if limits.concurrent.is_none() => {
                return Ok(Decision::Admitted(ConcurrencyPermit::default()));
            }
            0 => {
                let (redis, key) = (self.0.redis.clone(), concurrent_key(tenant));
                // If it fails, the lease expires.
                let release = move || redis.remove(key, name);
                return Ok(Decision::Admitted(ConcurrencyPermit::new(release)));
            }
            1 => Limit::Rate,
            2 => Limit::Bytes,
            3 => Limit::Concurrency,
            _ => Limit::Day,
        };
        Ok(Decision::Rejected(Rejection {
            limit,
            wait: Duration::from_micros(wait),
        }))
    }

    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64) {
        let (store, tenant, limits) = (self.clone(), tenant.to_owned(), limits.clone());
        in_background(async move {
            let call = store.invocation(&tenant, &limits, bytes, "");
            // It is lost if Redis is unavailable; the next decision reports that.
            let _ = store.run(&call).await;
        });
    }
}

/// The braces put both keys of a tenant on one node of a cluster.
fn counts_key(tenant: &str) -> String {
    format!("samegate:{{{tenant}}}:quota")
}

fn concurrent_key(tenant: &str) -> String {
    format!("samegate:{{{tenant}}}:concurrent")
}
