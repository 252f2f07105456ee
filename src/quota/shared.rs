//! Counts quotas in Redis, for all replicas together.
//!
//! One script decides about one call (`take.lua`), atomically and in Redis
//! time. Running calls are leases there: a replica that crashes frees its
//! places when they run out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Decision, Limit, Limits, Rejection, Running, Store};
use crate::error::{Error, Kind, Result};
use crate::replicas::{self, Script, ScriptInvocation, in_background};

/// Counts in Redis.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    redis: replicas::Redis,
    take: Script,
    longest: Duration,
}

// === impl Redis ===

impl Redis {
    /// Counts in this Redis; see [`super::open`].
    pub fn new(redis: replicas::Redis, longest: Duration) -> Self {
        Redis(Arc::new(Shared {
            redis,
            take: Script::new(include_str!("take.lua")),
            longest,
        }))
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<(u8, u64)> {
        let response = self.0.redis.run(call).await;
        response.map_err(|failure| {
            let message = "the quotas cannot be counted now";
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
        let mut call = self.0.take.prepare_invoke();
        call.key(counts_key(tenant))
            .key(running_key(tenant))
            .arg(rate)
            .arg(limits.burst.unwrap_or(rate))
            .arg(limits.bytes_per_second.unwrap_or(0))
            .arg(limits.requests_per_day.unwrap_or(0))
            .arg(limits.concurrent.unwrap_or(0))
            .arg(bytes)
            .arg(name)
            .arg(self.0.longest.as_secs_f64());
        call
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Redis {
    async fn take(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        let name = self.0.redis.unique_name();
        let (limit, wait) = self
            .run(&self.invocation(tenant, limits, bytes, &name))
            .await?;
        let limit = match limit {
            0 if limits.concurrent.is_none() => return Ok(Decision::Admitted(Running::default())),
            0 => {
                let (redis, key) = (self.0.redis.clone(), running_key(tenant));
                // If it fails, the lease runs out.
                return Ok(Decision::Admitted(Running::until(move || {
                    redis.remove(key, name)
                })));
            }
            1 => Limit::Rate,
            2 => Limit::Bytes,
            3 => Limit::Concurrency,
            _ => Limit::Day,
        };
        let wait = Duration::from_micros(wait);
        Ok(Decision::Rejected(Rejection { limit, wait }))
    }

    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64) {
        let (store, tenant, limits) = (self.clone(), tenant.to_owned(), limits.clone());
        in_background(async move {
            let call = store.invocation(&tenant, &limits, bytes, "");
            // Lost where Redis is: a decision soon finds that out and says so.
            let _ = store.run(&call).await;
        });
    }
}

/// The braces put both keys of a tenant on one node of a cluster.
fn counts_key(tenant: &str) -> String {
    format!("samegate:{{{tenant}}}:quota")
}

fn running_key(tenant: &str) -> String {
    format!("samegate:{{{tenant}}}:running")
}
