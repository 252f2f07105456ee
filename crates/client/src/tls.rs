//! TLS of the connection to a gateway: whom the client trusts, and who it is.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::error::Error;

/// Files of TLS, in PEM format. By default the certificate authorities of the system, and no client
/// certificate.
///
/// ```no_run
/// use samegate_client::{Client, Tls};
///
/// # fn main() -> Result<(), samegate_client::Error> {
/// let tls = Tls::new()
///     .ca_file("ca.crt")
///     .identity_files("client.crt", "client.key");
/// let samegate = Client::builder("gateway:50051").tls(tls).connect_lazy()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

// === impl Tls ===

impl Tls {
    /// Trusts the authorities of the system.
    pub fn new() -> Self {
        Tls::default()
    }

    /// Trusts only the authorities in this file.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Presents the client certificate in the first file, with its chain; its private key is in the
    /// second one.
    #[must_use]
    pub fn identity_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Reads the files; what is in them is checked when they are used.
    pub(crate) fn config(&self) -> Result<ClientTlsConfig, Error> {
        let config = match &self.ca {
            Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        Ok(match &self.identity {
            Some((certificate, key)) => {
                config.identity(Identity::from_pem(read(certificate)?, read(key)?))
            }
            None => config,
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| Error::of_file(file, error))
}
