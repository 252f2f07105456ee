//! TLS of the connection to a gateway: whom the command trusts, and who it is.

use std::path::{Path, PathBuf};

use clap::Args;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::failure::Failure;

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

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// When a file cannot be read; what is in it is checked when it is used.
    pub(super) fn config(&self) -> Result<ClientTlsConfig, Failure> {
        let config = match &self.ca_file {
            Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match (&self.client_cert, &self.client_key) {
            (Some(cert), Some(key)) => {
                Ok(config.identity(Identity::from_pem(read(cert)?, read(key)?)))
            }
            _ => Ok(config),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::local(format!("cannot read `{}`: {error}", file.display())))
}
