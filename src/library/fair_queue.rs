//! Fair queueing between tenants: start-time fair queueing.
//!
//! Goyal, Vin, Cheng: "Start-time Fair Queueing: A Scheduling Algorithm for Integrated Services
//! Packet Switching Networks", SIGCOMM 1996, with calls instead of packets: those for a vendor's
//! rate limit have cost 1, those for the CPU pool that of their image. Every tenant has a flow of
//! its own. The head of a flow has a start tag; the smallest tag is served next and sets the virtual
//! clock, and the tag grows by cost / weight. A flow that becomes active again starts at the clock:
//! idle tenants save up nothing, and cancelled calls cost nothing. Deviation: only heads have tags,
//! which is the same for active flows and lets a cancelled call leave without a trace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Virtual time of one unit of cost at weight 1; it is divided by the weight.
const UNIT: u64 = 1_000_000;

/// Queued calls, in one flow for each tenant.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    flows: BTreeMap<Arc<str>, Flow<T>>,
    clock: u64,
    len: usize,
}

/// The position of a flow in virtual time, and what is queued in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backlog {
    /// Start tag of the head, or of the call that comes next.
    pub(super) tag: u64,
    /// Virtual time of one unit of cost.
    pub(super) stride: u64,
    /// Sum of the costs of the queued calls.
    pub(super) cost: u64,
}

#[derive(Debug)]
struct Flow<T> {
    backlog: Backlog,
    /// Numbers rise from front to back.
    calls: VecDeque<Queued<T>>,
}

#[derive(Debug)]
struct Queued<T> {
    number: u64,
    cost: u64,
    call: T,
}

// === impl FairQueue ===

impl<T> FairQueue<T> {
    /// Creates an empty queue.
    pub(super) fn new() -> Self {
        FairQueue {
            flows: BTreeMap::new(),
            clock: 0,
            len: 0,
        }
    }

    /// Returns the number of queued calls.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of queued calls of one tenant.
    pub(super) fn len_of(&self, tenant: &str) -> usize {
        self.flows.get(tenant).map_or(0, |flow| flow.calls.len())
    }

    /// Appends a call to its tenant's flow; `number` is above that of every call before.
    pub(super) fn push(&mut self, tenant: &Arc<str>, weight: u32, cost: u64, number: u64, call: T) {
        let clock = self.clock;
        let flow = self.flows.entry(tenant.clone()).or_insert_with(|| Flow {
            backlog: Backlog::default(),
            calls: VecDeque::new(),
        });
        flow.backlog.stride = stride(weight);
        flow.backlog.tag = flow.backlog.next_tag(clock);
        flow.backlog.cost += cost;
        flow.calls.push_back(Queued { number, cost, call });
        self.len += 1;
    }

    /// Returns the next call.
    pub(super) fn peek(&self) -> Option<&T> {
        let active = self.flows.values().filter(|flow| !flow.calls.is_empty());
        // Of equal tags the first by name, as in `pop` and `ahead`.
        let flow = active.min_by_key(|flow| flow.backlog.tag)?;
        flow.calls.front().map(|queued| &queued.call)
    }

    /// Removes and returns the next call, with its cost.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let flow = self
            .flows
            .values_mut()
            .filter(|flow| !flow.calls.is_empty())
            // Of equal tags the first by name, as `ahead` assumes.
            .min_by_key(|flow| flow.backlog.tag)?;
        let queued = flow.calls.pop_front()?;
        self.clock = flow.backlog.tag;
        flow.backlog.serve(queued.cost);
        self.decrement();
        Some((queued.cost, queued.call))
    }

    /// Removes a cancelled call, if it is still queued, and returns its cost.
    pub(super) fn remove(&mut self, tenant: &str, number: u64) -> Option<u64> {
        let flow = self.flows.get_mut(tenant)?;
        let index = flow
            .calls
            .binary_search_by_key(&number, |queued| queued.number);
        let Queued { cost, .. } = flow.calls.remove(index.ok()?)?;
        flow.backlog.cost -= cost;
        self.decrement();
        Some(cost)
    }

    /// Returns the cost of the calls that are served before one that is pushed now, if no call is
    /// pushed after it: exactly where every call has cost 1, otherwise up to one call of each other
    /// tenant less.
    pub(super) fn ahead(&self, tenant: &str, weight: u32) -> u64 {
        let own = self.flows.get(tenant);
        let own = own.map_or_else(Backlog::default, |flow| flow.backlog);
        let tag = own.next_tag(self.clock) + own.cost * stride(weight);
        let others: u64 = self
            .flows
            .iter()
            .filter(|(name, _)| name.as_ref() != tenant)
            .map(|(name, flow)| flow.backlog.before(tag, name.as_ref() < tenant))
            .sum();
        own.cost + others
    }

    fn decrement(&mut self) {
        self.len -= 1;
        if self.len == 0 {
            // No flow is ahead of another, and idle tenants need no memory.
            self.flows.clear();
            self.clock = 0;
        }
    }
}

// === impl Backlog ===

impl Backlog {
    /// Returns the tag of the head, also of one that is queued now.
    pub(super) fn next_tag(&self, clock: u64) -> u64 {
        if self.cost == 0 {
            return self.tag.max(clock);
        }
        self.tag
    }

    /// Moves a call from the head of the backlog into the past.
    pub(super) fn serve(&mut self, cost: u64) {
        self.cost -= cost;
        self.tag += cost * self.stride;
    }

    /// Returns the cost of the calls that have a tag below `tag`, or equal and `wins_ties`.
    pub(super) fn before(&self, tag: u64, wins_ties: bool) -> u64 {
        if self.cost == 0 || tag < self.tag {
            return 0;
        }
        let lead = tag - self.tag;
        let tie = wins_ties && lead.is_multiple_of(self.stride);
        (lead.div_ceil(self.stride) + u64::from(tie)).min(self.cost)
    }
}

/// Returns the virtual time of one unit of cost for a flow of this weight.
pub(super) fn stride(weight: u32) -> u64 {
    UNIT / u64::from(weight.max(1))
}
