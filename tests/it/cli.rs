//! The command line against a gateway's double, over real sockets.

mod connection;
mod dedupe;
mod filters;
mod import;
mod resume;
mod same_images;
mod scale;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser;
use samegate::cli::{Cli, Command, Exit, Output, run_with};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Double, error_status};

/// The result of a command.
#[derive(Debug)]
struct Finished {
    exit: Exit,
    out: String,
    err: String,
}

impl Finished {
    fn json_lines(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs `samegate ARGS --endpoint …`.
async fn samegate(double: &Double, args: &[&str]) -> Finished {
    interruptible(double, args, CancellationToken::new()).await
}

async fn interruptible(double: &Double, args: &[&str], interrupt: CancellationToken) -> Finished {
    let endpoint = double.endpoint();
    run(&[args, &["--endpoint", &endpoint]].concat(), interrupt).await
}

async fn run(args: &[&str], interrupt: CancellationToken) -> Finished {
    let line = [&["samegate"], args].concat();
    let Command::Client(command) = Cli::try_parse_from(line).unwrap().command else {
        panic!("{args:?} is no client command");
    };
    let (out, err) = (Buffer::default(), Buffer::default());
    let mut output = Output::new(out.clone(), err.clone());
    let exit = run_with(command, &mut output, interrupt).await;
    Finished {
        exit,
        out: out.text(),
        err: err.text(),
    }
}

/// Makes a folder with this many different "images" of the given size.
fn images(count: usize, size: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        write_image(folder.path(), &name(number), &number.to_string(), size);
    }
    folder
}

fn write_image(folder: &Path, name: &str, content: &str, size: usize) {
    std::fs::write(folder.join(name), format!("{content:>size$}")).unwrap();
}

fn name(number: usize) -> String {
    format!("{number:04}.jpg")
}

fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().unwrap()
}

fn brief(folder: &tempfile::TempDir, number: usize) -> String {
    folder.path().join(name(number)).display().to_string()
}

fn all_briefs(folder: &tempfile::TempDir, count: usize) -> Vec<String> {
    (0..count).map(|number| brief(folder, number)).collect()
}

/// Makes the double fail the next image with this brief.
fn fail_next(double: &Double, brief: &str, code: Code, reason: &str) {
    let mut state = double.store.lock().unwrap();
    let statuses = [error_status(code, reason)].into();
    state.errors.insert(brief.to_owned(), statuses);
}

