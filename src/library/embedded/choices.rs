//! The choices of a search: its own, or those of the library's configuration.

use same_image as engine;

use crate::config;
use crate::domain::{Effort, Profile};

/// The choices of a library's configuration.
#[derive(Clone, Copy)]
pub(in crate::library) struct Choices {
    profile: engine::Profile,
    effort: engine::Effort,
}

// === impl Choices ===

impl Choices {
    pub(in crate::library) fn new(profile: config::Profile, effort: config::Effort) -> Self {
        Self {
            profile: match profile {
                config::Profile::Loose => engine::Profile::Loose,
                config::Profile::Balanced => engine::Profile::Balanced,
                config::Profile::Strict => engine::Profile::Strict,
            },
            effort: match effort {
                config::Effort::Fast => engine::Effort::Fast,
                config::Effort::Normal => engine::Effort::Normal,
                config::Effort::Thorough => engine::Effort::Thorough,
            },
        }
    }

    /// Returns the profile of a search.
    pub(in crate::library) fn profile(self, chosen: Option<Profile>) -> engine::Profile {
        match chosen {
            None => self.profile,
            Some(Profile::Loose) => engine::Profile::Loose,
            Some(Profile::Balanced) => engine::Profile::Balanced,
            Some(Profile::Strict) => engine::Profile::Strict,
        }
    }

    /// Returns the effort of a search.
    pub(in crate::library) fn effort(self, chosen: Option<Effort>) -> engine::Effort {
        match chosen {
            None => self.effort,
            Some(Effort::Fast) => engine::Effort::Fast,
            Some(Effort::Normal) => engine::Effort::Normal,
            Some(Effort::Thorough) => engine::Effort::Thorough,
        }
    }
}
