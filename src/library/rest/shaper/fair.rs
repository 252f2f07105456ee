//! Turns between tenants: start-time fair queueing.
//!
//! Goyal, Vin, Cheng: "Start-time Fair Queueing: A Scheduling Algorithm for
//! Integrated Services Packet Switching Networks", SIGCOMM 1996, with calls in
//! place of packets, each of cost 1. Every tenant has a line of its own. The
//! head of a line has a start tag; the smallest goes next and sets the virtual
//! clock, and the tag moves on by 1 / weight. A line that begins anew starts
//! at the clock: nobody saves up turns, and nobody pays for calls that left
//! before theirs. Deviation: tags are given to heads only, which is the same
//! for lines that stand and lets a call leave without a trace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Virtual time that a call of weight 1 takes; divided by the weight.
const UNIT: u64 = 1_000_000;

/// Waiting calls, in a line for each tenant.
#[derive(Debug)]
pub(super) struct Fair<T> {
    lines: BTreeMap<Arc<str>, Line<T>>,
    clock: u64,
    waiting: usize,
}

#[derive(Debug)]
struct Line<T> {
    /// Start tag of the head, or of whoever comes next.
    tag: u64,
    /// Virtual time from one call to the next.
    stride: u64,
    /// Numbers rise from front to back.
    calls: VecDeque<(u64, T)>,
}

// === impl Fair ===

impl<T> Fair<T> {
    pub(super) fn new() -> Self {
        Fair {
            lines: BTreeMap::new(),
            clock: 0,
            waiting: 0,
        }
    }

    /// Calls that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Calls of one tenant that wait.
    pub(super) fn len_of(&self, tenant: &str) -> usize {
        self.lines.get(tenant).map_or(0, |line| line.calls.len())
    }

    /// Puts a call at the end of its tenant's line; `number` is above that of
    /// every call before.
    pub(super) fn push(&mut self, tenant: &Arc<str>, weight: u32, number: u64, call: T) {
        let clock = self.clock;
        let line = self.lines.entry(tenant.clone()).or_insert_with(|| Line {
            tag: clock,
            stride: 0,
            calls: VecDeque::new(),
        });
        line.stride = stride(weight);
        if line.calls.is_empty() {
            line.tag = line.tag.max(clock);
        }
        line.calls.push_back((number, call));
        self.waiting += 1;
    }

    /// Takes the call whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let standing = self
            .lines
            .values_mut()
            .filter(|line| !line.calls.is_empty());
        // Of equal tags the first by name, as `ahead` assumes.
        let line = standing.min_by_key(|line| line.tag)?;
        let (_, call) = line.calls.pop_front()?;
        self.clock = line.tag;
        line.tag += line.stride;
        self.one_less();
        Some(call)
    }

    /// Takes out a call that gave up, if it is still here.
    pub(super) fn remove(&mut self, tenant: &str, number: u64) {
        let Some(line) = self.lines.get_mut(tenant) else {
            return;
        };
        let place = line
            .calls
            .binary_search_by_key(&number, |(number, _)| *number);
        if let Ok(place) = place {
            line.calls.remove(place);
            self.one_less();
        }
    }

    /// Calls that go before one that came now, if nobody comes after it.
    pub(super) fn ahead(&self, tenant: &str, weight: u32) -> usize {
        let own = self.lines.get(tenant);
        let before = own.map_or(0, |line| line.calls.len());
        let head = own.map_or(self.clock, |line| match before {
            0 => line.tag.max(self.clock),
            _ => line.tag,
        });
        let tag = head + before as u64 * stride(weight);
        let others = self
            .lines
            .iter()
            .filter(|(name, _)| name.as_ref() != tenant);
        let theirs = others.map(|(name, line)| line.before(tag, name.as_ref() < tenant));
        before + theirs.sum::<usize>()
    }

    fn one_less(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            // Nobody is owed anything, and tenants who left need no memory.
            self.lines.clear();
            self.clock = 0;
        }
    }
}

// === impl Line ===

impl<T> Line<T> {
    /// Calls here whose tags are below `tag`, or equal and `wins_ties`.
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
