//! The library that a command works on, and what the engine's errors mean for the user.

use std::path::PathBuf;

use clap::Args;
use same_image::{OfflineLibrary, OpenError, RestoreError};

use crate::cli::failure::Failure;
use crate::error::chain;

/// Flag of the data folder of a library at rest.
#[derive(Args, Clone, Debug)]
pub struct DataFolder {
    /// Data folder of an embedded library that no gateway has open (`data_dir`).
    #[arg(long, value_name = "DIR", default_value = "samegate-data")]
    pub(super) data: PathBuf,
}

/// Flags of a library at rest or in a running gateway.
#[derive(Args, Clone, Debug)]
pub struct BackupSource {
    #[command(flatten)]
    pub(super) folder: DataFolder,
    /// Admin port of a running gateway, which sends the backup.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(super) admin: Option<String>,
    /// Name of the library in the gateway's configuration.
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    pub(super) library: String,
}

// === impl DataFolder ===

impl DataFolder {
    /// Opens the library; `if_running` says what to do instead while a gateway has it open.
    pub(super) fn open(&self, if_running: &str) -> Result<OfflineLibrary, Failure> {
        OfflineLibrary::open(&self.data).map_err(|error| {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "the messages of the other errors say what to do"
            )]
            let advice = match &error {
                OpenError::InUse { .. } => Some(if_running),
                OpenError::NotFound { .. } => Some("give the gateway's `data_dir` with --data"),
                OpenError::Lost { .. } | OpenError::Storage { .. } => {
                    Some("restore a backup: samegate library restore FILE --data DIR")
                }
                _ => None,
            };
            with_advice(Failure::local(chain(&error)), advice)
        })
    }
}

/// Makes the failure of a restore.
pub(super) fn restore_failure(error: &RestoreError) -> Failure {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the messages of the other errors say what to do"
    )]
    let advice = match error {
        RestoreError::Exists { .. } => Some("--replace replaces it"),
        RestoreError::InUse { .. } => Some("stop the gateway first"),
        _ => None,
    };
    with_advice(Failure::local(chain(error)), advice)
}

fn with_advice(failure: Failure, advice: Option<&str>) -> Failure {
    match advice {
        Some(advice) => failure.with_advice(advice),
        None => failure,
    }
}
