//! A library compares its images with each other, one call at a time, or says that it cannot.

use std::time::Duration;

use futures_util::StreamExt;
use samegate::domain::{DuplicateEvent, FindDuplicates, TagLogic};
use samegate::error::{Kind, Result};
use samegate::library::DuplicateStream;

use super::{Fixture, call};
use crate::support::backends::{embedded, rest_to_fake_vendor};
use crate::support::images::{jpeg, png};

async fn start(fixture: &Fixture) -> Result<DuplicateStream> {
    let request = FindDuplicates::new(0.0, &[], TagLogic::And, 0, String::new()).unwrap();
    fixture.library.find_duplicates(&call(), request).await
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
