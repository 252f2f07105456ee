//! The connection of the command line: TLS, client certificates, and ports that are not gRPC.

use std::path::Path;

use samegate::cli::Exit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Finished, run};
use crate::support::certificates::{Authority, Issued};
use crate::support::gateway::Gateway;

async fn library(endpoint: &str, more: &[&str]) -> Finished {
    let args = [&["library", "--endpoint", endpoint], more].concat();
    run(&args, CancellationToken::new()).await
}

/// Writes a text into a folder and returns its path.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Starts a gateway with TLS that requires client certificates of an authority, if one is given.
async fn gateway(files: &Path, served: &Issued, client_ca: Option<&Authority>) -> Gateway {
    let cert = file(files, "server.crt", &served.cert);
    let key = file(files, "server.key", &served.key);
    let (client_ca, tenant) = match client_ca {
        None => (String::new(), ""),
        Some(authority) => {
            let path = file(files, "clients.crt", &authority.pem());
            let tenant = "[tenants.shop]\nlibraries = [\"default\"]\n\
                          identities = [\"spiffe://example.org/shop\"]\n";
            (format!(", client_ca = {path:?}"), tenant)
        }
    };
    Gateway::with_config(&format!(
        "[listen]\ntls = {{ cert = {cert:?}, key = {key:?}{client_ca} }}\n{tenant}"
    ))
    .await
}

#[tokio::test]
async fn https_needs_a_certificate_from_a_known_authority() {
    let files = tempfile::tempdir().unwrap();
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let gateway = gateway(files.path(), &known.server(), None).await;
    let endpoint = format!("https://{}", gateway.addresses.grpc);
    let roots = |authority: &Authority, name| file(files.path(), name, &authority.pem());
    let (known, unknown) = (roots(&known, "known.crt"), roots(&unknown, "unknown.crt"));

    let trusted = library(&endpoint, &["--ca-file", &known]).await;
    let system = library(&endpoint, &[]).await;
    let other = library(&endpoint, &["--ca-file", &unknown]).await;
    let plain = endpoint.replace("https", "http");
    let plain_flag = library(&plain, &["--ca-file", &known]).await;

    assert_eq!(trusted.exit, Exit::Done, "{trusted:?}");
    for ran in [system, other] {
        assert_eq!(ran.exit, Exit::Failed);
        assert!(ran.err.contains("cannot reach"), "{ran:?}");
        assert!(ran.err.contains("--ca-file"), "{ran:?}");
    }
    assert!(
        plain_flag
            .err
            .contains("--ca-file needs an --endpoint with https://")
    );
}

#[tokio::test]
async fn a_client_certificate_is_the_credential_of_a_tenant() {
    let files = tempfile::tempdir().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let gateway = gateway(files.path(), &servers.server(), Some(&clients)).await;
    let endpoint = format!("https://{}", gateway.addresses.grpc);
    let roots = file(files.path(), "roots.crt", &servers.pem());
    let issued = clients.client("spiffe://example.org/shop");
    let cert = file(files.path(), "client.crt", &issued.cert);
    let key = file(files.path(), "client.key", &issued.key);

    let certified = [
        "--ca-file",
        &roots,
        "--client-cert",
        &cert,
        "--client-key",
        &key,
    ];
    let with = library(&endpoint, &certified).await;
    let without = library(&endpoint, &["--ca-file", &roots]).await;
    let swapped = [
        "--ca-file",
        &roots,
        "--client-cert",
        &key,
        "--client-key",
        &cert,
    ];
    let swapped = library(&endpoint, &swapped).await;

    assert_eq!(with.exit, Exit::Done, "{with:?}");
    assert_eq!(without.exit, Exit::Failed);
    assert!(without.err.contains("--client-cert"), "{without:?}");
    assert!(swapped.err.contains("cannot use TLS"), "{swapped:?}");
}

#[tokio::test]
async fn a_port_that_is_not_grpc_is_called_so() {
    let gateway = Gateway::start().await;
    let addresses = gateway.addresses;
    let http_1 = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http_1_address = http_1.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = http_1.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let response = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(response).await;
            // A server reads on before it closes, so that the response is not lost (RFC 9112,
            // section 9.6).
            while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
        }
    });

    for address in [addresses.admin, addresses.rest, http_1_address] {
        for command in ["library", "health"] {
            let endpoint = format!("http://{address}");
            let args = [command, "--endpoint", &endpoint];
            let ran = run(&args, CancellationToken::new()).await;

            assert_eq!(ran.exit, Exit::Failed);
            assert!(
                ran.err.contains("this is no gRPC port"),
                "{address}: {ran:?}"
            );
            assert!(ran.err.contains("--endpoint"), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn plain_text_and_tls_that_meet_are_named() {
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::new("a");
    let plain = Gateway::start().await;
    let secure = gateway(files.path(), &authority.server(), None).await;

    let tls_to_plain = library(&format!("https://{}", plain.addresses.grpc), &[]).await;
    let plain_to_tls = library(&format!("http://{}", secure.addresses.grpc), &[]).await;

    assert!(
        tls_to_plain.err.contains("speaks no TLS"),
        "{tls_to_plain:?}"
    );
    assert!(plain_to_tls.err.contains("https://"), "{plain_to_tls:?}");
}
