//! The access log: one line for each call, with the documented fields, and no call waits for its
//! reader.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use samegate::proto::v1;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{get_library, search, vendor_library};
use crate::docs::section;
use crate::support::images::png;
use crate::support::probe::{get, metric, until};
use crate::support::process::{Ended, Launch, Process, addresses};
use crate::support::vendor::Vendor;

/// Fields that every JSON line has.
const COMMON: [&str; 5] = ["timestamp", "level", "message", "target", "span"];

#[tokio::test]
async fn each_call_leaves_one_line_with_the_documented_fields() {
    let vendor = Vendor::start().await;
    let rest = "[limits]\nlame_duck = \"0s\"\n[telemetry]\nlog_format = \"json\"\n";
    let process = Process::start(&(vendor_library(&vendor) + rest)).await;
    let process = process.ready().await;
    let mut client = process.client().await;
    client.search_images(search(png(1))).await.unwrap();
    let none = search(bytes::Bytes::from_static(b"no image"));
    client.search_images(none).await.unwrap_err();
    let ended = process.end().await;

    let lines = ended.err.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.map(Result::unwrap).collect();
    let entries = lines.iter().filter(|line| line["message"] == "call ended");
    let entries: Vec<_> = entries.collect();
    let [good, bad] = entries[..] else {
        panic!("not one line for each call: {entries:#?}");
    };
    assert_eq!(
        (&good["code"], &good["attempts"]),
        (&"OK".into(), &1.into())
    );
    assert_eq!(bad["reason"], "IMAGE_FORMAT");
    assert_eq!(bad["span"]["tenant"], "local");
    let fields = entries
        .iter()
        .flat_map(|line| line.as_object().unwrap().keys());
    let fields: BTreeSet<&str> = fields.map(String::as_str).collect();
    let text = section("docs/operations.md", "### Access log");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented = rows.map(|row| row.split('`').next().unwrap());
    let documented: BTreeSet<&str> = documented.chain(COMMON).collect();
    assert_eq!(documented, fields);
}

const JSON: &str = "[limits]\nlame_duck = \"0s\"\n[telemetry]\nlog_format = \"json\"\n";

/// Returns the lines of the calls in a JSON log, which is all that the process has printed.
fn calls(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.out, "");
    let lines = ended.err.lines().map(serde_json::from_str);
    let lines = lines.map(Result::<Value, _>::unwrap);
    lines
        .filter(|line| line["message"] == "call ended")
        .collect()
}

#[tokio::test]
async fn why_a_rest_call_was_rejected_is_in_the_log_only() {
    let process = Process::start(JSON).await.ready().await;
    let secret = std::fs::read_to_string(process.path("samegate-data/rest-secret-local")).unwrap();
    let rest = format!("http://{}", process.rest);
    let token = |secret: &str| {
        format!(
            "{rest}/oauth/2.0/token?grant_type=client_credentials&client_id=local&client_secret={secret}"
        )
    };
    let get = async |url: String| {
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let granted = get(token(&secret)).await;
    let granted = granted["access_token"].as_str().unwrap();
    let post = async |token: &str, form: &'static str| {
        let url = format!("{rest}/rest/2.0/realtime_search/same_hq/search?access_token={token}");
        let form_type = "application/x-www-form-urlencoded";
        let request = reqwest::Client::new().post(url).body(form);
        let response = request.header("content-type", form_type).send().await;
        let text = response.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };

    let invalid = post(granted, "url=http://e.org/a&tags=red").await;
    let foreign = post("x", "").await;
    get(token("wrong")).await;

    assert_eq!(invalid["error_msg"], "invalid param");
    assert_eq!(
        foreign["error_msg"],
        "Access token invalid or no longer valid"
    );
    let [_, invalid_line, foreign_line, secret_line] = &calls(&process.end().await)[..] else {
        panic!("not one line for each call");
    };
    assert_eq!(invalid_line["error"], "`tags`: not a whole number");
    assert_eq!(invalid_line["log_id"], invalid["log_id"]);
    assert_eq!(foreign_line["error"], "the access token is not valid");
    assert_eq!(foreign_line["reason"], "CREDENTIALS_INVALID");
    assert_eq!(foreign_line["log_id"], Value::Null);
    assert_eq!(secret_line["error"], "Client authentication failed");
}

#[tokio::test]
async fn numbers_of_operations_are_exact_in_javascript_and_in_the_log() {
    let process = Process::start(JSON).await.ready().await;
    let mut client = process.client().await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let found = client.search_images(search(png(1))).await.unwrap();
        numbers.push(found.into_inner().log_id);
    }

    let logged = calls(&process.end().await);
    let logged = logged.iter().map(|line| line["log_id"].as_u64().unwrap());
    assert_eq!(logged.collect::<Vec<_>>(), numbers);
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), 3, "{numbers:?}");
    assert!(
        distinct.iter().all(|number| *number < 1 << 53),
        "{numbers:?}"
    );
}

