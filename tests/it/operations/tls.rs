//! TLS, client certificates, and the reload of both under load.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use samegate::proto::v1;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use super::get_library;
use crate::support::certificates::{Authority, Issued, replace};
use crate::support::gateway::Gateway;
use crate::support::probe::{get, metric, until, until_metric};

const HANDSHAKE_FAILURES: &str = "samegate_tls_handshake_failures_total{listener=\"grpc\"}";
const RELOAD: &str = "samegate_tls_reload_success";
/// Two tenants with a library each.
const TENANTS: &str = r#"
[libraries.a]
backend = "embedded"
data_dir = "DATA/a"
[libraries.b]
backend = "embedded"
data_dir = "DATA/b"
[tenants.ann]
libraries = ["a"]
identities = ["spiffe://example.org/ann"]
[tenants.bob]
libraries = ["b"]
identities = ["dns:bob.example.org"]
"#;

/// The roots that a client trusts, and its own certificate.
#[derive(Clone)]
struct Client {
    roots: String,
    certificate: Option<Issued>,
}

impl Client {
    fn trusting(authorities: &[&Authority]) -> Self {
        let roots = authorities
            .iter()
            .map(|authority| authority.pem())
            .collect();
        Client {
            roots,
            certificate: None,
        }
    }

    fn with_certificate(self, certificate: Issued) -> Self {
        Client {
            certificate: Some(certificate),
            ..self
        }
    }

    /// Opens a connection.
    async fn connect(
        &self,
        address: SocketAddr,
    ) -> Result<SameImageServiceClient<Channel>, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.roots));
        if let Some(Issued { cert, key }) = &self.certificate {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
        let channel = endpoint.tls_config(tls)?.connect().await?;
        Ok(SameImageServiceClient::new(channel))
    }

    /// Makes one call on a new connection.
    async fn call(&self, address: SocketAddr) -> Result<(), Status> {
        let client = self.connect(address).await;
        // With TLS 1.3, a server rejects a client after the client has connected.
        let client = client.map_err(|error| Status::from_error(error.into()))?;
        get_library(client).await
    }

    /// Returns the certificate that the server uses for a new connection.
    async fn server_certificate(&self, address: SocketAddr) -> CertificateDer<'static> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.roots.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let certificates = stream.get_ref().1.peer_certificates().unwrap();
        certificates[0].clone().into_owned()
    }

    /// Makes calls, each on a new connection, until `stop`; returns their number.
    fn call_repeatedly(self, address: SocketAddr, stop: CancellationToken) -> JoinHandle<u64> {
        tokio::spawn(async move {
            let mut calls = 0;
            while !stop.is_cancelled() {
                self.call(address).await.unwrap();
                calls += 1;
            }
            calls
        })
    }
}

fn der(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()
}

fn write(folder: &Path, served: &Issued, client_ca: &str) {
    fs::write(folder.join("tls.crt"), &served.cert).unwrap();
    fs::write(folder.join("tls.key"), &served.key).unwrap();
    fs::write(folder.join("ca.crt"), client_ca).unwrap();
}

/// Starts a gateway with the certificates of a folder, and `more` in `[listen] tls`.
async fn gateway(files: &Path, more: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| files.join(name).display().to_string();
    let (cert, key, ca) = (at("tls.crt"), at("tls.key"), at("ca.crt"));
    let more = more.replace("CA", &ca);
    let tenants = TENANTS.replace("DATA", &folder.path().display().to_string());
    let config =
        format!("[listen]\ntls = {{ cert = \"{cert}\", key = \"{key}\"{more} }}\n{tenants}");
    Gateway::in_folder(folder, &config).await
}

const REQUIRED: &str = ", client_ca = \"CA\"";
const OPTIONAL: &str = ", client_ca = \"CA\", client_auth = \"optional\"";

#[tokio::test]
async fn both_apis_accept_tls_only() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("one"));
    write(files.path(), &authority.server(), "");
    let folder = files.path().display();
    let config =
        format!("[listen]\ntls = {{ cert = \"{folder}/tls.crt\", key = \"{folder}/tls.key\" }}");
    let gateway = Gateway::with_config(&config).await;
    let addresses = gateway.addresses;

    Client::trusting(&[&authority])
        .call(addresses.grpc)
        .await
        .unwrap();
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let https = reqwest::Client::builder()
        .tls_certs_only([root])
        .build()
        .unwrap();
    let keys = "grant_type=client_credentials&client_id=local&client_secret";
    let token = format!(
        "https://localhost:{}/oauth/2.0/token?{keys}={}",
        addresses.rest.port(),
        gateway.rest_secret()
    );
    let token = https.get(token).send().await.unwrap().text().await.unwrap();
    assert!(token.contains("access_token"), "{token}");

    let plain = SameImageServiceClient::connect(format!("http://{}", addresses.grpc)).await;
    assert!(match plain {
        Ok(client) => get_library(client).await.is_err(),
        Err(_) => true,
    });
    let stranger = Client::trusting(&[&Authority::new("two")]);
    assert!(stranger.connect(addresses.grpc).await.is_err());
    until("the rejected handshakes are counted", async || {
        metric(addresses.admin, HANDSHAKE_FAILURES).await >= Some(2.0)
    })
    .await;
}

