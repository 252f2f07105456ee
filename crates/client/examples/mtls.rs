//! Calls a gateway that asks for a client certificate; the certificate names the tenant.
//!
//! Usage: `mtls HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE`
#![allow(clippy::print_stdout, reason = "what the example prints")]

use std::env;

use samegate_client::{Client, Error, Tls};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, ca, certificate, key] = &arguments[..] else {
        panic!("usage: mtls HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE");
    };
    let tls = Tls::new().ca_file(ca).identity_files(certificate, key);
    let samegate = Client::builder(target).tls(tls).connect().await?;
    for library in samegate.libraries().await?.libraries {
        println!("{}", library.library);
    }
    Ok(())
}
