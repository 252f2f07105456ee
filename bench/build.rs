//! Compiles the public contract, as an average project does.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = "../proto/samegate/v1/same_image.proto";
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["../proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .build_client(false)
        .generate_default_stubs(true)
        .compile_fds(descriptors)?;
    Ok(())
}
