//! Accepts the connections of a listener as far as its limits and the process's file descriptors
//! allow.
//!
//! An accept that fails for want of descriptors or memory is repeated after a backoff; an immediate
//! retry would only use CPU. The admin port has spare descriptors, which nothing else in the
//! process can use, so that probes work while it has no others.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::close_reason::CloseReason;
use super::limiter::{ConnectionLimiter, ConnectionPermit, peer};
use super::options::Options;

/// Backoff after a failed accept.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Minimum time between two log lines about the same problem of a listener.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// The cheapest file that every container has; an open one holds a descriptor.
const SPARE_FILE: &str = "/dev/null";

/// Accepts the connections of one listener.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    limiter: ConnectionLimiter,
    spare: SpareDescriptors,
    options: Options,
    over_limit: LogThrottle,
    failures: LogThrottle,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    /// Its [`peer`].
    pub(super) peer: IpAddr,
    pub(super) slot: Slot,
}

/// What a connection holds as long as it is open; dropped after its stream.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: ConnectionPermit,
    spare: SpareDescriptors,
}

/// File descriptors for the connections of one listener; clones share them.
#[derive(Clone, Debug)]
struct SpareDescriptors {
    files: Arc<Mutex<Vec<File>>>,
    max: usize,
}

/// Counts events and says when to log them.
#[derive(Debug, Default)]
struct LogThrottle {
    logged: Option<Instant>,
    count: u64,
}

// === impl Acceptor ===

impl Acceptor {
    pub(super) fn new(listener: TcpListener, options: Options) -> Self {
        // The counters exist from the start, so that the first event is an increase too.
        for reason in CloseReason::ALL {
            options.closed(reason);
        }
        Acceptor {
            listener,
            limiter: ConnectionLimiter::new(options.limits),
            spare: SpareDescriptors::open(options.spare_descriptors),
            options,
            over_limit: LogThrottle::default(),
            failures: LogThrottle::default(),
        }
    }

    /// Returns the next connection within the limits. Dropping the future loses no connection.
    pub(super) async fn accept(&mut self) -> Accepted {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if let Some(accepted) = self.admit(stream, peer(address.ip())) {
                        return accepted;
                    }
                    // Its descriptor may have been a spare one.
                    self.spare.refill();
                }
                Err(error) if is_of_peer(&error) => {}
                Err(_) if self.spare.release_one() => {}
                Err(error) => {
                    if let Some(count) = self.failures.count() {
                        let listener = self.options.listener;
                        tracing::warn!(%error, listener, count, "cannot accept connections");
                    }
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: IpAddr) -> Option<Accepted> {
        let permit = match self.limiter.acquire(peer) {
            Ok(permit) => permit,
            Err(reason) => {
                self.options.closed(reason).inc();
                let (listener, reason) = (self.options.listener, reason.name());
                if let Some(count) = self.over_limit.count() {
                    tracing::warn!(listener, reason, count, "connections over the limit closed");
                }
                return None;
            }
        };
        // Disables Nagle's algorithm (RFC 896), which delays small responses. It fails only for a
        // connection that the peer has reset.
        stream.set_nodelay(true).ok()?;
        Some(Accepted {
            stream,
            peer,
            slot: Slot {
                _permit: permit,
                spare: self.spare.clone(),
            },
        })
    }
}

/// Returns whether a failed accept concerns one connection only, which is gone (accept(2)).
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

// === impl SpareDescriptors ===

impl SpareDescriptors {
    fn open(max: usize) -> Self {
        let spare = SpareDescriptors {
            files: Arc::default(),
            max,
        };
        spare.refill();
        spare
    }

    /// Closes one, if there is one left, so that an accept can use its number.
    fn release_one(&self) -> bool {
        self.files().pop().is_some()
    }

    /// Opens those that were released, as far as the process has descriptors again.
    fn refill(&self) {
        let mut files = self.files();
        while files.len() < self.max
            && let Ok(file) = File::open(SPARE_FILE)
        {
            files.push(file);
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The stream has just been closed: its descriptor becomes the spare one again.
        self.spare.refill();
    }
}

// === impl LogThrottle ===

impl LogThrottle {
    /// Counts an event; returns how many have occurred since the last log line if it is time for
    /// another.
    fn count(&mut self) -> Option<u64> {
        self.count += 1;
        let is_due = self.logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        is_due.then(|| {
            self.logged = Some(Instant::now());
            std::mem::take(&mut self.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_repeated_problem_is_logged_once_a_minute_with_its_count() {
        let mut throttle = LogThrottle::default();

        assert_eq!(throttle.count(), Some(1));
        for _ in 0..99 {
            assert_eq!(throttle.count(), None);
        }
        tokio::time::advance(LOG_INTERVAL).await;
        assert_eq!(throttle.count(), Some(100));
    }

    #[test]
    fn spare_descriptors_are_opened_again_when_a_connection_has_ended() {
        let spare = SpareDescriptors::open(2);
        assert!(spare.release_one() && spare.release_one());
        assert!(!spare.release_one());

        spare.refill();

        assert_eq!(spare.files().len(), 2);
    }
}