#[tokio::test]
async fn the_identity_in_a_client_certificate_is_the_tenant() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("one"));
    write(files.path(), &authority.server(), &authority.pem());
    let gateway = gateway(files.path(), REQUIRED).await;
    let client = Client::trusting(&[&authority]);

    for (identity, own, foreign) in [
        ("spiffe://example.org/ann", "a", "b"),
        ("BOB.example.org", "b", "a"),
    ] {
        let client = client.clone().with_certificate(authority.client(identity));
        let mut client = client.connect(gateway.addresses.grpc).await.unwrap();
        let mut size_of = async |library: &str| {
            let request = v1::GetLibraryRequest {
                library: library.to_owned(),
            };
            client.get_library(request).await
        };
        size_of(own).await.unwrap();
        let rejected = size_of(foreign).await.unwrap_err();
        assert_eq!(rejected.code(), Code::NotFound, "{identity}: {rejected}");
    }
}

#[tokio::test]
async fn an_unknown_identity_is_denied_and_no_certificate_is_unauthenticated() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("one"));
    write(files.path(), &authority.server(), &authority.pem());
    let gateway = gateway(files.path(), OPTIONAL).await;
    let client = Client::trusting(&[&authority]);

    let eve = client
        .clone()
        .with_certificate(authority.client("spiffe://example.org/eve"));
    let denied = eve.call(gateway.addresses.grpc).await.unwrap_err();
    let anonymous = client.call(gateway.addresses.grpc).await.unwrap_err();

    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(anonymous.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn where_certificates_are_required_clients_without_a_valid_one_cannot_connect() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("one"));
    write(files.path(), &authority.server(), &authority.pem());
    let gateway = gateway(files.path(), REQUIRED).await;
    let client = Client::trusting(&[&authority]);

    let forged = Authority::new("two").client("spiffe://example.org/ann");
    for client in [client.clone(), client.with_certificate(forged)] {
        let rejected = client.call(gateway.addresses.grpc).await.unwrap_err();
        assert_eq!(rejected.code(), Code::Unknown, "{rejected:?}");
    }
    until_metric(gateway.addresses.admin, HANDSHAKE_FAILURES, 2.0).await;
}

#[tokio::test]
async fn files_are_replaced_under_load_and_a_half_replaced_pair_is_not_used() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("one"));
    let (old, new) = (authority.server(), authority.server());
    write(files.path(), &old, &authority.pem());
    let gateway = gateway(files.path(), REQUIRED).await;
    let (grpc, admin) = (gateway.addresses.grpc, gateway.addresses.admin);
    let client = Client::trusting(&[&authority]);
    let client = client.with_certificate(authority.client("spiffe://example.org/ann"));
    let stop = CancellationToken::new();
    let load = client.clone().call_repeatedly(grpc, stop.clone());
    until_metric(admin, RELOAD, 1.0).await;

    // The new certificate does not fit the old key.
    replace(&files.path().join("tls.crt"), &new.cert);
    until_metric(admin, RELOAD, 0.0).await;
    assert_eq!(client.server_certificate(grpc).await, der(&old));
    replace(&files.path().join("tls.key"), &new.key);
    until_metric(admin, RELOAD, 1.0).await;
    assert_eq!(client.server_certificate(grpc).await, der(&new));

    stop.cancel();
    assert!(load.await.unwrap() > 0);
}

#[tokio::test]
async fn a_swapped_folder_replaces_certificate_key_and_client_authority_at_once() {
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name);
    let (before, after) = (Authority::new("one"), Authority::new("two"));
    let (old, new) = (before.server(), after.server());
    fs::create_dir(at("v1")).unwrap();
    fs::create_dir(at("v2")).unwrap();
    // During the transition of clients, both authorities are trusted.
    write(&at("v1"), &old, &before.pem());
    write(&at("v2"), &new, &(before.pem() + &after.pem()));
    symlink("v1", at("..data")).unwrap();
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        symlink(Path::new("..data").join(name), at(name)).unwrap();
    }
    let gateway = gateway(files.path(), REQUIRED).await;
    let grpc = gateway.addresses.grpc;
    let client = Client::trusting(&[&before, &after]);
    let ann = client
        .clone()
        .with_certificate(before.client("spiffe://example.org/ann"));
    let bob = client
        .clone()
        .with_certificate(after.client("bob.example.org"));
    bob.call(grpc).await.unwrap_err();
    let stop = CancellationToken::new();
    let load = ann.call_repeatedly(grpc, stop.clone());

    symlink("v2", at("..next")).unwrap();
    fs::rename(at("..next"), at("..data")).unwrap();

    until("the new certificate is in use", async || {
        client.server_certificate(grpc).await == der(&new)
    })
    .await;
    bob.call(grpc).await.unwrap();
    stop.cancel();
    assert!(load.await.unwrap() > 0);
}

#[tokio::test]
async fn invalid_files_leave_the_previous_ones_in_use() {
    let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new("one"));
    let served = authority.server();
    write(files.path(), &served, &authority.pem());
    let gateway = gateway(files.path(), OPTIONAL).await;
    let (grpc, admin) = (gateway.addresses.grpc, gateway.addresses.admin);
    until_metric(admin, RELOAD, 1.0).await;
    let client = Client::trusting(&[&authority]);

    for name in ["tls.crt", "tls.key", "ca.crt"] {
        let file = files.path().join(name);
        let good = fs::read_to_string(&file).unwrap();
        replace(&file, "rubbish");
        until_metric(admin, RELOAD, 0.0).await;
        assert_eq!(
            client.server_certificate(grpc).await,
            der(&served),
            "{name}"
        );
        assert_eq!(get(admin, "/readyz").await.0, 200, "{name}");

        replace(&file, &good);
        until_metric(admin, RELOAD, 1.0).await;
    }
}
