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
    /// Bytes of requests that the process works on at once. Default: 256 MiB.
    pub bytes_in_flight: usize,
    /// Requests that the process works on at once. Default: 1024.
    pub requests_in_flight: usize,
    /// Time for a call whose client names none. Default: 30 s.
    pub default_deadline: Duration,
    /// Longest time that a client may ask for. Default: 5 min.
    pub max_deadline: Duration,
    /// Longest wait for libraries at start. Default: 10 s.
    pub ready_wait: Duration,
    /// Age at which a connection is asked to end, give or take a tenth; zero
    /// for never. Default: 1 h.
    pub connection_age: Duration,
    /// Longest wait for what runs on a connection that was too old. Default:
    /// 5 min.
    pub connection_grace: Duration,
    /// Time for which calls are still taken after SIGTERM. Default: 3 s.
    pub lame_duck: Duration,
    /// Longest wait for running calls at shutdown. Default: 30 s.
    pub drain: Duration,
}

/// From the smallest message that holds a useful image to what a proxy in
/// front still passes; one message is held in memory whole.
const MESSAGE_BYTES: RangeInclusive<u64> = 64 * 1024..=64 * 1024 * 1024;
const BYTES_IN_FLIGHT: RangeInclusive<u64> = 1024 * 1024..=1024 * 1024 * 1024 * 1024;
const REQUESTS_IN_FLIGHT: RangeInclusive<u64> = 4..=1_000_000;
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
const AGES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 365);
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

pub(super) fn read(mut section: Section<'_>) -> Option<Limits> {
    let max_message_bytes = section.value("max_message_bytes", message_bytes);
    let bytes_in_flight = section.value("bytes_in_flight", bytes_in_flight);
    let requests_in_flight = section.value("requests_in_flight", requests_in_flight);
    let default_deadline = section.value("default_deadline", deadline);
    let max_deadline = section.value("max_deadline", deadline);
    let ready_wait = section.value("ready_wait", wait);
    let connection_age = section.value("connection_age", connection_age);
    let connection_grace = section.value("connection_grace", wait);
    let lame_duck = section.value("lame_duck", wait);
    let drain = section.value("drain", wait);
    if let (Some(default), Some(max)) = (default_deadline, max_deadline)
        && default > max
    {
        section.error("default_deadline", "is longer than `limits.max_deadline`");
    }
    // Bulk loads use three quarters, and the greatest message must fit there.
    if let (Some(bytes), Some(message)) = (bytes_in_flight, max_message_bytes)
        && bytes < 2 * message
    {
        section.error(
            "bytes_in_flight",
            "is less than twice `limits.max_message_bytes`",
        );
    }
    section.finish();
    Some(Limits {
        max_message_bytes: max_message_bytes?,
        bytes_in_flight: bytes_in_flight?,
        requests_in_flight: requests_in_flight?,
        default_deadline: default_deadline?,
        max_deadline: max_deadline?,
        ready_wait: ready_wait?,
        connection_age: connection_age?,
        connection_grace: connection_grace?,
        lame_duck: lame_duck?,
        drain: drain?,
    })
}

fn message_bytes(value: &str) -> Result<usize, String> {
    let size = size_within(value, &MESSAGE_BYTES)?;
    size.ok_or_else(|| format!("must be from 64KiB to 64MiB, not `{value}`"))
}

fn bytes_in_flight(value: &str) -> Result<usize, String> {
    let size = size_within(value, &BYTES_IN_FLIGHT)?;
    size.ok_or_else(|| format!("must be from 1MiB to 1024GiB, not `{value}`"))
}

fn size_within(value: &str, range: &RangeInclusive<u64>) -> Result<Option<usize>, String> {
    let size = Some(text::bytes(value)?).filter(|size| range.contains(size));
    Ok(size.and_then(|size| usize::try_from(size).ok()))
}

fn requests_in_flight(value: &str) -> Result<usize, String> {
    let number = text::number(value, &REQUESTS_IN_FLIGHT)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

fn deadline(value: &str) -> Result<Duration, String> {
    let deadline = text::duration(value)?;
    let deadline = Some(deadline).filter(|deadline| DEADLINE.contains(deadline));
    deadline.ok_or_else(|| format!("must be from 1ms to 24h, not `{value}`"))
}

fn connection_age(value: &str) -> Result<Duration, String> {
    let age = text::duration(value)?;
    let age = Some(age).filter(|age| age.is_zero() || AGES.contains(age));
    age.ok_or_else(|| format!("must be 0s for never, or from 1s to 8760h, not `{value}`"))
}

fn wait(value: &str) -> Result<Duration, String> {
    let wait = text::duration(value)?;
    let wait = Some(wait).filter(|wait| WAIT.contains(wait));
    wait.ok_or_else(|| format!("must be from 0s to 1h, not `{value}`"))
}
