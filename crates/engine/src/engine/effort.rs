//! How much a search does for an image that matches nothing at first.

use crate::prepare::Look;

/// What a search does when it finds nothing. A search that finds something costs the same with
/// each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Nothing more: for bulk work.
    Fast,
    /// Looks again at the image, half as wide and half as high: finds copies that were stretched
    /// by more than 1.6. Doubles or trebles the cost of a search that finds nothing.
    #[default]
    Normal,
    /// Also looks at more and finer features: finds more copies of small parts and more small
    /// copies. Four to five times the cost of a search that finds nothing.
    Thorough,
}

// === impl Effort ===

impl Effort {
    /// Returns how to look at the image again, in this order, until something is found.
    pub(super) fn looks(self) -> &'static [Look] {
        match self {
            Self::Fast => &[],
            Self::Normal => &[Look::NarrowedByHalf, Look::LoweredByHalf],
            Self::Thorough => &[Look::NarrowedByHalf, Look::LoweredByHalf, Look::Close],
        }
    }
}
