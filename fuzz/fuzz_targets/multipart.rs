//! Reads any bytes as a multipart body: a field that is read is a slice of the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use samegate_fuzz::block_on;

const MULTIPART: &str = "multipart/form-data; boundary=b";

fuzz_target!(|body: &[u8]| {
    let read = block_on(samegate::rest::fuzzing::read(MULTIPART, body));
    for (name, text) in read.into_iter().flatten() {
        let text = text.unwrap_or_default();
        let is_sent = |text: &str| body.windows(text.len()).any(|slice| slice == text.as_bytes());
        assert!(text.is_empty() || is_sent(&text), "{name} was not sent");
    }
});
