//! `samegate delete`: any number of signs, or one image.

use std::path::Path;

use clap::{ArgGroup, Args};
use serde_json::json;

use super::Exit;
use super::client::Target;
use super::failure::Failure;
use super::output::Output;
use super::picture::{Image, ImageArg};
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate delete 1122334455,66778899 2233445566,77889900
  samegate delete --file cat.jpg
  samegate list --json | jq -r .cont_sign | xargs samegate delete

Exit status 1 when one of the signs was not deleted.";

/// Flags of `samegate delete`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("target_image").required(true).args(["signs", "file"])))]
pub struct Delete {
    /// Signs of stored images.
    #[arg(value_name = "SIGN")]
    signs: Vec<String>,
    /// The stored image itself: a file, a URL, or - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<ImageArg>,
    /// Print failures only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

/// Deletes, and shows what became of each sign.
pub(super) async fn run(args: Delete, output: &mut Output) -> Result<Exit, Failure> {
    use v1::delete_images_request::Target;

    let (target, name) = match &args.file {
        None => {
            let values = args.signs.clone();
            (
                Target::ContSigns(v1::ContSignList { values }),
                String::new(),
            )
        }
        Some(file) => match file.read()? {
            Image::Content(content) => (Target::Content(content), file.to_string()),
            Image::Url(url) => (Target::Url(url), file.to_string()),
        },
    };
    let request = v1::DeleteImagesRequest {
        library: args.target.library.clone(),
        target: Some(target),
    };
    let connection = &args.target.connection;
    let mut client = connection.client().await?;
    let deleted = client.delete_images(connection.request(request)).await?;

    let mut exit = Exit::Done;
    for result in deleted.into_inner().results {
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
    // The other commands take files where this one takes signs.
    if Path::new(sign).is_file() {
        failure = failure.advise("this is a file: delete its image with --file");
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
