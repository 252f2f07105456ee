//! `samegate dedupe`: the groups of same images in a library, and what to delete of them.
//!
//! Order of events: the stream of the join, continued after an interruption → its groups, merged
//! (`groups`) → which images to keep (`keep`) → table, JSON or contact sheet (`sheet`) → `deletion`, if
//! it was asked for and confirmed. A join that fails shows what it found, and deletes nothing.

mod deletion;
mod groups;
mod keep;
mod sheet;

use std::path::PathBuf;

use clap::{Args, value_parser};
use prost_types::Timestamp;
use samegate_client::{Client, Duplicates, Error};
use serde_json::json;

use self::groups::{Group, Groups, Surplus};
use self::keep::Keep;
use super::client::{LibraryTarget, Retries};
use super::confirm;
use super::exit::Exit;
use super::failure::Failure;
use super::filter::time;
use super::output::{self, Output};
use super::progress::Progress;
use super::records;
use super::score::score;
use super::search::Profile;
use crate::proto::v1;
use crate::proto::v1::find_duplicates_response::Event;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate dedupe
  samegate dedupe --html sheet.html --min-score 0.8
  samegate dedupe --keep largest --delete
  samegate dedupe --json | jq -r '.delete[]'

Nothing is deleted without --delete, and then only whole copies: each of the two images
shows at least 90 % of the other. Of such copies the one that --keep prefers is kept.
Parts of an image, and images in a collage, are shown and kept. A copy whose kept image
was deleted by somebody else meanwhile is kept too.
If a join fails, what it found so far is shown, and nothing is deleted.";

/// Streams of a join in a row that have not moved its cursor.
const MAX_ATTEMPTS: u32 = 10;

/// Flags of `samegate dedupe`.
#[derive(Args, Debug)]
pub struct Dedupe {
    /// Minimum score of a pair, 0 to 1 [default: the library's].
    #[arg(long, value_parser = score)]
    min_score: Option<f64>,
    /// How certain a pair must be, whatever the profile of the library.
    #[arg(long, value_enum, default_value_t = Profile::Balanced)]
    profile: Profile,
    /// Only groups with an image that has this tag, 1 to 65535; up to two.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// Groups with an image that has any of the tags instead of all.
    #[arg(long, requires = "tags")]
    any_tag: bool,
    /// Only groups with an image that was added then or later: a date, a time such as
    /// 2026-11-28T09:30:00Z, or an age such as 30m, 24h, 7d.
    #[arg(long, value_parser = time, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only groups with an image that was added after an earlier run, which printed this.
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "CURSOR"
    )]
    cursor: String,
    /// Which of several copies to keep: the one with most pixels, the oldest, the newest, or the
    /// one whose brief sorts first.
    #[arg(long, value_enum, default_value_t = Keep::Largest)]
    keep: Keep,
    /// Delete the other whole copies, after a question; parts of images are kept.
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

/// Finds the groups, shows them, and deletes what is not kept. If the join fails, it shows what was
/// found so far, since the cursor to go on with is past it.
pub(super) async fn run(args: Dedupe, output: &mut Output) -> Result<Exit, Failure> {
    // Before the join, which may run for hours.
    if args.delete && !args.yes && !confirm::can_ask() {
        return Err(Failure::local("nobody can be asked whether to delete")
            .with_advice("give --yes, or leave out --delete to see the images"));
    }
    let (client, mut retries) = args.target.stream_client(MAX_ATTEMPTS).await?;
    let join = find(&args, &client, &mut retries, output).await;
    let groups: Vec<Group> = join
        .groups
        .into_groups()
        .into_iter()
        .map(|group| args.keep.sort(group))
        .collect();
    if let Some(failure) = join.failure {
        if !groups.is_empty()
            && let Err(failure) = present(&args, &groups, &client, output).await
        {
            output.note(&format!("error: {failure}"));
        }
        return Err(failure);
    }
    present(&args, &groups, &client, output).await?;
    if !join.cursor.is_empty() {
        output.note(&format!(
            "for the images that are added from now on: --cursor {}",
            join.cursor
        ));
    }
    let to_delete: Vec<Surplus<'_>> = groups.iter().flat_map(Group::to_delete).collect();
    if !args.delete || to_delete.is_empty() {
        return Ok(Exit::Done);
    }
    let count = to_delete.len() as u64;
    if !args.yes && !confirm::deletion(count, &args.target.library, output)? {
        return Ok(Exit::Failed);
    }
    deletion::run(&to_delete, &client, output).await
}

