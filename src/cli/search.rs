//! `samegate search`: one or many query images, and their matches by descending score.

use clap::{Args, ValueEnum, value_parser};
use serde_json::{Value, json};

use super::bulk_search::{ATTEMPTS, BulkSearch, Found};
use super::client::LibraryTarget;
use super::exit::Exit;
use super::failure::Failure;
use super::matches::{match_to_json, row};
use super::output::{self, Output};
use super::query::{Queries, QueryArg, show_failure};
use super::scale::{self, Loader, Resizing};
use super::score::score;
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate search query.jpg
  samegate search query.jpg --tag 7 --tag 8 --any-tag --min-score 0.8
  samegate search - < query.jpg
  samegate search 1122334455,66778899
  samegate search new/ scan.png https://example.com/a.jpg --limit 3
  samegate search query.jpg --json | jq -r '.matches[].cont_sign'

A query is a file, a URL, - for standard input, or the sign of a stored image: two
numbers with a comma. A stored image finds the others that are the same. Several
queries, or a folder with its subfolders, are searched over one stream, and shown
in the order of completion.
A file that is larger than the library takes is scaled down before it is sent.
Exit status 0 also if nothing matches.";

/// Maximum number of matches of one of several queries (`BulkSearchImagesOptions.limit`).
const MAX_ITEM_LIMIT: u32 = 100;

/// Flags of `samegate search`.
#[derive(Args, Debug)]
pub struct Search {
    /// Query images: files, folders, URLs, - for standard input, or signs.
    #[arg(value_name = "QUERY", required = true)]
    queries: Vec<QueryArg>,
    /// Only images with this tag, 1 to 65535; up to two.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// Match images with any of the tags instead of all.
    #[arg(long, requires = "tags")]
    any_tag: bool,
    /// Number of best matches to skip, 0 to 999; of one query.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(0..=999))]
    offset: u32,
    /// Maximum number of matches to show: of one query 1 to 1000 [default: 300], of each
    /// of several 1 to 100 [default: 10].
    #[arg(long, value_parser = value_parser!(u32).range(1..=1000))]
    limit: Option<u32>,
    /// Minimum score of a match, 0 to 1 [default: the library's].
    #[arg(long, value_parser = score)]
    min_score: Option<f64>,
    /// How certain a match must be [default: the profile of the library].
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// How much to do if an image matches nothing at first [default: the effort of the library,
    /// of several queries `fast`].
    #[arg(long, value_enum)]
    effort: Option<Effort>,
    #[command(flatten)]
    resizing: Resizing,
    #[command(flatten)]
    pub(super) target: LibraryTarget,
}

/// Values of `--profile`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Profile {
    /// Every image with enough common details.
    Loose,
    /// Images whose pixels agree with the query.
    Balanced,
    /// Images whose pixels agree clearly.
    Strict,
}

/// Values of `--effort`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Effort {
    /// Nothing more.
    Fast,
    /// Look for stretched copies too.
    Normal,
    /// Look for finer details too.
    Thorough,
}

/// Searches and shows the matches.
pub(super) async fn run(args: Search, output: &mut Output) -> Result<Exit, Failure> {
    match args.queries.as_slice() {
        [query] if !query.is_folder() => search_one(&args, query, output).await,
        _ => search_many(&args, output).await,
    }
}

async fn search_one(args: &Search, query: &QueryArg, output: &mut Output) -> Result<Exit, Failure> {
    let client = args.target.client().await?;
    let mut loader = Loader::new(client.clone(), args.resizing);
    let (image, scaled) = query.load(&mut loader).await?;
    let options = v1::SearchImagesRequest {
        tags: args.tags.clone(),
        tag_logic: args.tag_logic().into(),
        offset: args.offset,
        limit: args.limit.unwrap_or_default(),
        min_score: args.min_score.unwrap_or_default(),
        profile: Profile::to_proto(args.profile).into(),
        effort: Effort::to_proto(args.effort).into(),
        ..Default::default()
    };
    let found = client.search(image, options).await?;

    if args.target.connection.json {
        let mut shown = to_json(&found.matches, found.has_more, found.log_id);
        shown["scaled"] = scaled.map_or(Value::Null, |scaled| scaled.to_json());
        output.json(&shown);
    } else {
        show(&found, args.offset, output);
        scale::note(&query.to_string(), scaled.as_ref(), output);
    }
    Ok(Exit::Done)
}

