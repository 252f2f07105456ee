//! The waiting jobs of the CPU pool: which one is next.
//!
//! Two levels of start-time fair queueing (Goyal et al. 1996, section 3: hierarchical sharing). The
//! classes share the cores by fixed weights, and in each class the tenants by theirs. A class that
//! was idle is served next, so a search waits for no backlog of adds, and the weights are far apart,
//! so that searches go first under load as well. None is zero: no class starves. Pure: no clock, no
//! lock.

use std::sync::Arc;

use crate::call::Tenant;
use crate::library::fair_queue::{Backlog, FairQueue, stride};

/// The priority class of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A search.
    Search,
    /// Another single call.
    Single,
    /// An item of a bulk load.
    Bulk,
}

/// Weights of the classes, in their order: while all wait, searches get 16 parts of 21, other
/// single calls 4, bulk loads 1. With 5 % of two cores, a bulk load adds two images a second instead
/// of timing out as a whole (docs/benchmarks.md: an add of 0.4 megapixels takes 36 ms).
const WEIGHTS: [u32; Class::COUNT] = [16, 4, 1];

/// Waiting jobs by class and tenant.
#[derive(Debug)]
pub(super) struct ClassQueue<T> {
    classes: [OfClass<T>; Class::COUNT],
    clock: u64,
    last_number: u64,
}

#[derive(Debug)]
struct OfClass<T> {
    backlog: Backlog,
    tenants: FairQueue<T>,
}

// === impl Class ===

impl Class {
    /// Number of classes.
    pub(super) const COUNT: usize = 3;
    /// Every class, first the one that goes first.
    const ALL: [Class; Self::COUNT] = [Class::Search, Class::Single, Class::Bulk];
}

// === impl ClassQueue ===

impl<T> ClassQueue<T> {
    /// Creates an empty queue.
    pub(super) fn new() -> Self {
        ClassQueue {
            classes: WEIGHTS.map(|weight| OfClass {
                backlog: Backlog {
                    stride: stride(weight),
                    ..Backlog::default()
                },
                tenants: FairQueue::new(),
            }),
            clock: 0,
            last_number: 0,
        }
    }

    /// Returns the number of waiting jobs.
    pub(super) fn len(&self) -> usize {
        self.classes.iter().map(|class| class.tenants.len()).sum()
    }

    /// Returns the number of waiting jobs of one class.
    pub(super) fn len_of_class(&self, class: Class) -> usize {
        self.classes[class as usize].tenants.len()
    }

    /// Returns the number of waiting jobs of one tenant.
    pub(super) fn len_of_tenant(&self, tenant: &Tenant) -> usize {
        let classes = self.classes.iter();
        classes
            .map(|class| class.tenants.len_of(&tenant.name))
            .sum()
    }

    /// Appends a job to its flow; the number identifies it in [`ClassQueue::remove`].
    pub(super) fn push(&mut self, class: Class, tenant: &Tenant, cost: u64, job: T) -> u64 {
        self.last_number += 1;
        let class = &mut self.classes[class as usize];
        class.backlog.tag = class.backlog.next_tag(self.clock);
        class.backlog.cost += cost;
        let number = self.last_number;
        let name: Arc<str> = tenant.name.as_str().into();
        class.tenants.push(&name, tenant.weight, cost, number, job);
        number
    }

    /// Returns the next job.
    pub(super) fn peek(&self) -> Option<&T> {
        self.classes[self.next_class()?].tenants.peek()
    }

    /// Removes and returns the next job.
    pub(super) fn pop(&mut self) -> Option<T> {
        let class = &mut self.classes[self.next_class()?];
        let (cost, job) = class.tenants.pop()?;
        self.clock = class.backlog.tag;
        class.backlog.serve(cost);
        self.forget_if_empty();
        Some(job)
    }

    /// Removes a cancelled job, if it still waits.
    pub(super) fn remove(&mut self, class: Class, tenant: &Tenant, number: u64) {
        let class = &mut self.classes[class as usize];
        if let Some(cost) = class.tenants.remove(&tenant.name, number) {
            class.backlog.cost -= cost;
            self.forget_if_empty();
        }
    }

    /// Returns the cost, by class, of the jobs that start before one that is pushed now, if none is
    /// pushed after it: up to one job of each other flow less.
    pub(super) fn ahead(&self, class: Class, tenant: &Tenant) -> [u64; Class::COUNT] {
        let own = &self.classes[class as usize];
        let of_own_class = own.tenants.ahead(&tenant.name, tenant.weight);
        let tag = own.backlog.next_tag(self.clock) + of_own_class * own.backlog.stride;
        Class::ALL.map(|other| {
            if other == class {
                return of_own_class;
            }
            let wins_ties = (other as usize) < class as usize;
            self.classes[other as usize].backlog.before(tag, wins_ties)
        })
    }

    /// Returns the index of the class that is served next; of equal tags, the first class.
    fn next_class(&self) -> Option<usize> {
        let waiting = (0..Class::COUNT).filter(|index| self.classes[*index].tenants.len() > 0);
        waiting.min_by_key(|index| self.classes[*index].backlog.tag)
    }

    /// Once nothing waits, no class is ahead of another.
    fn forget_if_empty(&mut self) {
        if self.len() == 0 {
            self.clock = 0;
            for class in &mut self.classes {
                class.backlog.tag = 0;
            }
        }
    }
}
