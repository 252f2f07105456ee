//! TLS, client certificates and credentials between gateway and cluster.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use samegate::config::{ClusterAuth, OpenSearch};
use samegate::error::{Error, Kind};
use samegate::library::Library;
use samegate::library::opensearch::OpenSearchBackend;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::backends::{opensearch_fixture, opensearch_library};
use crate::support::certificates::{Authority, Issued};
use crate::support::images::png;
use crate::support::opensearch::{Node, library, shared};

const REJECTION: &str =
    "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Puts TLS in front of a node: clients need a certificate of the authority and this header.
async fn secured(
    node: &'static Node,
    authority: &Authority,
    authorization: &'static str,
) -> String {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let server = authority.server();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(server.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let behind = node.url.trim_start_matches("http://");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    forward(&mut stream, behind, authorization).await;
                }
            });
        }
    });
    url
}

/// Forwards a connection, if its first request has the header.
async fn forward(
    stream: &mut tokio_rustls::server::TlsStream<TcpStream>,
    behind: &str,
    authorization: &str,
) {
    let mut begin = Vec::new();
    while !begin.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut begin).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&begin);
    if !head
        .lines()
        .any(|line| line == format!("authorization: {authorization}"))
    {
        let _ = stream.write_all(REJECTION.as_bytes()).await;
        return;
    }
    let mut node = TcpStream::connect(behind).await.unwrap();
    node.write_all(&begin).await.unwrap();
    let _ = copy_bidirectional(stream, &mut node).await;
}

fn config(url: &str, authority: &Authority, client: &Issued, auth: ClusterAuth) -> OpenSearch {
    OpenSearch {
        urls: vec![url.parse().unwrap()],
        auth,
        ca: Some(authority.pem()),
        client_identity: Some(format!("{}\n{}", client.cert, client.key).into()),
        ..library(shared())
    }
}

fn basic(password: &str) -> ClusterAuth {
    ClusterAuth::Basic {
        username: "samegate".to_owned(),
        password: password.to_owned().into(),
    }
}

#[tokio::test]
async fn a_gateway_presents_its_certificate_and_its_credentials_over_tls() {
    let authority = Authority::new("cluster");
    let client = authority.client("dns:gateway");
    for (auth, header) in [
        // `samegate:open sesame` in base64.
        (basic("open sesame"), "Basic c2FtZWdhdGU6b3BlbiBzZXNhbWU="),
        (ClusterAuth::ApiKey("a2V5".to_owned().into()), "ApiKey a2V5"),
    ] {
        let url = secured(shared(), &authority, header).await;
        let config = config(&url, &authority, &client, auth);

        OpenSearchBackend::create(&config).await.unwrap();
        let fixture = opensearch_fixture(&config);
        fixture.add(png(1), "sunset", &[]).await;

        assert_eq!(fixture.search(png(1), (0, 0)).await.matches.len(), 1);
    }
}

#[tokio::test]
async fn each_missing_proof_is_an_error_of_its_own() {
    let (authority, other) = (Authority::new("cluster"), Authority::new("other"));
    let client = authority.client("dns:gateway");
    let url = secured(shared(), &authority, "Basic c2FtZWdhdGU6b3BlbiBzZXNhbWU=").await;
    let error = async |config: OpenSearch| -> Error {
        opensearch_library(&config).warm_up().await.unwrap_err()
    };
    let right = || config(&url, &authority, &client, basic("open sesame"));

    let wrong_password = error(config(&url, &authority, &client, basic("shut"))).await;
    let untrusted = error(OpenSearch {
        ca: Some(other.pem()),
        ..right()
    })
    .await;
    let unproven = error(OpenSearch {
        client_identity: None,
        ..right()
    })
    .await;

    assert_eq!(wrong_password.kind(), Kind::ClusterSetup);
    assert!(
        wrong_password.message().contains("credentials"),
        "{wrong_password}"
    );
    assert_eq!(untrusted.kind(), Kind::ClusterUnavailable);
    assert!(untrusted.message().contains("certificate"), "{untrusted}");
    assert_eq!(unproven.kind(), Kind::ClusterUnavailable);
}
