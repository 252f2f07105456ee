//! TLS of the listeners: certificate, key and client CA, reloaded when their files change.
//!
//! Every handshake uses the newest settings as a whole, so the three files always fit each other.
//! Files that cannot be used are logged and change nothing. Sessions of older settings are not
//! resumed. The only provider of cryptography is aws-lc-rs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::call::Peer;
use crate::config::{self, ClientAuth};
use crate::error::{Error, Kind, Result};
use crate::telemetry::Metrics;
use crate::watch::FileWatcher;

/// Protocols of both APIs, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS settings that are reloaded when their files change.
#[derive(Clone)]
pub struct Tls {
    current: Arc<ArcSwap<ServerConfig>>,
    config: config::Tls,
    metrics: Metrics,
}

// === impl Tls ===

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// `Internal`, naming the file and what is wrong with it.
    pub fn read(config: &config::Tls, metrics: &Metrics) -> Result<Self> {
        let current = ArcSwap::from(server_config(config)?);
        metrics.tls().succeeded();
        Ok(Tls {
            current: Arc::new(current),
            config: config.clone(),
            metrics: metrics.clone(),
        })
    }

    /// Returns the settings for the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reloads the files whenever they change, until `stop`.
    pub async fn watch_files(self, stop: CancellationToken) {
        let paths = [&self.config.cert, &self.config.key]
            .into_iter()
            .chain(&self.config.client_ca);
        let mut files = FileWatcher::new(paths.cloned().collect()).await;
        loop {
            self.reload();
            if files.have_changed().await {
                continue;
            }
            if stop.run_until_cancelled(files.changed()).await.is_none() {
                return;
            }
        }
    }

    fn reload(&self) {
        match server_config(&self.config) {
            Ok(config) => {
                self.current.store(config);
                self.metrics.tls().succeeded();
                tracing::info!("TLS certificate reloaded");
            }
            Err(error) => {
                self.metrics.tls().failed();
                tracing::error!(%error, "TLS certificate reload failed, keeping the previous one");
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Returns the client of a finished handshake, if it has sent a certificate.
pub(super) fn peer(connection: &ServerConnection) -> Option<Peer> {
    Some(Peer {
        identities: identities(connection.peer_certificates()?.first()?),
    })
}

fn identities(certificate: &CertificateDer<'_>) -> Vec<String> {
    // Cannot fail: the handshake has parsed it.
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let uris = certificate.valid_uri_names().map(str::to_owned);
    let names = certificate.valid_dns_names();
    uris.chain(names.map(|name| format!("dns:{}", name.to_ascii_lowercase())))
        .collect()
}

fn server_config(config: &config::Tls) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates(&config.cert)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| unusable(&config.key, "holds no private key", error))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&config.cert, "no protocol version is left", error))?;
    let builder = match (config.client_auth, &config.client_ca) {
        (ClientAuth::None, _) | (_, None) => builder.with_no_client_auth(),
        (auth, Some(ca)) => builder.with_client_cert_verifier(verifier(auth, ca, provider)?),
    };
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&config.cert, "does not fit the key", error))?;
    server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(server))
}

fn verifier(
    auth: ClientAuth,
    ca: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(ca, "holds an invalid certificate", error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional | ClientAuth::None => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map_err(|error| unusable(ca, "cannot verify clients", error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> =
        read.map_err(|error| unusable(path, "cannot be read as PEM certificates", error))?;
    if certificates.is_empty() {
        let message = format!("{}: holds no certificate", path.display());
        return Err(Error::new(Kind::Internal, message));
    }
    Ok(certificates)
}

/// Makes the error of a file; its cause describes the file's form and never quotes it.
fn unusable(
    path: &Path,
    what: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    let message = format!("{}: {what}: {error}", path.display());
    Error::new(Kind::Internal, message).with_source(error)
}
