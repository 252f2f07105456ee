//! Reads any bytes as an urlencoded body, and compares each field with the URL standard's parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use samegate_fuzz::block_on;

const URLENCODED: &str = "application/x-www-form-urlencoded";

fuzz_target!(|body: &[u8]| {
    let read = block_on(samegate::rest::fuzzing::read(URLENCODED, body));
    assert_eq!(read.is_some(), std::str::from_utf8(body).is_ok());
    for (name, text) in read.into_iter().flatten() {
        let mut standard = form_urlencoded::parse(body);
        let expected = standard.find(|(found, _)| found == name);
        assert_eq!(text, expected.map(|(_, value)| value.into_owned()), "{name}");
    }
});
