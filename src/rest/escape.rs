//! Form escapes: `+` for a space, `%` and two hex digits for a byte.

/// Undoes form encoding byte by byte; what is not a valid escape is unchanged (WHATWG URL standard,
/// application/x-www-form-urlencoded parsing).
pub(super) fn unescape(text: &[u8]) -> impl Iterator<Item = u8> + Clone {
    let mut remaining = text;
    std::iter::from_fn(move || {
        let (first, tail) = remaining.split_first()?;
        remaining = tail;
        match first {
            b'+' => Some(b' '),
            b'%' => match hex_byte(tail) {
                Some(byte) => {
                    remaining = &tail[2..];
                    Some(byte)
                }
                None => Some(b'%'),
            },
            byte => Some(*byte),
        }
    })
}

/// Reads the two hex digits after a `%`.
pub(super) fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*digits.get(index)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_broken_or_truncated_escape_never_reads_past_the_end(body in "[%0-9a-g+=&]{0,24}") {
            let ours: Vec<u8> = unescape(body.as_bytes()).collect();
            let wrapped = format!("x={}", body.replace(['&', '='], "_"));
            let standard = form_urlencoded::parse(wrapped.as_bytes()).next().unwrap().1;
            let again: Vec<u8> = unescape(body.replace(['&', '='], "_").as_bytes()).collect();

            prop_assert!(ours.len() <= body.len());
            prop_assert_eq!(String::from_utf8_lossy(&again), standard);
        }
    }
}
