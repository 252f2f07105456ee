use super::*;

const MISDIRECTED: u16 = 421;
const BAD_REQUEST: u16 = 400;
const FORBIDDEN: u16 = 403;
const SERVED: u16 = 200;

fn policy(is_loopback: bool, hosts: &[&str], origins: &[&str]) -> Policy {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    Policy {
        port: Port::Rest,
        is_loopback,
        hosts: owned(hosts),
        origins: owned(origins),
    }
}

fn request(uri: &str, version: Version, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri(uri).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn status(policy: &Policy, request: &Request<()>) -> u16 {
    match policy.judge(request) {
        Verdict::Serve | Verdict::ServeListed(_) => SERVED,
        Verdict::Preflight(_) => StatusCode::NO_CONTENT.as_u16(),
        Verdict::Reject(rejection) => rejection.status().as_u16(),
    }
}

fn of_host(policy: &Policy, host: &str) -> u16 {
    status(policy, &request("/", Version::HTTP_11, &[("host", host)]))
}

#[test]
fn a_loopback_listener_serves_loopback_and_configured_hosts_only() {
    let policy = policy(true, &["gateway.test"], &[]);

    for host in [
        "localhost",
        "LocalHost:8080",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.8.0.1",
        "[::1]",
        "[::1]:50051",
        "gateway.test:443",
        "Gateway.Test.",
    ] {
        assert_eq!(of_host(&policy, host), SERVED, "{host}");
    }
    for host in [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "10.0.0.1",
        "[::]",
        "[::ffff:127.0.0.1]",
        "sub.gateway.test",
        "gateway.test..",
    ] {
        assert_eq!(of_host(&policy, host), MISDIRECTED, "{host}");
    }
}

#[test]
fn another_listener_serves_every_host_until_some_are_configured() {
    let (open, named) = (policy(false, &[], &[]), policy(false, &["svc"], &[]));

    for host in [
        "samegate.default.svc",
        "10.0.0.1:9090",
        "[fe80::1]",
        "evil.test",
    ] {
        assert_eq!(of_host(&open, host), SERVED, "{host}");
    }
    // Probes call a pod by its address, which no name server can point elsewhere.
    for host in ["svc:8080", "10.0.0.1:9090", "[fe80::1]:1", "localhost:1"] {
        assert_eq!(of_host(&named, host), SERVED, "{host}");
    }
    assert_eq!(of_host(&named, "evil.test"), MISDIRECTED);
}

#[test]
fn a_request_names_exactly_one_valid_host() {
    let policy = policy(false, &[], &[]);

    for (uri, version, headers) in [
        ("/", Version::HTTP_11, &[][..]),
        ("/", Version::HTTP_10, &[]),
        ("/", Version::HTTP_2, &[]),
        ("http://localhost/", Version::HTTP_11, &[]),
        ("/", Version::HTTP_11, &[("host", "")]),
        ("/", Version::HTTP_11, &[("host", ":80")]),
        ("/", Version::HTTP_11, &[("host", "a b")]),
        ("/", Version::HTTP_11, &[("host", "evil.test@localhost")]),
        ("/", Version::HTTP_11, &[("host", "a"), ("host", "a")]),
        ("http://a/", Version::HTTP_11, &[("host", "b")]),
        ("http://a/", Version::HTTP_2, &[("host", "b")]),
    ] {
        let request = request(uri, version, headers);
        assert_eq!(status(&policy, &request), BAD_REQUEST, "{request:?}");
    }
    for (uri, version, headers) in [
        ("http://a:1/", Version::HTTP_2, &[][..]),
        ("http://a:1/", Version::HTTP_2, &[("host", "A:1")]),
        ("http://a/", Version::HTTP_11, &[("host", "a")]),
    ] {
        let request = request(uri, version, headers);
        assert_eq!(status(&policy, &request), SERVED, "{request:?}");
    }
}

#[test]
fn an_origin_is_served_if_it_is_that_of_the_host_or_listed() {
    let policy = policy(true, &["gateway.test"], &["https://app.test"]);
    let of = |host: &str, headers: &[(&str, &str)]| {
        let headers = [&[("host", host)], headers].concat();
        status(&policy, &request("/", Version::HTTP_11, &headers))
    };

    for (host, origin, expected) in [
        ("localhost:8080", "http://localhost:8080", SERVED),
        ("gateway.test", "https://gateway.test", SERVED),
        ("gateway.test:443", "https://gateway.test", SERVED),
        ("gateway.test", "http://gateway.test:80", SERVED),
        ("localhost:8080", "https://app.test", SERVED),
        ("localhost:8080", "http://localhost:3000", FORBIDDEN),
        ("localhost:8080", "http://127.0.0.1:8080", FORBIDDEN),
        ("gateway.test:80", "https://gateway.test", FORBIDDEN),
        ("localhost:8080", "http://app.test", FORBIDDEN),
        ("localhost:8080", "https://app.test.evil.test", FORBIDDEN),
        ("localhost:8080", "null", FORBIDDEN),
        ("localhost:8080", "", FORBIDDEN),
        ("localhost:8080", "ftp://localhost:8080", FORBIDDEN),
    ] {
        assert_eq!(of(host, &[("origin", origin)]), expected, "{host} {origin}");
    }
    for (site, expected) in [
        ("same-origin", SERVED),
        ("none", SERVED),
        ("same-site", FORBIDDEN),
        ("cross-site", FORBIDDEN),
    ] {
        let site = ("sec-fetch-site", site);
        assert_eq!(of("localhost:80", &[site]), expected, "{site:?}");
        let listed = [site, ("origin", "https://app.test")];
        assert_eq!(of("localhost:80", &listed), SERVED, "{listed:?}");
        let own = [site, ("origin", "http://localhost:80")];
        assert_eq!(of("localhost:80", &own), expected, "{own:?}");
    }
    // A listed origin does not make up for a foreign host.
    let listed = ("origin", "https://app.test");
    assert_eq!(of("evil.test", &[listed]), MISDIRECTED);
}

#[test]
fn a_link_of_another_site_opens_a_window_at_the_grpc_port_only() {
    let of = |port, method: &str, path: &str, headers: &[(&str, &str)]| {
        let policy = Policy {
            port,
            ..policy(true, &[], &[])
        };
        let headers = [&[("host", "localhost")], headers].concat();
        let mut request = request(path, Version::HTTP_11, &headers);
        *request.method_mut() = method.parse().unwrap();
        status(&policy, &request)
    };
    let link = |site, mode, dest| {
        [
            ("sec-fetch-site", site),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", dest),
        ]
    };

    for site in ["cross-site", "same-site"] {
        let opened = link(site, "navigate", "document");
        assert_eq!(of(Port::Grpc, "GET", "/console/", &opened), SERVED);
        for port in [Port::Rest, Port::Admin] {
            assert_eq!(of(port, "GET", "/", &opened), FORBIDDEN, "{port:?}");
        }
        // A form of another page, and what loads something into a page.
        assert_eq!(of(Port::Grpc, "POST", "/console/", &opened), FORBIDDEN);
        let from = [&opened[..], &[("origin", "https://evil.test")]].concat();
        assert_eq!(of(Port::Grpc, "GET", "/console/", &from), FORBIDDEN);
        for (mode, dest) in [
            ("navigate", "iframe"),
            ("navigate", "embed"),
            ("no-cors", "script"),
            ("cors", "empty"),
            ("websocket", "websocket"),
        ] {
            let loaded = link(site, mode, dest);
            let found = of(Port::Grpc, "GET", "/console/", &loaded);
            assert_eq!(found, FORBIDDEN, "{mode} {dest}");
        }
        // No call is made by GET.
        let method = of(Port::Grpc, "GET", "/package.Service/Method", &opened);
        assert_eq!(method, 405);
    }
}

#[test]
fn the_grpc_port_serves_content_types_of_grpc_and_connect_only() {
    let grpc = Policy {
        port: Port::Grpc,
        ..policy(true, &[], &["https://app.test"])
    };
    let of = |method: &str, headers: &[(&str, &str)]| {
        let headers = [&[("host", "localhost")], headers].concat();
        let mut request = request("/", Version::HTTP_11, &headers);
        *request.method_mut() = method.parse().unwrap();
        status(&grpc, &request)
    };

    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "Application/gRPC",
        "application/grpc-web-text",
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/proto",
        "application/connect+json",
        "application/connect+proto",
    ] {
        assert_eq!(of("POST", &[("content-type", kind)]), SERVED, "{kind}");
    }
    for kind in [
        "application/jsonp",
        "application/connect",
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/plain; application/json",
        "",
    ] {
        for origin in [&[][..], &[("origin", "https://app.test")]] {
            let headers = [&[("content-type", kind)], origin].concat();
            assert_eq!(of("POST", &headers), 415, "{headers:?}");
        }
    }
    assert_eq!(of("POST", &[]), 415);
    assert_eq!(of("GET", &[]), SERVED);
}

