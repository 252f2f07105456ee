//! Tags: numbers by which a caller partitions a library, and filters over them.

/// Maximum number of tags of an image (same_hq documentation, parameter `tags`).
pub const MAX_TAGS: usize = 2;

/// How the tags of a filter combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagLogic {
    /// An image must have every tag of the filter. The default.
    #[default]
    And,
    /// An image must have one or more tags of the filter.
    Or,
}

/// A condition on the tags of an image; the default filter admits every image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// Tags from 1 to 65535; empty means no condition.
    pub tags: Vec<u16>,
    /// How the tags combine.
    pub logic: TagLogic,
}

/// The tags of one image in an array of fixed size; 0 marks an unused slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags([u16; MAX_TAGS]);

// === impl TagFilter ===

impl TagFilter {
    /// Returns whether an image with these tags passes. Inlined: listings call it for every image.
    #[inline]
    pub(crate) fn admits(&self, tags: Tags) -> bool {
        if self.tags.is_empty() {
            return true;
        }
        let carried = |tag: &u16| *tag != 0 && tags.0.contains(tag);
        match self.logic {
            TagLogic::And => self.tags.iter().all(carried),
            TagLogic::Or => self.tags.iter().any(carried),
        }
    }
}

// === impl Tags ===

impl Tags {
    /// Makes 0 to [`MAX_TAGS`] tags of 1 to 65535; `None` when there are more, or a zero.
    pub(crate) fn new(tags: &[u16]) -> Option<Self> {
        if tags.contains(&0) {
            return None;
        }
        let mut fixed = [0; MAX_TAGS];
        fixed.get_mut(..tags.len())?.copy_from_slice(tags);
        Some(Self(fixed))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().filter(|tag| *tag != 0)
    }

    pub(crate) fn to_vec(self) -> Vec<u16> {
        self.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(tags: &[u16], logic: TagLogic) -> TagFilter {
        TagFilter {
            tags: tags.to_vec(),
            logic,
        }
    }

    #[test]
    fn a_filter_without_tags_admits_everything() {
        for logic in [TagLogic::And, TagLogic::Or] {
            assert!(filter(&[], logic).admits(Tags::default()));
            assert!(filter(&[], logic).admits(Tags::new(&[3]).unwrap()));
        }
    }

    #[test]
    fn and_asks_for_every_tag_and_or_for_any() {
        let tags = Tags::new(&[3, 7]).unwrap();

        assert!(filter(&[7, 3], TagLogic::And).admits(tags));
        assert!(filter(&[3, 3], TagLogic::And).admits(tags));
        assert!(!filter(&[3, 8], TagLogic::And).admits(tags));
        assert!(filter(&[3, 8], TagLogic::Or).admits(tags));
        assert!(!filter(&[8, 9], TagLogic::Or).admits(tags));
    }

    #[test]
    fn a_zero_in_a_filter_never_matches_an_unused_slot() {
        assert!(!filter(&[0], TagLogic::Or).admits(Tags::new(&[5]).unwrap()));
    }

    #[test]
    fn equal_tags_are_kept_and_three_tags_or_a_zero_are_rejected() {
        assert_eq!(Tags::new(&[1, 1]).unwrap().to_vec(), [1, 1]);
        assert_eq!(Tags::new(&[1, 2, 3]), None);
        assert_eq!(Tags::new(&[1, 0]), None);
    }
}
