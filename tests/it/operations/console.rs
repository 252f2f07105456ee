//! The web console at the gRPC port: what is served, with which headers, and where it is off.
//!
//! `make console` drives its pages in a browser.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use crate::support::gateway::Gateway;

/// Maximum of all files together: a page that loads at once over a slow line.
const MAX_BYTES: u64 = 200 * 1024;

async fn get(gateway: &Gateway, path: &str, tag: Option<&str>) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let url = format!("http://{}{path}", gateway.addresses.grpc);
    let request = client.get(url);
    let request = match tag {
        Some(tag) => request.header("if-none-match", tag),
        None => request,
    };
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// The files of the console, by their path below `/console/`.
fn files() -> BTreeSet<(String, u64)> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<(String, u64)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.insert((name.to_owned(), path.metadata().unwrap().len()));
            }
        }
    }

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/assets");
    let mut found = BTreeSet::new();
    walk(&root, &root, &mut found);
    found
}

#[tokio::test]
async fn every_file_is_served_and_all_are_small() {
    let gateway = Gateway::start().await;
    let files = files();

    for (file, length) in &files {
        let response = get(&gateway, &format!("/console/{file}"), None).await;

        assert_eq!(response.status(), StatusCode::OK, "{file}");
        let kind = header(&response, "content-type").to_owned();
        let expected = match file.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(kind, expected, "{file}");
        assert_eq!(response.bytes().await.unwrap().len() as u64, *length);
    }
    let all: u64 = files.iter().map(|(_, length)| length).sum();
    assert!(files.len() > 10 && all <= MAX_BYTES, "{all}");
}

#[tokio::test]
async fn pages_may_load_and_call_nothing_of_another_origin() {
    let gateway = Gateway::start().await;

    for path in ["/console/", "/console/main.js", "/console/absent", "/"] {
        let response = get(&gateway, path, None).await;

        let policy = header(&response, "content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(&response, name), value, "{path}");
        }
        assert!(header(&response, "permissions-policy").contains("camera=(self)"));
    }
}

#[tokio::test]
async fn a_browser_keeps_a_file_until_it_changes() {
    let gateway = Gateway::start().await;
    let first = get(&gateway, "/console/style.css", None).await;
    let tag = header(&first, "etag").to_owned();

    let again = get(&gateway, "/console/style.css", Some(&tag)).await;
    let changed = get(&gateway, "/console/style.css", Some("\"other\"")).await;

    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&again, "etag"), tag);
    assert_eq!(header(&again, "cache-control"), "no-cache");
    assert_eq!(changed.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_root_of_the_port_leads_to_the_console() {
    let gateway = Gateway::start().await;

    for path in ["/", "/console"] {
        let response = get(&gateway, path, None).await;

        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(header(&response, "location"), "/console/");
    }
    let absent = get(&gateway, "/console/absent.js", None).await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_gateway_without_the_console_says_how_to_switch_it_on() {
    let mut gateway = Gateway::with_config("[console]\nenabled = false\n").await;

    let off = get(&gateway, "/console/", None).await;
    assert_eq!(off.status(), StatusCode::NOT_FOUND);
    let text = off.text().await.unwrap();
    assert!(text.contains("console.enabled = true"), "{text}");
    assert_ne!(
        get(&gateway, "/", None).await.status(),
        StatusCode::TEMPORARY_REDIRECT
    );

    gateway.reload("[console]\nenabled = true\n");
    let on = get(&gateway, "/console/", None).await;
    assert_eq!(on.status(), StatusCode::OK);
}
