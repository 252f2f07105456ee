//! Each failure of a cluster is one clear error, and never a shorter list of matches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use samegate::call::Call;
use samegate::config::{ClusterAuth, OpenSearch};
use samegate::error::Kind;
use samegate::library::Library;
use samegate::library::opensearch::OpenSearchBackend;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::contract::{Fixture, call};
use crate::support::backends::{opensearch_fixture, opensearch_library};
use crate::support::images::{jpeg, png, small_png};
use crate::support::opensearch::{Node, library, shared};
use crate::support::probe::until;

/// A library with one image.
async fn filled() -> (&'static Node, OpenSearch, Fixture) {
    let node = shared();
    let config = library(node);
    OpenSearchBackend::create(&config).await.unwrap();
    let fixture = opensearch_fixture(&config);
    fixture.add(png(1), "sunset", &[]).await;
    (node, config, fixture)
}

/// Returns the error of a search.
async fn search_error(fixture: &Fixture) -> samegate::error::Error {
    use samegate::domain::{RawSource, Search, TagLogic};
    let source = RawSource::Content(jpeg(1));
    let query = Search::new(source, &[], TagLogic::And, (0, 0), 0.0).unwrap();
    let found = fixture.library.search(&call(), query).await;
    found.unwrap_err()
}

async fn set(node: &Node, config: &OpenSearch, settings: Value) {
    let path = format!("{}/_settings", config.index);
    let (status, response) = node.request("PUT", &path, Some(settings)).await;
    assert_eq!(status, 200, "{response}");
}

#[tokio::test]
async fn a_missing_index_is_named_and_never_made_by_a_write() {
    let node = shared();
    let config = library(node);
    let fixture = opensearch_fixture(&config);

    let missing = fixture.try_add(png(1), "", &[]).await.unwrap_err();

    assert_eq!(missing.kind(), Kind::ClusterSetup);
    assert!(
        missing.message().contains("samegate library init"),
        "{missing}"
    );

    // One that is deleted while gateways use it.
    OpenSearchBackend::create(&config).await.unwrap();
    fixture.add(png(1), "", &[]).await;
    let (status, _) = node
        .request("DELETE", &format!("{}-*", config.index), None)
        .await;
    assert_eq!(status, 200);
    let gone = fixture.try_add(png(2), "", &[]).await.unwrap_err();
    assert_eq!(gone.kind(), Kind::ClusterSetup);
    assert_eq!(search_error(&fixture).await.kind(), Kind::ClusterSetup);
    assert_eq!(node.request("GET", &config.index, None).await.0, 404);
}

#[tokio::test]
async fn an_index_of_another_codebook_is_not_opened() {
    let node = shared();
    let config = library(node);
    let marker = json!({ "mapping": 1, "codebook": "00000001", "library": "0123456789abcdef" });
    let body = json!({
        "aliases": { config.index.as_str(): {} },
        "mappings": { "_meta": { "samegate": marker } },
    });
    let path = format!("{}-00000001-1", config.index);
    assert_eq!(node.request("PUT", &path, Some(body)).await.0, 200);

    let error = OpenSearchBackend::check(&config).await.unwrap_err();

    assert_eq!(error.kind(), Kind::ClusterSetup);
    assert!(
        error.message().contains("add the image files again"),
        "{error}"
    );
}

#[tokio::test]
async fn a_cluster_that_allows_too_few_terms_is_told_the_setting() {
    let node = Node::start(&["discovery.type=single-node"]);
    let config = library(&node);

    let error = OpenSearchBackend::create(&config).await.unwrap_err();

    assert_eq!(error.kind(), Kind::ClusterSetup);
    let setting = "`indices.query.bool.max_clause_count` to 16384";
    assert!(error.message().contains(setting), "{error}");
}

#[tokio::test]
async fn on_a_full_disk_images_are_found_and_deleted_and_not_added() {
    let (node, config, fixture) = filled().await;
    set(
        node,
        &config,
        json!({ "index.blocks.read_only_allow_delete": true }),
    )
    .await;

    let full = fixture.try_add(png(2), "", &[]).await.unwrap_err();

    assert_eq!(full.kind(), Kind::DiskFull, "{full}");
    assert_eq!(fixture.search(jpeg(1), (0, 0)).await.matches.len(), 1);

    set(
        node,
        &config,
        json!({ "index.blocks.read_only_allow_delete": null }),
    )
    .await;
    fixture.add(png(2), "", &[]).await;
}

#[tokio::test]
async fn a_closed_index_is_an_error_of_the_set_up() {
    let (node, config, fixture) = filled().await;
    let path = format!("{}/_close", config.index);
    assert_eq!(node.request("POST", &path, None).await.0, 200);

    assert_eq!(search_error(&fixture).await.kind(), Kind::ClusterSetup);
    let rejected = fixture.try_add(png(2), "", &[]).await.unwrap_err();
    assert_eq!(rejected.kind(), Kind::ClusterSetup);
}

