//! `samegate dedupe`: the groups of same images in a library, and what to delete of them.
//!
//! Order of events: the stream of the join, continued after an interruption → its groups, merged
//! (`groups`) → which images to keep (`keep`) → table, JSON or contact sheet (`sheet`) → deletion, if
//! it was asked for and confirmed.

mod groups;
mod keep;
mod sheet;

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Request};

use self::groups::{Group, Groups};
use self::keep::Keep;
use super::client::{Client, LibraryTarget};
use super::exit::Exit;
use super::failure::Failure;
use super::output::{self, Output};
use super::records;
use super::score::score;
use crate::proto::v1;
use crate::proto::v1::find_duplicates_response::Event;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate dedupe
  samegate dedupe --html sheet.html --min-score 0.8
  samegate dedupe --keep largest --delete
  samegate dedupe --json | jq -r '.images[1:][].cont_sign'

Nothing is deleted without --delete. Of each group the images are kept that --keep prefers, and those
that are the same as none of them.";

/// Attempts to continue a join that was interrupted.
const MAX_ATTEMPTS: u32 = 10;
/// Time before such an attempt, unless the server requests another.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Signs of one call to delete images.
const SIGNS_PER_CALL: usize = 1000;

/// Flags of `samegate dedupe`.
#[derive(Args, Debug)]
pub struct Dedupe {
    /// Minimum score of a pair, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = score)]
    min_score: f64,
    /// Only groups with an image that has this tag, 1 to 65535; up to two.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// Groups with an image that has any of the tags instead of all.
    #[arg(long, requires = "tags")]
    any_tag: bool,
    /// Only groups with an image that was added at this time or later, as 2026-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only groups with an image that was added after an earlier run, which printed this.
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "CURSOR"
    )]
    cursor: String,
    /// Which image of a group to keep: the one with most pixels, the oldest, the newest, or the
    /// one whose brief sorts first.
    #[arg(long, value_enum, default_value_t = Keep::Largest)]
    keep: Keep,
    /// Delete the other images, after a question.
    #[arg(long)]
    delete: bool,
    /// Delete without a question.
    #[arg(long, short, requires = "delete")]
    yes: bool,
    /// Write a contact sheet of the groups with their thumbnails, one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Finds the groups, shows them, and deletes what is not kept.
pub(super) async fn run(args: Dedupe, output: &mut Output) -> Result<Exit, Failure> {
    let json = args.target.connection.json;
    let mut client = args.target.connection.client().await?;
    let (groups, cursor) = find(&args, &mut client, output).await?;
    let groups: Vec<Group> = groups
        .into_groups()
        .into_iter()
        .map(|group| args.keep.sort(group))
        .collect();
    let to_delete: Vec<&str> = groups.iter().flat_map(Group::to_delete).collect();
    if json {
        for group in &groups {
            output.json(&to_json(group));
        }
    } else {
        show(&groups, output);
    }
    if let Some(path) = &args.html {
        sheet::write(path, &groups, &args.target, &mut client).await?;
    }
    let images: usize = groups.iter().map(|group| group.images.len()).sum();
    output.note(&format!(
        "{} groups, {images} images, {} of them to delete",
        groups.len(),
        to_delete.len()
    ));
    if !cursor.is_empty() {
        output.note(&format!(
            "for the images that are added from now on: --cursor {cursor}"
        ));
    }
    if !args.delete || to_delete.is_empty() {
        return Ok(Exit::Done);
    }
    if !args.yes && !confirms(to_delete.len(), output)? {
        return Ok(Exit::Done);
    }
    delete(&args, &to_delete, &mut client, output).await
}

/// Reads the stream to its end, over interruptions; returns the groups and the last cursor.
async fn find(
    args: &Dedupe,
    client: &mut Client,
    output: &mut Output,
) -> Result<(Groups, String), Failure> {
    let mut groups = Groups::default();
    let mut cursor = args.cursor.clone();
    let mut display = Display::new(args.target.connection.json, output);
    let mut attempts = 0;
    loop {
        let before = cursor.clone();
        let ended = read(args, client, &mut cursor, &mut groups, &mut display, output).await;
        let Err(status) = ended else {
            display.finish();
            return Ok((groups, cursor));
        };
        if before != cursor {
            attempts = 0;
        }
        attempts += 1;
        let is_interruption = matches!(status.code(), Code::Unavailable | Code::Cancelled);
        let failure = Failure::from(status);
        if !is_interruption || attempts > MAX_ATTEMPTS {
            return Err(match cursor.as_str() {
                "" => failure,
                cursor => failure.with_advice(format!("go on with --cursor {cursor}")),
            });
        }
        tokio::time::sleep(failure.retry_after().unwrap_or(RETRY_INTERVAL)).await;
    }
}

