//! TLS of the connection to a gateway: whom the command trusts, and who it is.

use std::path::PathBuf;

use clap::Args;

/// Flags of TLS, which `https://` turns on.
#[derive(Args, Clone, Debug)]
pub struct Tls {
    /// CA certificates that the gateway's certificate must be from, as PEM [default: those of the system].
    #[arg(
        long,
        env = "SAMEGATE_CA_FILE",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    ca_file: Option<PathBuf>,
    /// Client certificate and its chain, as PEM, for a gateway that requires one.
    #[arg(
        long,
        env = "SAMEGATE_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key",
        help_heading = "Connection"
    )]
    client_cert: Option<PathBuf>,
    /// Private key of the client certificate, as PEM.
    #[arg(
        long,
        env = "SAMEGATE_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert",
        help_heading = "Connection"
    )]
    client_key: Option<PathBuf>,
}

// === impl Tls ===

impl Tls {
    /// Returns the flag that has a meaning only with `https://`, if one is given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let flags = [
            (&self.ca_file, "--ca-file"),
            (&self.client_cert, "--client-cert"),
        ];
        let given = flags.into_iter().find(|(file, _)| file.is_some());
        given.map(|(_, flag)| flag)
    }

    /// Returns the files for a client.
    pub(super) fn files(&self) -> samegate_client::Tls {
        let mut files = samegate_client::Tls::new();
        if let Some(file) = &self.ca_file {
            files = files.ca_file(file);
        }
        if let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) {
            files = files.identity_files(cert, key);
        }
        files
    }
}
