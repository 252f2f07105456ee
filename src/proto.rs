//! The messages and the server of `proto/samegate/v1`, and its descriptor set. The messages are those of
//! `crates/client`, so that they are compiled once.

/// The encoded `FileDescriptorSet` of the public contract, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Messages and server of the package `samegate.v1`, documented in the proto file.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated"
)]
pub mod v1 {
    pub use samegate_client::v1::*;

    tonic::include_proto!("samegate.v1");
}
