//! Reads any bytes as an urlencoded body, and compares each field with the URL standard's parser.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use samegate_fuzz::block_on;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const GBK: &str = "application/x-www-form-urlencoded; charset=GBK";

fuzz_target!(|body: &[u8]| {
    let read = block_on(samegate::rest::fuzzing::read(URLENCODED, body));
    assert_eq!(read.is_some(), std::str::from_utf8(body).is_ok());
    let mut standard = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        standard.entry(name).or_insert(value);
    }
    for (name, text) in read.into_iter().flatten() {
        assert_eq!(text.as_deref(), standard.get(name).map(|value| &**value), "{name}");
    }
    // All bytes are a form in another charset; a text that is none in it is an error of its field.
    assert!(block_on(samegate::rest::fuzzing::read(GBK, body)).is_some());
});
