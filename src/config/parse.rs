//! Parses the texts of single settings: sizes, durations, addresses, numbers.
//!
//! The error of each parser is a message that says what is allowed.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

const KIB: u64 = 1024;

/// Parses an IP address and port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "must be an IP address and port, such as 127.0.0.1:50051 or [::1]:50051, not `{text}`"
        )
    })
}

/// Parses `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("must be true or false, not `{text}`"))
}

/// Accepts any text that is not empty.
pub(super) fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a whole number in an inclusive range.
pub(super) fn number<N>(text: &str, range: &RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + fmt::Display,
{
    let number = text.parse().ok().filter(|number| range.contains(number));
    let (min, max) = (range.start(), range.end());
    number.ok_or_else(|| format!("must be a number from {min} to {max}, not `{text}`"))
}

/// Parses a number of bytes, without a unit or with a binary one.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = split(text);
    let factor = match unit {
        "" => Some(1),
        "KiB" => Some(KIB),
        "MiB" => Some(KIB * KIB),
        "GiB" => Some(KIB * KIB * KIB),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| format!("must be a size such as 65536, 512KiB, 8MiB or 1GiB, not `{text}`"))
}

/// Parses a number of bytes in an inclusive range, which `allowed` describes.
pub(super) fn bytes_within(
    text: &str,
    range: &RangeInclusive<u64>,
    allowed: &str,
) -> Result<u64, String> {
    let size = bytes(text)?;
    if range.contains(&size) {
        return Ok(size);
    }
    Err(format!("must be {allowed}, not `{text}`"))
}

/// Parses a number with a unit of time.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split(text);
    let factor = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    let millis = number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("must be a duration such as 250ms, 30s, 5m or 1h, not `{text}`"))
}

/// Parses a duration in an inclusive range, which `allowed` describes.
pub(super) fn duration_within(
    text: &str,
    range: &RangeInclusive<Duration>,
    allowed: &str,
) -> Result<Duration, String> {
    let duration = duration(text)?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    Err(format!("must be {allowed}, not `{text}`"))
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes("65536"), Ok(65_536));
        assert_eq!(bytes("512KiB"), Ok(512 * 1024));
        assert_eq!(bytes("8MiB"), Ok(8 * 1024 * 1024));
        assert_eq!(bytes("1GiB"), Ok(1024 * 1024 * 1024));
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert!(duration("30").is_err());
    }

    #[test]
    fn texts_that_are_no_quantity_are_rejected() {
        for text in ["", "s", "-1s", "1.5s", "5 m", "5M", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in [
            "",
            "KiB",
            "-1",
            "8MB",
            "8 MiB",
            "99999999999999999999",
            "18446744073709551615GiB",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
