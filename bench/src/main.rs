//! What `make bench-gateway` compares the gateway with, and what it needs for that.
//!
//! Each subcommand is a process of its own, whose CPU time `run.py` reads: `vendor` answers as the
//! same_hq API, `naive` is the gateway that an average project writes, `echo`, `kernel` and
//! `client` are the three parts of which every gateway needs one (their sum is L*), `load` calls a
//! gateway.

mod client;
mod echo;
mod kernel;
mod load;
mod naive;
mod picture;
mod vendor;

use std::env;
use std::error::Error;
use std::time::Duration;

/// The compiled contract.
#[allow(dead_code, reason = "most messages are not called")]
mod proto {
    tonic::include_proto!("samegate.v1");
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "vendor ADDRESS | naive ADDRESS VENDOR | echo ADDRESS | kernel BYTES SECONDS | \
                     client VENDOR TOKEN BYTES CONCURRENCY SECONDS | \
                     load ADDRESS KIND SIZE CONCURRENCY SECONDS FRAME";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = |text: &str| text.parse().map(Duration::from_secs_f64);
    match arguments[..] {
        ["vendor", address] => on_one_thread(vendor::serve(address)),
        ["echo", address] => on_one_thread(echo::serve(address)),
        ["naive", address, vendor] => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(naive::serve(address, vendor)),
        ["kernel", size, time] => kernel::run(size.parse()?, seconds(time)?),
        ["client", vendor, token, size, concurrency, time] => on_one_thread(client::run(
            vendor,
            token,
            size.parse()?,
            concurrency.parse()?,
            seconds(time)?,
        )),
        ["load", address, kind, size, concurrency, time, frame] => on_one_thread(load::run(
            address,
            load::Kind::parse(kind, size.parse()?)?,
            concurrency.parse()?,
            seconds(time)?,
            frame.parse()?,
        )),
        _ => Err(USAGE.into()),
    }
}

fn on_one_thread(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
