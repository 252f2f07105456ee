//! Prepares any bytes as an image file, for an add and for a search: both must succeed or both must
//! reject them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (stored, queried) = same_image::fuzzing::prepare(bytes);
    assert_eq!(stored, queried, "add and search accept the same files");
});
