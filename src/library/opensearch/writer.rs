//! Groups the writes of many callers into bulk requests with one refresh each.
//!
//! One task per library: while a bulk request runs, further writes queue; the next request takes all
//! of them, up to its bounds. Each write learns its own outcome after the refresh, so the next search
//! finds it. A write whose caller goes away is done anyway. Before a group with new images the
//! documents are counted, which bounds the library; gateways that add at the same time can exceed the
//! bound by one group each.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use same_image as engine;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::client::{Client, Request};
use super::failure::{self, Cause};
use super::response::{self, Version};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::errors::shut_down;

/// Writes that wait for the next group; further callers wait for a place.
const MAX_WAITING: usize = 256;
/// Maximum number of writes of a group.
const MAX_GROUP: usize = 512;
/// Size at which a group is sent: 300 new images.
const GROUP_BYTES: usize = 8 << 20;

/// Queues the writes of one library; clones share the queue.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Write>);

/// What is written.
pub(super) enum Change {
    /// A document that must not exist.
    Create(Bytes),
    /// A document in place of this version.
    Replace(Bytes, Version),
    /// No document any more; in place of this version, if one is given.
    Delete(Option<Version>),
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is stored and visible.
    Done,
    /// The document exists already, or has another version.
    Conflict,
    /// The document to delete does not exist.
    NotFound,
}

struct Write {
    sign: engine::Sign,
    change: Change,
    done: oneshot::Sender<Result<Outcome>>,
}

#[derive(Deserialize)]
struct BulkResponse {
    items: Vec<BulkItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum BulkItem {
    Create(ItemResult),
    Index(ItemResult),
    Delete(ItemResult),
}

#[derive(Deserialize)]
struct ItemResult {
    status: u16,
    error: Option<Value>,
}

/// The task behind the queue.
struct Task {
    client: Arc<Client>,
    alias: String,
    capacity: u64,
    timeout: std::time::Duration,
}

// === impl Writer ===

impl Writer {
    /// Starts the task; it ends with the last clone of the writer.
    pub(super) fn start(
        client: Arc<Client>,
        alias: String,
        capacity: u64,
        timeout: std::time::Duration,
    ) -> Self {
        let (queue, writes) = mpsc::channel(MAX_WAITING);
        let task = Task {
            client,
            alias,
            capacity,
            timeout,
        };
        tokio::spawn(task.run(writes));
        Writer(queue)
    }

    /// Writes a change and waits until it is visible.
    ///
    /// # Errors
    ///
    /// `LibraryFull`, `DeadlineExceeded` when the queue is full until then, and those of
    /// [`Client::send`].
    pub(super) async fn write(
        &self,
        deadline: Instant,
        sign: engine::Sign,
        change: Change,
    ) -> Result<Outcome> {
        let (done, outcome) = oneshot::channel();
        let write = Write { sign, change, done };
        let queued = timeout_at(deadline, self.0.send(write)).await;
        queued
            .map_err(|_| failure::deadline_passed())?
            .map_err(|_| shut_down())?;
        outcome.await.map_err(|_| shut_down())?
    }
}

// === impl Task ===

impl Task {
    async fn run(self, mut writes: mpsc::Receiver<Write>) {
        while let Some(first) = writes.recv().await {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while group.len() < MAX_GROUP && bytes < GROUP_BYTES {
                let Ok(next) = writes.try_recv() else { break };
                bytes += next.bytes();
                group.push(next);
            }
            self.write_group(group).await;
        }
    }

    async fn write_group(&self, group: Vec<Write>) {
        let group = match self.within_capacity(group).await {
            Ok(group) if group.is_empty() => return,
            Ok(group) => group,
            Err((group, error)) => return reject(group, &error),
        };
        match self.send(&group).await {
            Ok(items) if items.len() == group.len() => {
                for (write, item) in group.into_iter().zip(items) {
                    // The caller may have gone away; the write is done anyway.
                    let _ = write.done.send(item.outcome());
                }
            }
            Ok(_) => {
                let message = "the cluster did not answer every item of a bulk request";
                reject(group, &Error::new(Kind::ClusterSetup, message));
            }
            Err(error) => reject(group, &error),
        }
    }

