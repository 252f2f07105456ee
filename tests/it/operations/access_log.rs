//! The access log: one line for each call, with the documented fields.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{search, vendor_library};
use crate::docs::section;
use crate::support::images::png;
use crate::support::process::Process;
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
