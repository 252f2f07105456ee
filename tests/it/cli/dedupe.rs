//! `samegate dedupe`: groups, what is kept, the contact sheet, and joins that are interrupted.

use samegate::cli::Exit;
use samegate::proto::v1;
use samegate::proto::v1::find_duplicates_response::Event;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Finished, samegate};
use crate::support::grpc_double::{Double, JoinMessage};

/// Adds images `1,0`, `2,0`, … to the double; each is larger than the one before.
fn double(images: u32) -> Double {
    let double = Double::start();
    let image = |number: u32| v1::Image {
        cont_sign: format!("{number},0"),
        brief: format!("image <{number}>"),
        width: 100 * number,
        height: 100,
        size_bytes: 1000,
        add_time: Some(prost_types::Timestamp {
            seconds: i64::from(number),
            nanos: 0,
        }),
        thumbnail_jpeg: vec![u8::try_from(number).unwrap(); 3].into(),
        ..v1::Image::default()
    };
    double.store.lock().unwrap().stored = (1..=images).map(image).collect();
    double
}

fn group(double: &Double, pairs: &[(usize, usize)]) -> JoinMessage {
    let stored = &double.store.lock().unwrap().stored;
    let mut numbers: Vec<usize> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let pair = |(a, b): &(usize, usize)| v1::DuplicatePair {
        a: format!("{a},0"),
        b: format!("{b},0"),
        score: 0.75,
        geometry: None,
    };
    event(Event::Group(v1::DuplicateGroup {
        images: numbers
            .iter()
            .map(|number| stored[number - 1].clone())
            .collect(),
        pairs: pairs.iter().map(pair).collect(),
    }))
}

fn progress(compared: u64, cursor: &str) -> JoinMessage {
    event(Event::Progress(v1::FindDuplicatesProgress {
        compared,
        total: 4,
        cursor: cursor.to_owned(),
    }))
}

fn event(event: Event) -> JoinMessage {
    Ok(v1::FindDuplicatesResponse { event: Some(event) })
}

async fn dedupe(double: &Double, joins: Vec<Vec<JoinMessage>>, args: &[&str]) -> Finished {
    double.store.lock().unwrap().joins = joins.into();
    samegate(double, &[&["dedupe"], args].concat()).await
}

fn stored(double: &Double) -> Vec<String> {
    let stored = &double.store.lock().unwrap().stored;
    stored.iter().map(|image| image.cont_sign.clone()).collect()
}

#[tokio::test]
async fn a_group_is_one_line_of_json() {
    let double = double(2);
    let join = vec![group(&double, &[(2, 1)]), progress(4, "c-2")];

    let shown = dedupe(&double, vec![join], &["--json"]).await;

    assert_eq!(shown.exit, Exit::Done, "{shown:?}");
    let lines = shown.json_lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        lines[0]["pairs"],
        json!([{ "a": "2,0", "b": "1,0", "score": 0.75 }])
    );
    assert_eq!(lines[0]["delete"], json!(["1,0"]));
    assert_eq!(
        lines[0]["images"][1],
        json!({
            "cont_sign": "1,0",
            "brief": "image <1>",
            "tags": [],
            "width": 100,
            "height": 100,
            "size_bytes": 1000,
            "add_time": "1970-01-01T00:00:01Z",
        })
    );
    assert!(shown.err.contains("--cursor c-2"), "{}", shown.err);
}

#[tokio::test]
async fn nothing_is_deleted_unless_it_is_asked_for() {
    let double = double(3);
    let join = vec![group(&double, &[(1, 2), (2, 3), (1, 3)])];

    let shown = dedupe(&double, vec![join], &[]).await;

    assert_eq!(shown.exit, Exit::Done);
    assert!(shown.out.contains("keep    75.0 %  3,0"), "{}", shown.out);
    assert!(shown.out.contains("delete  75.0 %  1,0"), "{}", shown.out);
    assert!(
        shown
            .err
            .contains("1 groups, 3 images, 2 of them to delete")
    );
    assert_eq!(stored(&double).len(), 3);
}

#[tokio::test]
async fn only_images_that_are_the_same_as_a_kept_one_are_deleted() {
    let double = double(3);
    let join = vec![group(&double, &[(1, 2), (2, 3)])];
    let args = ["--keep", "oldest", "--delete", "--yes"];

    let shown = dedupe(&double, vec![join], &args).await;

    assert_eq!(shown.exit, Exit::Done, "{shown:?}");
    assert_eq!(stored(&double), ["1,0", "3,0"]);
}