#[test]
fn the_grpc_port_serves_its_methods_to_post_only() {
    let grpc = Policy {
        port: Port::Grpc,
        ..policy(true, &[], &["https://app.test"])
    };
    let of = |method: &str, path: &str| {
        let headers = [("host", "localhost"), ("content-type", "application/json")];
        let mut request = request(path, Version::HTTP_11, &headers);
        *request.method_mut() = method.parse().unwrap();
        status(&grpc, &request)
    };

    let path = "/samegate.v1.SameImageService/GetLibrary";
    assert_eq!(of("POST", path), SERVED);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(of(method, path), 405, "{method}");
    }
    for path in ["/", "/openapi.json", "/folder/file.js", "/v1.0"] {
        assert_eq!(of("GET", path), SERVED, "{path}");
    }
}

#[test]
fn a_listed_page_only_reads_the_admin_port() {
    let admin = Policy {
        port: Port::Admin,
        ..policy(true, &[], &["https://app.test"])
    };
    let headers = [("host", "localhost"), ("origin", "https://app.test")];
    let mut request = request("/", Version::HTTP_11, &headers);

    assert_eq!(status(&admin, &request), SERVED);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        *request.method_mut() = method;
        assert_eq!(status(&admin, &request), FORBIDDEN, "{request:?}");
    }
}
