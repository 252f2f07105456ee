//! `samegate libraries`: the libraries that the caller may use.

use clap::Args;
use serde_json::{Value, json};

use super::client::Connection;
use super::exit::Exit;
use super::failure::Failure;
use super::output::{self, Output};
use crate::proto::v1;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate libraries
  samegate libraries --json | jq -r 'select(.backend == \"embedded\").library'

The first library is the default. Numbers of a library at the vendor are not
known.";

/// Flags of `samegate libraries`.
#[derive(Args, Debug)]
pub struct Libraries {
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Shows each library with its size, and what it can do.
pub(super) async fn run(args: Libraries, output: &mut Output) -> Result<Exit, Failure> {
    let connection = &args.connection;
    let libraries = connection.client().await?.libraries().await?.libraries;

    if connection.json {
        for library in &libraries {
            output.json(&to_json(library));
        }
        return Ok(Exit::Done);
    }
    let header = ["LIBRARY", "BACKEND", "IMAGES", "CAPACITY", "SIZE", "CAN"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for library in &libraries {
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        rows.push(vec![
            library.library.clone(),
            library.backend.clone(),
            number(library.image_count),
            number(library.image_capacity),
            library.size_bytes.map_or("-".to_owned(), output::bytes),
            capabilities(library).join(", "),
        ]);
    }
    output.line(&output::table(&rows));
    Ok(Exit::Done)
}

fn to_json(library: &v1::LibraryInfo) -> Value {
    json!({
        "library": library.library,
        "id": library.id,
        "backend": library.backend,
        "image_count": library.image_count,
        "image_capacity": library.image_capacity,
        "size_bytes": library.size_bytes,
        "max_image_bytes": library.max_image_bytes,
        "max_side": library.max_side,
        "capabilities": capabilities(library),
    })
}

/// Returns the capabilities as the contract names them, without prefix and in lower case.
fn capabilities(library: &v1::LibraryInfo) -> Vec<String> {
    let names = library.capabilities().map(|known| known.as_str_name());
    names
        .map(|name| name.trim_start_matches("CAPABILITY_").to_lowercase())
        .collect()
}
