//! Commands about files of the same image: search with many queries, check, compare, import
//! --only-new, against a gateway with its engine.

use std::path::Path;

use samegate::cli::Exit;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{Finished, interruptible, run, samegate};
use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Double, error_status};
use crate::support::images::{jpeg, png, variant};

async fn at(gateway: &Gateway, args: &[&str]) -> Finished {
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let args = [args, &["--endpoint", &endpoint]].concat();
    run(&args, CancellationToken::new()).await
}

/// Writes images into a folder.
fn folder(images: &[(&str, bytes::Bytes)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, image) in images {
        std::fs::write(folder.path().join(name), image).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Adds an image; returns its sign.
async fn added(gateway: &Gateway, folder: &tempfile::TempDir, name: &str) -> String {
    let file = folder.path().join(name);
    let args = ["add", text(&file), "--brief", name, "--json"];
    let added = at(gateway, &args).await.json_lines();
    added[0]["cont_sign"].as_str().unwrap().to_owned()
}

/// Returns a field of each line, by the name of its file.
fn by_file<'a>(lines: &'a [Value], field: &str) -> Vec<(&'a str, &'a Value)> {
    let name = |line: &'a Value| {
        let file = line["file"].as_str().unwrap();
        file.rsplit('/').next().unwrap()
    };
    let mut fields: Vec<_> = lines
        .iter()
        .map(|line| (name(line), &line[field]))
        .collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

#[tokio::test]
async fn many_queries_are_files_folders_and_signs() {
    let gateway = Gateway::start().await;
    let files = folder(&[
        ("a.jpg", jpeg(1)),
        ("b.png", png(2)),
        ("c.jpg", "bad".into()),
    ]);
    let stored = folder(&[("1.png", png(1)), ("2.png", variant(1, 1))]);
    let sign = added(&gateway, &stored, "1.png").await;
    added(&gateway, &stored, "2.png").await;
    let path = text(files.path());

    let found = at(&gateway, &["search", path, &sign, "--json"]).await;
    let shown = at(&gateway, &["search", path, &sign]).await;
    let one = at(&gateway, &["search", &sign, "--json"]).await;

    assert_eq!(found.exit, Exit::Failed);
    let lines = found.json_lines();
    let counts: Vec<_> = by_file(&lines, "matches")
        .into_iter()
        .map(|(name, matches)| (name, matches.as_array().map(Vec::len)))
        .collect();
    let expected = [
        (sign.as_str(), Some(1)),
        ("a.jpg", Some(2)),
        ("b.png", Some(0)),
        ("c.jpg", None),
    ];
    assert_eq!(counts, expected);
    assert!(shown.out.contains("b.png: no matches"), "{}", shown.out);
    assert!(shown.err.contains("IMAGE_FORMAT"), "{}", shown.err);
    assert_eq!(one.json_lines()[0]["matches"][0]["brief"], "2.png");
}

#[tokio::test]
async fn check_tells_stored_files_and_copies_from_new_ones() {
    let gateway = Gateway::start().await;
    let stored = folder(&[("1.png", png(1))]);
    added(&gateway, &stored, "1.png").await;
    let files = folder(&[
        ("a.jpg", jpeg(1)),
        ("b.png", png(2)),
        ("c.jpg", jpeg(2)),
        ("d.png", png(3)),
        ("e.png", png(3)),
    ]);
    let path = text(files.path());

    let found = at(&gateway, &["check", path, "--json"]).await;
    let shown = at(&gateway, &["check", path]).await;

    assert_eq!((found.exit, shown.exit), (Exit::Found, Exit::Found));
    let lines = found.json_lines();
    let expected = [
        ("a.jpg", "stored"),
        ("b.png", "new"),
        ("c.jpg", "copy"),
        ("d.png", "new"),
        ("e.png", "copy"),
    ];
    let expected: Vec<_> = expected.map(|(name, status)| (name, json!(status))).into();
    let statuses = by_file(&lines, "status");
    let statuses: Vec<_> = statuses.into_iter().map(|(n, s)| (n, s.clone())).collect();
    assert_eq!(statuses, expected);
    assert_eq!(lines[0]["matches"][0]["brief"], "1.png");
    let copy_of = lines[2]["copy_of"]["file"].as_str().unwrap();
    assert!(copy_of.ends_with("b.png"), "{copy_of}");
    assert_eq!(lines[4]["copy_of"]["score"], 1.0);
    assert!(shown.out.contains("stored"), "{}", shown.out);
    assert_eq!(
        at(&gateway, &["library", "--json"]).await.json_lines()[0]["image_count"],
        1
    );
}

#[tokio::test]
async fn check_of_new_files_exits_with_0() {
    let gateway = Gateway::start().await;
    let files = folder(&[("a.png", png(1)), ("b.png", png(2))]);

    let found = at(&gateway, &["check", text(files.path())]).await;

    assert_eq!(found.exit, Exit::Done, "{found:?}");
    // Only how far it is.
    assert!(
        found.err.lines().all(|line| line.ends_with("of 2 files")),
        "{found:?}"
    );
}

#[tokio::test]
async fn two_images_are_compared() {
    let gateway = Gateway::start().await;
    let files = folder(&[("a.jpg", jpeg(1)), ("b.png", png(1)), ("c.png", png(2))]);
    let sign = added(&gateway, &files, "b.png").await;
    let file = |name: &str| text(&files.path().join(name)).to_owned();

    let same = at(&gateway, &["compare", &file("a.jpg"), &sign, "--json"]).await;
    let other = at(&gateway, &["compare", &file("a.jpg"), &file("c.png")]).await;

    let same = &same.json_lines()[0];
    assert!(same["score"].as_f64().unwrap() > 0.75, "{same}");
    assert!(same["hash_distance"].as_u64().unwrap() <= 31, "{same}");
    assert_eq!(other.exit, Exit::Done);
    assert!(
        other.out.starts_with("score          0.0 %\n"),
        "{}",
        other.out
    );
}

#[tokio::test]
async fn an_import_of_only_new_images_leaves_copies_out_and_a_later_one_adds_them() {
    let gateway = Gateway::start().await;
    let stored = folder(&[("1.png", png(1))]);
    let sign = added(&gateway, &stored, "1.png").await;
    let files = folder(&[
        ("a.jpg", jpeg(1)),
        ("b.png", png(2)),
        ("c.jpg", jpeg(2)),
        ("d.png", png(3)),
    ]);
    let args = ["import", text(files.path()), "--only-new", "--json", "-q"];

    let first = at(&gateway, &args).await;
    let again = at(&gateway, &args).await;
    at(&gateway, &["delete", &sign]).await;
    let after_deletion = at(&gateway, &args).await;
    let all = at(&gateway, &["import", text(files.path()), "--json", "-q"]).await;

    let counts = |finished: &Finished| {
        let summary = finished.json_lines().pop().unwrap();
        ["added", "matched", "skipped", "failed"].map(|key| summary[key].as_u64().unwrap())
    };
    assert_eq!(first.exit, Exit::Done, "{}", first.err);
    assert_eq!(counts(&first), [2, 2, 0, 0]);
    assert_eq!(counts(&again), [0, 2, 2, 0]);
    assert_eq!(counts(&after_deletion), [1, 1, 2, 0]);
    assert_eq!(counts(&all), [1, 0, 3, 0]);
}

#[tokio::test]
async fn an_added_image_is_shown_with_its_matches() {
    let gateway = Gateway::start().await;
    let files = folder(&[("a.jpg", jpeg(1)), ("b.png", png(1))]);
    let sign = added(&gateway, &files, "b.png").await;
    let file = files.path().join("a.jpg");

    let rejected = at(&gateway, &["add", text(&file), "--on-match", "reject"]).await;
    let reported = at(&gateway, &["add", text(&file), "--on-match", "report"]).await;

    assert_eq!(rejected.exit, Exit::Failed);
    assert!(
        rejected.err.contains("SAME_IMAGE_EXISTS"),
        "{}",
        rejected.err
    );
    assert!(reported.out.contains(&sign), "{}", reported.out);
}

#[tokio::test]
async fn a_query_that_fails_for_a_transient_reason_is_sent_again() {
    let double = Double::start();
    let busy = || error_status(Code::Unavailable, "VENDOR_BUSY");
    let bad = || error_status(Code::InvalidArgument, "IMAGE_FORMAT");
    double.store.lock().unwrap().errors = [
        ("0".to_owned(), [busy(), busy()].into()),
        ("1".to_owned(), [busy(), busy(), busy()].into()),
        ("2".to_owned(), [bad()].into()),
    ]
    .into();

    let found = samegate(&double, &["search", "1,1", "1,2", "1,3", "1,4", "--json"]).await;

    assert_eq!(found.exit, Exit::Failed, "{found:?}");
    let lines = found.json_lines();
    let failed: Vec<bool> = lines.iter().map(|line| !line["error"].is_null()).collect();
    assert_eq!(
        failed.iter().filter(|failed| **failed).count(),
        2,
        "{lines:?}"
    );
    // Three, three, one and one.
    assert_eq!(double.store.lock().unwrap().items_read, 8);
}

#[tokio::test]
async fn an_interrupted_check_says_so() {
    let double = Double::start();
    let files = folder(&[("a.jpg", jpeg(1))]);
    let interrupt = CancellationToken::new();
    interrupt.cancel();

    let checked = interruptible(&double, &["check", text(files.path())], interrupt).await;

    assert_eq!(checked.exit, Exit::Interrupted, "{checked:?}");
}
