//! Numbers of operations: `log_id` in responses and in the access log.
//!
//! A number has 53 bits, because readers of JSON in JavaScript and others keep integers exactly up to
//! 2^53 - 1 only (RFC 8259 section 6). Numbers count up from a random start. So none comes twice in
//! a process. Those of two processes, replicas or before and after a restart, overlap if their starts
//! are closer than their counts: after a billion operations of each, that is a chance of 2 in 10
//! million. Numbers of the same length made of the time would collide within a microsecond, and
//! random ones after 95 million operations (the birthday problem).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::jitter;

/// Number of values: 2^53.
const COUNT: u64 = 1 << 53;

/// Returns a number for an operation, from 1 to 2^53 - 1.
pub fn new_log_id() -> u64 {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a whole number of 53 bits"
        )]
        AtomicU64::new(jitter::random(0.0..COUNT as f64) as u64)
    });
    // 0 means that there is none.
    (NEXT.fetch_add(1, Relaxed) % COUNT).max(1)
}
