//! Compares the images of a library with each other, on cores that no other call needs.
//!
//! A task drives the join of the engine. Each of its steps is a job of the CPU pool in the class of
//! bulk loads, so searches and single calls go first, and as many blocks are worked on at once as
//! there are cores. The groups of a round of blocks are sent before the next round begins: a client
//! that reads slowly stops the join, and one that goes away ends it with the steps that run.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use same_image as engine;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;

use super::convert::{geometry, record, tag_filter};
use super::cpu::{Class, CpuPool, Demand};
use super::errors::storage;
use crate::call::Call;
use crate::domain::{DuplicateEvent, DuplicateGroup, DuplicatePair, FindDuplicates, JoinProgress};
use crate::error::{Error, Kind, Result};
use crate::library::DuplicateStream;

/// Demand of a step, which takes about 20 ms.
const STEP: Demand = Demand {
    class: Class::Bulk,
    cost: 320,
    bytes: 0,
};
/// Maximum number of blocks that are worked on at once, up to 430 MB each.
const MAX_BLOCKS: usize = 2;
/// Images of the first round. Each further one has so many that it takes about [`ROUND_TIME`]: an
/// interruption costs no more, and a connection may be closed for its age after an hour.
const FIRST_ROUND: usize = 16_384;
const ROUND_TIME: Duration = Duration::from_secs(120);
/// Time between two messages of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the query of a join.
///
/// # Errors
///
/// `InvalidParameter` for a text that is no cursor.
pub(super) fn query(
    request: &FindDuplicates,
    profile: engine::Profile,
) -> Result<engine::DuplicateQuery> {
    let after = Some(&request.cursor).filter(|cursor| !cursor.is_empty());
    let after = after.map(|cursor| cursor.parse()).transpose();
    Ok(engine::DuplicateQuery {
        filter: tag_filter(&request.tags, request.tag_logic),
        after: after.map_err(|_: engine::InvalidCursor| invalid_cursor("not a cursor"))?,
        added_since_ms: request.added_since_ms,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores are single precision"
        )]
        min_score: request.min_score as f32,
        profile,
    })
}

/// Classifies the error of a join.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine may get more errors; a new one is one of storage"
)]
pub(super) fn failure(error: &engine::JoinError) -> Error {
    match error {
        engine::JoinError::ForeignCursor => invalid_cursor("a cursor of another library"),
        other => storage(other),
    }
}

fn invalid_cursor(message: &str) -> Error {
    Error::violation("cursor", Kind::InvalidParameter, message)
}

/// Starts a join; `slot` is held until it has ended.
pub(super) fn start(
    call: &Call,
    engine: Arc<engine::Engine>,
    cpu: CpuPool,
    join: engine::Join,
    slot: OwnedSemaphorePermit,
) -> DuplicateStream {
    // One slot: a client that does not read its groups stops the join.
    let (events, stream) = mpsc::channel(1);
    let task = JoinTask {
        call: call.of_stream(),
        engine,
        cpu,
        events,
        total: join.images(),
        progress_at: Instant::now() + PROGRESS_INTERVAL,
        _slot: slot,
    };
    let span = tracing::Span::current();
    tokio::spawn(tracing::Instrument::instrument(task.run(join), span));
    ReceiverStream::new(stream).boxed()
}

/// A join that runs.
struct JoinTask {
    call: Call,
    engine: Arc<engine::Engine>,
    cpu: CpuPool,
    events: mpsc::Sender<Result<DuplicateEvent>>,
    /// Number of images to compare.
    total: usize,
    /// When the next message of progress is due.
    progress_at: Instant,
    _slot: OwnedSemaphorePermit,
}

/// A block, and its number in the round.
type NumberedBlock = (usize, engine::JoinBlock);

// === impl JoinTask ===

impl JoinTask {
    async fn run(mut self, join: engine::Join) {
        let events = self.events.clone();
        let deadline = self.call.deadline;
        let ended = tokio::select! {
            biased;
            () = events.closed() => return,
            ended = timeout_at(deadline, self.join(join)) => ended,
        };
        let ended = ended.unwrap_or_else(|_| {
            let message = "the stream's deadline has passed";
            Err(Error::new(Kind::DeadlineExceeded, message))
        });
        if let Err(error) = ended {
            // Fails only when the client has disconnected as well.
            let _ = events.send(Err(error)).await;
        }
    }

    async fn join(&mut self, mut join: engine::Join) -> Result<()> {
        let mut compared = 0;
        if self.total == 0 {
            self.send_progress(0, String::new()).await;
        }
        let mut images = FIRST_ROUND;
        while let Some(round) = join.next_round(images) {
            let begin = Instant::now();
            let blocks = self.join_blocks(compared, round.blocks()).await?;
            for group in round.groups(blocks) {
                if let Some(group) = self.complete(group).await? {
                    self.send(DuplicateEvent::Group(group)).await;
                }
            }
            compared = round.done();
            images = next_images(images, begin.elapsed());
            self.send_progress(compared, round.cursor().to_string())
                .await;
        }
        Ok(())
    }

