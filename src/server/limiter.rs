//! Limits the open connections of a listener, in total and of each peer address.
//!
//! A connection over a limit is closed at once: what waited would hold a file descriptor, and
//! descriptors are what the limits protect.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::close_reason::CloseReason;

/// How many connections of a listener are open at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of all peers.
    pub max: usize,
    /// Of one peer address.
    pub max_per_peer: usize,
}

/// Counts the open connections; clones share the counts.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLimiter {
    limits: ConnectionLimits,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    of_peers: HashMap<IpAddr, usize>,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: ConnectionLimiter,
    peer: IpAddr,
}

// === impl ConnectionLimiter ===

impl ConnectionLimiter {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        ConnectionLimiter {
            limits,
            open: Arc::default(),
        }
    }

    /// Counts a connection of a [`peer`], unless it exceeds a limit.
    pub(super) fn acquire(&self, peer: IpAddr) -> Result<ConnectionPermit, CloseReason> {
        let mut open = self.open();
        if open.total >= self.limits.max {
            return Err(CloseReason::MaxConnections);
        }
        let of_peer = open.of_peers.entry(peer).or_default();
        // A limit of at least 1: an entry that is new here is within it.
        if *of_peer >= self.limits.max_per_peer {
            return Err(CloseReason::MaxConnectionsPerPeer);
        }
        *of_peer += 1;
        open.total += 1;
        Ok(ConnectionPermit {
            limiter: self.clone(),
            peer,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Counts are numbers: a panic elsewhere cannot leave them inconsistent.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limiter.open();
        open.total -= 1;
        if let Some(of_peer) = open.of_peers.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                open.of_peers.remove(&self.peer);
            }
        }
    }
}

/// Returns what counts as one peer: an IPv4 address, or the /64 network of an IPv6 address, all of
/// which a single host can use (RFC 4291, section 2.5.1).
pub(super) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(max: usize, max_per_peer: usize) -> ConnectionLimiter {
        ConnectionLimiter::new(ConnectionLimits { max, max_per_peer })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_cannot_use_the_connections_of_all() {
        let limiter = limiter(3, 2);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = limiter.acquire(one).unwrap();
        let _second = limiter.acquire(one).unwrap();

        assert_eq!(
            limiter.acquire(one).unwrap_err(),
            CloseReason::MaxConnectionsPerPeer
        );
        let _third = limiter.acquire(other).unwrap();
        assert_eq!(
            limiter.acquire(other).unwrap_err(),
            CloseReason::MaxConnections
        );
        drop(first);
        limiter.acquire(one).unwrap();
    }

    #[test]
    fn a_peer_without_connections_is_forgotten() {
        let limiter = limiter(10, 1);
        for host in 0..9 {
            drop(limiter.acquire(IpAddr::from([192, 0, 2, host])).unwrap());
        }

        assert!(limiter.open().of_peers.is_empty());
    }

    #[test]
    fn the_addresses_of_one_network_or_notation_are_one_peer() {
        for (one, same) in [
            ("2001:db8::1", "2001:db8::ffff:1:2:3"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(peer(address(one)), peer(address(same)));
        }
    }
}
