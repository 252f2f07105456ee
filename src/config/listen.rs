//! `[listen]`: addresses of the doors.

use std::net::SocketAddr;

use super::section::Section;
use super::text;

/// Where the gateway listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// gRPC door. Default: 127.0.0.1:50051.
    pub grpc: SocketAddr,
    /// REST door. Default: 127.0.0.1:8080.
    pub rest: SocketAddr,
    /// Probes. Default: 127.0.0.1:9090.
    pub admin: SocketAddr,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Listen> {
    let grpc = section.value("grpc", text::address);
    let rest = section.value("rest", text::address);
    let admin = section.value("admin", text::address);
    section.finish();
    Some(Listen {
        grpc: grpc?,
        rest: rest?,
        admin: admin?,
    })
}
