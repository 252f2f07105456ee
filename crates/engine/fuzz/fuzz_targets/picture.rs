//! Any bytes as a file: everything that an add and a search compute of them, or a clear rejection.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (stored, queried) = same_image::fuzzing::prepare(bytes);
    assert_eq!(stored, queried, "add and search agree on what is an image");
});
