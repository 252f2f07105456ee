//! `samegate library export` and `import`: the records of a library as JSON lines.
//!
//! An export has what people wrote (briefs, tags) and facts of each image, but no image and no
//! features: a backup has those. Exported lines can be edited and imported into the same library or
//! a restored one, where a sign means the same image.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use same_image::{Record, RecordUpdate, Sign, WriteError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::backup_folder::rfc3339;
use super::source::DataFolder;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::error::chain;

pub(super) const EXPORT_EXAMPLES: &str = "\
Examples:
  samegate library export --data /var/lib/samegate > images.jsonl
  samegate import --manifest images.jsonl --files photos/

Prints cont_sign, brief, tags, width, height, size_bytes and add_time of each image,
as `samegate list --json` does for a running gateway. `samegate import` adds the
images again from their files, with these briefs and tags: it finds the file of a
sign by its content. `samegate library import` changes the records of images that
are stored.";

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  samegate library export --data data > images.jsonl
  jq -c '.tags = [7]' images.jsonl > changed.jsonl
  samegate library import changed.jsonl --data data

Each line has cont_sign, and brief or tags or both; other fields are ignored. All
lines are checked before anything is changed.

Exit status: 0 all are changed; 1 some images are not in the library.";

/// Images that are changed in one transaction.
const TRANSACTION_IMAGES: usize = 1000;
/// Maximum number of errors that are shown.
const MAX_SHOWN_ERRORS: usize = 10;

/// Flags of `samegate library export`.
#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    folder: DataFolder,
}

/// Flags of `samegate library import`.
#[derive(Args, Debug)]
pub struct Import {
    /// JSON lines of `samegate library export`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
    /// Print an object for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// One line of an import.
#[derive(Deserialize)]
struct ImportLine {
    cont_sign: String,
    brief: Option<String>,
    tags: Option<Vec<u16>>,
}

/// Prints every record.
pub(super) fn export(args: &Export, output: &mut Output) -> Result<Exit, Failure> {
    let library = args
        .folder
        .open("`samegate list --json` prints the records of the running gateway")?;
    library
        .for_each_record(|record| output.json(&to_json(&record)))
        .map_err(|error| Failure::local(chain(&error)))?;
    Ok(Exit::Done)
}

fn to_json(record: &Record) -> Value {
    json!({
        "cont_sign": record.sign.to_string(),
        "brief": record.brief,
        "tags": record.tags,
        "width": record.width,
        "height": record.height,
        "size_bytes": record.size_bytes,
        "add_time": rfc3339(record.added_at_ms),
    })
}

/// Changes the records that the lines name.
pub(super) fn import(args: &Import, output: &mut Output) -> Result<Exit, Failure> {
    let updates = read(&args.file)?;
    let library = args.folder.open("stop the gateway first")?;
    let (mut updated, mut missing) = (0_u64, 0_u64);
    for group in updates.chunks(TRANSACTION_IMAGES) {
        let results = library
            .update(group)
            .map_err(|error| Failure::local(chain(&error)))?;
        for result in results {
            match result {
                Ok(_) => updated += 1,
                Err(WriteError::NotFound) => missing += 1,
                Err(error) => return Err(Failure::local(chain(&error))),
            }
        }
    }
    if args.json {
        output.json(&json!({ "updated": updated, "missing": missing }));
    } else {
        output.line(&format!(
            "{updated} images changed, {missing} not in the library"
        ));
    }
    Ok(if missing == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Reads all lines; every invalid one is reported.
fn read(path: &Path) -> Result<Vec<(Sign, RecordUpdate)>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::local(format!("cannot read `{}`: {error}", path.display())))?;
    let (mut updates, mut errors) = (Vec::new(), Vec::new());
    let mut lines_by_sign = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        match parse(line) {
            Ok(Some(update)) => match lines_by_sign.insert(update.0, number) {
                None => updates.push(update),
                Some(first) => errors.push(format!("line {number}: the sign of line {first}")),
            },
            Ok(None) => {}
            Err(error) => errors.push(format!("line {number}: {error}")),
        }
    }
    if errors.is_empty() {
        return Ok(updates);
    }
    let more = errors.len().saturating_sub(MAX_SHOWN_ERRORS);
    errors.truncate(MAX_SHOWN_ERRORS);
    if more > 0 {
        errors.push(format!("and {more} more"));
    }
    let errors = errors.join("\n  ");
    Err(Failure::local(format!(
        "`{}` is invalid\n  {errors}",
        path.display()
    )))
}

fn parse(line: &str) -> Result<Option<(Sign, RecordUpdate)>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let line: ImportLine = serde_json::from_str(line).map_err(|error| {
        // The parser sees one line, so its line number would be wrong.
        error.to_string().replace(" at line 1 column", " at column")
    })?;
    let sign = Sign::parse(&line.cont_sign)
        .ok_or_else(|| format!("`{}` is not a sign", line.cont_sign))?;
    let update = RecordUpdate {
        brief: line.brief,
        tags: line.tags,
    };
    update.check().map_err(|error| error.to_string())?;
    Ok(Some((sign, update)))
}
