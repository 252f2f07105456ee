//! `samegate compare`: whether two images are the same.

use clap::Args;
use serde_json::json;

use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::matches::corners;
use super::output::{self, Output};
use super::query::QueryArg;
use super::scale::{self, Loader, Resizing};
use super::search::Profile;
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate compare a.jpg b.png
  samegate compare a.jpg 1122334455,66778899
  samegate compare a.jpg b.png --json | jq .score

An image is a file, a URL, - for standard input, or the sign of a stored image: two
numbers with a comma. Nothing is stored. The score is that of a search with the
first image in a library that has only the second one; 0 when it would not find it.
Embedded libraries only. Exit status 0 whatever the score is.";

/// Flags of `samegate compare`.
#[derive(Args, Debug)]
pub struct Compare {
    /// The image to search with.
    #[arg(value_name = "A")]
    first: QueryArg,
    /// The image to find.
    #[arg(value_name = "B")]
    second: QueryArg,
    /// How certain a match must be [default: the profile of the library].
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Compares two images and shows how similar they are.
pub(super) async fn run(args: Compare, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.target.client().await?;
    let mut loader = Loader::new(client.clone(), args.resizing);
    let mut load = async |query: &QueryArg| {
        let (image, scaled) = query.load(&mut loader).await?;
        scale::note(&query.to_string(), scaled.as_ref(), output);
        Ok::<_, Failure>(image)
    };
    let (first, second) = (load(&args.first).await?, load(&args.second).await?);
    let options = v1::CompareImagesRequest {
        profile: Profile::to_proto(args.profile).into(),
        ..Default::default()
    };
    let found = client.compare(first, second, options).await?;
    show(&found, args.target.connection.json, output);
    Ok(Exit::Done)
}

fn show(found: &v1::CompareImagesResponse, json: bool, output: &mut Output) {
    let geometry = found.geometry.as_ref();
    if json {
        output.json(&json!({
            "score": found.score,
            "hash_distance": found.hash_distance,
            "agreement": found.agreement,
            "coverage": found.coverage,
            "geometry": geometry.map(|geometry| json!({
                "first": corners(geometry.query.as_ref()),
                "second": corners(geometry.stored.as_ref()),
                "overlap": geometry.overlap,
            })),
        }));
        return;
    }
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let mut rows = vec![["score", &percent(found.score)].map(str::to_owned).to_vec()];
    let optional = [
        (
            "overlap",
            geometry.map(|geometry| percent(geometry.overlap)),
        ),
        ("agreement", found.agreement.map(percent)),
        (
            "hash distance",
            found
                .hash_distance
                .map(|bits| format!("{bits} of 256 bits")),
        ),
    ];
    for (name, value) in optional {
        rows.extend(value.map(|value| vec![name.to_owned(), value]));
    }
    output.line(&output::table(&rows));
}
