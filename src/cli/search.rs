//! `samegate search`: one query image, and its matches by descending score.

use clap::{Args, ValueEnum, value_parser};
use serde_json::{Value, json};

use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::image::{ImageArg, ImageSource};
use super::output::{self, Output};
use super::scale::{self, Loader, Resizing};
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate search query.jpg
  samegate search query.jpg --tag 7 --tag 8 --any-tag --min-score 0.8
  samegate search - < query.jpg
  samegate search query.jpg --json | jq -r '.matches[].cont_sign'

A file that is larger than the library takes is scaled down before it is sent.
Exit status 0 also if nothing matches.";

/// Flags of `samegate search`.
#[derive(Args, Debug)]
pub struct Search {
    /// The query image: a file, a URL, or - for standard input.
    #[arg(value_name = "FILE")]
    file: ImageArg,
    /// Only images with this tag, 1 to 65535; up to two.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// Match images with any of the tags instead of all.
    #[arg(long, requires = "tags")]
    any_tag: bool,
    /// Number of best matches to skip, 0 to 999.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(0..=999))]
    offset: u32,
    /// Maximum number of matches to show, 1 to 1000.
    #[arg(long, default_value_t = 300, value_parser = value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Minimum score of a match, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = score)]
    min_score: f64,
    /// How certain a match must be. Default: the profile of the library.
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Values of `--profile`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// Every image with enough common details.
    Loose,
    /// Images whose pixels agree with the query.
    Balanced,
    /// Images whose pixels agree clearly.
    Strict,
}

/// Searches and shows the matches.
pub(super) async fn run(args: Search, output: &mut Output) -> Result<Exit, Failure> {
    use v1::search_images_request::Source;

    let connection = &args.target.connection;
    let mut client = connection.client().await?;
    let mut loader = Loader::new(client.clone(), &args.target, args.resizing);
    let (image, scaled) = loader.load(&args.file).await?;
    let source = match image {
        ImageSource::Content(content) => Source::Content(content),
        ImageSource::Url(url) => Source::Url(url),
    };
    let logic = if args.any_tag {
        v1::TagLogic::Or
    } else {
        v1::TagLogic::And
    };
    let profile = match args.profile {
        None => v1::Profile::Unspecified,
        Some(Profile::Loose) => v1::Profile::Loose,
        Some(Profile::Balanced) => v1::Profile::Balanced,
        Some(Profile::Strict) => v1::Profile::Strict,
    };
    let request = v1::SearchImagesRequest {
        library: args.target.library.clone(),
        source: Some(source),
        tags: args.tags,
        tag_logic: logic.into(),
        offset: args.offset,
        limit: args.limit,
        min_score: args.min_score,
        profile: profile.into(),
    };
    let found = client
        .search_images(connection.request(request))
        .await?
        .into_inner();

    if connection.json {
        let mut shown = to_json(&found);
        shown["scaled"] = scaled.map_or(Value::Null, |scaled| scaled.to_json());
        output.json(&shown);
    } else {
        show(&found, args.offset, output);
        scale::note(&args.file.to_string(), scaled.as_ref(), output);
    }
    Ok(Exit::Done)
}

fn show(found: &v1::SearchImagesResponse, offset: u32, output: &mut Output) {
    if found.matches.is_empty() {
        output.note("no matches");
        return;
    }
    let mut rows = vec![
        ["SCORE", "SIGN", "TAGS", "BRIEF"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for hit in &found.matches {
        rows.push(vec![
            format!("{:.1} %", hit.score * 100.0),
            hit.cont_sign.clone(),
            output::tags(&hit.tags),
            hit.brief.clone(),
        ]);
    }
    output.line(&output::table(&rows));
    if found.has_more {
        let next = offset as usize + found.matches.len();
        output.note(&format!("more matches: --offset {next}"));
    }
}

fn to_json(found: &v1::SearchImagesResponse) -> Value {
    let matches: Vec<Value> = found.matches.iter().map(match_to_json).collect();
    json!({ "matches": matches, "has_more": found.has_more, "log_id": found.log_id })
}

fn match_to_json(hit: &v1::Match) -> Value {
    let mut object = json!({
        "cont_sign": hit.cont_sign,
        "score": hit.score,
        "brief": hit.brief,
        "tags": hit.tags,
    });
    if let (Some(agreement), Some(coverage)) = (hit.agreement, hit.coverage) {
        object["agreement"] = json!(agreement);
        object["coverage"] = json!(coverage);
    }
    if let Some(geometry) = &hit.geometry {
        object["geometry"] = json!({
            "query": corners(geometry.query.as_ref()),
            "stored": corners(geometry.stored.as_ref()),
            "overlap": geometry.overlap,
        });
    }
    object
}

/// Formats corners as `[[x, y], …]`.
fn corners(shape: Option<&v1::Quadrilateral>) -> Vec<[f64; 2]> {
    shape
        .into_iter()
        .flat_map(|shape| &shape.corners)
        .map(|point| [point.x, point.y])
        .collect()
}

pub(super) fn score(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a number from 0 to 1".to_owned()),
    }
}
