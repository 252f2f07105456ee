//! `samegate library restore`: a library from a backup.

use std::path::PathBuf;

use clap::Args;
use same_image::{Existing, restore};
use serde_json::json;

use super::backup_folder::rfc3339;
use super::progress::Progress;
use super::source::{DataFolder, restore_failure};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library restore images.backup --data ./restored
  samegate library restore images.backup --data /var/lib/samegate --replace

The backup is checked before anything is written. A library that exists is replaced
only with --replace, at the end and in one step; it must not be open in a gateway.
The restored library has a new identity. Its index is built at the next start:
about a second of one core per 10,000 images.";

/// Flags of `samegate library restore`.
#[derive(Args, Debug)]
pub struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
    /// Replace the library of the folder.
    #[arg(long)]
    replace: bool,
    /// Print an object for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Restores a backup.
pub(super) fn run(args: &Restore, output: &mut Output) -> Result<Exit, Failure> {
    let dir = &args.folder.data;
    let existing = if args.replace {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let mut progress = Progress::start("images", args.json, output);
    let restored = restore(&args.file, dir, existing, &mut |done, total| {
        progress.update(done, total);
    });
    drop(progress);
    let info = restored.map_err(|error| restore_failure(&error))?;
    if args.json {
        output.json(&json!({
            "data": dir.display().to_string(),
            "image_count": info.images,
            "backup_time": rfc3339(info.created_at_ms),
        }));
        return Ok(Exit::Done);
    }
    output.line(&format!(
        "{}: {} images of {}",
        dir.display(),
        info.images,
        rfc3339(info.created_at_ms)
    ));
    Ok(Exit::Done)
}
