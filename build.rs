//! Compiles the server of the public protobuf contract without protoc. Its messages are those of
//! `crates/client`.
//!
//! The generated code goes to `OUT_DIR` and is never committed. Server reflection serves the
//! descriptor set, which is written there too.

use std::path::PathBuf;
use std::{env, error::Error, fs};

use prost::Message;

const PROTO: &str = "proto/samegate/v1/same_image.proto";

fn main() -> Result<(), Box<dyn Error>> {
    // tonic-prost-build accepts `emit_rerun_if_changed` and ignores it.
    println!("cargo:rerun-if-changed={PROTO}");

    let descriptors = protox::compile([PROTO], ["proto"])?;
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(
        PathBuf::from(out).join("descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;

    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".samegate.v1", "::samegate_client::v1")
        .compile_fds(descriptors)?;
    Ok(())
}
