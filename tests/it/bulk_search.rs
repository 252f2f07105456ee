//! The stream of a bulk search over real sockets. What it shares with a bulk load is tested there.

use std::collections::BTreeMap;

use samegate::proto::v1;
use samegate::proto::v1::add_image_request::Source as AddSource;
use samegate::proto::v1::bulk_search_images_item::Source;
use samegate::proto::v1::bulk_search_images_request::Payload;
use samegate::proto::v1::bulk_search_images_response::Event;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::support::gateway::Gateway;
use crate::support::images::{jpeg, png, variant};
use crate::support::vendor::{API_KEY, SECRET_KEY, Vendor};

type Results = BTreeMap<String, v1::BulkSearchImagesResult>;

fn item(key: &str, source: Source) -> Payload {
    Payload::Item(v1::BulkSearchImagesItem {
        key: key.to_owned(),
        source: Some(source),
    })
}

fn request(payload: Payload) -> v1::BulkSearchImagesRequest {
    v1::BulkSearchImagesRequest {
        payload: Some(payload),
    }
}

/// Searches over one stream; returns the results by key, and the summary.
async fn search(
    gateway: &Gateway,
    options: v1::BulkSearchImagesOptions,
    items: Vec<Payload>,
) -> Result<(Results, v1::BulkSearchImagesCounts), Status> {
    let payloads = [Payload::Options(options)].into_iter().chain(items);
    let requests: Vec<_> = payloads.map(request).collect();
    let mut client = gateway.client().await;
    let stream = client.bulk_search_images(tokio_stream::iter(requests));
    let mut stream = stream.await?.into_inner();
    let (mut results, mut summary) = (Results::new(), None);
    while let Some(response) = stream.message().await? {
        match response.event.unwrap() {
            Event::Result(result) => {
                let previous = results.insert(result.key.clone(), result);
                assert_eq!(previous, None, "one result per item");
            }
            Event::Summary(counts) => summary = Some(counts),
            Event::Progress(_) | Event::Drain(_) => {}
        }
    }
    Ok((results, summary.expect("the summary comes last")))
}

async fn add(gateway: &Gateway, image: bytes::Bytes, tag: u32) -> String {
    let request = v1::AddImageRequest {
        source: Some(AddSource::Content(image)),
        brief: "stored".to_owned(),
        tags: vec![tag],
        ..Default::default()
    };
    let added = gateway.client().await.add_image(request).await.unwrap();
    added.into_inner().cont_sign
}

