//! `[listen]`: addresses of the doors, and their certificates.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::section::Section;
use super::text;

/// Where the gateway listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// gRPC API. Default: 127.0.0.1:50051.
    pub grpc: SocketAddr,
    /// REST API. Default: 127.0.0.1:8080.
    pub rest: SocketAddr,
    /// Probes. Default: 127.0.0.1:9090.
    pub admin: SocketAddr,
    /// TLS of the gRPC and the REST API. Default: none.
    pub tls: Option<Tls>,
}

/// Files in PEM form; read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate, then those that lead to its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates that vouch for clients.
    pub client_ca: Option<PathBuf>,
    /// Whether clients show a certificate. Default: required with `client_ca`,
    /// none without.
    pub client_auth: ClientAuth,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// A wrong one is rejected, none is not.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Listen> {
    let grpc = section.value("grpc", text::address);
    let rest = section.value("rest", text::address);
    let admin = section.value("admin", text::address);
    let tls = section.optional_section("tls", read_tls);
    section.finish();
    Some(Listen {
        grpc: grpc?,
        rest: rest?,
        admin: admin?,
        tls: tls?,
    })
}

fn read_tls(mut section: Section<'_>) -> Option<Tls> {
    let cert = section.value("cert", text::filled);
    let key = section.value("key", text::filled);
    let client_ca = section.optional("client_ca", None, |text| text::filled(text).map(Some));
    let by_ca = match client_ca {
        Some(Some(_)) => ClientAuth::Required,
        Some(None) | None => ClientAuth::None,
    };
    let client_auth = section.optional("client_auth", by_ca, client_auth);
    if let (Some(None), Some(ClientAuth::Optional | ClientAuth::Required)) =
        (&client_ca, client_auth)
    {
        section.error(
            "client_auth",
            "wants `client_ca`, which vouches for clients",
        );
    }
    section.finish();
    Some(Tls {
        cert: cert?.into(),
        key: key?.into(),
        client_ca: client_ca?.map(PathBuf::from),
        client_auth: client_auth?,
    })
}

fn client_auth(value: &str) -> Result<ClientAuth, String> {
    match value {
        "none" => Ok(ClientAuth::None),
        "optional" => Ok(ClientAuth::Optional),
        "required" => Ok(ClientAuth::Required),
        _ => Err(format!("must be none, optional or required, not `{value}`")),
    }
}
