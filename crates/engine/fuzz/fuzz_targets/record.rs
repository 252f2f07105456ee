//! Any bytes as a stored record: read or rejected; what is read is written back as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| same_image::fuzzing::read_record(bytes));
