//! `[limits]`: limits of requests, connections, start and shutdown.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::parse;
use super::section::Section;

/// Limits of requests, connections, start and shutdown.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum size of a gRPC message and of a REST body, in bytes. Default: 8 MiB.
    pub max_message_bytes: usize,
    /// Maximum size of an image file at the gRPC API of embedded libraries, in bytes. Default: seven
    /// eighths of `max_message_bytes`.
    pub max_image_bytes: usize,
    /// Bytes of requests that the process handles at the same time. Default: 256 MiB.
    pub max_bytes_in_flight: usize,
    /// Memory for the images that embedded libraries decode at the same time, in bytes. Default:
    /// 1 GiB.
    pub max_decoded_bytes: u64,
    /// Requests that the process handles at the same time. Default: 1024.
    pub max_requests_in_flight: usize,
    /// Part of both that one tenant may use if there are several, in percent. Default: 50.
    pub max_tenant_percent: usize,
    /// How long the body of a request may stall or be slower than the minimum rate. Default: 1 min.
    pub body_timeout: Duration,
    /// Minimum rate of a body after that. Default: 500.
    pub min_body_bytes_per_second: u32,
    /// How long the transport may wait for a client to read on. Default: 1 min.
    pub send_timeout: Duration,
    /// Time after which a bulk load is ended on which nothing happens. Default: 5 min.
    pub bulk_idle_timeout: Duration,
    /// Deadline of a call whose client sets none. Default: 30 s.
    pub default_deadline: Duration,
    /// Maximum deadline that a client may set. Default: 5 min.
    pub max_deadline: Duration,
    /// Maximum wait at start for libraries to become ready. Default: 10 s.
    pub warmup_timeout: Duration,
    /// Time without an open stream after which a connection gets GOAWAY; zero for never. Default: 5
    /// min.
    pub max_connection_idle: Duration,
    /// Age at which a connection gets GOAWAY, with 10 % jitter; zero for never. Default: 1 h.
    pub max_connection_age: Duration,
    /// Maximum wait for running calls on a connection that reached its maximum age. Default: 5 min.
    pub max_connection_age_grace: Duration,
    /// Time after SIGTERM in which new calls are still accepted. Default: 3 s.
    pub lame_duck: Duration,
    /// Maximum wait for running calls at shutdown. Default: 30 s.
    pub drain_timeout: Duration,
}

/// From the smallest message that holds a useful image to the size that a proxy in front still
/// accepts. A message is held in memory as a whole.
const MESSAGE_BYTES: RangeInclusive<u64> = 64 * 1024..=64 * 1024 * 1024;
const BYTES_IN_FLIGHT: RangeInclusive<u64> = 1024 * 1024..=1024 * 1024 * 1024 * 1024;
/// From the image that needs the most memory: 4096 x 4096 pixels, 16 bits, rotated.
const DECODED_BYTES: RangeInclusive<u64> = 256 * 1024 * 1024..=1024 * 1024 * 1024 * 1024;
/// Bytes of a message besides its image: library, key, brief and tags, at most 1.4 KiB.
const MESSAGE_FIELDS: usize = 4096;
const REQUESTS_IN_FLIGHT: RangeInclusive<u64> = 4..=1_000_000;
const TENANT_PERCENT: RangeInclusive<usize> = 1..=100;
const BODY_RATE: RangeInclusive<u32> = 1..=1024 * 1024;
/// From what a healthy network may need to what an attack may hold.
const STALL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
const CONNECTION_AGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24 * 365);
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