#[tokio::test]
async fn add_continues_after_a_failure_and_exits_with_1() {
    let double = Double::start();
    let folder = images(2, 100);
    let (first, second) = (brief(&folder, 0), brief(&folder, 1));
    fail_next(&double, &first, Code::InvalidArgument, "IMAGE_FORMAT");

    let ran = samegate(
        &double,
        &["add", &first, "missing.jpg", &second, &second, "--json"],
    )
    .await;

    assert_eq!(ran.exit, Exit::Failed);
    let lines = ran.json_lines();
    assert_eq!(lines[0]["error"]["reason"], "IMAGE_FORMAT");
    assert_eq!(lines[0]["error"]["code"], "INVALID_ARGUMENT");
    assert_eq!(lines[1]["file"], "missing.jpg");
    assert!(
        lines[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("cannot read")
    );
    assert_eq!(
        (&lines[2]["existed"], &lines[3]["existed"]),
        (&false.into(), &true.into())
    );
    assert_eq!(lines[2]["cont_sign"], lines[3]["cont_sign"]);
    assert_eq!(double.briefs(), [second]);
}

#[tokio::test]
async fn search_shows_matches_to_people_and_programs() {
    let double = Double::start();
    let folder = images(1, 100);
    let file = brief(&folder, 0);
    let nothing = samegate(&double, &["search", &file]).await;
    samegate(
        &double,
        &["add", &file, "--brief", "evil\u{1b}[2J", "--tag", "7"],
    )
    .await;

    let people = samegate(&double, &["search", &file]).await;
    let programs = samegate(&double, &["search", &file, "--json"]).await;

    assert_eq!((nothing.exit, nothing.out.as_str()), (Exit::Done, ""));
    assert!(people.out.contains("98.7 %"), "{people:?}");
    assert!(people.out.contains("evil\\u{1b}[2J"), "{people:?}");
    let found = &programs.json_lines()[0];
    assert_eq!(found["matches"][0]["brief"], "evil\u{1b}[2J");
    assert_eq!(found["matches"][0]["tags"][0], 7);
    assert_eq!(found["has_more"], false);
}

#[tokio::test]
async fn images_are_listed_updated_shown_and_deleted() {
    let double = Double::start();
    let folder = images(5, 100);
    samegate(&double, &["import", path(&folder)]).await;

    let listed = samegate(&double, &["list", "--json"]).await.json_lines();
    assert_eq!(listed.len(), 5);
    let sign = listed[0]["cont_sign"].as_str().unwrap();
    let few = samegate(&double, &["list", "--limit", "3"]).await;
    assert_eq!(few.out.lines().count(), 1 + 3, "{few:?}");

    let updated = samegate(
        &double,
        &["update", "--sign", sign, "--brief", "new", "--tag", "3"],
    )
    .await;
    assert_eq!(updated.exit, Exit::Done);
    let [thumbnail, preview] = ["t.jpg", "p.jpg"].map(|name| folder.path().join(name));
    let args = [
        "get",
        sign,
        "--json",
        "--thumbnail",
        thumbnail.to_str().unwrap(),
        "--preview",
        preview.to_str().unwrap(),
    ];
    let record = &samegate(&double, &args).await.json_lines()[0];
    assert_eq!(
        (&record["brief"], &record["tags"][0]),
        (&"new".into(), &3.into())
    );
    assert_eq!(std::fs::read(&thumbnail).unwrap(), b"thumbnail");
    assert_eq!(std::fs::read(&preview).unwrap(), b"preview");

    let deleted = samegate(&double, &["delete", sign, "unknown"]).await;
    assert_eq!(deleted.exit, Exit::Failed);
    assert!(deleted.out.contains(sign) && deleted.err.contains("[IMAGE_NOT_FOUND]"));
    let library = &samegate(&double, &["library", "--json"]).await.json_lines()[0];
    assert_eq!(library["image_count"], 4);
    assert_eq!(library["id"], "00c0ffee00c0ffee");

    let file = samegate(&double, &["delete", thumbnail.to_str().unwrap()]).await;
    assert!(file.err.contains("with --file"), "{file:?}");
}

#[tokio::test]
async fn a_key_is_sent_and_never_shown() {
    let double = Double::start();
    let expected = "Bearer canary-4711".to_owned();
    double.store.lock().unwrap().authorization = Some(expected);
    let folder = images(1, 100);
    let file = brief(&folder, 0);
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "canary-4711\n").unwrap();

    let without = samegate(&double, &["add", &file]).await;
    let wrong = samegate(&double, &["add", &file, "--api-key", "canary-0815"]).await;
    let with = samegate(&double, &["add", &file, "--api-key", "canary-4711"]).await;
    let args = ["add", &file, "--api-key-file", key_file.to_str().unwrap()];
    let from_file = samegate(&double, &args).await;

    assert_eq!(without.exit, Exit::Failed);
    assert!(without.err.contains("SAMEGATE_API_KEY"), "{without:?}");
    assert_eq!(wrong.exit, Exit::Failed);
    assert_eq!((with.exit, from_file.exit), (Exit::Done, Exit::Done));
    for ran in [without, wrong, with, from_file] {
        assert!(
            !format!("{}{}", ran.out, ran.err).contains("canary"),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn a_new_key_is_accepted_by_a_gateway_that_has_its_hash() {
    let shown = run(&["key", "new", "--json"], CancellationToken::new()).await;
    let made = &shown.json_lines()[0];
    let (key, hash) = (made["key"].as_str().unwrap(), &made["hash"]);
    let gateway = Gateway::with_config(&format!(
        "[tenants.shop]\nlibraries = [\"default\"]\napi_keys = [{hash}]\n"
    ))
    .await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let call = async |key: &str| {
        let args = ["library", "--endpoint", &endpoint, "--api-key", key];
        run(&args, CancellationToken::new()).await.exit
    };

    assert_eq!(call(key).await, Exit::Done);
    assert_eq!(call(&key.replace("sg_", "")).await, Exit::Failed);
    assert_eq!(call(hash.as_str().unwrap()).await, Exit::Failed);
}

#[tokio::test]
async fn each_new_key_is_different_and_shown_once() {
    let make = || run(&["key", "new"], CancellationToken::new());
    let (first, second) = (make().await, make().await);
    let key = first.out.lines().next().unwrap();
    let (label, key) = key.split_once("sg_").unwrap();

    assert_eq!((label, key.len()), ("key   ", 64));
    assert!(
        key.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{first:?}"
    );
    assert_eq!(first.out.matches(key).count(), 1);
    assert!(first.out.contains("\nhash  sha256:"), "{first:?}");
    assert!(first.err.contains("only now"), "{first:?}");
    assert!(!second.out.contains(key), "{second:?}");
}

#[tokio::test]
async fn health_is_the_exit_status() {
    let double = Double::start();

    let whole = samegate(&double, &["health"]).await;
    let stopping = samegate(&double, &["health", "--service", "stopping", "--json"]).await;
    let unknown = samegate(&double, &["health", "--service", "unknown"]).await;

    assert_eq!((whole.exit, whole.out.as_str()), (Exit::Done, "SERVING\n"));
    assert_eq!(stopping.exit, Exit::Failed);
    assert_eq!(stopping.json_lines()[0]["status"], "NOT_SERVING");
    assert_eq!(unknown.exit, Exit::Failed);
}

#[tokio::test]
async fn an_unreachable_gateway_is_reported_with_advice() {
    let mut absent = Double::start();
    // A port that was free just before.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    absent.address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = absent.endpoint();

    let ran = samegate(&absent, &["health"]).await;
    let json = samegate(&absent, &["library", "--json"]).await;

    assert_eq!(ran.exit, Exit::Failed);
    assert!(
        ran.err.contains(&format!("cannot reach {endpoint}")),
        "{ran:?}"
    );
    assert!(ran.err.contains("is `samegate serve` running?"), "{ran:?}");
    assert_eq!(json.json_lines()[0]["error"]["code"], "UNAVAILABLE");
}
