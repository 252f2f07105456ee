//! Counts quotas in Redis, for all replicas together.
//!
//! One script decides about one call (`take.lua`), atomically and in Redis
//! time. Running calls are leases there: a replica that crashes frees its
//! places when they run out. Every answer has a time limit, because calls wait
//! for it.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script, ScriptInvocation};
use secrecy::{ExposeSecret, SecretString};

use super::{Decision, Limit, Limits, Refusal, Running, Store};
use crate::error::{Error, Kind, Result};

/// Counts in Redis.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    connection: ConnectionManager,
    take: Script,
    longest: Duration,
    /// Tells this process's calls from those of every other.
    replica: String,
    calls: AtomicU64,
}

/// Longest wait for an answer: many times a round trip within a site. Of the
/// calls during an outage only one a second waits so long.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Waits between two attempts to connect; the calls do not wait for them.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

// === impl Redis ===

impl Redis {
    /// Connects in the background; see [`super::open`].
    ///
    /// # Errors
    ///
    /// `Internal` for a URL that cannot be used; it is not shown.
    pub fn connect(url: &SecretString, longest: Duration) -> Result<Self> {
        let unusable = |error: RedisError| {
            let message = format!("`quota.store.redis` cannot be used: {}", error.category());
            Error::new(Kind::Internal, message)
        };
        let client = Client::open(url.expose_secret()).map_err(unusable)?;
        let (least, most) = RECONNECT;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_TIME))
            .set_response_timeout(Some(ANSWER_TIME))
            .set_number_of_retries(0)
            .set_min_delay(least)
            .set_max_delay(most);
        let connection = ConnectionManager::new_lazy_with_config(client, config);
        Ok(Redis(Arc::new(Shared {
            connection: connection.map_err(unusable)?,
            take: Script::new(include_str!("take.lua")),
            longest,
            replica: replica(),
            calls: AtomicU64::new(0),
        })))
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<(u8, u64)> {
        let answer = async {
            let mut connection = self.0.connection.clone();
            let first = call.invoke_async(&mut connection).await;
            match first {
                // The connection ended, as when Redis was restarted: the next
                // attempt waits for a new one. At worst a call counts twice.
                Err(error) if error.is_unrecoverable_error() => {
                    call.invoke_async(&mut connection).await
                }
                answer => answer,
            }
        };
        // The category alone: a message may quote what was sent.
        let failure = match tokio::time::timeout(ANSWER_TIME, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => format!("redis: {}", error.category()),
            Err(_) => "redis: no answer in time".to_owned(),
        };
        let message = "the quotas cannot be counted now";
        Err(Error::new(Kind::QuotaStoreUnavailable, message).with_source(failure))
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

    /// Frees a place in the background; if it fails, the lease runs out.
    fn end(self, key: String, name: String) {
        in_background(async move {
            let mut connection = self.0.connection.clone();
            let mut remove = redis::cmd("ZREM");
            remove.arg(key).arg(name);
            let removed = remove.query_async::<()>(&mut connection);
            let _ = tokio::time::timeout(ANSWER_TIME, removed).await;
        });
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
        let number = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", self.0.replica);
        let (limit, wait) = self
            .run(&self.invocation(tenant, limits, bytes, &name))
            .await?;
        let limit = match limit {
            0 if limits.concurrent.is_none() => return Ok(Decision::Admitted(Running::default())),
            0 => {
                let (store, key) = (self.clone(), running_key(tenant));
                return Ok(Decision::Admitted(Running::until(move || {
                    store.end(key, name)
                })));
            }
            1 => Limit::Rate,
            2 => Limit::Bytes,
            3 => Limit::Concurrency,
            _ => Limit::Day,
        };
        let wait = Duration::from_micros(wait);
        Ok(Decision::Refused(Refusal { limit, wait }))
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

/// A name that no other process has: 64 random bits of the standard library.
fn replica() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Without a runtime the process is ending, and nobody is left to tell.
fn in_background(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}
