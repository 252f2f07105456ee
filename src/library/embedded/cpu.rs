//! The CPU pool of the process: bounded and fair.
//!
//! Decoding, extraction and searches of all embedded libraries share it. As many jobs run at once as
//! there are cores, as long as their decoded images fit into memory; the others wait, in an order
//! that is fair between tenants (`schedule`). In order: a job starts, waits, or is rejected when it
//! would start too late for its deadline; it runs on a blocking thread; its permit starts the next
//! jobs. A job whose caller goes away while it waits never runs; a job that has started runs to its
//! end, since a blocking task cannot be cancelled. Here are only the lock, the waiting and the
//! waking.

mod class_queue;
mod cost_rate;
mod schedule;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use self::schedule::{Rejected, Schedule};
use crate::call::{Call, Tenant};
use crate::error::{Error, Kind, Result};
use crate::library::CpuState;
use crate::telemetry::{names::event, waited};

pub(in crate::library) use self::class_queue::Class;
pub(in crate::library) use self::schedule::Demand;

/// Runs jobs on as many threads as there are cores; clones share them.
#[derive(Clone)]
pub struct CpuPool(Arc<Inner>);

struct Inner {
    /// One permit: a join uses all idle cores, and up to 430 MB for each of two blocks.
    join_slot: Arc<Semaphore>,
    schedule: Mutex<Schedule<oneshot::Sender<Permit>>>,
}

/// Permission to run one job; dropping it ends the job and starts the next ones.
struct Permit {
    pool: Arc<Inner>,
    demand: Demand,
    started: Option<Instant>,
}

/// A waiting job; dropped, it leaves the queue.
struct Waiting<'a> {
    pool: &'a Arc<Inner>,
    class: Class,
    tenant: &'a Tenant,
    number: u64,
}

// === impl CpuPool ===

impl CpuPool {
    /// Creates a pool for the cores of this machine, and this memory for decoding.
    pub fn new(max_decoded_bytes: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        CpuPool::with_cores(cores, max_decoded_bytes)
    }

    fn with_cores(cores: usize, max_decoded_bytes: u64) -> Self {
        CpuPool(Arc::new(Inner {
            join_slot: Arc::new(Semaphore::new(1)),
            schedule: Mutex::new(Schedule::new(cores, max_decoded_bytes)),
        }))
    }

    /// Changes the memory for decoding from now on; running jobs keep what they have.
    pub fn resize(&self, max_decoded_bytes: u64) {
        self.0.lock().set_max_bytes(max_decoded_bytes);
        self.0.start_waiting_jobs();
    }

    /// Returns what a join of a library holds until it ends.
    pub fn join_slot(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.join_slot)
    }

    /// Returns the numbers of running and waiting jobs.
    pub fn state(&self) -> CpuState {
        self.0.lock().state()
    }

    /// Runs `job` once it may, and adds the wait to the stats of its call. Dropping the future
    /// before that drops the job.
    ///
    /// # Errors
    ///
    /// `RateLimitDeadline` when the job would start too late for the call's deadline: at once, or
    /// later when other jobs came in between; `Overloaded` when too many jobs wait; both with the
    /// wait. `Internal` when the job panics.
    pub(in crate::library) async fn run<T: Send + 'static>(
        &self,
        call: &Call,
        demand: Demand,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let mut permit = match self.0.start(demand) {
            Some(permit) => permit,
            None => self.wait(call, demand).await?,
        };
        let span = tracing::Span::current();
        #[expect(clippy::disallowed_methods, reason = "this is the pool that bounds it")]
        let job = tokio::task::spawn_blocking(move || {
            permit.started = Some(Instant::now());
            let result = span.in_scope(job);
            drop(permit);
            result
        });
        job.await
            .map_err(|_| Error::new(Kind::Internal, "the job panicked"))
    }

    /// Waits for a permit. Dropping the future leaves the queue at once.
    async fn wait(&self, call: &Call, demand: Demand) -> Result<Permit> {
        let begin = Instant::now();
        let tenant = &*call.tenant;
        let (sender, permit) = oneshot::channel();
        let (number, max_wait) = {
            let mut schedule = self.0.lock();
            let max_wait = schedule.max_wait(demand, call.remaining());
            let queued = schedule.push(demand, tenant, max_wait, sender);
            (queued.map_err(rejection)?, max_wait)
        };
        let waiting = Waiting {
            pool: &self.0,
            class: demand.class,
            tenant,
            number,
        };
        // In the fair order it may be the next one.
        self.0.start_waiting_jobs();
        let permit = timeout(max_wait, permit).await;
        call.stats.add_wait(begin.elapsed());
        waited(event::QUEUE_WAIT, begin.elapsed());
        drop(waiting);
        // Only the queue drops the sender, and only when the job leaves it.
        if let Ok(Ok(permit)) = permit {
            return Ok(permit);
        }
        Err(rejection(Rejected {
            wait: self.0.lock().wait(demand.class, tenant),
            queue_full: false,
        }))
    }
}

impl fmt::Debug for CpuPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuPool({:?})", self.state())
    }
}

// === impl Inner ===

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Schedule<oneshot::Sender<Permit>>> {
        // Every change is complete before anything in it could panic.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a job if it need not wait.
    fn start(self: &Arc<Self>, demand: Demand) -> Option<Permit> {
        self.lock().start(demand).then(|| self.permit(demand))
    }

    /// Starts every waiting job that can run now. Permits are handed over without the lock: one
    /// whose caller has gone away is dropped, which takes the lock.
    fn start_waiting_jobs(self: &Arc<Self>) {
        loop {
            let next = self.lock().pop();
            let Some((demand, sender)) = next else {
                return;
            };
            // A job whose caller has gone away returns the permit, which is dropped here.
            let _ = sender.send(self.permit(demand));
        }
    }

    fn permit(self: &Arc<Self>, demand: Demand) -> Permit {
        Permit {
            pool: Arc::clone(self),
            demand,
            started: None,
        }
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        let took = self.started.map(|started| started.elapsed());
        self.pool.lock().end(self.demand, took);
        self.pool.start_waiting_jobs();
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Waiting {
            class,
            tenant,
            number,
            ..
        } = *self;
        self.pool.lock().cancel(class, tenant, number);
        // Those behind it may fit into the memory that it waited for.
        self.pool.start_waiting_jobs();
    }
}

fn rejection(Rejected { wait, queue_full }: Rejected) -> Error {
    let (kind, message) = if queue_full {
        (Kind::Overloaded, "too many jobs wait for a core".to_owned())
    } else {
        (
            Kind::RateLimitDeadline,
            format!("the wait for a core is {wait:.1?}, too long for this call's deadline"),
        )
    };
    Error::new(kind, message).with_retry_after(wait)
}

#[cfg(test)]
mod tests;