#[tokio::test]
async fn on_a_terminal_each_call_is_one_short_line() {
    let folder = tempfile::tempdir().unwrap();
    let free = "127.0.0.1:0";
    // Both outputs are the terminal that `script` makes; Ctrl-C there ends the gateway.
    let command = format!(
        "timeout --foreground 120 {} serve --data data --grpc {free} --rest {free} --admin {free}",
        env!("CARGO_BIN_EXE_samegate")
    );
    let mut script = tokio::process::Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &command])
        .arg("/dev/null")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = script.stdout.take().unwrap();
    let mut printed = String::new();
    let mut read_until = async |end: &str| {
        while !printed.contains(end) {
            let mut chunk = [0; 4096];
            let length = output.read(&mut chunk).await.unwrap();
            assert!(length > 0, "{printed}");
            printed += &String::from_utf8_lossy(&chunk[..length]);
        }
        printed.clone()
    };
    let banner = read_until("--endpoint").await.replace('\r', "");
    let [grpc, ..] = addresses(&banner, "");
    let client = SameImageServiceClient::connect(format!("http://{grpc}")).await;
    let mut client = client.unwrap();

    get_library(client.clone()).await.unwrap();
    let none = search(bytes::Bytes::from_static(b"no image"));
    client.search_images(none).await.unwrap_err();

    let text = read_until("IMAGE_FORMAT").await + &read_until("not ").await;
    script
        .stdin
        .take()
        .unwrap()
        .write_all(b"\x03")
        .await
        .unwrap();
    // `timeout` passes Ctrl-C on: the gateway may get it twice, and end at once.
    script.wait().await.unwrap();
    let line = |part: &str| {
        let line = text.lines().find(|line| line.contains(part)).unwrap();
        // Without colours.
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap().to_owned();
        let rest = parts.map(|part| part.split_once('m').unwrap().1);
        first + &rest.collect::<String>()
    };
    let good = line("GetLibrary");
    assert!(good.contains("Z GetLibrary OK "), "{good}");
    assert!(good.trim().ends_with(" B, local, default"), "{good}");
    assert!(good.len() < 80, "{good}");
    let bad = line("SearchImages");
    assert!(bad.contains("INVALID_ARGUMENT IMAGE_FORMAT"), "{bad}");
}

/// The smallest buffer, so that lines are lost early.
const SMALL_BUFFER: &str = "[telemetry]\nlog_buffer = \"64KiB\"\n[limits]\nlame_duck = \"0s\"";
/// Enough calls for the buffers of pipe, thread and queue, 64 KiB each: a line has 200 bytes.
const CALLS: usize = 3000;
const DROPPED: &str = "samegate_log_lines_dropped_total";

async fn process_with_unread_log() -> Process {
    let launch = Launch {
        is_log_unread: true,
        ..Launch::default()
    };
    let process = Process::launch(SMALL_BUFFER, &launch).await.ready().await;
    let mut client = process.client().await;
    for _ in 0..CALLS {
        let call = client.get_library(v1::GetLibraryRequest::default());
        call.await.unwrap();
    }
    process
}

#[tokio::test]
async fn a_log_without_a_reader_stops_no_call_and_its_losses_are_reported() {
    let mut process = process_with_unread_log().await;
    assert_eq!(get(process.admin, "/livez").await.0, 200);
    let dropped = metric(process.admin, DROPPED).await.unwrap();
    assert!(dropped > 0.0, "{dropped}");

    process.read_log();

    until("the log says what is missing", async || {
        process.log().contains("log lines dropped")
    })
    .await;
    let log = process.log();
    let line = log.lines().find(|line| line.contains("log lines dropped"));
    let (_, count) = line.unwrap().split_once("count=").unwrap();
    assert_eq!(count.trim().parse::<f64>().unwrap(), dropped, "{log}");
    let ended = process.end().await;
    let lines = ended.err.lines().filter(|line| line.contains("call ended"));
    assert_eq!(lines.count() as f64 + dropped, CALLS as f64);
}

#[tokio::test]
async fn a_log_without_a_reader_delays_the_end_for_a_limited_time() {
    let mut process = process_with_unread_log().await;

    process.signal("TERM").await;

    let status = process.ends_within(Duration::from_secs(30)).await;
    assert!(status.unwrap().success(), "{status:?}");
}
