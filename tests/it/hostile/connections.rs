//! Clients that open very many connections.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::assert_serves;
use crate::support::gateway::Gateway;
use crate::support::probe::{get, metric, until, until_metric};
use crate::support::process::{Launch, Process};

/// More than the descriptors of the process that they attack.
const FLOOD: u8 = 220;
/// Time in which a probe gets its response; kubelets wait for one second by default.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const EMPTY_HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Connects from another loopback address, as another client would.
async fn connect_from(host: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind((IpAddr::from([127, 0, 0, host]), 0).into())
        .unwrap();
    let mut stream = socket.connect(to).await?;
    stream.write_all(EMPTY_HTTP2).await?;
    Ok(stream)
}

/// Returns whether the server has closed a connection, once it has done one or the other.
async fn is_closed(stream: &mut TcpStream) -> bool {
    // An open connection begins with the server's settings.
    stream.read_u8().await.is_err()
}

fn closed(reason: &str) -> String {
    format!("samegate_connections_closed_total{{listener=\"grpc\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn connections_over_the_limit_of_a_peer_or_a_listener_are_closed_at_once() {
    let limits = "[listen]\nmax_connections = 3\nmax_connections_per_peer = 2";
    let gateway = Gateway::with_config(limits).await;
    let address = gateway.addresses.grpc;
    let connect = async |host| {
        let mut stream = connect_from(host, address).await.unwrap();
        let is_open = !is_closed(&mut stream).await;
        is_open.then_some(stream)
    };

    let first = connect(2).await;
    let second = connect(2).await;
    assert!(first.is_some() && second.is_some());
    assert!(connect(2).await.is_none(), "the third of this peer");
    let third = connect(3).await;
    assert!(third.is_some(), "another peer");
    assert!(connect(4).await.is_none(), "the fourth of all");

    let admin = gateway.addresses.admin;
    until_metric(admin, &closed("max_connections_per_peer"), 1.0).await;
    until_metric(admin, &closed("max_connections"), 1.0).await;
    drop(first);
    let open = "samegate_connections{listener=\"grpc\"}";
    until_metric(admin, open, 2.0).await;
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn the_limit_of_descriptors_is_raised_at_start() {
    let launch = Launch {
        ulimit: Some("-S -n 200"),
        ..Launch::default()
    };
    let process = Process::launch("", &launch).await;

    assert!(process.descriptor_limit() > 200);
}

/// Opens idle connections from many addresses to both APIs, until the process accepts no more.
async fn flood(process: &Process, per_address: usize) -> Vec<TcpStream> {
    // Both ends would be too many for the usual soft limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut streams = Vec::new();
    for host in 1..=FLOOD {
        for number in 0..per_address {
            let to = [process.grpc, process.rest][number % 2];
            // A full backlog lets a client wait; the attack is strong enough without it.
            let connected = connect_from(host, to);
            let connected = tokio::time::timeout(Duration::from_millis(100), connected).await;
            // A connection over the limit may be reset while it begins.
            if let Ok(Ok(stream)) = connected {
                streams.push(stream);
            }
        }
    }
    streams
}

async fn assert_probes_succeed(process: &Process) {
    for path in ["/livez", "/readyz"].repeat(10) {
        let probe = tokio::time::timeout(PROBE_TIMEOUT, get(process.admin, path)).await;
        assert_eq!(probe.map(|(status, _)| status).ok(), Some(200), "{path}");
    }
}

#[tokio::test]
async fn idle_connections_by_the_thousand_do_not_silence_the_admin_port() {
    let launch = Launch {
        ulimit: Some("-n 1024"),
        ..Launch::default()
    };
    let process = Process::launch("", &launch).await.ready().await;

    let streams = flood(&process, 5).await;

    assert!(streams.len() > 1000, "{}", streams.len());
    assert_probes_succeed(&process).await;
    until("those over the limit are closed", async || {
        let over = metric(process.admin, &closed("max_connections")).await;
        over.is_some_and(|closed| closed > 100.0)
    })
    .await;
    assert!(process.log().contains("connections over the limit closed"));
    drop(streams);
    until("the connections are closed", async || {
        let open = metric(process.admin, "samegate_connections{listener=\"grpc\"}").await;
        open == Some(0.0)
    })
    .await;
    process.client().await;
}

#[tokio::test]
async fn the_admin_port_works_while_the_process_has_no_descriptors_left() {
    let launch = Launch {
        ulimit: Some("-n 100"),
        ..Launch::default()
    };
    let no_limit = "listen.max_connections = 1000";
    let process = Process::launch(no_limit, &launch).await.ready().await;

    let streams = flood(&process, 1).await;

    until("the process has no descriptors left", async || {
        process.log().contains("cannot accept connections")
    })
    .await;
    assert_probes_succeed(&process).await;
    let failures = process.log().matches("cannot accept connections").count();
    assert!(
        failures <= 2,
        "one for each listener and minute: {failures}"
    );
    drop(streams);
    process.client().await;
}
