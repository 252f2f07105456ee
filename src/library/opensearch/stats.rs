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
    docs: Docs,
    store: Store,
}

#[derive(Deserialize)]
struct Docs {
    count: u64,
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
pub(super) async fn read(client: &Client, alias: &str, deadline: Instant) -> Result<(u64, u64)> {
    let request = Request {
        operation: "stats",
        method: Method::GET,
        path: format!("{alias}/_stats/docs,store"),
        body: Bytes::new(),
        is_idempotent: true,
        // Its total also counts replicas that no node has.
        needs_all_shards: false,
    };
    let response = client.send(deadline, None, &request).await?;
    let stats: Stats = response::parse(&response)?;
    stats.shards.none_failed()?;
    let Primaries { docs, store } = stats.all.primaries;
    Ok((docs.count, store.size_in_bytes))
}
