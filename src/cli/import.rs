//! `samegate import`: a bulk load that survives everything but bad images.
//!
//! Order of events: find the images (`source`), leave out what the journal
//! says is done (`journal`), feed the rest through streams until each image
//! has its acknowledgement (`stream`), judge (`class`) and book (`ledger`) each
//! acknowledgement, and sum up. The gateway keeps nothing between two streams and adding twice
//! is harmless, so all that a resume needs is the journal.

mod class;
mod failures;
mod journal;
mod ledger;
mod manifest;
mod progress;
mod source;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, value_parser};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use self::failures::Failures;
use self::journal::Journal;
use self::ledger::Ledger;
use self::progress::Progress;
use self::source::Plan;
use self::stream::End;
use super::Exit;
use super::add::OnDuplicate;
use super::client::{Client, Target};
use super::failure::Failure;
use super::output::Output;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate import photos/
  samegate import 'scans/**/*.png' more/ --tag 7 --in-flight 64
  samegate import --manifest images.jsonl --failures failed.jsonl

A manifest has one object per line; brief, tags and key are optional, and
paths are relative to the manifest:
  {\"path\": \"a.jpg\", \"brief\": \"cat-4711\", \"tags\": [7], \"key\": \"4711\"}
  {\"url\": \"https://example.com/b.png\"}

Each acknowledged image goes to a journal, by default in the folder of the
first PATH or beside the manifest. The same command again goes on where the
last one stopped, and sends again what has changed since. Images that were
rejected for good are remembered and count as failed until --retry-failed.

Exit status: 0 all images are in the library; 1 some are not; 130 interrupted.";

/// Times that an image is sent when it fails for a passing reason.
const ROUNDS: usize = 3;
/// First and longest wait between two connections that bring nothing.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Longest wait that a gateway may ask for between two connections.
const MAX_ASKED: Duration = Duration::from_secs(60);

/// Flags of `samegate import`.
#[derive(Args, Debug)]
pub struct Import {
    /// Folders (with everything below), files, or glob patterns.
    #[arg(value_name = "PATH", required_unless_present = "manifest")]
    paths: Vec<PathBuf>,
    /// JSON lines that name the images.
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    manifest: Option<PathBuf>,
    /// Tag for each image, 1 to 65535, at most two; a manifest's go first.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// What to do with an image that is stored already.
    #[arg(long, value_enum, default_value_t = OnDuplicate::Accept)]
    on_duplicate: OnDuplicate,
    /// Images that the gateway works on at the same time, 1 to 256.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=256), value_name = "N")]
    in_flight: u32,
    /// Where to remember what is done.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Where to list the failed images, as JSON lines [default: beside the
    /// journal].
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
    /// Send again what was rejected for good in an earlier run.
    #[arg(long)]
    retry_failed: bool,
    /// Connections in a row that may bring nothing before the import gives up.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..), value_name = "N")]
    attempts: u32,
    /// Show the summary and errors only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

/// What every stream of an import needs.
struct Load<'a> {
    args: &'a Import,
    plan: &'a Plan,
    client: Client,
    interrupt: CancellationToken,
}

/// Why the feeding of images ended.
enum Fed {
    /// Each one has its outcome.
    All,
    /// The user stopped it.
    Interrupted,
    /// Going on makes no sense.
    Halted(Failure),
}

/// Loads everything that is not in the journal yet.
pub(super) async fn run(
    args: Import,
    output: &mut Output,
    interrupt: CancellationToken,
) -> Result<Exit, Failure> {
    let journal_path = args.journal_path();
    // Before the journal, so that a mistyped path leaves no file behind.
    let mut plan = source::find(&args)?;
    let mut journal = Journal::open(&journal_path, &args.target)?;
    let skipped = plan.leave_out_done(&journal, args.retry_failed);
    // A gateway that was never reached is a slip of the command line rather
    // than an outage, so it is told at once.
    let client = args.target.connection.client().await?;

    let failures = Failures::create(args.failures_path(&journal_path))?;
    let progress = Progress::start(&args, plan.pending.len(), output.is_terminal());
    let mut ledger = Ledger::new(&plan, &mut journal, failures, progress, output);
    ledger.book_found(&skipped)?;
    let load = Load {
        args: &args,
        plan: &plan,
        client,
        interrupt,
    };
    let fed = load.feed(&mut ledger).await;
    let exit = match fed.unwrap_or_else(Fed::Halted) {
        Fed::All if ledger.has_failures() => Exit::Failed,
        Fed::All => Exit::Done,
        Fed::Interrupted => Exit::Interrupted,
        Fed::Halted(failure) => {
            ledger.show_error(&failure);
            Exit::Failed
        }
    };
    ledger.sum_up(exit)?;
    Ok(exit)
}

// === impl Load ===

impl Load<'_> {
    /// Sends everything, and once more what failed for a passing reason.
    async fn feed(&self, ledger: &mut Ledger<'_>) -> Result<Fed, Failure> {
        let mut pending = self.plan.pending.clone();
        for round in 1..=ROUNDS {
            ledger.begin_round(round == ROUNDS);
            match self.feed_once(pending, ledger).await? {
                Fed::All => {}
                end @ (Fed::Interrupted | Fed::Halted(_)) => return Ok(end),
            }
            pending = ledger.take_unlucky();
            if pending.is_empty() {
                break;
            }
            if self.wait(backoff(round)).await.is_err() {
                return Ok(Fed::Interrupted);
            }
        }
        Ok(Fed::All)
    }

    /// Opens streams until each pending image has its outcome.
    async fn feed_once(
        &self,
        mut pending: Vec<usize>,
        ledger: &mut Ledger<'_>,
    ) -> Result<Fed, Failure> {
        let mut fruitless = 0;
        while !pending.is_empty() {
            let before = ledger.gains();
            let end = stream::run(self, &pending, ledger).await?;
            pending.retain(|index| !ledger.is_settled(*index));

            let cause = match end {
                End::Interrupted => return Ok(Fed::Interrupted),
                End::Halted(failure) => return Ok(Fed::Halted(failure)),
                End::Broken(failure) if !may_pass(&failure) => return Ok(Fed::Halted(failure)),
                End::Broken(failure) => failure,
                End::Complete if pending.is_empty() => break,
                End::Complete => Failure::local("the gateway ended the stream to go away"),
            };
            fruitless = if ledger.gains() > before {
                0
            } else {
                fruitless + 1
            };
            if fruitless >= self.args.attempts {
                return Ok(Fed::Halted(cause));
            }
            let asked = cause.retry_after().unwrap_or_default().min(MAX_ASKED);
            let pause = backoff(fruitless as usize).max(asked);
            if !pause.is_zero() {
                let seconds = pause.as_secs_f64();
                ledger.note(&format!("{}; next try in {seconds:.1} s", cause.message()));
            }
            if self.wait(pause).await.is_err() {
                return Ok(Fed::Interrupted);
            }
        }
        Ok(Fed::All)
    }

    /// Waits; an interruption ends it with an error.
    async fn wait(&self, pause: Duration) -> Result<(), ()> {
        tokio::select! {
            () = self.interrupt.cancelled() => Err(()),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

/// Whether a broken stream is worth another one: the codes that say "later",
/// those of a broken transport, and the deadline of a stream.
fn may_pass(failure: &Failure) -> bool {
    let Some(code) = failure.code() else {
        return false;
    };
    matches!(
        code,
        Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    )
}

/// Doubles the wait with each fruitless attempt; none after a fruitful one.
fn backoff(fruitless: usize) -> Duration {
    if fruitless == 0 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(fruitless - 1).unwrap_or(u32::MAX).min(16);
    (BACKOFF.0 * 2u32.pow(doublings)).min(BACKOFF.1)
}

// === impl Import ===

impl Import {
    /// Beside the source, so that each source has its own.
    fn journal_path(&self) -> PathBuf {
        if let Some(path) = &self.journal {
            return path.clone();
        }
        if let Some(manifest) = &self.manifest {
            return with_suffix(manifest, ".journal");
        }
        let folder = self.paths.first().map(|path| source::folder_of(path));
        folder.unwrap_or_default().join(".samegate-import.jsonl")
    }

    fn failures_path(&self, journal: &Path) -> PathBuf {
        let beside = || with_suffix(journal, ".failures");
        self.failures.clone().unwrap_or_else(beside)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        let waits: Vec<u128> = (0..8).map(|n| backoff(n).as_millis()).collect();

        assert_eq!(waits, [0, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
        assert_eq!(backoff(usize::MAX), BACKOFF.1);
    }

    #[test]
    fn only_passing_failures_are_worth_another_stream() {
        let broken = |code| Failure::from(tonic::Status::new(code, "x"));

        assert!(may_pass(&broken(Code::Unavailable)));
        assert!(may_pass(&broken(Code::DeadlineExceeded)));
        assert!(!may_pass(&broken(Code::Unauthenticated)));
        assert!(!may_pass(&broken(Code::NotFound)));
        assert!(!may_pass(&Failure::local("no space left")));
    }
}