    /// Rejects the new images of a group that the library has no room for.
    async fn within_capacity(&self, group: Vec<Write>) -> Result<Vec<Write>, (Vec<Write>, Error)> {
        if !group.iter().any(Write::is_new) {
            return Ok(group);
        }
        let images = match self.count().await {
            Ok(images) => images,
            Err(error) => return Err((group, error)),
        };
        let mut room = self.capacity.saturating_sub(images);
        let (mut admitted, mut rejected) = (Vec::new(), Vec::new());
        for write in group {
            if write.is_new() && room == 0 {
                rejected.push(write);
            } else {
                room -= u64::from(write.is_new());
                admitted.push(write);
            }
        }
        let message = format!("the library holds {} images, its capacity", self.capacity);
        reject(rejected, &Error::new(Kind::LibraryFull, message));
        Ok(admitted)
    }

    async fn count(&self) -> Result<u64> {
        let request = Request {
            operation: "count",
            method: Method::GET,
            path: format!("{}/_count", self.alias),
            body: Bytes::new(),
            is_idempotent: true,
        };
        let deadline = Instant::now() + self.timeout;
        response::count(&self.client.send(deadline, None, &request).await?)
    }

    async fn send(&self, group: &[Write]) -> Result<Vec<ItemResult>> {
        let mut body = BytesMut::new();
        for write in group {
            write.append_to(&mut body);
        }
        let request = Request {
            operation: "write",
            method: Method::POST,
            path: format!(
                "{}/_bulk?refresh=true&require_alias=true&timeout={}ms",
                self.alias,
                self.timeout.as_millis()
            ),
            body: body.freeze(),
            is_idempotent: false,
        };
        let deadline = Instant::now() + self.timeout;
        let response = self.client.send(deadline, None, &request).await?;
        let items = response::parse::<BulkResponse>(&response)?
            .items
            .into_iter();
        Ok(items.map(BulkItem::result).collect())
    }
}

fn reject(group: Vec<Write>, error: &Error) {
    for write in group {
        let _ = write.done.send(Err(error.without_source()));
    }
}

// === impl Write ===

impl Write {
    fn is_new(&self) -> bool {
        matches!(self.change, Change::Create(_))
    }

    fn bytes(&self) -> usize {
        match &self.change {
            Change::Create(document) | Change::Replace(document, _) => document.len(),
            Change::Delete(_) => 0,
        }
    }

    /// Appends its lines of a bulk request.
    fn append_to(&self, body: &mut BytesMut) {
        let id = self.sign.to_string();
        let of_version = |version: &Version| json!({ "_id": id, "if_seq_no": version.number, "if_primary_term": version.term });
        let (action, document) = match &self.change {
            Change::Create(document) => (json!({ "create": { "_id": id } }), Some(document)),
            Change::Replace(document, version) => {
                (json!({ "index": of_version(version) }), Some(document))
            }
            Change::Delete(None) => (json!({ "delete": { "_id": id } }), None),
            Change::Delete(Some(version)) => (json!({ "delete": of_version(version) }), None),
        };
        body.put_slice(action.to_string().as_bytes());
        body.put_u8(b'\n');
        if let Some(document) = document {
            body.put_slice(document);
            body.put_u8(b'\n');
        }
    }
}

// === impl BulkItem ===

impl BulkItem {
    fn result(self) -> ItemResult {
        match self {
            BulkItem::Create(result) | BulkItem::Index(result) | BulkItem::Delete(result) => result,
        }
    }
}

// === impl ItemResult ===

impl ItemResult {
    fn outcome(self) -> Result<Outcome> {
        match (self.status, self.error) {
            (200..300, _) => Ok(Outcome::Done),
            (404, None) => Ok(Outcome::NotFound),
            (409, _) => Ok(Outcome::Conflict),
            (status, error) => Err(failure::of_cause(
                status,
                &Cause::of(error.unwrap_or_default()),
            )),
        }
    }
}
