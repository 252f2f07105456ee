//! A library compares its images with each other, one call at a time, or says that it cannot.

use std::time::Duration;

use futures_util::StreamExt;
use samegate::call::Call;
use samegate::domain::{DuplicateEvent, FindDuplicates, TagLogic};
use samegate::error::{Kind, Result};
use samegate::library::DuplicateStream;
use tokio::time::Instant;

use super::{Fixture, call};
use crate::support::backends::{embedded, rest_to_fake_vendor};
use crate::support::images::{jpeg, png};

async fn start(fixture: &Fixture) -> Result<DuplicateStream> {
    start_with(fixture, call()).await
}

async fn start_with(fixture: &Fixture, call: Call) -> Result<DuplicateStream> {
    let request = FindDuplicates::new(0.0, &[], TagLogic::And, None, String::new()).unwrap();
    fixture.library.find_duplicates(&call, request).await
}

#[tokio::test]
async fn a_vendor_cannot_compare_its_images() {
    let fixture = rest_to_fake_vendor().await;

    let Err(error) = start(&fixture).await else {
        panic!("the vendor has no such operation");
    };

    assert_eq!(error.kind(), Kind::OperationUnsupported);
}

#[tokio::test]
async fn a_stream_ends_at_the_deadline_of_its_client() {
    let fixture = embedded().await;
    fixture.add(png(1), "", &[]).await;
    let call = Call {
        stream_deadline: Some(Instant::now()),
        ..call()
    };

    let mut stream = start_with(&fixture, call).await.unwrap();

    let ended = stream.next().await.unwrap().unwrap_err();
    assert_eq!(ended.kind(), Kind::DeadlineExceeded);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_second_call_is_rejected_until_the_first_has_ended() {
    let fixture = embedded().await;
    for seed in 1..4 {
        fixture.add(png(seed), "", &[]).await;
        fixture.add(jpeg(seed), "", &[]).await;
    }
    // Nothing reads the stream, so it waits with one of its three groups.
    let mut first = start(&fixture).await.unwrap();
    let group = first.next().await.unwrap().unwrap();
    assert!(matches!(group, DuplicateEvent::Group(_)), "{group:?}");

    let Err(error) = start(&fixture).await else {
        panic!("the first one still runs");
    };
    assert_eq!(error.kind(), Kind::Overloaded);

    drop(first);
    let ended = async {
        while start(&fixture).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("a join ends when nobody reads it any more");
}
