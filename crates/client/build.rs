//! Compiles the messages and the client of the public contract without protoc. The server is the
//! gateway's, which uses these messages.

use std::error::Error;

const ROOT: &str = "../../proto";
const FILE: &str = "samegate/v1/same_image.proto";

fn main() -> Result<(), Box<dyn Error>> {
    // tonic-prost-build accepts `emit_rerun_if_changed` and ignores it.
    println!("cargo:rerun-if-changed={ROOT}/{FILE}");

    tonic_prost_build::configure()
        .build_server(false)
        // `Bytes` fields are slices of the received frames, so images are not copied.
        .bytes(".")
        .compile_fds(protox::compile([FILE], [ROOT])?)?;
    Ok(())
}
