//! `samegate library init`: makes the index of a library in an OpenSearch cluster.
//!
//! The gateway makes none by itself: a wrong name, or an index that was deleted, must not become an
//! empty library.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::{self, Config, Overrides};
use crate::error::chain;
use crate::library::opensearch::OpenSearchBackend;

pub(super) const EXAMPLES: &str = "\
Examples:
  samegate library init --config /etc/samegate.toml
  samegate library init posters --config /etc/samegate.toml

Makes the index of a library with `backend = \"opensearch\"`, with `shards` and
`replicas` of the configuration, and checks that the cluster can be used. Fails if
the index exists.";

/// Flags of `samegate library init`.
#[derive(Args, Debug)]
pub struct Init {
    /// Name of the library [default: the only one in OpenSearch].
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Configuration file of the gateway.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Makes the index.
pub(super) async fn run(args: &Init, output: &mut Output) -> Result<Exit, Failure> {
    let variables = config::environment();
    let config = config::load(Some(&args.config), &variables, &Overrides::default());
    let config = config.map_err(|errors| Failure::local(errors.to_string()))?;
    let (name, library) = chosen(args.name.as_deref(), &config)?;
    let made = OpenSearchBackend::create(library).await;
    made.map_err(|error| Failure::local(chain(&error)))?;
    output.line(&format!("{name}: made the index {}", library.index));
    Ok(Exit::Done)
}

fn chosen<'a>(
    name: Option<&str>,
    config: &'a Config,
) -> Result<(&'a str, &'a config::OpenSearch), Failure> {
    let libraries = config.libraries.iter();
    let mut chosen = libraries.filter_map(|(known, library)| match library {
        config::Library::OpenSearch(library) if name.is_none_or(|name| name == known) => {
            Some((known.as_str(), &**library))
        }
        config::Library::OpenSearch(_)
        | config::Library::Embedded(_)
        | config::Library::Rest(_) => None,
    });
    match (chosen.next(), chosen.next()) {
        (Some(library), None) => Ok(library),
        (Some(_), Some(_)) => Err(Failure::local("name one of the libraries in OpenSearch")),
        (None, _) => Err(Failure::local(
            "the configuration has no such library with `backend = \"opensearch\"`",
        )),
    }
}
