//! Fair queueing between tenants: start-time fair queueing.
//!
//! Goyal, Vin, Cheng: "Start-time Fair Queueing: A Scheduling Algorithm for Integrated Services
//! Packet Switching Networks", SIGCOMM 1996, with calls instead of packets, each of cost 1. Every
//! tenant has a flow of its own. The head of a flow has a start tag; the smallest tag is served
//! next and sets the virtual clock, and the tag grows by 1 / weight. A flow that becomes active
//! again starts at the clock: idle tenants save up nothing, and cancelled calls cost nothing.
//! Deviation: only heads have tags, which is the same for active flows and lets a cancelled call
//! leave without a trace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Virtual time of a call of weight 1; it is divided by the weight.
const UNIT: u64 = 1_000_000;

/// Queued calls, in one flow for each tenant.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    flows: BTreeMap<Arc<str>, Flow<T>>,
    clock: u64,
    len: usize,
}

#[derive(Debug)]
struct Flow<T> {
    /// Start tag of the head, or of the call that comes next.
    tag: u64,
    /// Virtual time from one call to the next.
    stride: u64,
    /// Numbers rise from front to back.
    calls: VecDeque<(u64, T)>,
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
    pub(super) fn push(&mut self, tenant: &Arc<str>, weight: u32, number: u64, call: T) {
        let clock = self.clock;
        let flow = self.flows.entry(tenant.clone()).or_insert_with(|| Flow {
            tag: clock,
            stride: 0,
            calls: VecDeque::new(),
        });
        flow.stride = stride(weight);
        if flow.calls.is_empty() {
            flow.tag = flow.tag.max(clock);
        }
        flow.calls.push_back((number, call));
        self.len += 1;
    }

    /// Removes and returns the next call.
    pub(super) fn pop(&mut self) -> Option<T> {
        let flow = self
            .flows
            .values_mut()
            .filter(|flow| !flow.calls.is_empty())
            // Of equal tags the first by name, as `ahead` assumes.
            .min_by_key(|flow| flow.tag)?;
        let (_, call) = flow.calls.pop_front()?;
        self.clock = flow.tag;
        flow.tag += flow.stride;
        self.decrement();
        Some(call)
    }

    /// Removes a cancelled call, if it is still queued.
    pub(super) fn remove(&mut self, tenant: &str, number: u64) {
        let Some(flow) = self.flows.get_mut(tenant) else {
            return;
        };
        let index = flow
            .calls
            .binary_search_by_key(&number, |(number, _)| *number);
        if let Ok(index) = index {
            flow.calls.remove(index);
            self.decrement();
        }
    }

    /// Returns how many calls are served before one that is pushed now, if no call is pushed after
    /// it.
    pub(super) fn ahead(&self, tenant: &str, weight: u32) -> usize {
        let own = self.flows.get(tenant);
        let before = own.map_or(0, |flow| flow.calls.len());
        let head = own.map_or(self.clock, |flow| match before {
            0 => flow.tag.max(self.clock),
            _ => flow.tag,
        });
        let tag = head + before as u64 * stride(weight);
        let others: usize = self
            .flows
            .iter()
            .filter(|(name, _)| name.as_ref() != tenant)
            .map(|(name, flow)| flow.before(tag, name.as_ref() < tenant))
            .sum();
        before + others
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

// === impl Flow ===

impl<T> Flow<T> {
    /// Returns how many calls have a tag below `tag`, or equal and `wins_ties`.
    fn before(&self, tag: u64, wins_ties: bool) -> usize {
        if self.calls.is_empty() || tag < self.tag {
            return 0;
        }
        let lead = tag - self.tag;
        let tie = wins_ties && lead.is_multiple_of(self.stride);
        let before = lead.div_ceil(self.stride) + u64::from(tie);
        usize::try_from(before).map_or(self.calls.len(), |before| before.min(self.calls.len()))
    }
}

fn stride(weight: u32) -> u64 {
    UNIT / u64::from(weight.max(1))
}
