//! `samegate check`: which files a library has already, and which are copies of each other.
//!
//! The gateway searches with every file (`bulk_search`); `copies` compares the files with each other
//! on this machine, since they are not stored. Both run at the same time.

mod copies;
mod scratch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use samegate_client::Client;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::copies::{Copies, Copy};
use super::bulk_search::{ATTEMPTS, BulkSearch};
use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::image::ImageArg;
use super::import::{FoundFiles, find_files};
use super::matches::match_to_json;
use super::output::{self, Output};
use super::progress::Progress;
use super::query::{QueryArg, show_failure};
use super::scale::Resizing;
use super::score::score;
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate check incoming/
  samegate check 'scans/*.png' a.jpg --min-score 0.8
  samegate check incoming/ --json | jq -r 'select(.status == \"new\") | .file'

Nothing is stored. A file is `stored` when the library has it or another file of the
same image, else a `copy` when an earlier file is the same image, else `new`. The
gateway searches with every file; the files are compared with each other on this
machine, which needs about 0.2 s of a core for each, and 50 kB of the folder for
temporary files.

Exit status: 0 all files are new; 3 some are not; 1 a file or the call failed;
130 interrupted.";

/// Time between two updates of the progress.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// Flags of `samegate check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Folders (with subfolders), files, or glob patterns.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Include files and folders whose names begin with a dot.
    #[arg(long)]
    hidden: bool,
    /// Minimum score of the same image, 0 to 1 [default: the library's; between files 0].
    #[arg(long, value_parser = score)]
    min_score: Option<f64>,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// What is known about a file.
struct Checked<'a> {
    name: String,
    stored: Result<Vec<v1::Match>, Failure>,
    copy: Option<&'a Copy>,
}

/// Checks every file and shows the outcomes in the order of the files.
pub(super) async fn run(
    args: Check,
    output: &mut Output,
    interrupt: CancellationToken,
) -> Result<Exit, Failure> {
    let FoundFiles { files, unusable } = find_files(&args.paths, args.hidden)?;
    let json = args.target.connection.json;
    for (name, failure) in &unusable {
        show_failure(name, failure, json, output);
    }
    let queries: Vec<QueryArg> = files
        .iter()
        .map(|file| QueryArg::Image(ImageArg::File(file.clone())))
        .collect();
    let min_score = args.min_score.unwrap_or_default();
    // Each file counts twice: searched for in the library, and compared with the other files.
    let done = AtomicU64::new(0);
    let (client, mut retries) = args.target.stream_client(ATTEMPTS).await?;
    let work = async {
        futures_util::try_join!(
            search(&args, client, &queries, &done),
            Copies::find(&files, min_score, &done)
        )
    };
    tokio::pin!(work);
    let mut progress = Progress::start("files", json, output);
    let mut updates = tokio::time::interval(UPDATE_INTERVAL);
    let result = loop {
        tokio::select! {
            result = &mut work => break Some(result),
            () = interrupt.cancelled() => break None,
            Some(line) = retries.recv() => progress.note(&line, output),
            _ = updates.tick() => {
                let done = done.load(Ordering::Relaxed) / 2;
                progress.update(done, files.len() as u64, "", output);
            }
        }
    };
    progress.finish();
    let Some(result) = result else {
        return Ok(Exit::Interrupted);
    };
    let (stored, copies) = result?;

    let files = queries.iter().zip(stored).enumerate();
    let checked: Vec<Checked<'_>> = files
        .map(|(index, (query, stored))| Checked {
            name: query.to_string(),
            stored,
            copy: copies.of(index),
        })
        .collect();
    show(&checked, json, output);
    let has_failures = !unusable.is_empty() || checked.iter().any(|file| file.stored.is_err());
    Ok(if has_failures {
        Exit::Failed
    } else if checked.iter().any(|file| file.status() != "new") {
        Exit::Found
    } else {
        Exit::Done
    })
}

/// Searches the library; returns the best match of every file.
async fn search(
    args: &Check,
    client: Client,
    queries: &[QueryArg],
    done: &AtomicU64,
) -> Result<Vec<Result<Vec<v1::Match>, Failure>>, Failure> {
    let search = BulkSearch {
        client,
        options: v1::BulkSearchImagesOptions {
            limit: 1,
            min_score: args.min_score.unwrap_or_default(),
            ..v1::BulkSearchImagesOptions::default()
        },
        resizing: args.resizing,
    };
    let mut stored: Vec<_> = queries.iter().map(|_| Ok(Vec::new())).collect();
    let mut searches = search.start(queries);
    while let Some(found) = searches.next().await? {
        done.fetch_add(1, Ordering::Relaxed);
        stored[found.index] = found.result.map(|result| result.matches);
    }
    Ok(stored)
}

fn show(checked: &[Checked<'_>], json: bool, output: &mut Output) {
    let mut rows = vec![
        ["FILE", "STATUS", "SCORE", "SAME AS"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for file in checked {
        match &file.stored {
            Err(failure) => show_failure(&file.name, failure, json, output),
            Ok(matches) if json => output.json(&file.to_json(matches)),
            Ok(matches) => rows.push(file.row(matches)),
        }
    }
    if rows.len() > 1 {
        output.line(&output::table(&rows));
    }
}

// === impl Checked ===

impl Checked<'_> {
    fn status(&self) -> &'static str {
        match (&self.stored, self.copy) {
            (Ok(matches), _) if !matches.is_empty() => "stored",
            (_, Some(_)) => "copy",
            (_, None) => "new",
        }
    }

    fn row(&self, matches: &[v1::Match]) -> Vec<String> {
        let (score, same) = match (matches.first(), self.copy) {
            (Some(best), _) => (
                Some(best.score),
                format!("{}  {}", best.cont_sign, best.brief),
            ),
            (None, Some(copy)) => (Some(copy.score), copy.file.clone()),
            (None, None) => (None, String::new()),
        };
        let score = score.map_or_else(String::new, |score| format!("{:.1} %", score * 100.0));
        vec![self.name.clone(), self.status().to_owned(), score, same]
    }

    fn to_json(&self, matches: &[v1::Match]) -> Value {
        json!({
            "file": self.name,
            "status": self.status(),
            "matches": matches.iter().map(match_to_json).collect::<Vec<_>>(),
            "copy_of": self.copy.map(|copy| json!({ "file": copy.file, "score": copy.score })),
        })
    }
}
