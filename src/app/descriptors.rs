//! The process's file descriptors, and how many of them connections may use.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Listen;
use crate::server::ConnectionLimits;

/// Share of the descriptors that the connections of one of the two APIs use by default. The last
/// quarter is left for files, for requests to vendors and for the admin port.
const SHARE: f64 = 3.0 / 8.0;
/// Default maximum for one API, however many descriptors there are: it bounds memory. Measured with
/// 4,000 idle connections without TLS: 22 KiB for one of HTTP/2, 16 KiB for one of HTTP/1.
const MAX_DEFAULT: usize = 4096;
/// What is assumed for "unlimited": Linux' default of `fs.nr_open`, which no process exceeds.
const UNLIMITED: u64 = 1 << 20;
/// Connections of the admin port: probes, scrapes and people. It is not exposed.
pub(super) const ADMIN: ConnectionLimits = ConnectionLimits {
    max: 64,
    max_per_peer: 32,
};
/// Descriptors that only the admin port uses; a probe needs one for some milliseconds.
pub(super) const ADMIN_SPARE: usize = 16;

/// Raises the limit of file descriptors of this process as far as the operating system allows.
///
/// The soft limit of 1024 that many systems set is for programs that use `select(2)`.
///
/// # Errors
///
/// The limit is lower than the hard limit and cannot be raised.
pub fn raise_descriptor_limit() -> std::io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Returns the limits of each API's connections: those of the configuration, or what the
/// descriptors of the process allow.
pub(super) fn connection_limits(listen: &Listen) -> ConnectionLimits {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED);
    let max = listen
        .max_connections
        .unwrap_or_else(|| default_max(descriptors));
    ConnectionLimits {
        max,
        // Behind a proxy or a mesh all connections may come from one address, so half of them: few
        // enough that one address cannot use all.
        max_per_peer: listen
            .max_connections_per_peer
            .unwrap_or_else(|| max.div_ceil(2)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive share of a number that was capped"
)]
fn default_max(descriptors: u64) -> usize {
    let share = descriptors.min(UNLIMITED) as f64 * SHARE;
    (share as usize).clamp(1, MAX_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_leaves_a_quarter_of_the_descriptors_and_bounds_memory() {
        assert_eq!(default_max(1024), 384);
        assert_eq!(default_max(2), 1);
        assert_eq!(default_max(u64::MAX), MAX_DEFAULT);
    }
}
