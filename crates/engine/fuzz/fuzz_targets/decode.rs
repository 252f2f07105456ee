//! Prepares any bytes as an image file, for an add, for a search and at half of its sides: all must
//! accept or all must reject them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [stored, queried, halved] = same_image::fuzzing::prepare(bytes);
    assert_eq!(stored, queried, "add and search accept the same files");
    assert_eq!(stored, halved, "also at half of their sides");
});