#[tokio::test]
async fn a_copy_of_an_image_that_was_deleted_meanwhile_is_kept() {
    let double = double(4);
    let join = vec![group(&double, &[(1, 2)]), group(&double, &[(3, 4)])];
    // Somebody else deletes the kept image of the first group.
    let is_left = |image: &v1::Image| image.cont_sign != "2,0";
    double.store.lock().unwrap().stored.retain(is_left);

    let shown = dedupe(&double, vec![join], &["--delete", "--yes"]).await;

    assert_eq!(shown.exit, Exit::Failed, "{shown:?}");
    assert_eq!(stored(&double), ["1,0", "4,0"]);
    let kept = "`1,0` was not deleted: it is a copy of `2,0`, which is gone";
    assert!(shown.err.contains(kept), "{}", shown.err);
}

#[tokio::test]
async fn an_interrupted_join_goes_on_from_its_last_cursor_and_loses_no_group() {
    let double = double(4);
    let first = vec![
        group(&double, &[(1, 2)]),
        progress(2, "c-2"),
        Err(Status::unavailable("shutting down")),
    ];
    let second = vec![group(&double, &[(2, 4)]), progress(4, "c-4")];

    let shown = dedupe(&double, vec![first, second], &["--json"]).await;

    assert_eq!(shown.exit, Exit::Done, "{shown:?}");
    assert_eq!(double.store.lock().unwrap().cursors, ["", "c-2"]);
    let lines = shown.json_lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["images"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_overloaded_gateway_is_asked_again() {
    let double = double(2);
    let details = ErrorDetails::with_error_info("OVERLOADED", "samegate", []);
    let overloaded = Status::with_error_details(Code::ResourceExhausted, "too many", details);
    let second = vec![group(&double, &[(1, 2)])];

    let shown = dedupe(&double, vec![vec![Err(overloaded)], second], &[]).await;

    assert!(shown.err.contains("; retry in "), "{}", shown.err);
    assert_eq!(shown.exit, Exit::Done, "{shown:?}");
    assert!(shown.err.contains("1 groups, 2 images"), "{}", shown.err);
}

#[tokio::test]
async fn a_join_that_fails_shows_what_it_found_and_deletes_nothing() {
    let double = double(4);
    let details = ErrorDetails::with_error_info("INTERNAL", "samegate", []);
    let join = vec![
        group(&double, &[(1, 2)]),
        progress(2, "c-2"),
        Err(Status::with_error_details(
            Code::Internal,
            "broken",
            details,
        )),
    ];

    let shown = dedupe(&double, vec![join], &["--delete", "--yes"]).await;

    assert_eq!(shown.exit, Exit::Failed, "{shown:?}");
    assert!(shown.out.contains("delete  75.0 %  1,0"), "{}", shown.out);
    assert!(shown.err.contains("broken"), "{}", shown.err);
    assert!(shown.err.contains("--cursor c-2"), "{}", shown.err);
    assert_eq!(stored(&double).len(), 4);
}

#[tokio::test]
async fn a_deletion_that_nobody_can_confirm_fails_before_the_join() {
    let double = double(2);
    let join = vec![group(&double, &[(1, 2)])];

    let shown = dedupe(&double, vec![join], &["--delete"]).await;

    assert_eq!(shown.exit, Exit::Failed, "{shown:?}");
    assert!(shown.err.contains("--yes"), "{}", shown.err);
    assert!(double.store.lock().unwrap().cursors.is_empty());
    assert_eq!(stored(&double).len(), 2);
}

#[tokio::test]
async fn the_contact_sheet_has_every_thumbnail_and_no_markup_of_a_brief() {
    let double = double(2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sheet.html");
    let join = vec![group(&double, &[(1, 2)])];

    let shown = dedupe(&double, vec![join], &["--html", file.to_str().unwrap()]).await;

    assert_eq!(shown.exit, Exit::Done, "{shown:?}");
    let sheet = std::fs::read_to_string(file).unwrap();
    assert!(sheet.contains("data:image/jpeg;base64,AQEB"), "{sheet}");
    assert!(sheet.contains("data:image/jpeg;base64,AgIC"));
    assert!(sheet.contains("image &lt;2&gt;") && !sheet.contains("image <2>"));
    assert!(!sheet.contains("http"), "it needs no network");
}
