//! Reads any text as the JSON of a request; compares what is accepted with what prost-reflect
//! reads, and reads it again from the JSON that prost-reflect writes.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use samegate::grpc::fuzzing::{read, requests};
use serde::de::DeserializeSeed;

static REQUESTS: LazyLock<BTreeMap<String, MessageDescriptor>> = LazyLock::new(requests);

// The first line is the name of the method.
fuzz_target!(|input: &[u8]| {
    let name = input.split(|byte| *byte == b'\n').next().unwrap_or(input);
    let request = std::str::from_utf8(name).ok().and_then(|name| REQUESTS.get(name));
    let Some((request, json)) = request.zip(input.get(name.len() + 1..)) else {
        return;
    };
    let Some(message) = read(json, request) else {
        return;
    };
    let decode = |bytes: &[u8]| DynamicMessage::decode(request.clone(), bytes).expect("protobuf");
    let ours = decode(&message);
    if !json.is_empty() {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let theirs = request.clone().deserialize(&mut deserializer);
        match theirs {
            // NaN differs from itself, its bytes do not.
            Ok(theirs) => assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec()),
            // It reads no "3.0" or "1e2" as an integer.
            Err(error) => assert!(error.to_string().starts_with("invalid digit"), "{error}"),
        }
    }
    let written = serde_json::to_vec(&ours).expect("a message can be written");
    let again = read(&written, request).expect("what is written can be read");
    assert_eq!(decode(&again).encode_to_vec(), ours.encode_to_vec());
});
