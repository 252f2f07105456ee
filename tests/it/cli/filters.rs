//! `list` and `delete` with filters, and `libraries`, against a whole gateway.

use std::process::Stdio;

use samegate::cli::Exit;
use samegate::proto::v1;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{Finished, run};
use crate::support::gateway::Gateway;
use crate::support::images::small_png;

/// A gateway with four images `Poster 0` to `Poster 3`, of which the even ones have tag 2, the others
/// tag 3.
async fn four() -> Gateway {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    for seed in 0..4_u32 {
        let content = v1::add_image_request::Source::Content(small_png(seed.into()));
        let request = v1::AddImageRequest {
            source: Some(content),
            brief: format!("Poster {seed}"),
            tags: vec![2 + seed % 2],
            ..Default::default()
        };
        client.add_image(request).await.unwrap();
    }
    gateway
}

async fn samegate(gateway: &Gateway, args: &str) -> Finished {
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let args: Vec<&str> = args.split_whitespace().collect();
    let args = [&args[..], &["--endpoint", &endpoint]].concat();
    run(&args, CancellationToken::new()).await
}

async fn briefs(gateway: &Gateway, args: &str) -> Vec<String> {
    let listed = samegate(gateway, &format!("list --json {args}")).await;
    assert_eq!(listed.exit, Exit::Done, "{listed:?}");
    let lines = listed.json_lines();
    let briefs = lines.iter().map(|image| image["brief"].as_str().unwrap());
    briefs
        .map(|brief| brief.trim_start_matches("Poster ").to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_is_filtered_and_ordered() {
    let gateway = four().await;

    assert_eq!(briefs(&gateway, "--newest --tag 2").await, ["2", "0"]);
    assert_eq!(briefs(&gateway, "--newest --limit 1").await, ["3"]);
    let any = briefs(&gateway, "--tag 2 --tag 3 --any-tag").await;
    assert_eq!(any, ["0", "1", "2", "3"]);
    assert_eq!(briefs(&gateway, "--brief poster --tag 3").await, ["1", "3"]);
    assert_eq!(briefs(&gateway, "--since 1h").await.len(), 4);
    assert_eq!(briefs(&gateway, "--before 2020-01-01").await.len(), 0);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_deleted() {
    let gateway = four().await;

    let people = samegate(&gateway, "delete --tag 2 --dry-run").await;
    let programs = samegate(&gateway, "delete --all --dry-run --json").await;

    assert_eq!((people.exit, people.out.lines().count()), (Exit::Done, 2));
    assert!(
        people.err.contains("2 images would be deleted"),
        "{people:?}"
    );
    let counted = &programs.json_lines()[0];
    assert_eq!(
        (&counted["matched_count"], &counted["deleted_count"]),
        (&4.into(), &0.into())
    );
    assert_eq!(briefs(&gateway, "").await.len(), 4);
}

#[tokio::test]
async fn images_of_a_filter_are_deleted_with_yes_and_not_without_a_terminal() {
    let gateway = four().await;

    let unasked = samegate(&gateway, "delete --tag 2").await;
    let deleted = samegate(&gateway, "delete --tag 2 --yes").await;
    let none = samegate(&gateway, "delete --tag 2").await;

    assert_eq!(unasked.exit, Exit::Failed);
    assert!(unasked.err.contains("--yes"), "{unasked:?}");
    assert_eq!(
        (deleted.exit, &*deleted.out),
        (Exit::Done, "deleted  2 images\n")
    );
    assert_eq!((none.exit, &*none.out), (Exit::Done, "deleted  0 images\n"));
    assert_eq!(briefs(&gateway, "").await, ["1", "3"]);
    let rest = samegate(&gateway, "delete --all --yes --json")
        .await
        .json_lines();
    assert_eq!(rest[0]["deleted_count"], 2);
}

/// Runs a deletion in a terminal, with the answer to its question; returns what the terminal shows.
async fn delete_in_terminal(gateway: &Gateway, answer: &str) -> String {
    let samegate = env!("CARGO_BIN_EXE_samegate");
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let command = format!("{samegate} delete --tag 2 --endpoint {endpoint}");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(answer.as_bytes()).await.unwrap();
    let shown = terminal.wait_with_output().await.unwrap();
    drop(keyboard);
    String::from_utf8(shown.stdout).unwrap()
}

#[tokio::test]
async fn a_deletion_in_a_terminal_asks_first() {
    let gateway = four().await;

    let no = delete_in_terminal(&gateway, "no\n").await;
    assert!(
        no.contains("Delete 2 images of the default library?"),
        "{no}"
    );
    assert!(no.contains("nothing was deleted"), "{no}");
    assert_eq!(briefs(&gateway, "").await.len(), 4);

    let yes = delete_in_terminal(&gateway, "yes\n").await;
    assert!(yes.contains("deleted  2 images"), "{yes}");
    assert_eq!(briefs(&gateway, "").await, ["1", "3"]);
}

#[tokio::test]
async fn libraries_shows_size_and_capabilities() {
    let gateway = four().await;

    let people = samegate(&gateway, "libraries").await;
    let programs = samegate(&gateway, "libraries --json").await.json_lines();

    let row = people.out.lines().nth(1).unwrap();
    assert!(
        row.starts_with("default  embedded  4       500000"),
        "{row}"
    );
    assert!(row.contains("list, delete_by_filter"), "{row}");
    assert_eq!(programs[0]["image_count"], 4);
    assert_eq!(programs[0]["capabilities"][0], "list");
}
