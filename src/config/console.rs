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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_only_a_loopback_address_serves_the_console() {
        let addresses = [
            "127.0.0.1:1",
            "[::1]:1",
            "0.0.0.0:1",
            "192.0.2.1:1",
            "[::]:1",
        ];
        let served = |enabled| {
            let console = Console { enabled };
            addresses.map(|address| console.is_served_at(address.parse().unwrap()))
        };

        assert_eq!(served(None), [true, true, false, false, false]);
        assert_eq!(served(Some(true)), [true; 5]);
        assert_eq!(served(Some(false)), [false; 5]);
    }
}
