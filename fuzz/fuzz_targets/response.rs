//! Reads any bytes as the vendor's response to each operation: what is read is written and read
//! again unchanged, and a body with an error code is never a success.

#![no_main]

use libfuzzer_sys::fuzz_target;
use samegate::wire::{AddResponse, LogResponse, SearchResponse, TokenGrant, read_response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Relative difference up to which two scores are the same: without its feature `float_roundtrip`,
/// serde_json reads the last bits of a number with many digits inexactly.
const PRECISION: f64 = 4.0 * f64::EPSILON;

fuzz_target!(|body: &[u8]| {
    check(body, |again, read: &AddResponse| again == *read);
    check(body, |again, read: &LogResponse| again == *read);
    check(body, is_same_search);
    if read_response::<TokenGrant>(body).is_ok() {
        assert!(!has_error_code(body));
    }
});

fn check<T: DeserializeOwned + Serialize>(body: &[u8], is_same: fn(T, &T) -> bool) {
    let Ok(response) = read_response::<T>(body) else {
        return;
    };
    assert!(!has_error_code(body));
    let written = serde_json::to_vec(&response).expect("a response can be written");
    // JSON has no infinity: such a score is written as null, which is no score.
    let again = read_response::<T>(&written);
    let is_finite = !written.windows(12).any(|slice| slice == br#""score":null"#);
    assert!(!is_finite || again.is_ok_and(|again| is_same(again, &response)));
}

fn is_same_search(mut again: SearchResponse, read: &SearchResponse) -> bool {
    for (hit, read) in again.result.iter_mut().zip(&read.result) {
        if (hit.score - read.score).abs() <= PRECISION * read.score.abs() {
            hit.score = read.score;
        }
    }
    again == *read
}

fn has_error_code(body: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    value.is_some_and(|value| value.get("error_code").is_some())
}
