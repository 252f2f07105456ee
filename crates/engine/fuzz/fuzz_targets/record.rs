//! Decodes any bytes as a stored record: rejected, or equal after encoding and decoding again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| same_image::fuzzing::read_record(bytes));