/// Reads one stream.
async fn read(
    args: &Dedupe,
    client: &mut Client,
    cursor: &mut String,
    groups: &mut Groups,
    display: &mut Display,
    output: &mut Output,
) -> Result<(), tonic::Status> {
    let logic = if args.any_tag {
        v1::TagLogic::Or
    } else {
        v1::TagLogic::And
    };
    // Without --timeout: a join runs for as long as it needs.
    let request = Request::new(v1::FindDuplicatesRequest {
        library: args.target.library.clone(),
        min_score: args.min_score,
        tags: args.tags.clone(),
        tag_logic: logic.into(),
        added_since: args.since,
        cursor: cursor.clone(),
        ..v1::FindDuplicatesRequest::default()
    });
    let mut events = client.find_duplicates(request).await?.into_inner();
    while let Some(message) = events.message().await? {
        match message.event {
            Some(Event::Group(group)) => groups.add(group),
            Some(Event::Progress(progress)) => {
                display.update(&progress, groups.images(), output);
                if !progress.cursor.is_empty() {
                    *cursor = progress.cursor;
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn show(groups: &[Group], output: &mut Output) {
    if groups.is_empty() {
        return;
    }
    let header = [
        "GROUP", "", "SCORE", "SIGN", "PIXELS", "SIZE", "ADDED", "BRIEF",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (number, group) in (1..).zip(groups) {
        for (at, image) in group.images.iter().enumerate() {
            let action = if group.is_kept(at) { "keep" } else { "delete" };
            rows.push(vec![
                format!("{number}"),
                action.to_owned(),
                format!("{:.1} %", group.best_score(&image.cont_sign) * 100.0),
                image.cont_sign.clone(),
                format!("{}x{}", image.width, image.height),
                output::bytes(image.size_bytes),
                records::added(image),
                image.brief.clone(),
            ]);
        }
    }
    output.line(&output::table(&rows));
}

fn to_json(group: &Group) -> serde_json::Value {
    let images: Vec<_> = group.images.iter().map(records::to_json).collect();
    let pair = |pair: &v1::DuplicatePair| json!({ "a": pair.a, "b": pair.b, "score": pair.score });
    json!({ "images": images, "pairs": group.pairs.iter().map(pair).collect::<Vec<_>>() })
}

/// Asks on the terminal whether to delete.
fn confirms(images: usize, output: &mut Output) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::local("nobody can be asked whether to delete")
            .with_advice("--yes deletes without a question"));
    }
    output.note(&format!("delete {images} images? [y/N]"));
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::local(format!("cannot read the answer: {error}")))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

async fn delete(
    args: &Dedupe,
    signs: &[&str],
    client: &mut Client,
    output: &mut Output,
) -> Result<Exit, Failure> {
    use v1::delete_images_request::Target;

    let mut deleted = 0;
    for signs in signs.chunks(SIGNS_PER_CALL) {
        let values = signs.iter().map(|sign| (*sign).to_owned()).collect();
        let request = args.target.connection.request(v1::DeleteImagesRequest {
            library: args.target.library.clone(),
            target: Some(Target::ContSigns(v1::ContSignList { values })),
            ..Default::default()
        });
        for result in client.delete_images(request).await?.into_inner().results {
            let status = result.status.unwrap_or_default();
            if status.code == 0 {
                deleted += 1;
            } else {
                let failure = Failure::from(status);
                output.note(&format!("error: `{}`: {failure}", result.cont_sign));
            }
        }
    }
    output.note(&format!("deleted {deleted} images"));
    Ok(if deleted == signs.len() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Shows the progress: a bar on a terminal, else a line for every tenth of the work.
enum Display {
    Bar(ProgressBar),
    Lines { tenths: u64 },
    Quiet,
}

// === impl Display ===

impl Display {
    fn new(json: bool, output: &Output) -> Self {
        if json {
            return Display::Quiet;
        }
        if !output.is_terminal() {
            return Display::Lines { tenths: 0 };
        }
        let style =
            ProgressStyle::with_template("{bar:30} {pos} of {len} images, {msg}, {eta} left");
        let bar = ProgressBar::new(0);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Display::Bar(bar)
    }

    fn update(&mut self, progress: &v1::FindDuplicatesProgress, found: usize, output: &mut Output) {
        let v1::FindDuplicatesProgress {
            compared, total, ..
        } = *progress;
        match self {
            Display::Quiet => {}
            Display::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(compared);
                bar.set_message(format!("{found} in groups"));
            }
            Display::Lines { tenths } => {
                let now = (compared * 10).checked_div(total).unwrap_or(0);
                if now > *tenths {
                    *tenths = now;
                    output.note(&format!("{compared} of {total} images, {found} in groups"));
                }
            }
        }
    }

    fn finish(&self) {
        if let Display::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