#[tokio::test]
async fn each_query_has_its_matches_or_its_error() {
    let gateway = Gateway::start().await;
    let sign = add(&gateway, png(1), 7).await;
    let copy = add(&gateway, variant(1, 1), 7).await;
    let items = vec![
        item("file", Source::Content(jpeg(1))),
        item("sign", Source::ContSign(sign.clone())),
        item("new", Source::Content(png(2))),
        item("bad", Source::Content("bad".into())),
        item("unknown", Source::ContSign("4,4".to_owned())),
    ];

    let options = v1::BulkSearchImagesOptions::default();
    let (results, counts) = search(&gateway, options, items).await.unwrap();

    let code = |key: &str| Code::from_i32(results[key].status.as_ref().unwrap().code);
    let signs = |key: &str| {
        let matches = results[key].matches.iter();
        let mut signs: Vec<_> = matches.map(|found| found.cont_sign.clone()).collect();
        signs.sort();
        signs
    };
    let mut both = [sign, copy.clone()];
    both.sort();
    assert_eq!(signs("file"), both);
    assert_eq!(signs("sign"), [copy]);
    assert_eq!((code("new"), signs("new").len()), (Code::Ok, 0));
    assert_eq!(code("bad"), Code::InvalidArgument);
    assert_eq!(code("unknown"), Code::NotFound);
    let expected = v1::BulkSearchImagesCounts {
        received: 5,
        matched: 2,
        unmatched: 1,
        failed: 2,
    };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn the_options_apply_to_every_item() {
    let gateway = Gateway::start().await;
    for (number, tag) in [(0, 1), (1, 2), (2, 2)] {
        add(&gateway, variant(1, number), tag).await;
    }
    let options = v1::BulkSearchImagesOptions {
        tags: vec![2],
        limit: 1,
        ..Default::default()
    };
    let items = vec![item("a", Source::Content(png(1)))];

    let (results, _) = search(&gateway, options, items).await.unwrap();

    assert_eq!(results["a"].matches.len(), 1);
    assert_eq!(results["a"].matches[0].tags, [2]);
    assert!(results["a"].has_more);
}

#[tokio::test]
async fn invalid_options_and_a_first_message_without_options_are_rejected() {
    let gateway = Gateway::start().await;
    let options = v1::BulkSearchImagesOptions {
        limit: 101,
        min_score: 2.0,
        ..Default::default()
    };

    let invalid = search(&gateway, options, Vec::new()).await.unwrap_err();
    let mut client = gateway.client().await;
    let first = request(item("a", Source::Content(png(1))));
    let without = client.bulk_search_images(tokio_stream::iter([first])).await;

    assert_eq!(invalid.code(), Code::InvalidArgument);
    assert!(invalid.message().contains("`limit`"), "{invalid}");
    assert!(invalid.message().contains("`min_score`"), "{invalid}");
    assert_eq!(without.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_query_over_the_message_limit_fails_alone() {
    let gateway = Gateway::with_config("limits.max_message_bytes = 65536").await;
    add(&gateway, png(1), 1).await;
    let items = vec![
        item("large", Source::Content(vec![7; 200_000].into())),
        item("small", Source::Content(png(1))),
    ];

    let options = v1::BulkSearchImagesOptions::default();
    let (results, _) = search(&gateway, options, items).await.unwrap();

    let code = |key: &str| Code::from_i32(results[key].status.as_ref().unwrap().code);
    assert_eq!(code("large"), Code::ResourceExhausted);
    assert_eq!(results["small"].matches.len(), 1);
}

#[tokio::test]
async fn a_drain_is_announced_and_every_received_query_has_its_result() {
    let gateway = Gateway::start().await;
    let (items, receiver) = mpsc::channel(4);
    let options = Payload::Options(v1::BulkSearchImagesOptions::default());
    items.send(request(options)).await.unwrap();
    let query = item("a", Source::Content(png(1)));
    items.send(request(query)).await.unwrap();
    let mut client = gateway.client().await;
    let stream = client.bulk_search_images(ReceiverStream::new(receiver));
    let mut stream = stream.await.unwrap().into_inner();
    let mut next = async || stream.message().await.unwrap().map(|it| it.event.unwrap());
    assert!(matches!(next().await, Some(Event::Result(_))));

    let stopped = gateway.begin_to_stop();

    assert!(matches!(next().await, Some(Event::Drain(_))));
    let Some(Event::Summary(counts)) = next().await else {
        panic!("a summary ends the stream")
    };
    assert_eq!((counts.received, counts.unmatched), (1, 1));
    assert!(next().await.is_none());
    drop((items, client));
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_vendor_is_searched_too_but_not_by_sign() {
    let vendor = Vendor::start().await;
    let gateway = Gateway::with_config(&format!(
        "[libraries.cloud]\nbackend = \"rest\"\nbase_url = \"{}\"\n\
         credentials = [{{ api_key = \"{API_KEY}\", secret_key = \"{SECRET_KEY}\" }}]\nqps = 1000\n\
         [tenants.app]\nlibraries = [\"cloud\"]\n",
        vendor.url()
    ))
    .await;
    let sign = add(&gateway, png(1), 1).await;
    let items = vec![
        item("file", Source::Content(png(1))),
        item("sign", Source::ContSign(sign)),
    ];

    let options = v1::BulkSearchImagesOptions::default();
    let (results, _) = search(&gateway, options, items).await.unwrap();

    assert_eq!(results["file"].matches.len(), 1);
    let status = results["sign"].status.as_ref().unwrap();
    assert_eq!(status.reason, "OPERATION_UNSUPPORTED");
}
