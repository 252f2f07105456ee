//! `samegate import` against a gateway's double: resuming, retries, failures.

use clap::Parser;
use samegate::cli::{Cli, Command, Exit, Output, run_with};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{
    all_briefs, brief, fail_next, images, interruptible, name, path, samegate, write_image,
};
use crate::support::grpc_double::{Act, Double};

/// Sets what the double does in the next stream that has no other act.
fn next_stream(double: &Double, act: Act) {
    double.store.lock().unwrap().acts.push_back(act);
}

fn items_read(double: &Double) -> usize {
    double.store.lock().unwrap().items_read
}

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
            .contains("12 added, 0 already stored, 0 failed, 0 skipped")
    );
    assert_eq!(double.briefs(), all_briefs(&folder, 12));
    assert_eq!(double.store.lock().unwrap().options[0].max_in_flight, 5);
    assert_eq!(second.exit, Exit::Done);
    assert!(
        second
            .err
            .contains("0 added, 0 already stored, 0 failed, 12 skipped")
    );
    assert_eq!(items_read(&double), 12);
}

#[tokio::test]
async fn a_broken_stream_is_resumed_and_no_image_is_lost_or_duplicated() {
    let double = Double::start();
    let folder = images(30, 100);
    next_stream(&double, Act::BreakAfter(7));
    next_stream(&double, Act::BreakAfter(1));

    let ran = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    // Each of the two breaks lost the acknowledgement of a stored image.
    assert!(
        ran.err.contains("28 added, 2 already stored, 0 failed"),
        "{ran:?}"
    );
    assert_eq!(double.briefs(), all_briefs(&folder, 30));
    assert_eq!(items_read(&double), 32);
}

#[tokio::test]
async fn a_drained_stream_continues_over_the_next_connection() {
    let double = Double::start();
    let folder = images(30, 100);
    next_stream(&double, Act::DrainAfter(10));

    let ran = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert!(
        ran.err.contains("30 added, 0 already stored, 0 failed"),
        "{ran:?}"
    );
    assert_eq!(double.store.lock().unwrap().options.len(), 2);
}

