//! `samegate delete`: deletes images by their signs, one by its file, or all that a filter admits.

mod by_filter;

use std::path::Path;

use clap::{ArgGroup, Args};
use serde_json::json;

use self::by_filter::Deletion;
use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::filter::Filter;
use super::image::ImageArg;
use super::output::Output;
use super::scale::{self, Loader, Resizing};
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate delete 1122334455,66778899 2233445566,77889900
  samegate delete --file cat.jpg
  samegate delete --tag 7 --before 2026-01-01 --dry-run
  samegate delete --tag 7 --before 2026-01-01
  samegate delete --all --yes

With a filter it counts the images and asks, then deletes exactly that number,
or none if the number has changed. Many images need a longer --timeout; what was
deleted until it passes remains deleted.
Exit status 1 when one of the signs was not deleted.";

/// Flags of `samegate delete`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("named_image").args(["signs", "file"]).conflicts_with("Filter")))]
#[command(group(
    ArgGroup::new("target_image")
        .required(true)
        .multiple(true)
        .args(["signs", "file", "tags", "brief_contains", "since", "before", "all"])
))]
pub struct Delete {
    /// Signs of stored images.
    #[arg(value_name = "SIGN")]
    signs: Vec<String>,
    /// The stored image: a file, a URL, or - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<ImageArg>,
    #[command(flatten)]
    filter: Filter,
    /// Every image of the library.
    #[arg(long, help_heading = "Filter", conflicts_with_all = ["Filter", "named_image"])]
    all: bool,
    /// Show how many images the filter admits and the first 100 signs; delete nothing.
    #[arg(long, conflicts_with_all = ["named_image", "yes"])]
    dry_run: bool,
    /// Delete without asking.
    #[arg(long, conflicts_with = "named_image")]
    yes: bool,
    /// Print failures only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Deletes images and shows the result of each.
pub(super) async fn run(args: Delete, output: &mut Output) -> Result<Exit, Failure> {
    if args.signs.is_empty() && args.file.is_none() {
        let deletion = Deletion {
            target: &args.target,
            filter: args.filter.message(),
            is_all: args.all,
            dry_run: args.dry_run,
            is_confirmed: args.yes,
            quiet: args.quiet,
        };
        return by_filter::run(deletion, output).await;
    }
    let client = args.target.client().await?;
    let (deleted, name) = match &args.file {
        None => (client.delete(&args.signs).await?, String::new()),
        Some(file) => {
            // A file that was added scaled down is stored as such.
            let mut loader = Loader::new(client.clone(), args.resizing);
            let (image, scaled) = loader.load(file).await?;
            if !args.target.connection.json {
                scale::note(&file.to_string(), scaled.as_ref(), output);
            }
            (client.delete_image(image).await?, file.to_string())
        }
    };

    let mut exit = Exit::Done;
    for result in deleted.results {
        let status = result.status.unwrap_or_default();
        if status.code != 0 {
            exit = Exit::Failed;
        }
        show(&args, &name, &result.cont_sign, status, output);
    }
    Ok(exit)
}

fn show(args: &Delete, file: &str, sign: &str, status: v1::Status, output: &mut Output) {
    let is_deleted = status.code == 0;
    let mut failure = Failure::from(status);
    // The other commands accept files where this one expects signs.
    if Path::new(sign).is_file() {
        failure = failure.with_advice("this is a file: delete its image with --file");
    }
    let name = if sign.is_empty() { file } else { sign };
    match (is_deleted, args.target.connection.json) {
        (true, _) if args.quiet => {}
        (true, true) => output.json(&json!({ "cont_sign": sign, "deleted": true })),
        (true, false) => output.line(&format!("deleted  {name}")),
        (false, true) => output.json(&json!({
            "cont_sign": sign,
            "deleted": false,
            "error": failure.to_json(),
        })),
        (false, false) => output.note(&format!("error: `{name}`: {failure}")),
    }
}
