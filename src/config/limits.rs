//! `[limits]`: bounds on requests.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::section::Section;
use super::text;

/// Bounds on what one request may be and take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Greatest gRPC message and REST body in bytes. Default: 8 MiB.
    pub max_message_bytes: usize,
    /// Time for a call whose client names none. Default: 30 s.
    pub default_deadline: Duration,
    /// Longest time that a client may ask for. Default: 5 min.
    pub max_deadline: Duration,
    /// Longest wait for running calls at shutdown. Default: 30 s.
    pub drain: Duration,
}

/// From the smallest message that holds a useful picture to what a proxy in
/// front still passes; one message is held in memory whole.
const MESSAGE_BYTES: RangeInclusive<u64> = 64 * 1024..=64 * 1024 * 1024;
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
const DRAIN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

pub(super) fn read(mut section: Section<'_>) -> Option<Limits> {
    let max_message_bytes = section.value("max_message_bytes", message_bytes);
    let default_deadline = section.value("default_deadline", deadline);
    let max_deadline = section.value("max_deadline", deadline);
    let drain = section.value("drain", drain);
    if let (Some(default), Some(max)) = (default_deadline, max_deadline)
        && default > max
    {
        section.fault("default_deadline", "is longer than `limits.max_deadline`");
    }
    section.finish();
    Some(Limits {
        max_message_bytes: max_message_bytes?,
        default_deadline: default_deadline?,
        max_deadline: max_deadline?,
        drain: drain?,
    })
}

fn message_bytes(value: &str) -> Result<usize, String> {
    let size = text::bytes(value)?;
    let size = Some(size).filter(|size| MESSAGE_BYTES.contains(size));
    let size = size.and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| format!("must be from 64KiB to 64MiB, not `{value}`"))
}

fn deadline(value: &str) -> Result<Duration, String> {
    let deadline = text::duration(value)?;
    let deadline = Some(deadline).filter(|deadline| DEADLINE.contains(deadline));
    deadline.ok_or_else(|| format!("must be from 1ms to 24h, not `{value}`"))
}

fn drain(value: &str) -> Result<Duration, String> {
    let drain = text::duration(value)?;
    let drain = Some(drain).filter(|drain| DRAIN.contains(drain));
    drain.ok_or_else(|| format!("must be from 0s to 1h, not `{value}`"))
}
