//! Additions that look for other files of the same image.

use std::collections::BTreeMap;

use prost::Message;
use samegate::proto::v1;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::v1::add_images_response::Event;
use tonic::{Code, Status};
use tonic_types::pb;

use super::{add, reason};
use crate::support::by_hand::variable;
use crate::support::gateway::Gateway;
use crate::support::images::{jpeg, png, variant};

fn matching(
    image: impl Into<bytes::Bytes>,
    brief: &str,
    on_match: v1::OnMatch,
) -> v1::AddImageRequest {
    v1::AddImageRequest {
        brief: brief.to_owned(),
        on_match: on_match.into(),
        ..add(image)
    }
}

/// Returns the matches in the details of a rejection.
fn matches(status: &Status) -> Vec<v1::Match> {
    let details = pb::Status::decode(status.details()).unwrap().details;
    let detail = details
        .iter()
        .find(|detail| detail.type_url == "type.googleapis.com/samegate.v1.SameImages")
        .expect("the matches are in the details");
    v1::SameImages::decode(&*detail.value).unwrap().matches
}

async fn image_count(gateway: &Gateway) -> u64 {
    let request = v1::GetLibraryRequest::default();
    let library = gateway.client().await.get_library(request).await.unwrap();
    library.into_inner().image_count
}

#[tokio::test]
async fn another_file_of_a_stored_image_is_rejected_with_the_matches() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let stored = matching(png(1), "first", v1::OnMatch::Reject);
    let sign = client
        .add_image(stored)
        .await
        .unwrap()
        .into_inner()
        .cont_sign;
    let new = matching(png(2), "other", v1::OnMatch::Reject);
    client.add_image(new).await.unwrap();

    let copy = matching(jpeg(1), "copy", v1::OnMatch::Reject);
    let rejected = client.add_image(copy).await.unwrap_err();

    assert_eq!(rejected.code(), Code::AlreadyExists);
    assert_eq!(reason(&rejected), "SAME_IMAGE_EXISTS");
    let found = matches(&rejected);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].cont_sign, &*found[0].brief), (&sign, "first"));
    assert!(found[0].score > 0.5);
    assert_eq!(image_count(&gateway).await, 2);
}

#[tokio::test]
async fn another_file_of_a_stored_image_is_added_with_its_matches_on_request() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let first = client.add_image(add(png(1))).await.unwrap().into_inner();

    let copy = matching(jpeg(1), "copy", v1::OnMatch::Report);
    let reported = client.add_image(copy).await.unwrap().into_inner();
    let allowed = client.add_image(add(variant(1, 1))).await.unwrap();

    assert_ne!(reported.cont_sign, first.cont_sign);
    assert_eq!(reported.matches.len(), 1);
    assert_eq!(reported.matches[0].cont_sign, first.cont_sign);
    assert!(allowed.into_inner().matches.is_empty());
    assert_eq!(image_count(&gateway).await, 3);
}

#[tokio::test]
async fn the_same_bytes_are_the_business_of_on_duplicate() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    client.add_image(add(png(1))).await.unwrap();

    let again = matching(png(1), "again", v1::OnMatch::Reject);
    let rejected = client.add_image(again.clone()).await.unwrap_err();
    let accepted = v1::AddImageRequest {
        on_duplicate: v1::OnDuplicate::Accept.into(),
        ..again
    };
    let accepted = client.add_image(accepted).await.unwrap().into_inner();

    assert_eq!(reason(&rejected), "IMAGE_ALREADY_EXISTS");
    assert!(accepted.existed && accepted.matches.is_empty());
}

#[tokio::test]
async fn the_score_of_a_match_is_that_of_the_call_or_of_the_library() {
    let strict = "[libraries.default]\nbackend = \"embedded\"\ndata_dir = \"DATA\"\nmin_score = 1";
    let folder = tempfile::tempdir().unwrap();
    let strict = strict.replace("DATA", folder.path().join("strict").to_str().unwrap());
    let gateway = Gateway::with_config(&strict).await;
    let mut client = gateway.client().await;
    client.add_image(add(png(1))).await.unwrap();
    let mut copy = matching(jpeg(1), "copy", v1::OnMatch::Reject);

    copy.match_score = 0.5;
    let rejected = client.add_image(copy.clone()).await.unwrap_err();
    copy.match_score = 0.0;
    client.add_image(copy.clone()).await.unwrap();
    copy.match_score = 1.5;
    let invalid = client.add_image(copy).await.unwrap_err();

    assert_eq!(reason(&rejected), "SAME_IMAGE_EXISTS");
    assert!(invalid.message().contains("`match_score`"), "{invalid}");
    let search = super::search(png(1));
    let found = client.search_images(search.clone()).await.unwrap();
    let all = v1::SearchImagesRequest {
        min_score: 0.001,
        ..search
    };
    let all = client.search_images(all).await.unwrap();
    assert_eq!(found.into_inner().matches.len(), 1);
    assert_eq!(all.into_inner().matches.len(), 2);
}

/// Adds images over one stream; returns the results by key.
async fn bulk(
    gateway: &Gateway,
    images: Vec<(String, bytes::Bytes)>,
) -> BTreeMap<String, v1::AddImagesResult> {
    let options = Payload::Options(v1::AddImagesOptions {
        on_match: v1::OnMatch::Reject.into(),
        ..Default::default()
    });
    let items = images.into_iter().map(|(key, image)| {
        Payload::Item(v1::AddImagesItem {
            brief: key.clone(),
            key,
            source: Some(v1::add_images_item::Source::Content(image)),
            ..Default::default()
        })
    });
    let requests = [options].into_iter().chain(items);
    let requests: Vec<_> = requests
        .map(|payload| v1::AddImagesRequest {
            payload: Some(payload),
        })
        .collect();
    let mut client = gateway.client().await;
    let responses = client.add_images(tokio_stream::iter(requests)).await;
    let mut responses = responses.unwrap().into_inner();
    let mut results = BTreeMap::new();
    while let Some(response) = responses.message().await.unwrap() {
        if let Some(Event::Result(result)) = response.event {
            results.insert(result.key.clone(), result);
        }
    }
    results
}

/// Pairs of copies without `PAIRS`.
const PAIRS: u64 = 30;

#[tokio::test]
async fn of_each_pair_of_copies_in_two_streams_at_the_same_time_one_is_added() {
    let pairs = variable("PAIRS").map_or(PAIRS, |pairs| pairs.parse().unwrap());
    let gateway = Gateway::start().await;
    let named = |image: fn(u64) -> bytes::Bytes| {
        let images = (1..=pairs).map(move |seed| (seed.to_string(), image(seed)));
        images.collect::<Vec<_>>()
    };

    let (one, two) = tokio::join!(bulk(&gateway, named(png)), bulk(&gateway, named(jpeg)));

    let mut rejected = 0;
    for key in (1..=pairs).map(|seed| seed.to_string()) {
        let statuses = [&one[&key], &two[&key]].map(|result| result.status.clone().unwrap());
        let codes = statuses.clone().map(|status| status.code);
        assert!(codes.contains(&0), "{key}: {codes:?}");
        for (result, status) in [&one[&key], &two[&key]].iter().zip(statuses) {
            if status.code != 0 {
                rejected += 1;
                assert_eq!(status.reason, "SAME_IMAGE_EXISTS");
                assert_eq!(result.matches[0].brief, key);
                assert_eq!(result.cont_sign, result.matches[0].cont_sign);
                assert!(!result.existed);
            }
        }
    }
    assert_eq!(rejected, pairs);
    assert_eq!(image_count(&gateway).await, pairs);
}
