//! The command line against a gateway's double, through real sockets.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser;
use samegate::cli::{Cli, Command, Exit, Output, run_with};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Act, Double, error_status};

/// What a command left behind.
#[derive(Debug)]
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

impl Ran {
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
async fn samegate(double: &Double, args: &[&str]) -> Ran {
    interruptible(double, args, CancellationToken::new()).await
}

async fn interruptible(double: &Double, args: &[&str], interrupt: CancellationToken) -> Ran {
    let endpoint = double.endpoint();
    run(&[args, &["--endpoint", &endpoint]].concat(), interrupt).await
}

async fn run(args: &[&str], interrupt: CancellationToken) -> Ran {
    let line = [&["samegate"], args].concat();
    let Command::Client(command) = Cli::try_parse_from(line).unwrap().command else {
        panic!("{args:?} is no client command");
    };
    let (out, err) = (Buffer::default(), Buffer::default());
    let mut output = Output::new(out.clone(), err.clone());
    let exit = run_with(command, &mut output, interrupt).await;
    Ran {
        exit,
        out: out.text(),
        err: err.text(),
    }
}

/// A folder with this many different "images" of the given size.
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

fn give_violation(double: &Double, brief: &str, code: Code, reason: &str, times: usize) {
    let statuses = std::iter::repeat_n(error_status(code, reason), times).collect();
    let mut state = double.store.lock().unwrap();
    state.errors.insert(brief.to_owned(), statuses);
}

fn act(double: &Double, act: Act) {
    double.store.lock().unwrap().acts.push_back(act);
}

fn items_read(double: &Double) -> usize {
    double.store.lock().unwrap().items_read
}

mod import {
    use super::*;

    #[tokio::test]
    async fn every_image_is_stored_and_a_second_run_sends_none() {
        let double = Double::start();
        let folder = images(12, 100);

        let first = samegate(&double, &["import", path(&folder), "--in-flight", "5"]).await;
        let second = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(first.exit, Exit::Done, "{first:?}");
        assert!(
            first
                .err
                .contains("12 added, 0 already there, 0 failed, 0 skipped")
        );
        assert_eq!(double.briefs(), all_briefs(&folder, 12));
        assert_eq!(double.store.lock().unwrap().options[0].max_in_flight, 5);
        assert_eq!(second.exit, Exit::Done);
        assert!(
            second
                .err
                .contains("0 added, 0 already there, 0 failed, 12 skipped")
        );
        assert_eq!(items_read(&double), 12);
    }

    #[tokio::test]
    async fn a_broken_stream_is_resumed_with_no_image_lost_or_doubled() {
        let double = Double::start();
        let folder = images(30, 100);
        act(&double, Act::BreakAfter(7));
        act(&double, Act::BreakAfter(1));

        let ran = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        // Each of the two breaks lost the acknowledgement of a stored image.
        assert!(
            ran.err.contains("28 added, 2 already there, 0 failed"),
            "{ran:?}"
        );
        assert_eq!(double.briefs(), all_briefs(&folder, 30));
        assert_eq!(items_read(&double), 32);
    }

    #[tokio::test]
    async fn a_gateway_that_goes_away_is_followed_to_the_next_connection() {
        let double = Double::start();
        let folder = images(30, 100);
        act(&double, Act::DrainAfter(10));

        let ran = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        assert!(
            ran.err.contains("30 added, 0 already there, 0 failed"),
            "{ran:?}"
        );
        assert_eq!(double.store.lock().unwrap().options.len(), 2);
    }

    #[tokio::test]
    async fn a_gateway_that_crashes_and_comes_back_gets_the_rest() {
        let double = Double::start();
        let (address, store) = (double.address, double.store.clone());
        let folder = images(30, 100);
        let folder_path = path(&folder).to_owned();
        let hangs = CancellationToken::new();
        act(&double, Act::HangAfter(10, hangs.clone()));
        let crash = async move {
            hangs.cancelled().await;
            double.kill();
            Double::start_at(address, store)
        };

        let target = format!("http://{address}");
        let import = async {
            let line = ["samegate", "import", &folder_path, "--endpoint", &target];
            let Command::Client(command) = Cli::parse_from(line).command else {
                panic!("no client command")
            };
            let mut output = Output::new(std::io::sink(), std::io::sink());
            run_with(command, &mut output, CancellationToken::new()).await
        };
        let (exit, double) = tokio::join!(import, crash);

        assert_eq!(exit, Exit::Done);
        assert_eq!(double.briefs(), all_briefs(&folder, 30));
    }

    #[tokio::test]
    async fn a_gateway_that_stays_away_ends_the_import_with_what_to_do() {
        let double = Double::start();
        let folder = images(3, 100);
        act(&double, Act::BreakAfter(1));
        act(&double, Act::Reject(Status::unavailable("out of order")));

        let args = ["import", path(&folder), "--attempts", "1"];
        let ran = samegate(&double, &args).await;

        assert_eq!(ran.exit, Exit::Failed);
        assert!(ran.err.contains("out of order"), "{ran:?}");
        assert!(
            ran.err.contains("2 left: run the same command again"),
            "{ran:?}"
        );
        let again = samegate(&double, &args).await;
        assert!(
            again
                .err
                .contains("1 added, 1 already there, 0 failed, 1 skipped"),
            "{again:?}"
        );
    }