pub(super) fn read(mut section: Section<'_>) -> Option<Limits> {
    let max_message_bytes = section.required("max_message_bytes", message_bytes);
    let max_image_bytes = max_image_bytes(&mut section, max_message_bytes);
    let max_bytes_in_flight = section.required("max_bytes_in_flight", max_bytes_in_flight);
    let max_decoded_bytes = section.required("max_decoded_bytes", max_decoded_bytes);
    let max_requests_in_flight = section.required("max_requests_in_flight", max_requests_in_flight);
    let max_tenant_percent = section.required("max_tenant_percent", tenant_percent);
    let body_timeout = section.required("body_timeout", stall);
    let min_body_bytes_per_second = section.required("min_body_bytes_per_second", body_rate);
    let send_timeout = section.required("send_timeout", stall);
    let bulk_idle_timeout = section.required("bulk_idle_timeout", stall);
    let default_deadline = section.required("default_deadline", deadline);
    let max_deadline = section.required("max_deadline", deadline);
    let warmup_timeout = section.required("warmup_timeout", wait);
    let max_connection_idle = section.required("max_connection_idle", connection_age);
    let max_connection_age = section.required("max_connection_age", connection_age);
    let max_connection_age_grace = section.required("max_connection_age_grace", wait);
    let lame_duck = section.required("lame_duck", wait);
    let drain_timeout = section.required("drain_timeout", wait);
    if let (Some(default), Some(max)) = (default_deadline, max_deadline)
        && default > max
    {
        section.error("default_deadline", "is longer than `limits.max_deadline`");
    }
    // Bulk loads use up to three quarters, which must hold a message of maximum size.
    if let (Some(bytes), Some(message)) = (max_bytes_in_flight, max_message_bytes)
        && bytes < 2 * message
    {
        section.error(
            "max_bytes_in_flight",
            "is less than twice `limits.max_message_bytes`",
        );
    }
    section.finish();
    Some(Limits {
        max_message_bytes: max_message_bytes?,
        max_image_bytes: max_image_bytes?,
        max_bytes_in_flight: max_bytes_in_flight?,
        max_decoded_bytes: max_decoded_bytes?,
        max_requests_in_flight: max_requests_in_flight?,
        max_tenant_percent: max_tenant_percent?,
        body_timeout: body_timeout?,
        min_body_bytes_per_second: min_body_bytes_per_second?,
        send_timeout: send_timeout?,
        bulk_idle_timeout: bulk_idle_timeout?,
        default_deadline: default_deadline?,
        max_deadline: max_deadline?,
        warmup_timeout: warmup_timeout?,
        max_connection_idle: max_connection_idle?,
        max_connection_age: max_connection_age?,
        max_connection_age_grace: max_connection_age_grace?,
        lame_duck: lame_duck?,
        drain_timeout: drain_timeout?,
    })
}

/// Reads the size of an image, which must fit into a message with its other fields.
fn max_image_bytes(section: &mut Section<'_>, max_message_bytes: Option<usize>) -> Option<usize> {
    let given = section.optional("max_image_bytes", None, |value| {
        message_bytes(value).map(Some)
    });
    let max_message_bytes = max_message_bytes?;
    let bytes = given?.unwrap_or(max_message_bytes / 8 * 7);
    if bytes > max_message_bytes - MESSAGE_FIELDS {
        section.error(
            "max_image_bytes",
            "leaves less than 4 KiB of `limits.max_message_bytes` for the other fields of a message",
        );
        return None;
    }
    Some(bytes)
}

fn message_bytes(value: &str) -> Result<usize, String> {
    size_within(value, &MESSAGE_BYTES, "from 64KiB to 64MiB")
}

fn max_bytes_in_flight(value: &str) -> Result<usize, String> {
    size_within(value, &BYTES_IN_FLIGHT, "from 1MiB to 1024GiB")
}

fn max_decoded_bytes(value: &str) -> Result<u64, String> {
    parse::bytes_within(value, &DECODED_BYTES, "from 256MiB to 1024GiB")
}

fn size_within(value: &str, range: &RangeInclusive<u64>, allowed: &str) -> Result<usize, String> {
    let size = parse::bytes_within(value, range, allowed)?;
    usize::try_from(size).map_err(|error| error.to_string())
}

fn max_requests_in_flight(value: &str) -> Result<usize, String> {
    let number = parse::number(value, &REQUESTS_IN_FLIGHT)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

fn tenant_percent(value: &str) -> Result<usize, String> {
    parse::number(value, &TENANT_PERCENT)
}

fn body_rate(value: &str) -> Result<u32, String> {
    parse::number(value, &BODY_RATE)
}

fn stall(value: &str) -> Result<Duration, String> {
    parse::duration_within(value, &STALL, "from 1s to 1h")
}

fn deadline(value: &str) -> Result<Duration, String> {
    parse::duration_within(value, &DEADLINE, "from 1ms to 24h")
}

fn connection_age(value: &str) -> Result<Duration, String> {
    if parse::duration(value)?.is_zero() {
        return Ok(Duration::ZERO);
    }
    parse::duration_within(value, &CONNECTION_AGE, "0s for never, or from 1s to 8760h")
}

fn wait(value: &str) -> Result<Duration, String> {
    parse::duration_within(value, &WAIT, "from 0s to 1h")
}
