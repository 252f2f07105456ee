//! Reads the texts of single settings: sizes, durations, addresses, numbers.
//!
//! Each reader answers what is allowed when a text is not it.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

const KIB: u64 = 1024;

/// Reads an IP address and port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "must be an IP address and port, as 127.0.0.1:50051 or [::1]:50051";
    text.parse().map_err(|_| format!("{wanted}, not `{text}`"))
}

/// Reads `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("must be true or false, not `{text}`"))
}

/// Reads any text but an empty one.
pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a whole number within bounds.
pub(super) fn number<N>(text: &str, range: &RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + fmt::Display,
{
    let number = text.parse().ok().filter(|number| range.contains(number));
    let (least, most) = (range.start(), range.end());
    number.ok_or_else(|| format!("must be a number from {least} to {most}, not `{text}`"))
}

/// Reads a number of bytes, bare or with a binary unit.
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
    let size = number
        .zip(factor)
        .and_then(|(n, factor)| n.checked_mul(factor));
    size.ok_or_else(|| format!("must be a size as 65536, 512KiB, 8MiB or 1GiB, not `{text}`"))
}

/// Reads a number with a unit of time.
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
        .and_then(|(n, factor)| n.checked_mul(factor));
    let duration = millis.map(Duration::from_millis);
    duration.ok_or_else(|| format!("must be a duration as 250ms, 30s, 5m or 1h, not `{text}`"))
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
    fn what_is_no_quantity_is_rejected() {
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
