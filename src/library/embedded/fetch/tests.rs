mod broken_bodies;
mod slow_names;

use std::net::SocketAddr;
use std::sync::Mutex;

use reqwest::dns::{Addrs, Name, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::call::{CallStats, RequestId, Tenant};
use crate::domain::ImageLimits;
use crate::telemetry::CallTrace;

fn public(address: &str) -> bool {
    AddressScope::Public.includes(address.parse().unwrap())
}

#[test]
fn private_addresses_are_not_public_in_every_notation() {
    for address in [
        // this network, private, loopback
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.0",
        "192.168.1.1",
        "127.0.0.1",
        "127.255.255.254",
        "::",
        "::1",
        // link-local, unique local, site-local
        "169.254.0.1",
        "fe80::1",
        "febf::1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        // carrier-grade NAT
        "100.64.0.1",
        "100.127.255.255",
        // services of clouds: AWS and others, its containers, Alibaba, Azure, Oracle, AWS again
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        // multicast, reserved, broadcast
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "ff02::1",
        // documentation, benchmarks, 6to4 relays, discard
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "198.19.255.255",
        "192.88.99.1",
        "2001:db8::1",
        "3fff::1",
        "100::1",
        // an inner IPv4 address in an IPv6 one: mapped, compatible, translated, NAT64, 6to4, Teredo
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "2001::1",
        "2001:0:7f00:1::",
    ] {
        assert!(!public(address), "{address}");
    }
}

#[test]
fn public_addresses_are_public() {
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.128.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "192.167.255.255",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        assert!(public(address), "{address}");
    }
}

/// Private addresses, as a caller might write them.
const PRIVATE: [&str; 14] = [
    "http://127.0.0.1/a",
    "http://127.1/a",
    "http://2130706433/a",
    "http://0x7f.1/a",
    "http://0177.0.0.1/a",
    "http://%31%32%37.0.0.1/a",
    "http://１２７.0.0.1/a",
    "http://user@127.0.0.1/a",
    "http://[::1]:80/a",
    "http://[::ffff:7f00:1]/a",
    "http://[64:ff9b::7f00:1]/a",
    "http://169.254.169.254/latest/meta-data/",
    "http://0/a",
    "https://10.0.0.1/a",
];

#[test]
fn numeric_addresses_are_checked_before_the_request() {
    for url in PRIVATE {
        assert!(
            !allowed(&url.parse().unwrap(), AddressScope::Public),
            "{url}"
        );
    }
    assert!(allowed(&PRIVATE[0].parse().unwrap(), AddressScope::Any));
    let name = "https://example.org/a".parse().unwrap();
    assert!(allowed(&name, AddressScope::Public));
}

/// A web server in the role of a public one: it redirects `/to`, has no other page, and records the
/// path of each request.
struct Web {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Resolves `public.test` to loopback, where [`Web`] is, and every other name as the gateway does.
struct TestResolver;

impl Resolve for TestResolver {
    fn resolve(&self, name: Name) -> Resolving {
        if name.as_str() != "public.test" {
            return Resolver::new(AddressScope::Public, Lookups::of_process()).resolve(name);
        }
        let addresses: Addrs = Box::new([SocketAddr::from(([127, 0, 0, 1], 0))].into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

impl Web {
    async fn redirecting_to(to: impl FnOnce(u16) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::default();
        tokio::spawn(serve(listener, to(port), Arc::clone(&requests)));
        Web { port, requests }
    }

    async fn fetch(&self) -> Error {
        let fetcher = Fetcher::with_resolver(AddressScope::Public, Arc::new(TestResolver)).unwrap();
        let url = format!("http://public.test:{}/to", self.port);
        rejected(&fetcher, "t", &url).await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, to: String, requests: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let status = match path.as_str() {
            "/to" => "302 Found",
            _ => "404 Not Found",
        };
        requests.lock().unwrap().push(path);
        let response = format!(
            "HTTP/1.1 {status}\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(response.as_bytes()).await.unwrap();
    }
}

async fn rejected(fetcher: &Fetcher, tenant: &str, url: &str) -> Error {
    let url = ImageUrl::new(url, ImageLimits::VENDOR).unwrap();
    fetcher.fetch(&call(tenant), &url).await.unwrap_err()
}

fn call(tenant: &str) -> Call {
    let timeout = Duration::from_secs(30);
    Call {
        tenant: Arc::new(Tenant {
            name: tenant.to_owned(),
            libraries: Vec::new(),
            weight: 1,
            read_only: false,
        }),
        request_id: RequestId::default(),
        deadline: tokio::time::Instant::now() + timeout,
        stream_deadline: None,
        timeout,
        bulk: false,
        permit: Default::default(),
        stats: CallStats::default(),
        trace: CallTrace::default(),
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_rejected() {
    // A header holds ASCII.
    let private = PRIVATE.into_iter().filter(|url| url.is_ascii());
    for target in private {
        let web = Web::redirecting_to(|_| target.to_owned()).await;

        let rejected = web.fetch().await;

        assert_eq!(rejected.kind(), Kind::UrlUnreachable, "{target}");
        assert!(rejected.message().contains("not public"), "{target}");
    }
    // Not followed by the client at all.
    for target in ["file:///etc/passwd", "ftp://public.test/a"] {
        let web = Web::redirecting_to(|_| target.to_owned()).await;

        let rejected = web.fetch().await;

        assert_eq!(rejected.kind(), Kind::UrlUnreachable, "{target}");
        assert_eq!(web.requests(), ["/to"], "{target}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_name_or_address_sends_no_request() {
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0"] {
        let web = Web::redirecting_to(|port| format!("http://{host}:{port}/private")).await;

        let rejected = web.fetch().await;

        assert_eq!(rejected.kind(), Kind::UrlUnreachable, "{host}");
        assert_eq!(web.requests(), ["/to"], "{host}");
    }
}

#[tokio::test]
async fn redirects_among_public_hosts_are_followed_three_times() {
    let once = Web::redirecting_to(|port| format!("http://public.test:{port}/there")).await;
    let looping = Web::redirecting_to(|port| format!("http://public.test:{port}/to")).await;

    let not_found = once.fetch().await;
    let too_often = looping.fetch().await;

    assert!(not_found.message().contains("404"), "{not_found}");
    assert_eq!(once.requests(), ["/to", "/there"]);
    assert_eq!(too_often.kind(), Kind::UrlUnreachable);
    assert_eq!(looping.requests().len(), 1 + MAX_REDIRECTS);
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_gets_no_request() {
    let web = Web::redirecting_to(|_| String::new()).await;
    let port = web.port;
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let fetcher = Fetcher::new(AddressScope::Public).unwrap();

        let rejected = rejected(&fetcher, "t", &format!("http://{host}:{port}/to")).await;

        assert_eq!(rejected.kind(), Kind::UrlUnreachable, "{host}");
    }
    assert!(web.requests().is_empty());

    let trusting = Fetcher::new(AddressScope::Any).unwrap();
    rejected(&trusting, "t", &format!("http://localhost:{port}/there")).await;
    assert_eq!(web.requests(), ["/there"], "the name does resolve to it");
}
