//! Code generated from `proto/samegate/v1`, and its descriptor set.

/// The encoded `FileDescriptorSet` of the public contract, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Messages, client and server of the package `samegate.v1`, documented in the proto file.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("samegate.v1");
}
