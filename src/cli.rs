//! The command line: its definition and the client commands.
//!
//! [`parse`] handles `--help`, `--version` and usage errors (status 2). `serve` and `config …`
//! belong to the caller; every other command is a [`ClientCommand`] for [`run`]. Client commands
//! use only the public contract of the gateway, so they work with any gateway that implements it;
//! only the subcommands of `library` use the engine's files, the admin port and the gateway's
//! configuration.

mod add;
mod bulk_search;
mod check;
mod client;
mod compare;
mod confirm;
mod dedupe;
mod delete;
mod exit;
mod failure;
mod failure_class;
mod filter;
mod health;
mod image;
mod import;
mod key;
mod libraries;
mod library;
mod matches;
mod output;
mod progress;
mod query;
mod records;
mod scale;
mod score;
mod search;
mod tls;
mod update;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio_util::sync::CancellationToken;

pub use exit::Exit;
pub use output::Output;

const EXIT_CODES: &str = "\
Exit status:
  0    success, also for a search without a match
  1    the operation, or one of its items, failed
  2    usage error
  3    check: some of the files are stored already, or copies of each other
  130  an import was interrupted";

const SERVE_EXAMPLES: &str = "\
Examples:
  samegate serve
  samegate serve --data /var/lib/samegate --grpc 0.0.0.0:50051
  samegate serve --config /etc/samegate.toml";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  samegate completions bash > ~/.local/share/bash-completion/completions/samegate
  samegate completions zsh  > \"${fpath[1]}/_samegate\"";

/// A gRPC gateway for same-image search, and its client.
#[derive(Debug, Parser)]
#[command(name = "samegate", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `samegate`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the gateway.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Checks a configuration file, or prints the default configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// A client command, for [`run`].
    #[command(flatten)]
    Client(ClientCommand),
}

/// Flags of `samegate serve`; they override the configuration file.
#[derive(Args, Clone, Debug)]
pub struct Serve {
    /// Configuration file [default: an embedded library in ./samegate-data].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of the only embedded library.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the gRPC API [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    pub grpc: Option<SocketAddr>,
    /// Address of the REST API [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub rest: Option<SocketAddr>,
    /// Address of the admin API: probes and metrics [default: 127.0.0.1:9090].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

/// The commands of `samegate config`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Reports every error of a configuration file with its key.
    Check {
        /// The file.
        file: PathBuf,
        /// Also check the index and the settings of each OpenSearch cluster.
        #[arg(long)]
        clusters: bool,
    },
    /// Prints the commented default configuration.
    Default,
}

/// The commands that call a running gateway, or need none.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Adds images to a library.
    #[command(after_help = add::EXAMPLES)]
    Add(add::Add),
    /// Finds the stored images that match query images.
    #[command(after_help = search::EXAMPLES)]
    Search(search::Search),
    /// Tells which files a library has already, or which are copies of each other.
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Compares two images (embedded libraries).
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Compare),
    /// Changes the brief or the tags of a stored image.
    #[command(after_help = update::EXAMPLES)]
    Update(update::Update),
    /// Deletes images from a library.
    #[command(after_help = delete::EXAMPLES)]
    Delete(Box<delete::Delete>),
    /// Finds the groups of same images in a library, and deletes the copies (embedded libraries).
    #[command(after_help = dedupe::EXAMPLES)]
    Dedupe(Box<dedupe::Dedupe>),
    /// Lists the images of a library, all or those of a filter (embedded libraries).
    #[command(after_help = records::LIST_EXAMPLES)]
    List(records::List),
    /// Shows the record of one stored image (embedded libraries).
    #[command(after_help = records::GET_EXAMPLES)]
    Get(records::Get),
    /// Lists the libraries that the caller may use, and what each can do.
    #[command(after_help = libraries::EXAMPLES)]
    Libraries(libraries::Libraries),
    /// Shows the size of a library; backs up, restores and verifies it (embedded libraries).
    #[command(after_help = library::EXAMPLES)]
    Library(Box<library::Library>),
    /// Adds many images over one stream; can be resumed.
    #[command(after_help = import::EXAMPLES)]
    Import(Box<import::Import>),
    /// Makes API keys for callers; needs no gateway.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Checks whether the gateway is ready, for probes.
    #[command(after_help = health::EXAMPLES)]
    Health(health::Health),
    /// Prints the completion script of a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Parses the command line; ends the process on `--help` and usage errors.
pub fn parse() -> Cli {
    Cli::parse()
}

/// Runs a client command with the standard streams. Ctrl-C stops an import and a check gracefully.
pub async fn run(command: ClientCommand) -> ExitCode {
    let interrupt = CancellationToken::new();
    if matches!(command, ClientCommand::Import(_) | ClientCommand::Check(_)) {
        tokio::spawn(listen_for_ctrl_c(interrupt.clone()));
    }
    let exit = run_with(command, &mut Output::standard(), interrupt).await;
    ExitCode::from(exit as u8)
}

