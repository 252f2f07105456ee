//! `samegate import`: a bulk load that can be resumed.
//!
//! Order of events: find the images (`source`, `manifest`), skip those that the journal (`journal`)
//! and the library (`contents`) contain, send the others until each has its acknowledgement (`sender`),
//! classify (`cli::failure_class`) and record (`recorder`) each acknowledgement, and print a summary
//! (`summary`). Adding an image is idempotent and the gateway
//! keeps no state between streams, so a resumed import needs only the journal.

mod contents;
mod counts;
mod failure_list;
mod file_finder;
mod file_kind;
mod file_version;
mod journal;
mod left_out;
mod manifest;
mod plan;
mod progress;
mod recorder;
mod scaler;
mod sender;
mod source;
mod summary;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use samegate_client::{Client, Error};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use self::contents::Contents;
use self::failure_list::FailureList;
use self::file_finder::FileFinder;
use self::journal::Journal;
use self::plan::{Plan, Skipped};
use self::progress::ProgressDisplay;
use self::recorder::Recorder;
use self::scaler::Scaler;
use self::sender::{ImportEnd, Report, Sender};
use super::add::OnDuplicate;
use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::output::Output;
use super::scale::{Limits, Resizing};
use super::score::score;
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate import photos/
  samegate import 'scans/**/*.png' more/ --tag 7 --in-flight 64
  samegate import --manifest images.jsonl --failures failed.jsonl
  samegate import new/ --only-new --match-score 0.8

Files that are larger than the library takes are scaled down to JPEGs before they
are sent, unless --no-resize is given. Of a folder, files whose names end as those
of a JPEG, PNG, BMP, GIF, WebP or TIFF file are sent, and others whose first bytes
are those of such an image. The summary counts what is left out and why: no image,
hidden, link to a folder. An image of another format counts as failed. A path
without an image is an error.

