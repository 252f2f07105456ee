//! The components of the index that no longer change.

use std::sync::Arc;

use super::memtable::Memtable;
use super::posting_lists::PostingLists;
use super::segment::Segment;

/// An immutable component: a segment, or a sealed memtable that the next merge writes to one.
#[derive(Clone)]
pub(super) enum Sealed {
    Memtable(Arc<Memtable>),
    Segment(Arc<Segment>),
}

// === impl Sealed ===

impl Sealed {
    pub(super) fn postings(&self) -> &dyn PostingLists {
        match self {
            Self::Memtable(memtable) => &**memtable,
            Self::Segment(segment) => &**segment,
        }
    }

    pub(super) fn segment(&self) -> Option<&Segment> {
        match self {
            Self::Memtable(_) => None,
            Self::Segment(segment) => Some(segment),
        }
    }

    /// Returns whether both are the same component, not only equal.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memtable(a), Self::Memtable(b)) => Arc::ptr_eq(a, b),
            (Self::Segment(a), Self::Segment(b)) => Arc::ptr_eq(a, b),
            (Self::Memtable(_), Self::Segment(_)) | (Self::Segment(_), Self::Memtable(_)) => false,
        }
    }
}
