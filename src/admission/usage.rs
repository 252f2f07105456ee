//! What is in flight, and what fits: plain numbers, without locks or waiting.
//!
//! Three levels contain each other: everything, bulk loads with their items, and bulk loads alone.
//! Each has a part of the budget, and a tenant has a share of each level.

use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Requests and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

/// What a permit is for; the number of the innermost level that it counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A single call.
    Single = 0,
    /// An item of a bulk load.
    Item = 1,
    /// A bulk load, and what it has received of the next item.
    Load = 2,
}

/// Whose permit it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) class: Class,
    /// Index of the tenant.
    pub(super) tenant: usize,
}

/// The limits, and what is in flight.
#[derive(Debug)]
pub(super) struct Usage {
    max: Amount,
    /// Share of one tenant in percent.
    tenant_percent: usize,
    all: [Amount; 3],
    tenants: Vec<TenantUsage>,
    /// By name. Names are those of the configuration, so their number is bounded.
    indices: HashMap<String, usize>,
}

#[derive(Debug, Default)]
struct TenantUsage {
    used: [Amount; 3],
    /// By class: whether one permit of it grows although nothing is free.
    has_pass: [bool; 3],
}

/// Eighths of the budget that each level may use. Bulk loads and their items leave a quarter, so
/// that searches go on while loads use all they can; loads leave half of theirs to the items that
/// they have received, without which none of them could end.
const EIGHTHS: [usize; 3] = [8, 6, 3];

// === impl Usage ===

impl Usage {
    pub(super) fn new(max: Amount, tenant_percent: usize) -> Self {
        Usage {
            max,
            tenant_percent,
            all: [Amount::default(); 3],
            tenants: Vec::new(),
            indices: HashMap::new(),
        }
    }

    pub(super) fn resize(&mut self, max: Amount, tenant_percent: usize) {
        (self.max, self.tenant_percent) = (max, tenant_percent);
    }

    /// Returns what is in flight in total.
    pub(super) fn total(&self) -> Amount {
        self.all[0]
    }

    pub(super) fn max(&self) -> Amount {
        self.max
    }

    /// Finds the index of a tenant.
    pub(super) fn tenant(&mut self, name: &str) -> usize {
        if let Some(index) = self.indices.get(name) {
            return *index;
        }
        let index = self.tenants.len();
        self.tenants.push(TenantUsage::default());
        self.indices.insert(name.to_owned(), index);
        index
    }

    /// Returns whether `more` fits besides what is in flight, and in the tenant's share.
    pub(super) fn fits(&self, holder: Holder, more: Amount) -> bool {
        let used = &self.tenants[holder.tenant].used;
        let percent = self.tenant_percent;
        self.fits_without_share(holder, more)
            && levels(holder).all(|level| {
                let share = self.max_of(level).part(percent, 100);
                more.fits(used[level], share)
            })
    }

    /// Returns whether `more` fits besides what is in flight.
    pub(super) fn fits_without_share(&self, holder: Holder, more: Amount) -> bool {
        levels(holder).all(|level| more.fits(self.all[level], self.max_of(level)))
    }

    fn max_of(&self, level: usize) -> Amount {
        self.max.part(EIGHTHS[level], 8)
    }

    /// Returns whether more bytes may be read without a limit on how many.
    pub(super) fn has_free_bytes(&self, holder: Holder) -> bool {
        let one = Amount {
            requests: 0,
            bytes: 1,
        };
        self.fits(holder, one)
    }

    pub(super) fn add(&mut self, holder: Holder, more: Amount) {
        for level in levels(holder) {
            let used = &mut self.tenants[holder.tenant].used[level];
            *used = used.plus(more);
            self.all[level] = self.all[level].plus(more);
        }
    }

    pub(super) fn remove(&mut self, holder: Holder, amount: Amount) {
        for level in levels(holder) {
            let used = &mut self.tenants[holder.tenant].used[level];
            *used = used.minus(amount);
            self.all[level] = self.all[level].minus(amount);
        }
    }

    /// Takes the pass of a tenant's loads or items, unless another of them has it.
    pub(super) fn take_pass(&mut self, holder: Holder) -> bool {
        !std::mem::replace(self.pass(holder), true)
    }

    pub(super) fn return_pass(&mut self, holder: Holder) {
        *self.pass(holder) = false;
    }

    fn pass(&mut self, holder: Holder) -> &mut bool {
        &mut self.tenants[holder.tenant].has_pass[holder.class as usize]
    }
}

fn levels(holder: Holder) -> RangeInclusive<usize> {
    0..=holder.class as usize
}

// === impl Amount ===

impl Amount {
    pub(super) fn plus(self, other: Amount) -> Amount {
        Amount {
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn minus(self, other: Amount) -> Amount {
        Amount {
            requests: self.requests.saturating_sub(other.requests),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Returns whether this fits into `max` besides `used`. Only what grows counts: a limit that was
    /// lowered does not end what is in flight already.
    fn fits(self, used: Amount, max: Amount) -> bool {
        let all = used.plus(self);
        (self.requests == 0 || all.requests <= max.requests)
            && (self.bytes == 0 || all.bytes <= max.bytes)
    }

    /// Returns so many of `whole` equal parts, rounded down, at least one of each number.
    fn part(self, parts: usize, whole: usize) -> Amount {
        let part = |number: usize| (number.saturating_mul(parts) / whole).max(1);
        Amount {
            requests: part(self.requests),
            bytes: part(self.bytes),
        }
    }
}
