//! A bounded pool for CPU-bound work.
//!
//! As many jobs run at once as there are cores; the others wait in order of arrival. A job whose
//! caller goes away while it waits never runs; a job that has started runs to its end, since a
//! blocking task cannot be cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::call::CallStats;
use crate::error::{Error, Kind, Result};
use crate::library::CpuState;
use crate::telemetry::{names::event, waited};

/// Runs jobs on as many threads as there are cores; clones share them.
#[derive(Clone, Debug)]
pub(super) struct CpuPool {
    permits: Arc<Semaphore>,
    size: usize,
    waiting: Arc<AtomicU64>,
}

/// Counts a job as waiting until it is dropped.
struct Waiting<'a>(&'a AtomicU64);

impl CpuPool {
    /// Creates a pool with one permit for each core.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        CpuPool::with_size(cores)
    }

    fn with_size(size: usize) -> Self {
        CpuPool {
            permits: Arc::new(Semaphore::new(size)),
            size,
            waiting: Arc::default(),
        }
    }

    /// Returns the numbers of running and waiting jobs.
    pub(super) fn state(&self) -> CpuState {
        CpuState {
            running: (self.size - self.permits.available_permits()) as u64,
            waiting: self.waiting.load(Relaxed),
        }
    }

    /// Runs `job` once a permit is free, and adds the wait to the stats of its call. Dropping the
    /// future before that drops the job.
    ///
    /// # Errors
    ///
    /// `Internal` when the job panics; its permit is freed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        stats: &CallStats,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let waiting = Waiting::begin(&self.waiting);
        let begin = Instant::now();
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        drop(waiting);
        stats.add_wait(begin.elapsed());
        waited(event::QUEUE_WAIT, begin.elapsed());
        let permit = permit
            .map_err(|closed| Error::new(Kind::Internal, "internal error").with_source(closed))?;
        let span = tracing::Span::current();
        #[expect(clippy::disallowed_methods, reason = "this is the pool that bounds it")]
        let job = tokio::task::spawn_blocking(move || {
            let result = span.in_scope(job);
            drop(permit);
            result
        });
        job.await
            .map_err(|_| Error::new(Kind::Internal, "the job panicked"))
    }
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn single() -> CpuPool {
        CpuPool::with_size(1)
    }

    #[tokio::test]
    async fn a_job_that_is_cancelled_before_it_starts_never_runs() {
        let pool = single();
        let (release, gate) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(&CallStats::default(), move || gate.recv().unwrap())
                    .await
            }
        });
        while pool.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        let (ran, has_run) = mpsc::channel();
        let stats = CallStats::default();
        let mut waiting = Box::pin(pool.run(&stats, move || ran.send(()).unwrap()));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let busy = CpuState {
            running: 1,
            waiting: 1,
        };
        assert_eq!(pool.state(), busy);
        drop(waiting);
        assert_eq!(pool.state().waiting, 0);
        release.send(()).unwrap();
        running.await.unwrap().unwrap();
        pool.run(&CallStats::default(), || ()).await.unwrap();

        assert!(has_run.recv().is_err(), "the sender was dropped unused");
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let pool = single();

        let failed = pool
            .run(&CallStats::default(), || panic!("boom"))
            .await
            .unwrap_err();

        assert_eq!(failed.kind(), Kind::Internal);
        assert_eq!(pool.run(&CallStats::default(), || 7).await.unwrap(), 7);
    }
}
