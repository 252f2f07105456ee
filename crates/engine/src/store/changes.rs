//! What a committed transaction changed: what the catalog and the index of a search must apply.

use crate::identity::ImageId;
use crate::pdq::PdqHash;
use crate::tags::Tags;

/// The changes of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// In the order of the writes.
    pub(crate) images: Vec<ImageChange>,
    /// The encoded features of added images.
    pub(crate) features: Vec<(ImageId, Vec<u8>)>,
}

/// The change of one image.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ImageChange {
    Added(ImageSummary),
    Retagged(ImageId, Tags),
    Deleted(ImageId),
}

/// The fields of a stored record that the catalog keeps in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageSummary {
    pub(crate) id: ImageId,
    pub(crate) pdq: PdqHash,
    /// PDQ quality, 0 to 100.
    pub(crate) pdq_quality: u8,
    pub(crate) tags: Tags,
    /// Time of the add, milliseconds since 1970-01-01 UTC.
    pub(crate) added_at_ms: u64,
}
