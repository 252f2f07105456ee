//! The rules of the CPU pool: which jobs run, which wait, and which are rejected.
//!
//! A job runs while a core is free and its decoded image fits into memory; until then it waits in
//! `class_queue`. The next job in the queue is not overtaken by smaller ones while it waits for
//! memory, or it could wait forever. A job that would start too late for its deadline is rejected
//! before it is queued, by the measured rates of `cost_rate`. Pure: no clock, no lock.

use std::time::Duration;

use super::class_queue::{Class, ClassQueue};
use super::cost_rate::CostRate;
use crate::call::Tenant;
use crate::library::{ClassState, CpuState};

/// Maximum number of waiting jobs. The admission budget bounds them to
/// `limits.max_requests_in_flight` before, 1024 by default; this holds for every configuration.
pub(super) const MAX_WAITING: usize = 4096;
/// Maximum number of waiting jobs of one tenant: the other half is for all others.
pub(super) const MAX_WAITING_OF_TENANT: usize = MAX_WAITING / 2;

/// What a job needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) class: Class,
    /// CPU time, in units of 1024 decoded pixels, at least 1.
    pub(crate) cost: u64,
    /// Memory that it uses at its peak, most of it for the decoded image.
    pub(crate) bytes: u64,
}

/// Why a job is not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// How long it would wait.
    pub(super) wait: Duration,
    /// Whether the queue, or its tenant's share of it, is full.
    pub(super) queue_full: bool,
}

/// Running and waiting jobs.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    cores: usize,
    max_bytes: u64,
    classes: [RunningJobs; Class::COUNT],
    running: usize,
    bytes: u64,
    queue: ClassQueue<(Demand, T)>,
}

/// Running jobs of one class, and how long such jobs take.
#[derive(Clone, Copy, Debug, Default)]
struct RunningJobs {
    count: u64,
    cost: u64,
    rate: CostRate,
}

// === impl Schedule ===

impl<T> Schedule<T> {
    /// Creates the schedule for a number of cores and for the memory of decoding.
    pub(super) fn new(cores: usize, max_bytes: u64) -> Self {
        Schedule {
            cores: cores.max(1),
            max_bytes,
            classes: Default::default(),
            running: 0,
            bytes: 0,
            queue: ClassQueue::new(),
        }
    }

    /// Changes the memory for decoding; running jobs keep what they have.
    pub(super) fn set_max_bytes(&mut self, max_bytes: u64) {
        self.max_bytes = max_bytes;
    }

    /// Starts a job if nothing waits and it can run now; returns whether it did.
    pub(super) fn start(&mut self, demand: Demand) -> bool {
        let starts = self.queue.len() == 0 && self.fits(demand);
        if starts {
            self.begin(demand);
        }
        starts
    }

    /// Queues a job; the number identifies it in [`Schedule::cancel`].
    ///
    /// # Errors
    ///
    /// When it would start later than `max_wait` from now, or the queue is full.
    pub(super) fn push(
        &mut self,
        demand: Demand,
        tenant: &Tenant,
        max_wait: Duration,
        job: T,
    ) -> Result<u64, Rejected> {
        let wait = self.wait(demand.class, tenant);
        let queue_full = self.queue.len() >= MAX_WAITING
            || self.queue.len_of_tenant(tenant) >= MAX_WAITING_OF_TENANT;
        if queue_full || wait > max_wait {
            return Err(Rejected { wait, queue_full });
        }
        let Demand { class, cost, .. } = demand;
        Ok(self.queue.push(class, tenant, cost, (demand, job)))
    }

    /// Removes a waiting job; does nothing if it was started already.
    pub(super) fn cancel(&mut self, class: Class, tenant: &Tenant, number: u64) {
        self.queue.remove(class, tenant, number);
    }

    /// Starts the next waiting job, if it can run now.
    pub(super) fn pop(&mut self) -> Option<(Demand, T)> {
        let (demand, _) = self.queue.peek()?;
        if !self.fits(*demand) {
            return None;
        }
        let (demand, job) = self.queue.pop()?;
        self.begin(demand);
        Some((demand, job))
    }

    /// Ends a running job; `took` is the time that it ran, unless it never did.
    pub(super) fn end(&mut self, demand: Demand, took: Option<Duration>) {
        let jobs = &mut self.classes[demand.class as usize];
        jobs.count -= 1;
        jobs.cost -= demand.cost;
        if let Some(took) = took {
            jobs.rate.record(demand.cost, took);
        }
        self.running -= 1;
        self.bytes -= demand.bytes;
    }

    /// Returns how long a job would wait, if none is queued after it. Running jobs are assumed to be
    /// half done.
    pub(super) fn wait(&self, class: Class, tenant: &Tenant) -> Duration {
        let ahead = self.queue.ahead(class, tenant);
        let times = self.classes.iter().zip(ahead);
        let total: Duration = times
            .map(|(jobs, ahead)| jobs.rate.expected(ahead + jobs.cost / 2))
            .sum();
        total / u32::try_from(self.cores).unwrap_or(u32::MAX)
    }

    /// Returns how long a job may wait that must be done within `remaining`. Half of that is always
    /// left for waiting: after an estimate that is too high, jobs still run and correct it.
    pub(super) fn max_wait(&self, demand: Demand, remaining: Duration) -> Duration {
        let rate = &self.classes[demand.class as usize].rate;
        remaining - rate.expected(demand.cost).min(remaining / 2)
    }

    /// Returns the numbers of running and waiting jobs.
    pub(super) fn state(&self) -> CpuState {
        let of = |class: Class| ClassState {
            running: self.classes[class as usize].count,
            waiting: self.queue.len_of_class(class) as u64,
        };
        CpuState {
            search: of(Class::Search),
            single: of(Class::Single),
            bulk: of(Class::Bulk),
            decoded_bytes: self.bytes,
        }
    }

    /// Returns whether a job can run now. One that needs more than all memory runs alone.
    fn fits(&self, demand: Demand) -> bool {
        let bytes = self.bytes.saturating_add(demand.bytes);
        self.running < self.cores && (bytes <= self.max_bytes || self.bytes == 0)
    }

    fn begin(&mut self, demand: Demand) {
        let jobs = &mut self.classes[demand.class as usize];
        jobs.count += 1;
        jobs.cost += demand.cost;
        self.running += 1;
        self.bytes += demand.bytes;
    }
}
