//! `[listen]`: addresses of the listeners, their certificates, the hosts and web origins that they
//! serve, and the limits of their connections.

use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::parse;
use super::section::{Parse, Section};

/// Where the gateway listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// gRPC API. Default: 127.0.0.1:50051.
    pub grpc: SocketAddr,
    /// REST API. Default: 127.0.0.1:8080.
    pub rest: SocketAddr,
    /// Admin API: probes, metrics, state. Default: 127.0.0.1:9090.
    pub admin: SocketAddr,
    /// Names, in lower case, by which clients may call the gateway besides localhost and IP
    /// addresses. Default: none on loopback, else any.
    pub hosts: Vec<String>,
    /// Origins of other web pages that may call it, as browsers write them. Default: none.
    pub cors_origins: Vec<String>,
    /// Open connections of each API, at least 1. Default: by the process's file descriptors.
    pub max_connections: Option<usize>,
    /// Those of one peer address. Default: half of them.
    pub max_connections_per_peer: Option<usize>,
    /// HTTP/2 frames without content that a connection may send in each second. Default: 100.
    pub max_control_frames_per_second: u32,
    /// TLS of the gRPC and the REST API. Default: none.
    pub tls: Option<Tls>,
}

const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;
/// From what an idle connection needs with certainty to no limit in practice.
const CONTROL_FRAMES: RangeInclusive<u32> = 10..=1_000_000;

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
    let hosts = read_each(&mut section, "hosts", host);
    let cors_origins = read_each(&mut section, "cors_origins", origin);
    let max_connections = section.optional("max_connections", None, connections);
    let max_connections_per_peer = section.optional("max_connections_per_peer", None, connections);
    let max_control_frames_per_second =
        section.required("max_control_frames_per_second", control_frames);
    let tls = section.optional_section("tls", read_tls);
    section.finish();
    Some(Listen {
        grpc: grpc?,
        rest: rest?,
        admin: admin?,
        hosts: hosts?,
        cors_origins: cors_origins?,
        max_connections: max_connections?,
        max_connections_per_peer: max_connections_per_peer?,
        max_control_frames_per_second: max_control_frames_per_second?,
        tls: tls?,
    })
}

/// Reads a list and parses each of its texts.
fn read_each(
    section: &mut Section<'_>,
    key: &'static str,
    parse: Parse<String>,
) -> Option<Vec<String>> {
    let texts = section.list(key)?;
    let texts = texts.iter().enumerate();
    let parsed = texts.map(|(index, text)| section.parsed(&format!("{key}[{index}]"), text, parse));
    // Every error is reported, not only the first.
    let parsed: Vec<_> = parsed.collect();
    parsed.into_iter().collect()
}

/// Parses the name of a host, without scheme and port.
fn host(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if !is_host(name) {
        return Err(format!(
            "must be the name of a host without scheme and port, such as gateway.example.org, not \
             `{text}`"
        ));
    }
    Ok(name.to_ascii_lowercase())
}

/// Parses the origin of a web page into the form in which browsers send it.
fn origin(text: &str) -> Result<String, String> {
    let origin = text.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let default_port = match scheme {
        "http" => "80",
        "https" => "443",
        _ => "",
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let literal = host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
    let is_ipv6 = literal.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    if default_port.is_empty() || !is_port || !(is_host(host) || is_ipv6) {
        return Err(format!(
            "must be scheme, host and port of a web page, such as https://app.example.org or \
             http://localhost:3000, not `{text}`"
        ));
    }
    Ok(match port {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        Some(_) | None => format!("{scheme}://{host}"),
    })
}

fn connections(text: &str) -> Result<Option<usize>, String> {
    parse::number(text, &CONNECTIONS).map(Some)
}

fn control_frames(text: &str) -> Result<u32, String> {
    parse::number(text, &CONTROL_FRAMES)
}

fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.chars().all(plain)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_without_scheme_and_port() {
        assert_eq!(
            host("Gateway.Example.org."),
            Ok("gateway.example.org".to_owned())
        );
        for text in ["", ".", "a:80", "http://a", "*", "[::1]", "a/b", "a b"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_kept_in_the_form_that_browsers_send() {
        for (text, expected) in [
            ("https://App.test", "https://app.test"),
            ("https://app.test:443", "https://app.test"),
            ("http://app.test:443", "http://app.test:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "*",
            "null",
            "app.test",
            "https://",
            "https://a/",
            "https://a:0",
            "https://a:x",
            "https://*.test",
            "ftp://a",
            "https://u@a",
            "https://[a]",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