/// Runs a client command with the given streams. Cancelling `interrupt` has the effect of Ctrl-C.
pub async fn run_with(
    command: ClientCommand,
    output: &mut Output,
    interrupt: CancellationToken,
) -> Exit {
    let json = command.is_json();
    let result = match command {
        ClientCommand::Add(add) => add::run(add, output).await,
        ClientCommand::Search(search) => search::run(search, output).await,
        ClientCommand::Check(check) => check::run(check, output, interrupt).await,
        ClientCommand::Compare(compare) => compare::run(compare, output).await,
        ClientCommand::Update(update) => update::run(update, output).await,
        ClientCommand::Delete(delete) => delete::run(*delete, output).await,
        ClientCommand::Dedupe(dedupe) => dedupe::run(*dedupe, output).await,
        ClientCommand::List(list) => records::list(list, output).await,
        ClientCommand::Get(get) => records::get(get, output).await,
        ClientCommand::Libraries(libraries) => libraries::run(libraries, output).await,
        ClientCommand::Library(library) => library::run(*library, output).await,
        ClientCommand::Import(import) => import::run(*import, output, interrupt).await,
        ClientCommand::Health(health) => health::run(health, output).await,
        ClientCommand::Key(key::KeyCommand::New(new)) => key::new(new, output),
        ClientCommand::Completions { shell } => {
            output.line(&completions(shell));
            Ok(Exit::Done)
        }
    };
    let exit = result.unwrap_or_else(|failure| {
        output.failure(&failure, json);
        Exit::Failed
    });
    if output.has_failed() {
        output.report_error();
        return Exit::Failed;
    }
    exit
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "samegate", &mut script);
    String::from_utf8_lossy(&script).trim_end().to_owned()
}

/// Cancels `interrupt` at the first Ctrl-C, and ends the process at the second.
async fn listen_for_ctrl_c(interrupt: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    interrupt.cancel();
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(Exit::Interrupted as u8));
    }
}

// === impl ClientCommand ===

impl ClientCommand {
    fn is_json(&self) -> bool {
        match self {
            ClientCommand::Add(add) => add.target.connection.json,
            ClientCommand::Search(search) => search.target.connection.json,
            ClientCommand::Check(check) => check.target.connection.json,
            ClientCommand::Compare(compare) => compare.target.connection.json,
            ClientCommand::Update(update) => update.target.connection.json,
            ClientCommand::Delete(delete) => delete.target.connection.json,
            ClientCommand::Dedupe(dedupe) => dedupe.target.connection.json,
            ClientCommand::List(list) => list.target.connection.json,
            ClientCommand::Get(get) => get.target.connection.json,
            ClientCommand::Libraries(libraries) => libraries.connection.json,
            ClientCommand::Library(library) => library.is_json(),
            ClientCommand::Import(import) => import.target.connection.json,
            ClientCommand::Health(health) => health.connection.json,
            ClientCommand::Key(key::KeyCommand::New(new)) => new.json,
            ClientCommand::Completions { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::error::ErrorKind> {
        Cli::try_parse_from(line.split_whitespace())
            .map(|cli| cli.command)
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_and_config_are_no_client_commands() {
        assert!(matches!(
            parsed("samegate serve --grpc 127.0.0.1:0"),
            Ok(Command::Serve(_))
        ));
        assert!(matches!(
            parsed("samegate config check a.toml"),
            Ok(Command::Config(ConfigCommand::Check { .. }))
        ));
        assert!(matches!(
            parsed("samegate add a.jpg b.jpg --tag 7 --tag 8"),
            Ok(Command::Client(ClientCommand::Add(_)))
        ));
    }

    #[test]
    fn contradictory_and_incomplete_lines_are_usage_errors() {
        for line in [
            "samegate add",
            "samegate add a.jpg --tag 0",
            "samegate add a.jpg --tag 65536",
            "samegate update --sign s",
            "samegate update a.jpg --sign s --brief x",
            "samegate update a.jpg --tag 1 --no-tags",
            "samegate delete",
            "samegate delete s --file a.jpg",
            "samegate delete s --tag 7",
            "samegate delete s --yes",
            "samegate delete --file a.jpg --dry-run",
            "samegate delete --yes",
            "samegate delete --brief= --yes",
            "samegate list --brief=",
            "samegate delete --tag 7 --all",
            "samegate delete --tag 7 --dry-run --yes",
            "samegate list --any-tag",
            "samegate list --since yesterday",
            "samegate import",
            "samegate import a --manifest m.jsonl",
            "samegate import a --files b",
            "samegate import a --in-flight 0",
            "samegate import a --in-flight 257",
            "samegate search",
            "samegate search a.jpg --limit 1001",
            "samegate compare a.jpg",
            "samegate check",
            "samegate import a --match-score 0.5",
            "samegate search a.jpg --min-score 1.5",
            "samegate dedupe --yes",
            "samegate dedupe --keep best",
            "samegate dedupe --since yesterday",
            "samegate health --timeout soon",
            "samegate library backup",
            "samegate library backup -o a --folder b",
            "samegate library backup -o a --keep 3",
            "samegate library backup -o a --data b --admin http://127.0.0.1:9090",
            "samegate library verify a.backup --repair",
            "samegate library restore --data b",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn debug_does_not_show_a_key() {
        let command = parsed("samegate health --api-key canary-4711").unwrap();

        assert!(!format!("{command:?}").contains("canary-4711"));
    }

    #[test]
    fn every_shell_gets_a_script_with_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            assert!(completions(shell).contains("import"), "{shell}");
        }
    }
}
