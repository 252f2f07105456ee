//! `samegate library`: the size of a library, and its care: backup, restore, verification.
//!
//! The size comes from a running gateway over its public contract. The subcommands work on the data
//! folder of an embedded library that no gateway has open (`source`), on a backup file, or, for
//! backups and copies, on the admin ports of running gateways (`remote`, `served`). Only `init` reads the gateway's
//! configuration, and calls a cluster.

mod backup;
mod backup_folder;
mod compact;
mod copy;
mod init;
mod progress;
mod remote;
mod restore;
mod served;
mod source;
mod transfer;
mod verify;

use clap::{Args, Subcommand};

use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::output::Output;
use super::records;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library                                  size, from the gateway
  samegate library backup -o images.backup          of ./samegate-data at rest
  samegate library backup --admin http://127.0.0.1:9090 -o images.backup
  samegate library restore images.backup --data ./restored
  samegate library verify --data ./restored

The subcommands need a library that no gateway has open, except `backup` and
`verify` with --admin, and `copy`, which ask running gateways, and `init`, which
makes the index of a library in OpenSearch.";

/// Flags of `samegate library`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Library {
    #[command(subcommand)]
    command: Option<LibraryCommand>,
    #[command(flatten)]
    target: LibraryTarget,
}

/// The commands of `samegate library`.
#[derive(Debug, Subcommand)]
pub enum LibraryCommand {
    /// Writes a consistent copy of a library to a file, and reads it back.
    #[command(after_help = backup::EXAMPLES)]
    Backup(backup::Backup),
    /// Checks every page, record and index segment of a library, or a backup.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Verify),
    /// Makes a library from a backup.
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Restore),
    /// Gives unused space of a library file back to the disk.
    #[command(after_help = compact::EXAMPLES)]
    Compact(compact::Compact),
    /// Makes the index of a library in an OpenSearch cluster.
    #[command(after_help = init::EXAMPLES)]
    Init(init::Init),
    /// Copies all images of a library to another one, while gateways serve both.
    #[command(after_help = copy::EXAMPLES)]
    Copy(copy::Copy),
    /// Prints the record of each image as a JSON line.
    #[command(after_help = transfer::EXPORT_EXAMPLES)]
    Export(transfer::Export),
    /// Sets the briefs and tags of stored images from exported lines.
    #[command(after_help = transfer::IMPORT_EXAMPLES)]
    Import(transfer::Import),
}

/// Shows the size of a library, or runs one of the commands.
pub(super) async fn run(args: Library, output: &mut Output) -> Result<Exit, Failure> {
    match args.command {
        None => records::library(args.target, output).await,
        Some(LibraryCommand::Backup(backup)) => backup::run(backup, output).await,
        Some(LibraryCommand::Verify(verify)) => verify::run(verify, output).await,
        Some(LibraryCommand::Restore(restore)) => restore::run(&restore, output),
        Some(LibraryCommand::Compact(compact)) => compact::run(&compact, output),
        Some(LibraryCommand::Init(init)) => init::run(&init, output).await,
        Some(LibraryCommand::Copy(copy)) => copy::run(copy, output).await,
        Some(LibraryCommand::Export(export)) => transfer::export(&export, output),
        Some(LibraryCommand::Import(import)) => transfer::import(&import, output),
    }
}

// === impl Library ===

impl Library {
    pub(super) fn is_json(&self) -> bool {
        match &self.command {
            None => self.target.connection.json,
            Some(LibraryCommand::Backup(backup)) => backup.json,
            Some(LibraryCommand::Verify(verify)) => verify.json,
            Some(LibraryCommand::Restore(restore)) => restore.json,
            Some(LibraryCommand::Compact(compact)) => compact.json,
            Some(LibraryCommand::Init(_)) => false,
            Some(LibraryCommand::Copy(copy)) => copy.json,
            // Its output is JSON, but an error belongs to the standard error.
            Some(LibraryCommand::Export(_)) => false,
            Some(LibraryCommand::Import(import)) => import.json,
        }
    }
}
