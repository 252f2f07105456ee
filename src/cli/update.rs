//! `samegate update`: changes the brief, the tags, or both of a stored image.

use clap::{ArgGroup, Args, value_parser};
use samegate_client::{Client, Image};
use serde_json::json;

use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::image::ImageArg;
use super::output::Output;
use super::scale::{self, Loader, Resizing};
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate update --sign 1122334455,66778899 --brief cat-4712
  samegate update cat.jpg --tag 7 --tag 8
  samegate update cat.jpg --no-tags";

/// Flags of `samegate update`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("target_image").required(true).args(["sign", "file"])))]
#[command(group(
    ArgGroup::new("change").required(true).multiple(true).args(["brief", "tags", "no_tags"])
))]
pub struct Update {
    /// The stored image: a file, a URL, or - for standard input.
    #[arg(value_name = "FILE")]
    file: Option<ImageArg>,
    /// Sign of the stored image.
    #[arg(long, value_name = "SIGN")]
    sign: Option<String>,
    /// New brief.
    #[arg(long, value_name = "TEXT")]
    brief: Option<String>,
    /// New tag, 1 to 65535, up to two; they replace the stored ones.
    #[arg(
        long = "tag",
        value_parser = value_parser!(u32).range(1..=65_535),
        value_name = "N",
        conflicts_with = "no_tags"
    )]
    tags: Vec<u32>,
    /// Remove the stored tags.
    #[arg(long)]
    no_tags: bool,
    /// Print nothing on success.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Changes the record; fields that are not given remain.
pub(super) async fn run(args: Update, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.target.client().await?;
    let image = target_image(&args, client.clone(), output).await?;
    let changes_tags = args.no_tags || !args.tags.is_empty();
    let options = v1::UpdateImageRequest {
        brief: args.brief,
        tags: changes_tags.then_some(v1::TagList { values: args.tags }),
        ..Default::default()
    };
    let updated = client.update(image, options).await?;

    match (args.quiet, args.target.connection.json) {
        (true, _) => {}
        (false, true) => output.json(&json!({ "log_id": updated.log_id })),
        (false, false) => output.line("updated"),
    }
    Ok(Exit::Done)
}

async fn target_image(
    args: &Update,
    client: Client,
    output: &mut Output,
) -> Result<Image, Failure> {
    // clap requires one of the two; without either the gateway reports it.
    let Some(file) = &args.file else {
        return Ok(Image::sign(args.sign.clone().unwrap_or_default()));
    };
    // A file that was added scaled down is stored as such.
    let mut loader = Loader::new(client, args.resizing);
    let (image, scaled) = loader.load(file).await?;
    if !args.target.connection.json {
        scale::note(&file.to_string(), scaled.as_ref(), output);
    }
    Ok(image)
}
