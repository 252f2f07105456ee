//! The size of a library, as the cluster tells it; and the last known one, for operators.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::client::{Client, Request};
use super::index::Target;
use super::response::{self, Shards};
use crate::error::Result;

/// Interval at which the size is read: that of a usual scrape.
const INTERVAL: Duration = Duration::from_secs(15);

/// The last known number of images, and the size in bytes.
#[derive(Default)]
pub(super) struct Size(Mutex<Option<(u64, u64)>>);

#[derive(Deserialize)]
struct Stats {
    #[serde(rename = "_shards")]
    shards: Shards,
    #[serde(rename = "_all")]
    all: All,
}

#[derive(Deserialize)]
struct All {
    primaries: Primaries,
}

#[derive(Deserialize)]
struct Primaries {
    store: Store,
}

#[derive(Deserialize)]
struct Store {
    size_in_bytes: u64,
}

// === impl Size ===

impl Size {
    /// Reads the size now and then, until the result is dropped.
    pub(super) fn watch(
        client: &Arc<Client>,
        target: &Arc<Target>,
        timeout: Duration,
    ) -> Arc<Self> {
        let size = Arc::<Size>::default();
        let (watched, client) = (Arc::downgrade(&size), Arc::clone(client));
        let target = Arc::clone(target);
        tokio::spawn(async move {
            let mut ticks = interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let now = read(&client, target.alias(), Instant::now() + timeout)
                    .await
                    .ok();
                let Some(size) = watched.upgrade() else {
                    return;
                };
                *size.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        });
        size
    }

    /// Returns the last known size; `None` when the cluster did not tell it.
    pub(super) fn get(&self) -> Option<(u64, u64)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the number of images, and the size of the primary shards in bytes.
///
/// The number is counted, since the statistics of an index leave out shards without a copy.
pub(super) async fn read(client: &Client, alias: &str, deadline: Instant) -> Result<(u64, u64)> {
    let request = |path: &str, needs_all_shards| Request {
        operation: "stats",
        method: Method::GET,
        path: format!("{alias}/{path}"),
        body: Bytes::new(),
        is_idempotent: true,
        needs_all_shards,
    };
    let count = request("_count", true);
    let images = response::count(&client.send(deadline, None, &count).await?)?;
    // Its total also counts replicas that no node has.
    let store = request("_stats/store", false);
    let stats: Stats = response::parse(&client.send(deadline, None, &store).await?)?;
    stats.shards.none_failed()?;
    Ok((images, stats.all.primaries.store.size_in_bytes))
}