A manifest has one JSON object per line. brief, tags and key are optional. Paths
are relative to the manifest:
  {\"path\": \"a.jpg\", \"brief\": \"cat-4711\", \"tags\": [7], \"key\": \"4711\"}
  {\"url\": \"https://example.com/b.png\"}
Lines of `samegate library export` or `samegate list --json` name images by
cont_sign: --files is the folder with their files, which are found by content.

With --only-new an image is added only if the library has no other file of the same
image; the summary counts those that it has, and they are no failures. Of two copies
in one import one is added. Images that were not added are not in the journal: the
next run asks for them again, and adds them without --only-new.

Each acknowledged image is recorded in a journal, by default in the folder of the
first PATH or next to the manifest. Run the same command again to resume: it
skips recorded images that the library still has, and sends files that have
changed since. A library at a vendor cannot be asked: there the journal alone
decides; delete it to send all images. Images that were rejected permanently are
skipped too, and count as failed until --retry-failed.

Exit status: 0 all images are stored; 1 some are not; 130 interrupted.";

/// Flags of `samegate import`.
#[derive(Args, Debug)]
pub struct Import {
    /// Folders (with subfolders), files, or glob patterns.
    #[arg(value_name = "PATH", required_unless_present = "manifest")]
    paths: Vec<PathBuf>,
    /// JSON lines that name the images.
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    manifest: Option<PathBuf>,
    /// Folder with the files of images that the manifest names by sign.
    #[arg(
        long,
        value_name = "DIR",
        requires = "manifest",
        conflicts_with = "paths"
    )]
    files: Option<PathBuf>,
    /// Include files and folders whose names begin with a dot.
    #[arg(long)]
    hidden: bool,
    /// Tag of each image, 1 to 65535, up to two; the tags of a manifest line replace it.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// What to do with an image that is stored already.
    #[arg(long, value_enum, default_value_t = OnDuplicate::Accept)]
    on_duplicate: OnDuplicate,
    /// Add only images of which the library has no other file.
    #[arg(long)]
    only_new: bool,
    /// Minimum score of such a file, 0 to 1 [default: the library's].
    #[arg(long, value_name = "SCORE", value_parser = score, requires = "only_new")]
    match_score: Option<f64>,
    /// Images that the gateway processes at the same time, 1 to 256.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=256), value_name = "N")]
    in_flight: u32,
    /// Journal of the acknowledged images [default: next to the images].
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// File for the list of failed images, as JSON lines [default: next to the journal].
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
    /// Send the images again that an earlier run recorded as rejected.
    #[arg(long)]
    retry_failed: bool,
    /// Consecutive connections without progress before the import fails.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..), value_name = "N")]
    attempts: u32,
    /// Show the summary and errors only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Imports every image that the library does not have yet.
pub(super) async fn run(
    args: Import,
    output: &mut Output,
    interrupt: CancellationToken,
) -> Result<Exit, Failure> {
    // Before the journal is created, so that a mistyped path leaves no file.
    let mut plan = match &args.manifest {
        Some(path) => manifest::read(path, &args.tags, args.finder())?,
        None => source::find(&args.paths, &args.tags, args.hidden)?,
    };
    // Not retried: if the first connection fails, the command line is probably wrong.
    let (reporter, reports) = unbounded_channel();
    let client = args.client(reporter.clone()).await?;
    let contents = Contents::new(client.clone(), args.attempts);
    let (mut journal, skipped, limits) = tokio::select! {
        resumed = resume(&args, &contents, &mut plan, output) => resumed?,
        () = interrupt.cancelled() => return Ok(Exit::Interrupted),
    };

    let failures = FailureList::create(args.failures_path(journal.path()))?;
    let json = args.target.connection.json;
    let display =
        ProgressDisplay::start(plan.pending.len(), args.quiet, json, output.is_terminal());
    let mut recorder = Recorder::new(&plan, &mut journal, failures, display, output);
    recorder.record_skipped(skipped)?;
    let options = v1::AddImagesOptions {
        on_duplicate: args.on_duplicate.to_proto().into(),
        max_in_flight: args.in_flight,
        on_match: args.on_match().into(),
        match_score: args.match_score.unwrap_or_default(),
        ..Default::default()
    };
    let sender = Sender {
        plan: &plan,
        client,
        options,
        scaler: Scaler::new(limits, args.resizing),
        reporter,
        reports,
        interrupt,
    };
    let mut end = sender.run(&mut recorder).await;
    if matches!(end, Ok(ImportEnd::Complete)) {
        end = check_library(&contents, &mut recorder).await;
    }
    let exit = match end.unwrap_or_else(ImportEnd::Stopped) {
        ImportEnd::Complete if recorder.has_failures() => Exit::Failed,
        ImportEnd::Complete => Exit::Done,
        ImportEnd::Interrupted => Exit::Interrupted,
        ImportEnd::Stopped(failure) => {
            recorder.print_error(&failure);
            Exit::Failed
        }
    };
    recorder.print_summary(exit, limits)?;
    Ok(exit)
}

/// Opens the journal, and takes the images off the plan that need not be sent. Returns also what the
/// library takes.
async fn resume(
    args: &Import,
    contents: &Contents,
    plan: &mut Plan,
    output: &mut Output,
) -> Result<(Journal, Skipped, Limits), Failure> {
    let notes = &mut |text: &str| output.note(text);
    let library = contents.describe(notes).await?;
    let is_listable = library.is_some();
    let limits = library.as_ref().map_or(Limits::VENDOR, Limits::of);
    let id = library.map(|library| library.id);
    let journal = Journal::open(&args.journal_path(), &args.target, id)?;
    let lost = if is_listable {
        contents
            .missing(plan.recorded_signs(&journal), notes)
            .await?
    } else {
        HashSet::new()
    };
    let mut skipped = plan.skip_recorded(&journal, &lost, args.retry_failed);
    skipped.is_verified = is_listable;
    Ok((journal, skipped, limits))
}

/// Checks that the library was not replaced between two streams.
async fn check_library(
    contents: &Contents,
    recorder: &mut Recorder<'_>,
) -> Result<ImportEnd, Failure> {
    let library = contents
        .describe(&mut |text| recorder.print_note(text))
        .await?;
    if library.as_ref().map(|library| &*library.id) == recorder.library_id() {
        return Ok(ImportEnd::Complete);
    }
    Err(
        Failure::local("the library was replaced during the import and may lack images")
            .with_advice("run the same command again"),
    )
}

// === impl Import ===

impl Import {
    /// Connects; what the client sends again, and why, goes to `reporter`.
    async fn client(&self, reporter: UnboundedSender<Report>) -> Result<Client, Failure> {
        let hook = move |error: &Error, wait| {
            // The receiver is gone at the end of the import only.
            drop(reporter.send(Report::Retry(error.message().to_owned(), wait)));
        };
        let builder = self.target.builder()?.stream_attempts(self.attempts);
        Ok(builder.on_retry(hook).connect().await?)
    }

    fn on_match(&self) -> v1::OnMatch {
        if self.only_new {
            v1::OnMatch::Reject
        } else {
            v1::OnMatch::Allow
        }
    }

    /// Returns the path of the journal: next to the source, so that each source has its own.
    fn journal_path(&self) -> PathBuf {
        if let Some(path) = &self.journal {
            return path.clone();
        }
        if let Some(manifest) = &self.manifest {
            return with_suffix(manifest, ".journal");
        }
        let folder = self.paths.first().map(|path| source::folder_of(path));
        folder.unwrap_or_default().join(source::JOURNAL_NAME)
    }

    fn finder(&self) -> Option<FileFinder> {
        let folder = self.files.as_deref()?;
        Some(FileFinder::new(folder, self.hidden))
    }

    fn failures_path(&self, journal: &Path) -> PathBuf {
        match &self.failures {
            Some(path) => path.clone(),
            None => with_suffix(journal, ".failures"),
        }
    }
}

/// The images in folders.
pub(super) struct FoundFiles {
    pub(super) files: Vec<PathBuf>,
    /// Names of what was found but cannot be read, with the reason.
    pub(super) unusable: Vec<(String, Failure)>,
}

/// Finds the images in folders, files and glob patterns, as an import does.
///
/// # Errors
///
/// When a path does not exist or has no image.
pub(super) fn find_files(paths: &[PathBuf], hidden: bool) -> Result<FoundFiles, Failure> {
    let plan = source::find(paths, &[], hidden)?;
    let files = plan.items.iter().filter_map(|item| match &item.location {
        plan::Location::File(path) => Some(path.clone()),
        plan::Location::Url(_) => None,
    });
    Ok(FoundFiles {
        files: files.collect(),
        unusable: plan.unusable,
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