/// Shows the groups, writes the contact sheet if one is wanted, and counts.
async fn present(
    args: &Dedupe,
    groups: &[Group],
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    if args.target.connection.json {
        for group in groups {
            output.json(&to_json(group));
        }
    } else {
        show(groups, output);
    }
    let images: usize = groups.iter().map(|group| group.images.len()).sum();
    let to_delete = groups.iter().flat_map(Group::to_delete).count();
    output.note(&format!(
        "{} groups, {images} images, {to_delete} of them to delete",
        groups.len(),
    ));
    match &args.html {
        Some(path) => sheet::write(path, groups, client).await,
        None => Ok(()),
    }
}

/// What a join found, and why it ended early if it did.
struct Join {
    groups: Groups,
    /// The last cursor.
    cursor: String,
    failure: Option<Failure>,
}

/// Reads the groups to their end, over interruptions.
async fn find(args: &Dedupe, client: &Client, retries: &mut Retries, output: &mut Output) -> Join {
    let logic = if args.any_tag {
        v1::TagLogic::Or
    } else {
        v1::TagLogic::And
    };
    let mut duplicates = client.find_duplicates(v1::FindDuplicatesRequest {
        min_score: args.min_score.unwrap_or_default(),
        tags: args.tags.clone(),
        tag_logic: logic.into(),
        added_since: args.since,
        cursor: args.cursor.clone(),
        profile: Profile::to_proto(Some(args.profile)).into(),
        ..Default::default()
    });
    let mut groups = Groups::default();
    let mut display = Progress::start("images", args.target.connection.json, output);
    let failure = loop {
        match next(&mut duplicates, retries, &display, output).await {
            Ok(Some(Event::Group(group))) => groups.add(group),
            Ok(Some(Event::Progress(progress))) => {
                let found = format!("{} in groups", groups.images());
                display.update(progress.compared, progress.total, &found, output);
            }
            Ok(None) => break None,
            Err(error) => break Some(with_cursor(error.into(), duplicates.cursor())),
        }
    };
    display.finish();
    Join {
        groups,
        cursor: duplicates.cursor().to_owned(),
        failure,
    }
}

/// Returns the next event of a join; shows meanwhile why the gateway is asked again.
async fn next(
    duplicates: &mut Duplicates,
    retries: &mut Retries,
    display: &Progress,
    output: &mut Output,
) -> Result<Option<Event>, Error> {
    let event = duplicates.event();
    tokio::pin!(event);
    loop {
        tokio::select! {
            event = &mut event => return event,
            Some(line) = retries.recv() => display.note(&line, output),
        }
    }
}

/// Adds how to go on with a join that failed.
fn with_cursor(failure: Failure, cursor: &str) -> Failure {
    if cursor.is_empty() {
        return failure;
    }
    failure.with_advice(format!(
        "nothing was deleted; go on with --cursor {cursor}, which leaves out what came before"
    ))
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
        let scores = group.best_scores();
        for (at, image) in group.images.iter().enumerate() {
            let sign = image.cont_sign.as_str();
            let action = if group.is_kept(at) { "keep" } else { "delete" };
            rows.push(vec![
                format!("{number}"),
                action.to_owned(),
                format!(
                    "{:.1} %",
                    scores.get(sign).copied().unwrap_or_default() * 100.0
                ),
                sign.to_owned(),
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
    json!({
        "images": images,
        "pairs": group.pairs.iter().map(pair).collect::<Vec<_>>(),
        "delete": group.to_delete().map(|copy| copy.sign).collect::<Vec<_>>(),
    })
}
