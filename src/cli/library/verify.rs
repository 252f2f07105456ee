//! `samegate library verify`: is everything readable, and is it what was written?

use std::io;
use std::path::PathBuf;

use clap::Args;
use same_image::{BackupError, BackupInfo, Verification, verify_backup};
use serde_json::json;

use super::backup::read_back;
use super::backup_folder::rfc3339;
use super::progress::Progress;
use super::remote::fetch_backup;
use super::source::BackupSource;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Output};
use crate::error::chain;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library verify images.backup
  samegate library verify --data /var/lib/samegate
  samegate library verify --data /var/lib/samegate --repair
  samegate library verify --admin http://127.0.0.1:9090

At rest, every page of the library file, every record and every index segment is
read. With --admin the running gateway reads every record. --repair rebuilds what
follows from the records: signs, hashes and segments. A damaged record is lost:
restore a backup.

Exit status: 0 nothing is damaged, or all is repaired; 1 something is damaged.";

/// Flags of `samegate library verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// A backup to check instead of a library.
    #[arg(value_name = "FILE", conflicts_with_all = ["data", "admin", "repair"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    source: BackupSource,
    /// Rebuild what can be rebuilt.
    #[arg(long, conflicts_with = "admin")]
    repair: bool,
    /// Print an object for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Checks a library or a backup, and shows what is damaged.
pub(super) async fn run(args: Verify, output: &mut Output) -> Result<Exit, Failure> {
    if let Some(file) = &args.file {
        let info = read_back(file, args.json, output)?;
        show_backup(&file.display().to_string(), &info, args.json, output);
        return Ok(Exit::Done);
    }
    if let Some(admin) = &args.source.admin {
        let library = &args.source.library;
        let info = verify_running(admin, library, args.json, output).await?;
        show_backup(library, &info, args.json, output);
        return Ok(Exit::Done);
    }
    let folder = &args.source.folder;
    let library = folder.open(
        "stop the gateway first, or check the records of the running one: samegate library \
         verify --admin http://127.0.0.1:9090",
    )?;
    let mut progress = Progress::start("images", args.json, output);
    let found = library
        .verify(args.repair, &mut |done, total| progress.update(done, total))
        .map_err(|error| Failure::local(chain(&error)))?;
    drop(progress);
    show(
        &found,
        &folder.data.display().to_string(),
        args.json,
        output,
    );
    if found.is_whole() {
        return Ok(Exit::Done);
    }
    Ok(Exit::Failed)
}

/// Receives a backup of a library, checks it while it arrives, and keeps nothing.
async fn verify_running(
    admin: &str,
    library: &str,
    json: bool,
    output: &mut Output,
) -> Result<BackupInfo, Failure> {
    let (input, mut pipe) = io::pipe().map_err(|error| Failure::local(error.to_string()))?;
    let checking = std::thread::spawn(move || verify_backup(input, &mut |_, _| {}));
    let mut progress = Progress::start("bytes", json, output);
    let fetched = fetch_backup(admin, library, &mut pipe, &mut progress).await;
    drop(pipe);
    let checked = checking
        .join()
        .map_err(|_| Failure::local("the check panicked"))?;
    match (checked, fetched) {
        (Ok(info), Ok(_)) => Ok(info),
        // Of a response that ends early, its own error says why.
        (Ok(_) | Err(BackupError::CutOff { .. } | BackupError::NotABackup), Err(failure)) => {
            Err(failure)
        }
        (Err(error), _) => Err(Failure::local(chain(&error))),
    }
}

fn show_backup(name: &str, info: &BackupInfo, json: bool, output: &mut Output) {
    if json {
        output.json(&json!({
            "library_id": info.library.to_string(),
            "image_count": info.images,
            "size_bytes": info.size_bytes,
            "backup_time": rfc3339(info.created_at_ms),
            "damages": [],
        }));
        return;
    }
    output.line(&format!(
        "{name}: {} images of library {}, {}, nothing is damaged",
        info.images,
        info.library,
        output::bytes(info.size_bytes)
    ));
}

fn show(found: &Verification, name: &str, json: bool, output: &mut Output) {
    if json {
        let damages = found.damages.iter().map(|damage| {
            json!({
                "part": damage.part,
                "problem": damage.problem,
                "repaired": damage.repaired,
            })
        });
        output.json(&json!({
            "image_count": found.images,
            "segment_count": found.segments,
            "damages": damages.collect::<Vec<_>>(),
        }));
        return;
    }
    for damage in &found.damages {
        let repaired = if damage.repaired { " (repaired)" } else { "" };
        output.line(&format!("{}: {}{repaired}", damage.part, damage.problem));
    }
    let damages = match found.damages.len() {
        0 => "nothing is damaged".to_owned(),
        1 => "1 damage".to_owned(),
        many => format!("{many} damages"),
    };
    output.line(&format!(
        "{name}: {} images, {} index segments, {damages}",
        found.images, found.segments
    ));
}