    #[tokio::test]
    async fn a_rejected_image_is_listed_remembered_and_sent_again_on_demand() {
        let double = Double::start();
        let folder = images(5, 100);
        give_violation(
            &double,
            &brief(&folder, 3),
            Code::InvalidArgument,
            "IMAGE_FORMAT",
            1,
        );
        let list = folder.path().join(".samegate-import.jsonl.failures");

        let first = samegate(&double, &["import", path(&folder)]).await;
        let line: Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
        let second = samegate(&double, &["import", path(&folder)]).await;
        let third = samegate(&double, &["import", path(&folder), "--retry-failed"]).await;

        assert_eq!(first.exit, Exit::Failed);
        assert!(
            first.err.contains("4 added, 0 already there, 1 failed"),
            "{first:?}"
        );
        assert_eq!(line["key"], brief(&folder, 3));
        assert_eq!(line["error"]["reason"], "IMAGE_FORMAT");
        assert_eq!(second.exit, Exit::Failed);
        assert!(
            second.err.contains("1 rejected in an earlier run"),
            "{second:?}"
        );
        assert_eq!(third.exit, Exit::Done);
        assert!(
            third
                .err
                .contains("1 added, 0 already there, 0 failed, 4 skipped"),
            "{third:?}"
        );
        assert!(!list.exists());
    }

    #[tokio::test]
    async fn a_failure_that_passes_is_tried_again_in_the_same_run() {
        let double = Double::start();
        let folder = images(5, 100);
        give_violation(
            &double,
            &brief(&folder, 0),
            Code::Unavailable,
            "VENDOR_BUSY",
            1,
        );

        let ran = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        assert!(
            ran.err.contains("5 added, 0 already there, 0 failed"),
            "{ran:?}"
        );
        assert_eq!(items_read(&double), 6);
    }

    #[tokio::test]
    async fn a_full_library_stops_the_import_and_blames_no_image() {
        let double = Double::start();
        let folder = images(5, 100);
        let (code, reason) = (Code::ResourceExhausted, "LIBRARY_FULL");
        give_violation(&double, &brief(&folder, 2), code, reason, 1);

        let first = samegate(&double, &["import", path(&folder)]).await;
        let second = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(first.exit, Exit::Failed);
        assert!(first.err.contains("[LIBRARY_FULL]"), "{first:?}");
        assert!(first.err.contains(" 0 failed"), "{first:?}");
        assert_eq!(second.exit, Exit::Done);
        assert_eq!(double.briefs(), all_briefs(&folder, 5));
    }

    #[tokio::test]
    async fn an_interrupted_import_exits_with_130_and_goes_on_later() {
        let double = Double::start();
        // Far more than the flow control window lets out in one go.
        let folder = images(300, 50_000);
        let interrupt = CancellationToken::new();
        act(&double, Act::SignalAfter(5, interrupt.clone()));

        let first = interruptible(&double, &["import", path(&folder)], interrupt).await;
        let stored = double.briefs().len();
        let second = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(first.exit, Exit::Interrupted, "{first:?}");
        assert!((5..300).contains(&stored), "{stored}");
        assert!(
            first.err.contains("run the same command again"),
            "{first:?}"
        );
        assert_eq!(second.exit, Exit::Done);
        // What was sent was acknowledged before the end, so nothing went twice.
        assert!(
            second
                .err
                .contains(&format!("{} added, 0 already", 300 - stored)),
            "{second:?}"
        );
        assert_eq!(double.briefs(), all_briefs(&folder, 300));
    }

    #[tokio::test]
    async fn a_changed_file_is_sent_again() {
        let double = Double::start();
        let folder = images(3, 100);
        samegate(&double, &["import", path(&folder)]).await;
        write_image(folder.path(), &name(1), "another image", 101);

        let ran = samegate(&double, &["import", path(&folder)]).await;

        assert!(
            ran.err
                .contains("1 added, 0 already there, 0 failed, 2 skipped"),
            "{ran:?}"
        );
    }

    #[tokio::test]
    async fn unsendable_files_are_failures_and_not_the_end() {
        let double = Double::start();
        let folder = images(3, 100);
        std::fs::write(folder.path().join("big.png"), vec![7; 3_145_729]).unwrap();
        std::fs::write(folder.path().join("empty.bmp"), "").unwrap();

        let ran = samegate(&double, &["import", path(&folder)]).await;

        assert_eq!(ran.exit, Exit::Failed);
        assert!(
            ran.err.contains("3 added, 0 already there, 2 failed"),
            "{ran:?}"
        );
        assert!(ran.err.contains("[IMAGE_SIZE]") && ran.err.contains("[IMAGE_EMPTY]"));
    }

