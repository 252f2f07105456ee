//! `[listen]`: addresses of the listeners, and their certificates.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::parse;
use super::section::Section;

/// Where the gateway listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// gRPC API. Default: 127.0.0.1:50051.
    pub grpc: SocketAddr,
    /// REST API. Default: 127.0.0.1:8080.
    pub rest: SocketAddr,
    /// Admin API: probes, metrics, state. Default: 127.0.0.1:9090.
    pub admin: SocketAddr,
    /// TLS of the gRPC and the REST API. Default: none.
    pub tls: Option<Tls>,
}

/// PEM files; read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// CA certificates that client certificates are verified with.
    pub client_ca: Option<PathBuf>,
    /// Whether clients present a certificate. Default: required with `client_ca`, else none.
    pub client_auth: ClientAuth,
}

/// Whether clients present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Clients are not asked for one.
    None,
    /// A client may present none; an invalid one is rejected.
    Optional,
    /// A connection needs a valid one.
    Required,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Listen> {
    let grpc = section.required("grpc", parse::address);
    let rest = section.required("rest", parse::address);
    let admin = section.required("admin", parse::address);
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
    let cert = section.required("cert", parse::non_empty);
    let key = section.required("key", parse::non_empty);
    let client_ca = section.optional("client_ca", None, |text| parse::non_empty(text).map(Some));
    let default = match client_ca {
        Some(Some(_)) => ClientAuth::Required,
        Some(None) | None => ClientAuth::None,
    };
    let client_auth = section.optional("client_auth", default, client_auth);
    if let (Some(None), Some(ClientAuth::Optional | ClientAuth::Required)) =
        (&client_ca, client_auth)
    {
        section.error(
            "client_auth",
            "needs `client_ca`, which client certificates are verified with",
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