    /// Does the work of all blocks of a round, before which `compared` images were compared.
    async fn join_blocks(
        &mut self,
        compared: usize,
        blocks: Vec<engine::JoinBlock>,
    ) -> Result<Vec<engine::JoinBlock>> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let mut shares = vec![0.0; blocks.len()];
        let images: Vec<f64> = blocks.iter().map(|block| block.images() as f64).collect();
        let mut waiting = blocks.into_iter().enumerate();
        let mut running: FuturesUnordered<_> = waiting
            .by_ref()
            .take(cores.min(MAX_BLOCKS))
            .map(|block| self.step(block))
            .collect();
        let mut done = Vec::new();
        while let Some(stepped) = running.next().await {
            let ((number, block), has_more) = stepped?;
            shares[number] = block.progress();
            if has_more {
                running.push(self.step((number, block)));
            } else {
                done.push(block);
                running.extend(waiting.next().map(|block| self.step(block)));
            }
            if self.progress_at <= Instant::now() {
                let share: f64 = shares.iter().zip(&images).map(|(a, b)| a * b).sum();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a number of images, rounded down"
                )]
                let now = compared + share as usize;
                self.send_progress(now, String::new()).await;
            }
        }
        Ok(done)
    }

    /// Does one step of a block; returns whether it has more to do.
    fn step(
        &self,
        (number, mut block): NumberedBlock,
    ) -> impl Future<Output = Result<(NumberedBlock, bool)>> + use<> {
        let (call, cpu, engine) = (
            self.call.clone(),
            self.cpu.clone(),
            Arc::clone(&self.engine),
        );
        async move {
            let job = move || {
                let stepped = engine
                    .step_join(&mut block)
                    .map_err(|error| storage(&error));
                stepped.map(|has_more| ((number, block), has_more))
            };
            cpu.run(&call, STEP, job).await?
        }
    }

    /// Compares the images of a group with each other, and reads their records.
    async fn complete(&self, mut group: engine::OpenGroup) -> Result<Option<DuplicateGroup>> {
        loop {
            let engine = Arc::clone(&self.engine);
            let job = move || {
                if engine.step_group(&mut group)? {
                    return Ok(Completion::Open(group));
                }
                engine.close_group(group).map(Completion::Closed)
            };
            let completion: std::result::Result<_, engine::StoreError> =
                self.cpu.run(&self.call, STEP, job).await?;
            match completion.map_err(|error| storage(&error))? {
                Completion::Open(open) => group = open,
                Completion::Closed(closed) => return closed.map(checked).transpose(),
            }
        }
    }

    async fn send_progress(&mut self, compared: usize, cursor: String) {
        self.progress_at = Instant::now() + PROGRESS_INTERVAL;
        let progress = JoinProgress {
            compared: compared as u64,
            total: self.total as u64,
            cursor,
        };
        self.send(DuplicateEvent::Progress(progress)).await;
    }

    async fn send(&self, event: DuplicateEvent) {
        // Fails only when the client has disconnected, which ends the task.
        let _ = self.events.send(Ok(event)).await;
    }
}

/// Returns the number of images of the round after one of `images` that took a time.
fn next_images(images: usize, took: Duration) -> usize {
    let factor = ROUND_TIME.as_secs_f64() / took.as_secs_f64().max(0.001);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most four times the images"
    )]
    let next = (images as f64 * factor.clamp(0.25, 4.0)) as usize;
    next.clamp(1, engine::MAX_ROUND)
}

/// A group after a step.
enum Completion {
    Open(engine::OpenGroup),
    Closed(Option<engine::DuplicateGroup>),
}

fn checked(group: engine::DuplicateGroup) -> Result<DuplicateGroup> {
    let images = group.images.into_iter();
    let pairs = group.pairs.into_iter().map(|pair| DuplicatePair {
        a: pair.a,
        b: pair.b,
        score: f64::from(pair.score),
        geometry: pair.geometry.map(geometry),
    });
    Ok(DuplicateGroup {
        images: images
            .map(|image| record(image, Vec::new()))
            .collect::<Result<_>>()?,
        pairs: pairs.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_grow_until_one_takes_two_minutes_and_shrink_when_it_takes_more() {
        let second = Duration::from_secs(1);

        assert_eq!(next_images(4096, second), 16_384);
        assert_eq!(next_images(16_384, 60 * second), 32_768);
        assert_eq!(next_images(32_768, second), engine::MAX_ROUND);
        assert_eq!(next_images(engine::MAX_ROUND, 3600 * second), 16_384);
        assert_eq!(next_images(1, 3600 * second), 1);
        assert_eq!(next_images(256, Duration::ZERO), 1024);
    }
}
