//! The Redis that replicas share: one connection, and the scripts that run there.
//!
//! Every response has a timeout, because calls wait for it. Errors contain their category only: a
//! message may quote what was sent.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, FromRedisValue, RedisError};
use secrecy::ExposeSecret;

pub use redis::{Script, ScriptInvocation};

use crate::config;
use crate::error::{Error, Kind, Result};

/// Timeout of a response: many times a round trip within a site. During an outage only one call a
/// second waits for it.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two attempts to use a Redis that failed.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum and maximum backoff between two attempts to connect; calls do not wait for it.
const RECONNECT_BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A connection to Redis; clones share it.
#[derive(Clone)]
pub struct Redis(Arc<Connection>);

struct Connection {
    manager: ConnectionManager,
    replicas: u32,
    /// Prefix of this process's names; no other process has the same.
    replica: String,
    next_number: AtomicU64,
}

// === impl Redis ===

impl Redis {
    /// Connects in the background. A Redis that is unavailable is no error here; the first command
    /// fails.
    ///
    /// # Errors
    ///
    /// `Internal` for a URL that cannot be used; it is not shown.
    pub fn connect(config: &config::Redis) -> Result<Self> {
        let unusable = |error: RedisError| {
            let message = format!("`redis.url` cannot be used: {}", error.category());
            Error::new(Kind::Internal, message)
        };
        let client = Client::open(config.url.expose_secret()).map_err(unusable)?;
        let (min, max) = RECONNECT_BACKOFF;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(0)
            .set_min_delay(min)
            .set_max_delay(max);
        let manager = ConnectionManager::new_lazy_with_config(client, settings);
        Ok(Redis(Arc::new(Connection {
            manager: manager.map_err(unusable)?,
            replicas: config.replicas,
            replica: replica(),
            next_number: AtomicU64::new(0),
        })))
    }

    /// Returns the configured number of processes that share it.
    pub fn replicas(&self) -> u32 {
        self.0.replicas
    }

    /// Returns the name of this process, which no other process has.
    pub fn replica(&self) -> &str {
        &self.0.replica
    }

    /// Returns a name that is never returned again, by any process.
    pub fn unique_name(&self) -> String {
        let number = self.0.next_number.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.0.replica)
    }

    /// Runs a script.
    ///
    /// # Errors
    ///
    /// The category of the error.
    pub async fn run<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> std::result::Result<T, String> {
        let response = async {
            let mut connection = self.0.manager.clone();
            match call.invoke_async(&mut connection).await {
                // The connection was closed, for example by a restart of Redis: the retry waits for
                // a new one. At worst a call counts twice.
                Err(error) if error.is_unrecoverable_error() => {
                    call.invoke_async(&mut connection).await
                }
                response => response,
            }
        };
        match tokio::time::timeout(RESPONSE_TIMEOUT, response).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(format!("redis: {}", error.category())),
            Err(_) => Err("redis: no response in time".to_owned()),
        }
    }

    /// Removes a name from a sorted set, in the background; if that fails, the name is there until
    /// it expires.
    pub fn remove(&self, key: String, name: String) {
        let mut connection = self.0.manager.clone();
        in_background(async move {
            let mut remove = redis::cmd("ZREM");
            remove.arg(key).arg(name);
            let removed = remove.query_async::<()>(&mut connection);
            let _ = tokio::time::timeout(RESPONSE_TIMEOUT, removed).await;
        });
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

/// Runs work in a task of its own. Without a runtime the process is ending, and the work is
/// dropped.
pub fn in_background(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}

/// Returns a name that no other process has: 64 random bits of the standard library.
fn replica() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