    #[tokio::test]
    async fn a_manifest_names_files_and_addresses() {
        let double = Double::start();
        let folder = images(1, 100);
        let manifest = folder.path().join("m.jsonl");
        let lines = format!(
            "{{\"path\":\"{}\",\"key\":\"k\"}}\n{{\"url\":\"http://h/b.png\",\"brief\":\"b\",\"tags\":[1,2]}}\n",
            name(0)
        );
        std::fs::write(&manifest, lines).unwrap();

        let args = [
            "import",
            "--manifest",
            manifest.to_str().unwrap(),
            "--tag",
            "9",
        ];
        let ran = samegate(&double, &args).await;

        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        assert_eq!(double.briefs(), [name(0), "b".to_owned()]);
        let state = double.store.lock().unwrap();
        assert_eq!(
            (&state.stored[0].tags[..], &state.stored[1].tags[..]),
            (&[9][..], &[1, 2][..])
        );
        assert!(folder.path().join("m.jsonl.journal").exists());
    }

    #[tokio::test]
    async fn the_journal_of_another_library_stops_the_import_before_it_sends() {
        let double = Double::start();
        let folder = images(3, 100);
        samegate(&double, &["import", path(&folder)]).await;

        let ran = samegate(&double, &["import", path(&folder), "--library", "cats"]).await;

        assert_eq!(ran.exit, Exit::Failed);
        assert!(ran.err.contains("belongs to library ``"), "{ran:?}");
        assert_eq!(items_read(&double), 3);
    }

    #[tokio::test]
    async fn programs_read_progress_failures_and_a_summary() {
        let double = Double::start();
        let folder = images(4, 100);
        give_violation(
            &double,
            &brief(&folder, 1),
            Code::InvalidArgument,
            "IMAGE_FORMAT",
            1,
        );

        let ran = samegate(&double, &["import", path(&folder), "--json"]).await;

        let lines = ran.json_lines();
        let of_kind = |kind: &str| lines.iter().filter(|line| line["event"] == kind).count();
        assert_eq!(of_kind("failed"), 1);
        assert!(of_kind("progress") >= 1, "{lines:?}");
        let summary = lines.last().unwrap();
        assert_eq!(summary["event"], "summary");
        assert_eq!(
            (&summary["added"], &summary["failed"]),
            (&Value::from(3), &Value::from(1))
        );
        assert_eq!(ran.err, "");
    }
}

#[tokio::test]
async fn add_goes_on_after_a_failure_and_exits_with_1() {
    let double = Double::start();
    let folder = images(2, 100);
    let (first, second) = (brief(&folder, 0), brief(&folder, 1));
    give_violation(&double, &first, Code::InvalidArgument, "IMAGE_FORMAT", 1);

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
async fn records_are_updated_listed_shown_and_deleted() {
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
    let thumbnail = folder.path().join("t.jpg");
    let args = [
        "get",
        sign,
        "--json",
        "--thumbnail",
        thumbnail.to_str().unwrap(),
    ];
    let record = &samegate(&double, &args).await.json_lines()[0];
    assert_eq!(
        (&record["brief"], &record["tags"][0]),
        (&"new".into(), &3.into())
    );
    assert_eq!(std::fs::read(&thumbnail).unwrap(), b"thumbnail");

    let deleted = samegate(&double, &["delete", sign, "unknown"]).await;
    assert_eq!(deleted.exit, Exit::Failed);
    assert!(deleted.out.contains(sign) && deleted.err.contains("[IMAGE_NOT_FOUND]"));
    let library = &samegate(&double, &["library", "--json"]).await.json_lines()[0];
    assert_eq!(library["image_count"], 4);

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
async fn a_new_key_opens_a_gateway_that_is_configured_with_its_hash() {
    let shown = run(&["key", "new", "--json"], CancellationToken::new()).await;
    let made = &shown.json_lines()[0];
    let (key, hash) = (made["key"].as_str().unwrap(), &made["hash"]);
    let gateway = Gateway::with_config(&format!(
        "[tenants.shop]\nlibraries = [\"default\"]\napi_keys = [{hash}]\n"
    ))
    .await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let ask = async |key: &str| {
        let args = ["library", "--endpoint", &endpoint, "--api-key", key];
        run(&args, CancellationToken::new()).await.exit
    };

    assert_eq!(ask(key).await, Exit::Done);
    assert_eq!(ask(&key.replace("sg_", "")).await, Exit::Failed);
    assert_eq!(ask(hash.as_str().unwrap()).await, Exit::Failed);
}

#[tokio::test]
async fn a_new_key_is_another_each_time_and_shown_to_people_once() {
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
async fn health_tells_by_its_exit_status() {
    let double = Double::start();

    let whole = samegate(&double, &["health"]).await;
    let stopping = samegate(&double, &["health", "--service", "stopping", "--json"]).await;
    let unknown = samegate(&double, &["health", "--service", "nobody"]).await;

    assert_eq!((whole.exit, whole.out.as_str()), (Exit::Done, "SERVING\n"));
    assert_eq!(stopping.exit, Exit::Failed);
    assert_eq!(stopping.json_lines()[0]["status"], "NOT_SERVING");
    assert_eq!(unknown.exit, Exit::Failed);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told_with_what_to_do() {
    let mut absent = Double::start();
    // A port that was free a moment ago.
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
