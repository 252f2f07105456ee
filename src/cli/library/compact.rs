//! `samegate library compact`: gives the space of deleted images back to the disk.

use clap::Args;
use serde_json::json;

use super::source::DataFolder;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Output};
use crate::error::chain;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library compact --data /var/lib/samegate

A running gateway reuses the space of deleted images, but its file never shrinks.
Stop the gateway first. The command moves pages inside the file, so it also works
on a full disk.";

/// Flags of `samegate library compact`.
#[derive(Args, Debug)]
pub struct Compact {
    #[command(flatten)]
    folder: DataFolder,
    /// Print an object for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Compacts a library and shows its size before and after.
pub(super) fn run(args: &Compact, output: &mut Output) -> Result<Exit, Failure> {
    let library = args.folder.open("stop the gateway first")?;
    let sizes = library
        .compact()
        .map_err(|error| Failure::local(chain(&error)))?;
    if args.json {
        output.json(&json!({
            "before_bytes": sizes.before_bytes,
            "after_bytes": sizes.after_bytes,
        }));
        return Ok(Exit::Done);
    }
    output.line(&format!(
        "{}: {} before, {} after",
        args.folder.data.display(),
        output::bytes(sizes.before_bytes),
        output::bytes(sizes.after_bytes)
    ));
    Ok(Exit::Done)
}