/// Starts a server that gives every request the same response.
async fn double(status: u16, headers: Vec<(&'static str, String)>, body: String) -> String {
    let respond = move || {
        let headers = headers.clone();
        let response = (StatusCode::from_u16(status).unwrap(), body.clone());
        async move {
            let mut response = response.into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
    url
}

async fn error_at(url: String) -> samegate::error::Error {
    let config = OpenSearch {
        urls: vec![url.parse().unwrap()],
        auth: ClusterAuth::Basic {
            username: "samegate".to_owned(),
            password: "open sesame".to_owned().into(),
        },
        ..library(shared())
    };
    let backend = opensearch_library(&config);
    let error = backend.warm_up().await.unwrap_err();
    let shown = format!("{error:?} {backend:?} {config:?}");
    assert!(
        !shown.contains("sesame") && !shown.contains(&url),
        "{shown}"
    );
    error
}

#[tokio::test]
async fn every_rejection_of_a_cluster_has_its_class() {
    let of_type = |kind: &str| json!({ "error": { "type": kind }, "status": 0 }).to_string();
    for (status, body, expected) in [
        (401, "Unauthorized".to_owned(), Kind::ClusterSetup),
        (403, of_type("security_exception"), Kind::ClusterSetup),
        (
            429,
            of_type("rejected_execution_exception"),
            Kind::ClusterBusy,
        ),
        (
            429,
            of_type("circuit_breaking_exception"),
            Kind::ClusterBusy,
        ),
        (
            503,
            of_type("no_shard_available_action_exception"),
            Kind::ClusterUnavailable,
        ),
        (502, "<html>".to_owned(), Kind::ClusterUnavailable),
        (200, "<html>".to_owned(), Kind::ClusterSetup),
        (400, of_type("parsing_exception"), Kind::ClusterSetup),
    ] {
        let error = error_at(double(status, Vec::new(), body).await).await;
        assert_eq!(error.kind(), expected, "{status}: {error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_credentials() {
    let elsewhere = double(200, Vec::new(), "{}".to_owned()).await;
    let location = vec![("location", elsewhere)];

    let error = error_at(double(302, location, String::new()).await).await;

    assert_eq!(error.kind(), Kind::ClusterSetup);
}

#[tokio::test]
async fn a_cluster_that_is_down_is_unavailable() {
    // A port that nothing listens at.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);

    let error = error_at(url).await;

    assert_eq!(error.kind(), Kind::ClusterUnavailable);
    assert!(error.message().contains("could not be reached"), "{error}");
}

/// Starts a double of a cluster with the index of a library, in which searches by candidates never
/// end; returns how many run.
async fn hanging(config: &OpenSearch) -> (String, Arc<AtomicUsize>) {
    let (status, index) = shared().request("GET", &config.index, None).await;
    assert_eq!(status, 200);
    let running = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&running);
    let respond = move |request: axum::extract::Request| {
        let (index, count) = (index.clone(), Arc::clone(&count));
        async move {
            if request.uri().path().ends_with("/_msearch") {
                count.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            let shards = json!({ "total": 1, "successful": 1, "failed": 0 });
            match *request.method() == axum::http::Method::GET {
                true => axum::Json(index),
                false => axum::Json(json!({ "timed_out": false, "_shards": shards })),
            }
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
    (url, running)
}

#[tokio::test]
async fn searches_that_hang_are_bounded_and_bulk_ones_leave_room_for_single_ones() {
    use samegate::domain::{RawSource, Search, TagLogic};
    let (_, config, _) = filled().await;
    let (url, running) = hanging(&config).await;
    let config = OpenSearch {
        urls: vec![url.parse().unwrap()],
        ..config
    };
    let library = opensearch_fixture(&config).library;
    let search = |bulk: bool| {
        let library = Arc::clone(&library);
        let source = RawSource::Content(small_png(1));
        let query = Search::new(source, &[], TagLogic::And, (0, 0), 0.0).unwrap();
        tokio::spawn(async move {
            let call = Call { bulk, ..call() };
            library.search(&call, query).await
        })
    };
    let count = async |expected| {
        until("the slots are used", async || {
            running.load(Ordering::SeqCst) == expected
        })
        .await;
    };

    let bulk: Vec<_> = (0..12).map(|_| search(true)).collect();
    count(8).await;
    let single: Vec<_> = (0..30).map(|_| search(false)).collect();
    count(8 + 24).await;

    // A caller that goes away frees its slot.
    bulk.iter().chain(&single).for_each(|search| search.abort());
    let next = search(true);
    count(8 + 24 + 1).await;
    next.abort();
}
