//! The images that a search, an update or a deletion is about.

use super::fields::ContSign;
use super::image::{ImageSource, RawSource};
use super::limits::ImageLimits;
use super::violations::Violations;
use crate::error::{Error, Kind, Result, Violation};

/// Maximum number of signs in one deletion; our limit, it bounds the cost of a request.
const MAX_SIGNS: usize = 10_000;

/// The images of a search, an update or a deletion, as an API read them.
#[derive(Clone, Debug)]
pub enum RawTarget {
    /// The image itself, or nothing.
    Source(RawSource),
    /// Signs, in the caller's order.
    Signs(Vec<String>),
}

/// One image, by itself or by the sign of a stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRef {
    /// The image; for an update, the stored one with the same content.
    Source(ImageSource),
    /// The stored image with this sign.
    Sign(ContSign),
}

/// The stored images of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteTarget {
    /// The stored image with the same content.
    Source(ImageSource),
    /// The stored images with these signs; 1 to 10,000.
    Signs(Vec<ContSign>),
}

// === impl RawTarget ===

impl RawTarget {
    /// Checks that it is exactly one image; `field` is the name for a missing one.
    pub(super) fn check_one(self, field: &str, limits: ImageLimits) -> Result<ImageRef, Violation> {
        match self {
            RawTarget::Source(RawSource::Missing) => {
                let message = "one of content, url and cont_sign is required";
                Err(Violation::new(field, Kind::MissingParameter, message))
            }
            RawTarget::Source(source) => source.check(limits).map(ImageRef::Source),
            RawTarget::Signs(signs) => match signs.as_slice() {
                [sign] => ContSign::new(sign).map(ImageRef::Sign),
                _ => {
                    let message = format!("{} signs; exactly one", signs.len());
                    Err(Violation::new("cont_sign", Kind::InvalidParameter, message))
                }
            },
        }
    }

    /// Checks the target of a deletion: one image, or up to 10,000 signs.
    pub(super) fn check_many(self, limits: ImageLimits) -> Result<DeleteTarget> {
        let signs = match self {
            RawTarget::Source(source) => {
                let source = source.check(limits).map_err(Error::from)?;
                return Ok(DeleteTarget::Source(source));
            }
            RawTarget::Signs(signs) => signs,
        };
        let mut violations = Violations::default();
        let count = signs.len();
        violations.require((1..=MAX_SIGNS).contains(&count), "cont_signs", || {
            format!("{count} signs; 1 to {MAX_SIGNS}")
        });
        let checked: Vec<_> = signs
            .iter()
            .take(MAX_SIGNS)
            .filter_map(|sign| violations.collect(ContSign::new(sign)))
            .collect();
        if violations.is_empty() {
            Ok(DeleteTarget::Signs(checked))
        } else {
            Err(violations.into_error())
        }
    }
}

impl From<RawSource> for RawTarget {
    fn from(source: RawSource) -> Self {
        RawTarget::Source(source)
    }
}
