//! `samegate key new`: an API key for a caller, and its hash for the gateway.
//!
//! The key is shown once and not stored: the configuration holds only its SHA-256. A plain hash is
//! enough: unlike a password, 256 random bits cannot be guessed.

use clap::{Args, Subcommand};
use rustls::crypto::aws_lc_rs;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::exit::Exit;
use super::failure::Failure;
use super::output::Output;

const NEW_EXAMPLES: &str = "\
Examples:
  samegate key new
  samegate key new --json | jq -r .key > key.txt

The gateway accepts the key when its hash is in the configuration:
  [tenants.shop]
  api_keys = [\"sha256:…\"]
or, if the caller may search and list only, in read_keys.

A caller sends the key as `authorization: Bearer KEY` or `x-api-key: KEY`, and
samegate's own commands read it from SAMEGATE_API_KEY or --api-key-file.";

/// Lets people and secret scanners recognize a key.
const PREFIX: &str = "sg_";

/// The commands of `samegate key`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes an API key and shows it once.
    #[command(after_help = NEW_EXAMPLES)]
    New(New),
}

/// Flags of `samegate key new`.
#[derive(Args, Clone, Copy, Debug)]
pub struct New {
    /// Print an object with `key` and `hash`, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Makes and shows a key of 256 bits from the random number generator of the TLS library.
pub(super) fn new(args: New, output: &mut Output) -> Result<Exit, Failure> {
    let mut secret = [0; 32];
    aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut secret)
        .map_err(|_| Failure::local("cannot generate random numbers"))?;
    let key = format!("{PREFIX}{}", hex(&secret));
    let hash = format!("sha256:{}", hex(&Sha256::digest(&key)));
    if args.json {
        output.json(&json!({ "key": key, "hash": hash }));
        return Ok(Exit::Done);
    }
    output.line(&format!("key   {key}\nhash  {hash}"));
    output.note(
        "The key is shown only now: give it to the caller. Add its hash to \
         tenants.NAME.api_keys.",
    );
    Ok(Exit::Done)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_as_sha256sum_writes_them() {
        // printf %s abc | sha256sum
        assert_eq!(
            hex(&Sha256::digest("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