#[tokio::test]
async fn a_restarted_gateway_receives_the_remaining_images() {
    let double = Double::start();
    let (address, store) = (double.address, double.store.clone());
    let folder = images(30, 100);
    let folder_path = path(&folder).to_owned();
    let hangs = CancellationToken::new();
    next_stream(&double, Act::HangAfter(10, hangs.clone()));
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
async fn an_unavailable_gateway_ends_the_import_with_advice() {
    let double = Double::start();
    let folder = images(3, 100);
    next_stream(&double, Act::BreakAfter(1));
    next_stream(&double, Act::Reject(Status::unavailable("out of order")));

    let args = ["import", path(&folder), "--attempts", "1"];
    let ran = samegate(&double, &args).await;

    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains("out of order"), "{ran:?}");
    assert!(
        ran.err.contains("2 remaining: run the same command again"),
        "{ran:?}"
    );
    let again = samegate(&double, &args).await;
    assert!(
        again
            .err
            .contains("1 added, 1 already stored, 0 failed, 1 skipped"),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_rejected_image_is_listed_and_sent_again_with_retry_failed() {
    let double = Double::start();
    let folder = images(5, 100);
    fail_next(
        &double,
        &brief(&folder, 3),
        Code::InvalidArgument,
        "IMAGE_FORMAT",
    );
    let list = folder.path().join(".samegate-import.jsonl.failures");

    let first = samegate(&double, &["import", path(&folder)]).await;
    let line: Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    let second = samegate(&double, &["import", path(&folder)]).await;
    let third = samegate(&double, &["import", path(&folder), "--retry-failed"]).await;

    assert_eq!(first.exit, Exit::Failed);
    assert!(
        first.err.contains("4 added, 0 already stored, 1 failed"),
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
            .contains("1 added, 0 already stored, 0 failed, 4 skipped"),
        "{third:?}"
    );
    assert!(!list.exists());
}

#[tokio::test]
async fn a_transient_failure_is_retried_in_the_same_run() {
    let double = Double::start();
    let folder = images(5, 100);
    fail_next(
        &double,
        &brief(&folder, 0),
        Code::Unavailable,
        "VENDOR_BUSY",
    );

    let ran = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert!(
        ran.err.contains("5 added, 0 already stored, 0 failed"),
        "{ran:?}"
    );
    assert_eq!(items_read(&double), 6);
}

#[tokio::test]
async fn a_full_library_stops_the_import_and_fails_no_image() {
    let double = Double::start();
    let folder = images(5, 100);
    let (code, reason) = (Code::ResourceExhausted, "LIBRARY_FULL");
    fail_next(&double, &brief(&folder, 2), code, reason);

    let first = samegate(&double, &["import", path(&folder)]).await;
    let second = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(first.exit, Exit::Failed);
    assert!(first.err.contains("[LIBRARY_FULL]"), "{first:?}");
    assert!(first.err.contains(" 0 failed"), "{first:?}");
    assert_eq!(second.exit, Exit::Done);
    assert_eq!(double.briefs(), all_briefs(&folder, 5));
}

#[tokio::test]
async fn an_interrupted_import_exits_with_130_and_can_be_resumed() {
    let double = Double::start();
    // Much more than the flow control window allows at once.
    let folder = images(300, 50_000);
    let interrupt = CancellationToken::new();
    next_stream(&double, Act::SignalAfter(5, interrupt.clone()));

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
    // Everything sent was acknowledged before the end, so nothing is sent twice.
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
            .contains("1 added, 0 already stored, 0 failed, 2 skipped"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn files_that_cannot_be_sent_are_failures_and_the_import_continues() {
    let double = Double::start();
    let folder = images(3, 100);
    std::fs::write(folder.path().join("big.png"), vec![7; 3_145_729]).unwrap();
    std::fs::write(folder.path().join("empty.bmp"), "").unwrap();

    let ran = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(ran.exit, Exit::Failed);
    assert!(
        ran.err.contains("3 added, 0 already stored, 2 failed"),
        "{ran:?}"
    );
    assert!(ran.err.contains("[IMAGE_SIZE]") && ran.err.contains("[IMAGE_EMPTY]"));
}

#[tokio::test]
async fn a_pipe_is_skipped_and_counted_and_does_not_block_the_import() {
    let double = Double::start();
    let folder = images(2, 100);
    let pipe = folder.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let manifest = folder.path().join("m.jsonl");
    std::fs::write(&manifest, "{\"path\":\"pipe.png\"}\n").unwrap();

    let folder_import = samegate(&double, &["import", path(&folder)]).await;
    let pipe_import = samegate(&double, &["import", pipe.to_str().unwrap()]).await;
    let manifest = ["import", "--manifest", manifest.to_str().unwrap()];
    let manifest_import = samegate(&double, &manifest).await;

    assert!(
        folder_import
            .err
            .contains("2 added, 0 already stored, 1 failed"),
        "{folder_import:?}"
    );
    for ran in [folder_import, pipe_import, manifest_import] {
        assert_eq!(ran.exit, Exit::Failed, "{ran:?}");
        assert!(ran.err.contains("1 failed"), "{ran:?}");
        assert!(ran.err.contains("not a regular file"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_manifest_names_files_and_urls() {
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
async fn the_journal_of_another_library_without_identity_stops_the_import_before_it_sends() {
    let double = Double::start();
    double.store.lock().unwrap().is_rest = true;
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
    fail_next(
        &double,
        &brief(&folder, 1),
        Code::InvalidArgument,
        "IMAGE_FORMAT",
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

#[tokio::test]
async fn what_is_left_out_is_counted_and_a_path_without_an_image_fails() {
    let double = Double::start();
    let folder = images(2, 100);
    std::fs::write(folder.path().join("notes.txt"), "text").unwrap();
    std::fs::write(folder.path().join(".hidden.jpg"), "9").unwrap();
    let empty = tempfile::tempdir().unwrap();

    let people = samegate(&double, &["import", path(&folder)]).await;
    let programs = samegate(&double, &["import", path(&folder), "--hidden", "--json"]).await;
    let nothing = samegate(&double, &["import", path(&empty)]).await;

    assert_eq!(people.exit, Exit::Done);
    assert!(
        people.err.contains("left out: 1 no image, 1 hidden"),
        "{people:?}"
    );
    let summary = &programs.json_lines().pop().unwrap();
    assert_eq!(summary["left_out"], serde_json::json!({ "no_image": 1 }));
    assert_eq!(
        (&summary["added"], &summary["skipped"]),
        (&1.into(), &2.into())
    );
    assert_eq!(nothing.exit, Exit::Failed);
    assert!(
        nothing.err.contains("has no image: it is empty"),
        "{nothing:?}"
    );
    assert!(std::fs::read_dir(empty.path()).unwrap().next().is_none());
}
