//! The access log: one line for each call, with the documented fields, and no call waits for its
//! reader.

use std::collections::BTreeSet;
use std::time::Duration;

use samegate::proto::v1;
use serde_json::Value;

use super::{search, vendor_library};
use crate::docs::section;
use crate::support::images::png;
use crate::support::probe::{get, metric, until};
use crate::support::process::{Launch, Process};
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
