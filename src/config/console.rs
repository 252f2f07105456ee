//! `[console]`: the web console of the gRPC port.

use std::net::SocketAddr;

use super::parse;
use super::section::Section;

/// Settings of the console.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    enabled: Option<bool>,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Console> {
    let enabled = section.optional("enabled", None, |text| parse::boolean(text).map(Some));
    section.finish();
    Some(Console { enabled: enabled? })
}

// === impl Console ===

impl Console {
    /// Returns whether the listener at `address` serves the console. Default: on loopback only.
    pub fn is_served_at(&self, address: SocketAddr) -> bool {
        self.enabled.unwrap_or(address.ip().is_loopback())
    }
}
