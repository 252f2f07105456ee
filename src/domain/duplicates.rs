//! The request to compare the images of a library with each other, and what it finds.

use super::fields::Tags;
use super::listing::RawTime;
use super::response::{Geometry, Record};
use super::search::{Profile, TagLogic};
use super::violations::Violations;
use crate::error::Result;

/// Finds the groups of same images in a library. The filters select the images that are compared
/// with all others.
#[derive(Clone, Debug, PartialEq)]
pub struct FindDuplicates {
    /// Minimum score of a pair, in [0, 1].
    pub min_score: f64,
    /// Only images with these tags.
    pub tags: Tags,
    /// How the tags are combined.
    pub tag_logic: TagLogic,
    /// Only images added at this time or later, in milliseconds since the Unix epoch; 0 for all.
    pub added_since_ms: u64,
    /// Only images after this position of an earlier join; empty for all.
    pub cursor: String,
    /// How certain a pair must be; `None` for the library's profile.
    pub profile: Option<Profile>,
}

/// What a join tells.
#[derive(Clone, Debug, PartialEq)]
pub enum DuplicateEvent {
    /// Images that are the same. Groups that share an image are one.
    Group(DuplicateGroup),
    /// How far it is.
    Progress(JoinProgress),
}

/// Two or more images that pairs connect.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplicateGroup {
    /// The images without their thumbnails, the oldest first.
    pub images: Vec<Record>,
    /// The pairs.
    pub pairs: Vec<DuplicatePair>,
}

/// Two images that are the same.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplicatePair {
    /// The position of the first image in the group.
    pub a: usize,
    /// The position of the second image in the group.
    pub b: usize,
    /// Confidence, in [0, 1].
    pub score: f64,
    /// Where they overlap, the first image being the query; `None` when they are the same only as
    /// a whole.
    pub geometry: Option<Geometry>,
}

/// How far a join is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinProgress {
    /// Number of images that were compared with all others.
    pub compared: u64,
    /// Number of images to compare.
    pub total: u64,
    /// Position up to which all groups were told; empty when that is unchanged.
    pub cursor: String,
}

// === impl FindDuplicates ===

impl FindDuplicates {
    /// Checks every field; a pair is as certain as the library's profile says.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(
        min_score: f64,
        tags: &[u32],
        tag_logic: TagLogic,
        added_since: Option<RawTime>,
        cursor: String,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let tags = violations.collect(Tags::new(tags));
        violations.require((0.0..=1.0).contains(&min_score), "min_score", || {
            format!("{min_score}; 0 to 1")
        });
        let added_since = added_since.map_or(Ok(0), |time| time.check("added_since"));
        let added_since_ms = violations.collect(added_since).unwrap_or_default();
        match (tags, violations.is_empty()) {
            (Some(tags), true) => Ok(FindDuplicates {
                min_score,
                tags,
                tag_logic,
                added_since_ms,
                cursor,
                profile: None,
            }),
            _ => Err(violations.into_error()),
        }
    }
}
