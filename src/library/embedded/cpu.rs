//! A bounded pool for work that keeps a core busy.
//!
//! As many jobs run at once as there are cores; the others wait in order of
//! arrival. A caller that goes away while its job waits frees its place at
//! once; a job that has begun runs to its end, since nothing can stop it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::{Error, Kind, Result};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct CpuPool {
    places: Arc<Semaphore>,
}

impl CpuPool {
    /// A pool with a place for each core.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        CpuPool {
            places: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Runs `job` once a place is free. Dropping the future before that drops
    /// the job.
    ///
    /// # Errors
    ///
    /// `Internal` when the job panics; the place is freed all the same.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place
            .map_err(|closed| Error::new(Kind::Internal, "internal error").with_source(closed))?;
        let span = tracing::Span::current();
        #[expect(clippy::disallowed_methods, reason = "this is the pool that bounds it")]
        let running = tokio::task::spawn_blocking(move || {
            let result = span.in_scope(job);
            drop(place);
            result
        });
        running
            .await
            .map_err(|_| Error::new(Kind::Internal, "the job panicked"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn single() -> CpuPool {
        CpuPool {
            places: Arc::new(Semaphore::new(1)),
        }
    }

    #[tokio::test]
    async fn a_job_whose_caller_has_gone_before_it_began_never_runs() {
        let pool = single();
        let (release, gate) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || gate.recv().unwrap()).await }
        });
        while pool.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        let (ran, has_run) = mpsc::channel();
        let mut waiting = Box::pin(pool.run(move || ran.send(()).unwrap()));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
        release.send(()).unwrap();
        running.await.unwrap().unwrap();
        pool.run(|| ()).await.unwrap();

        assert!(has_run.recv().is_err(), "the sender was dropped unused");
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let pool = single();

        let failed = pool.run(|| panic!("boom")).await.unwrap_err();

        assert_eq!(failed.kind(), Kind::Internal);
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
