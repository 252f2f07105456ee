//! `samegate add`: one call per image; continues after a failure.

use clap::{Args, ValueEnum, value_parser};
use samegate_client::Client;
use serde_json::json;

use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::image::ImageArg;
use super::matches::match_to_json;
use super::output::Output;
use super::scale::{self, Loader, Resizing, Scaled};
use super::score::score;
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate add cat.jpg dog.png
  samegate add cat.jpg --brief cat-4711 --tag 7
  curl -s https://example.com/cat.jpg | samegate add - --brief cat
  samegate add https://example.com/cat.jpg --json

A file that is larger than the library takes is scaled down to a JPEG before it is
sent, unless --no-resize is given. Its sign is that of the scaled file.
For many images, `samegate import` is faster and can be resumed.";

/// Flags of `samegate add`.
#[derive(Args, Debug)]
pub struct Add {
    /// Images: files, URLs, or - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<ImageArg>,
    /// Text that searches return with the image [default: the FILE as given].
    #[arg(long, value_name = "TEXT")]
    brief: Option<String>,
    /// Number that searches can filter by, 1 to 65535; up to two.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// What to do with an image that is stored already.
    #[arg(long, value_enum, default_value_t = OnDuplicate::Accept)]
    on_duplicate: OnDuplicate,
    /// What to do when other files of the same image are stored.
    #[arg(long, value_enum, default_value_t = OnMatch::Allow)]
    on_match: OnMatch,
    /// Minimum score of these, 0 to 1 [default: the library's].
    #[arg(long, value_name = "SCORE", value_parser = score)]
    match_score: Option<f64>,
    /// Print failures only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// What to do with an image that is stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDuplicate {
    /// Report success.
    Accept,
    /// Report a failure.
    Reject,
}

/// What to do when other files of the same image are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnMatch {
    /// Add without a search.
    Allow,
    /// Add and show them.
    Report,
    /// Report a failure.
    Reject,
}

/// Adds each image; shows the failure of one and continues with the next.
pub(super) async fn run(args: Add, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.target.client().await?;
    let mut loader = Loader::new(client.clone(), args.resizing);
    let mut exit = Exit::Done;
    for file in &args.files {
        let result = add_one(&args, &client, &mut loader, file).await;
        if result.is_err() {
            exit = Exit::Failed;
        }
        show(&args, file, result, output);
    }
    Ok(exit)
}

async fn add_one(
    args: &Add,
    client: &Client,
    loader: &mut Loader,
    file: &ImageArg,
) -> Result<(v1::AddImageResponse, Option<Scaled>), Failure> {
    let (image, scaled) = loader.load(file).await?;
    let options = v1::AddImageRequest {
        brief: args.brief.clone().unwrap_or_else(|| file.default_brief()),
        tags: args.tags.clone(),
        on_duplicate: args.on_duplicate.to_proto().into(),
        on_match: args.on_match.to_proto().into(),
        match_score: args.match_score.unwrap_or_default(),
        ..Default::default()
    };
    Ok((client.add(image, options).await?, scaled))
}

fn show(
    args: &Add,
    file: &ImageArg,
    result: Result<(v1::AddImageResponse, Option<Scaled>), Failure>,
    output: &mut Output,
) {
    let json = args.target.connection.json;
    let name = file.to_string();
    match result {
        Err(failure) if json => output.json(&json!({ "file": name, "error": failure.to_json() })),
        Err(failure) => output.note(&format!("error: `{name}`: {failure}")),
        Ok(_) if args.quiet => {}
        Ok((added, scaled)) if json => output.json(&json!({
            "file": name,
            "cont_sign": added.cont_sign,
            "existed": added.existed,
            "log_id": added.log_id,
            "matches": added.matches.iter().map(match_to_json).collect::<Vec<_>>(),
            "scaled": scaled.map(|scaled| scaled.to_json()),
        })),
        Ok((added, scaled)) => {
            let remark = if added.existed {
                "  (already stored)"
            } else {
                ""
            };
            output.line(&format!("{}  {name}{remark}", added.cont_sign));
            for hit in &added.matches {
                let (sign, brief) = (&hit.cont_sign, &hit.brief);
                let score = hit.score * 100.0;
                output.line(&format!("  same image: {score:.1} %  {sign}  {brief}"));
            }
            scale::note(&name, scaled.as_ref(), output);
        }
    }
}

// === impl OnDuplicate ===

impl OnDuplicate {
    pub(super) fn to_proto(self) -> v1::OnDuplicate {
        match self {
            OnDuplicate::Accept => v1::OnDuplicate::Accept,
            OnDuplicate::Reject => v1::OnDuplicate::Reject,
        }
    }
}

// === impl OnMatch ===

impl OnMatch {
    fn to_proto(self) -> v1::OnMatch {
        match self {
            OnMatch::Allow => v1::OnMatch::Allow,
            OnMatch::Report => v1::OnMatch::Report,
            OnMatch::Reject => v1::OnMatch::Reject,
        }
    }
}
