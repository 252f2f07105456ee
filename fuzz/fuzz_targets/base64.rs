//! Decodes any bytes as the base64 text of an image, and compares the result with a plain decoder
//! that copies the text for each step.

#![no_main]

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use libfuzzer_sys::fuzz_target;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fuzz_target!(|text: &[u8]| {
    let decoded = samegate::rest::fuzzing::decode(text);
    let mut plain = unescape(text);
    plain.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    for byte in plain.iter_mut().filter(|byte| **byte == b' ') {
        *byte = b'+';
    }
    assert_eq!(decoded.as_deref(), LENIENT.decode(plain).ok().as_deref());
});

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = escaped.and_then(|hex| Some(digit(hex[0])? << 4 | digit(hex[1])?));
        match byte.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &tail[2..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}