/// Searches with every query over one stream.
async fn search_many(args: &Search, output: &mut Output) -> Result<Exit, Failure> {
    args.check_many()?;
    let queries = Queries::find(&args.queries)?;
    let connection = &args.target.connection;
    queries.show_unusable(connection.json, output);
    let (client, mut retries) = args.target.stream_client(ATTEMPTS).await?;
    let search = BulkSearch {
        client,
        options: v1::BulkSearchImagesOptions {
            tags: args.tags.clone(),
            tag_logic: args.tag_logic().into(),
            limit: args.limit.unwrap_or_default(),
            min_score: args.min_score.unwrap_or_default(),
            profile: Profile::to_proto(args.profile).into(),
            effort: Effort::to_proto(args.effort).into(),
            ..Default::default()
        },
        resizing: args.resizing,
    };
    let mut has_failures = !queries.unusable.is_empty();
    let mut searches = search.start(&queries.images);
    while !output.has_failed() {
        tokio::select! {
            found = searches.next() => {
                let Some(found) = found? else { break };
                let name = queries.images[found.index].to_string();
                has_failures |= found.result.is_err();
                show_found(&name, found, connection.json, output);
            }
            Some(line) = retries.recv() => output.note(&line),
        }
    }
    Ok(if has_failures {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn show_found(name: &str, found: Found, json: bool, output: &mut Output) {
    let result = match found.result {
        Ok(result) => result,
        Err(failure) => return show_failure(name, &failure, json, output),
    };
    if json {
        let mut shown = to_json(&result.matches, result.has_more, result.log_id);
        shown["file"] = json!(name);
        shown["scaled"] = found.scaled.map_or(Value::Null, |scaled| scaled.to_json());
        return output.json(&shown);
    }
    let matches = match result.matches.len() {
        0 => "no matches".to_owned(),
        count if result.has_more => format!("{count} matches and more"),
        1 => "1 match".to_owned(),
        count => format!("{count} matches"),
    };
    output.line(&format!("{name}: {matches}"));
    let rows: Vec<_> = result.matches.iter().map(row).collect();
    for line in output::table(&rows).lines() {
        output.line(&format!("  {line}"));
    }
    scale::note(name, found.scaled.as_ref(), output);
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
    rows.extend(found.matches.iter().map(row));
    output.line(&output::table(&rows));
    if found.has_more {
        let next = offset as usize + found.matches.len();
        output.note(&format!("more matches: --offset {next}"));
    }
}

fn to_json(matches: &[v1::Match], has_more: bool, log_id: u64) -> Value {
    let matches: Vec<Value> = matches.iter().map(match_to_json).collect();
    json!({ "matches": matches, "has_more": has_more, "log_id": log_id })
}

// === impl Search ===

impl Search {
    fn tag_logic(&self) -> v1::TagLogic {
        if self.any_tag {
            v1::TagLogic::Or
        } else {
            v1::TagLogic::And
        }
    }

    /// Checks the flags that several queries restrict.
    fn check_many(&self) -> Result<(), Failure> {
        if self.offset > 0 {
            return Err(Failure::local("--offset needs exactly one query"));
        }
        if self.limit.is_some_and(|limit| limit > MAX_ITEM_LIMIT) {
            let message = format!("--limit: at most {MAX_ITEM_LIMIT} with several queries");
            return Err(Failure::local(message));
        }
        Ok(())
    }
}

// === impl Profile ===

impl Effort {
    fn to_proto(effort: Option<Self>) -> v1::Effort {
        match effort {
            None => v1::Effort::Unspecified,
            Some(Self::Fast) => v1::Effort::Fast,
            Some(Self::Normal) => v1::Effort::Normal,
            Some(Self::Thorough) => v1::Effort::Thorough,
        }
    }
}

impl Profile {
    pub(super) fn to_proto(profile: Option<Self>) -> v1::Profile {
        match profile {
            None => v1::Profile::Unspecified,
            Some(Profile::Loose) => v1::Profile::Loose,
            Some(Profile::Balanced) => v1::Profile::Balanced,
            Some(Profile::Strict) => v1::Profile::Strict,
        }
    }
}
