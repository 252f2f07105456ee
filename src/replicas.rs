//! The Redis that replicas share: one connection, scripts that run there.
//!
//! Every answer has a time limit, because calls wait for it, and no error
//! names more than its category: a message may quote what was sent.

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

/// Longest wait for a response: many times a round trip within a site. Of the
/// calls during an outage only one a second waits so long.
pub const RESPONSE_TIME: Duration = Duration::from_secs(1);
/// Time for which a Redis that failed is left alone.
pub const PAUSE: Duration = Duration::from_secs(1);
/// Waits between two attempts to connect; the calls do not wait for them.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A connection to Redis; clones share it.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    connection: ConnectionManager,
    replicas: u32,
    /// Tells this process's names from those of every other.
    replica: String,
    names: AtomicU64,
}

// === impl Redis ===

impl Redis {
    /// Connects in the background. A Redis that does not answer is no error:
    /// whoever asks it finds out.
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
        let (least, most) = RECONNECT;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIME))
            .set_response_timeout(Some(RESPONSE_TIME))
            .set_number_of_retries(0)
            .set_min_delay(least)
            .set_max_delay(most);
        let connection = ConnectionManager::new_lazy_with_config(client, settings);
        Ok(Redis(Arc::new(Shared {
            connection: connection.map_err(unusable)?,
            replicas: config.replicas,
            replica: replica(),
            names: AtomicU64::new(0),
        })))
    }

    /// Processes that share it, by the configuration.
    pub fn replicas(&self) -> u32 {
        self.0.replicas
    }

    /// A name of this process, which no other has.
    pub fn replica(&self) -> &str {
        &self.0.replica
    }

    /// A name that nobody else gets.
    pub fn name(&self) -> String {
        let number = self.0.names.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.0.replica)
    }

    /// Runs a script.
    ///
    /// # Errors
    ///
    /// What went wrong, by its category.
    pub async fn run<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> std::result::Result<T, String> {
        let response = async {
            let mut connection = self.0.connection.clone();
            match call.invoke_async(&mut connection).await {
                // The connection ended, as when Redis was restarted: the next
                // attempt waits for a new one. At worst a call counts twice.
                Err(error) if error.is_unrecoverable_error() => {
                    call.invoke_async(&mut connection).await
                }
                response => response,
            }
        };
        match tokio::time::timeout(RESPONSE_TIME, response).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(format!("redis: {}", error.category())),
            Err(_) => Err("redis: no response in time".to_owned()),
        }
    }

    /// Takes a name out of a sorted set, in the background; if that fails, the
    /// name stays until its time there is over.
    pub fn remove(&self, key: String, name: String) {
        let mut connection = self.0.connection.clone();
        in_background(async move {
            let mut remove = redis::cmd("ZREM");
            remove.arg(key).arg(name);
            let removed = remove.query_async::<()>(&mut connection);
            let _ = tokio::time::timeout(RESPONSE_TIME, removed).await;
        });
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

/// Does work that nobody awaits. Without a runtime the process is ending, and
/// nobody is left to tell.
pub fn in_background(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}

/// A name that no other process has: 64 random bits of the standard library.
fn replica() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
