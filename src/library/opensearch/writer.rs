//! Groups the writes of many callers into bulk requests with one refresh each.
//!
//! One task per library: while a bulk request runs, further writes queue; the next request takes all
//! of them, up to its bounds. Each write learns its own outcome after the refresh, so the next search
//! finds it. A write whose caller goes away is done anyway. Writes that the cluster rejected because
//! it has too much to do are sent again, before further groups. Before a group with new images the
//! documents are counted, which bounds the library; gateways that add at the same time can exceed the
//! bound by one group each.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use same_image as engine;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::client::{Client, INITIAL_BACKOFF, MAX_BACKOFF, MAX_RETRIES, Request};
use super::failure::{self, Cause};
use super::index::Target;
use super::response::{self, Version};
use crate::error::{Error, Kind, Result};
use crate::jitter;
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
    target: Arc<Target>,
    capacity: u64,
    timeout: std::time::Duration,
}

// === impl Writer ===

impl Writer {
    /// Starts the task; it ends with the last clone of the writer.
    pub(super) fn start(
        client: Arc<Client>,
        target: Arc<Target>,
        capacity: u64,
        timeout: std::time::Duration,
    ) -> Self {
        let (queue, writes) = mpsc::channel(MAX_WAITING);
        let task = Task {
            client,
            target,
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
        let mut group = match self.within_capacity(group).await {
            Ok(group) => group,
            Err((group, error)) => return reject(group, &error),
        };
        let mut retries = 0;
        while !group.is_empty() {
            let items = match self.send(&group).await {
                Ok(items) => items,
                Err(error) => return reject(group, &error),
            };
            if items.len() != group.len() {
                let message = "the cluster did not answer every item of a bulk request";
                return reject(group, &Error::new(Kind::ClusterSetup, message));
            }
            group = answered(group, items, retries < MAX_RETRIES);
            if !group.is_empty() {
                sleep(jitter::backoff(
                    INITIAL_BACKOFF,
                    MAX_BACKOFF,
                    retries,
                    0.5..1.0,
                ))
                .await;
                retries += 1;
            }
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
            path: format!("{}/_count", self.target.alias()),
            body: Bytes::new(),
            is_idempotent: true,
            needs_all_shards: true,
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
                self.target.alias(),
                self.timeout.as_millis()
            ),
            body: body.freeze(),
            is_idempotent: false,
            needs_all_shards: false,
        };
        let deadline = Instant::now() + self.timeout;
        let response = self.client.send(deadline, None, &request).await?;
        let items = response::parse::<BulkResponse>(&response)?
            .items
            .into_iter();
        Ok(items.map(BulkItem::result).collect())
    }
}

/// Tells the callers how their writes ended; returns those to send again, which the cluster rejected.
fn answered(group: Vec<Write>, items: Vec<ItemResult>, may_repeat: bool) -> Vec<Write> {
    let mut rejected = Vec::new();
    for (write, item) in group.into_iter().zip(items) {
        match item.outcome() {
            Err(error) if may_repeat && error.kind() == Kind::ClusterBusy => rejected.push(write),
            // The caller may have gone away; the write is done anyway.
            outcome => drop(write.done.send(outcome)),
        }
    }
    rejected
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

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: u16) -> ItemResult {
        let error = (status >= 300).then(|| json!({ "type": "x" }));
        ItemResult { status, error }
    }

    #[test]
    fn only_writes_that_the_cluster_rejected_are_sent_again() {
        let send = |may_repeat| {
            let (writes, mut outcomes): (Vec<_>, Vec<_>) = (0..4)
                .map(|number| {
                    let (done, outcome) = oneshot::channel();
                    let sign = engine::Sign::parse(&format!("1,{number}")).unwrap();
                    let change = Change::Delete(None);
                    (Write { sign, change, done }, outcome)
                })
                .unzip();
            let items = [200, 429, 409, 503].map(item);
            let again = answered(writes, items.into(), may_repeat);
            let told = outcomes.iter_mut().map(|outcome| outcome.try_recv().ok());
            let told: Vec<_> = told
                .map(|told| told.map(|told| told.map_err(|error| error.kind())))
                .collect();
            (again.len(), told)
        };
        let [done, conflict] = [Outcome::Done, Outcome::Conflict].map(|end| Some(Ok(end)));
        let down = Some(Err(Kind::ClusterUnavailable));
        let busy = Some(Err(Kind::ClusterBusy));

        assert_eq!(send(true), (1, vec![done, None, conflict, down]));
        assert_eq!(send(false), (0, vec![done, busy, conflict, down]));
    }
}
