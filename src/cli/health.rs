//! `samegate health`: calls `grpc.health.v1`, for probes and scripts.

use clap::Args;
use samegate_client::ServingStatus;
use serde_json::json;

use super::client::Connection;
use super::exit::Exit;
use super::failure::Failure;
use super::output::Output;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate health
  samegate health --service samegate.v1.SameImageService --timeout 2s

Exit status 0 if the status is SERVING, else 1.";

/// Flags of `samegate health`.
#[derive(Args, Debug)]
pub struct Health {
    /// Full name of a service [default: the gateway as a whole].
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Calls once and shows the status.
pub(super) async fn run(args: Health, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.connection.client().await?;
    let status = client.health(args.service).await?;

    let name = status.as_str_name();
    if args.connection.json {
        output.json(&json!({ "status": name }));
    } else {
        output.line(name);
    }
    if status == ServingStatus::Serving {
        return Ok(Exit::Done);
    }
    Ok(Exit::Failed)
}
