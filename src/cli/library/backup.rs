//! `samegate library backup`: a consistent copy in a file, read back before it counts.
//!
//! Order of events: write `FILE.partial` → sync it to the disk → read it back → rename it. So a
//! file with the final name is a whole backup. With `--folder` the file gets the time as its name,
//! and the oldest ones are deleted after that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use clap::{ArgGroup, Args, value_parser};
use same_image::{BackupInfo, verify_backup};
use serde_json::json;

use super::backup_folder;
use super::progress::Progress;
use super::remote::fetch_backup;
use super::source::BackupSource;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Output};
use crate::error::chain;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library backup --data /var/lib/samegate -o images.backup
  samegate library backup --admin http://127.0.0.1:9090 -o images.backup
  samegate library backup --admin http://127.0.0.1:9090 --folder /backups --keep 7

Without --admin no gateway may have the library open. With --admin searches and
writes continue, and the backup is the state at its begin. With --folder the file
is LIBRARY-YYYYMMDDTHHMMSSZ.backup, and only the newest --keep of them are kept.
The file has no picture, but briefs, features and thumbnails: protect it like the
library.";

/// Size of the buffers for files.
const BUFFER_BYTES: usize = 1 << 20;

/// Flags of `samegate library backup`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("to").required(true).args(["output", "folder"]))]
pub struct Backup {
    #[command(flatten)]
    source: BackupSource,
    /// File to write; it must not exist.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder for a file with the time in its name.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Number of backups of the library that remain in the folder [default: all].
    #[arg(long, value_name = "N", conflicts_with = "output", value_parser = value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Print an object for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Makes a backup and shows what it contains.
pub(super) async fn run(args: Backup, output: &mut Output) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let path = match (&args.output, &args.folder) {
        (Some(file), _) => file.clone(),
        (None, folder) => {
            let folder = folder.as_deref().unwrap_or(Path::new(""));
            folder.join(backup_folder::file_name(
                &args.source.library,
                SystemTime::now(),
            ))
        }
    };
    if path.exists() {
        return Err(Failure::local(format!(
            "`{}` exists already",
            path.display()
        )));
    }
    let partial = partial(&path);
    let written = write(&args, &partial, output).await;
    let info = written.and_then(|()| {
        let info = read_back(&partial, args.json, output)?;
        put_in_place(&partial, &path).map_err(|error| unwritable(&path, &error))?;
        Ok(info)
    });
    let info = info.inspect_err(|_| {
        // A partial backup is of no use; an error here would hide the real one.
        let _ = fs::remove_file(&partial);
    })?;
    show(&args, &path, &info, begin, output);
    if let (Some(folder), Some(keep)) = (&args.folder, args.keep) {
        let library = &args.source.library;
        backup_folder::delete_old(folder, library, keep as usize).map_err(|error| {
            Failure::local(format!("the backup is made, but old ones remain: {error}"))
        })?;
    }
    Ok(Exit::Done)
}

async fn write(args: &Backup, partial: &Path, output: &mut Output) -> Result<(), Failure> {
    let file = create(partial).map_err(|error| unwritable(partial, &error))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    match &args.source.admin {
        Some(admin) => {
            let mut progress = Progress::start("bytes", args.json, output);
            fetch_backup(admin, &args.source.library, &mut out, &mut progress).await?;
        }
        None => {
            let library = args.source.folder.open(
                "back up the running gateway: samegate library backup --admin \
                 http://127.0.0.1:9090 -o FILE",
            )?;
            let mut progress = Progress::start("images", args.json, output);
            library
                .backup(&mut out, &mut |done, total| progress.update(done, total))
                .map_err(|error| Failure::local(chain(&error)))?;
        }
    }
    let synced = out.flush().and_then(|()| out.get_ref().sync_all());
    synced.map_err(|error| unwritable(partial, &error))
}

/// Reads a backup to its end.
pub(super) fn read_back(
    path: &Path,
    json: bool,
    output: &mut Output,
) -> Result<BackupInfo, Failure> {
    let file = File::open(path)
        .map_err(|error| Failure::local(format!("cannot read `{}`: {error}", path.display())))?;
    let mut progress = Progress::start("images", json, output);
    verify_backup(
        BufReader::with_capacity(BUFFER_BYTES, file),
        &mut |done, total| progress.update(done, total),
    )
    .map_err(|error| Failure::local(format!("`{}`: {}", path.display(), chain(&error))))
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Briefs may be confidential: only the owner reads them, as with the library's file.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create(true).truncate(true).open(path)
}

fn put_in_place(partial: &Path, path: &Path) -> io::Result<()> {
    fs::rename(partial, path)?;
    let folder = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(backup_folder::PARTIAL);
    PathBuf::from(name)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::local(format!("cannot write `{}`: {error}", path.display()))
}

fn show(args: &Backup, path: &Path, info: &BackupInfo, begin: Instant, output: &mut Output) {
    if args.json {
        output.json(&json!({
            "file": path.display().to_string(),
            "library_id": info.library.to_string(),
            "image_count": info.images,
            "size_bytes": info.size_bytes,
            "backup_time": backup_folder::rfc3339(info.created_at_ms),
            "seconds": begin.elapsed().as_secs_f64(),
        }));
        return;
    }
    output.line(&format!(
        "{}: {} images, {}, read back without an error",
        path.display(),
        info.images,
        output::bytes(info.size_bytes),
    ));
}
