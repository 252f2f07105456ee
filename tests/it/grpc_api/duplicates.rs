//! The images of a library are compared with each other.

use bytes::Bytes;
use samegate::proto::v1;
use samegate::proto::v1::find_duplicates_response::Event;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::add;
use crate::support::gateway::Gateway;
use crate::support::images::{jpeg, png};

type Client = SameImageServiceClient<Channel>;

async fn added(client: &mut Client, image: Bytes) -> String {
    let added = client.add_image(add(image)).await.unwrap();
    added.into_inner().cont_sign
}

async fn events(
    client: &mut Client,
    request: impl tonic::IntoRequest<v1::FindDuplicatesRequest>,
) -> Result<Vec<Event>, Status> {
    let mut stream = client.find_duplicates(request).await?.into_inner();
    let mut events = Vec::new();
    while let Some(message) = stream.message().await? {
        events.extend(message.event);
    }
    Ok(events)
}

#[tokio::test]
async fn the_groups_of_a_library_come_with_their_pairs_and_a_cursor() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let original = added(&mut client, png(1)).await;
    added(&mut client, png(2)).await;
    let copy = added(&mut client, jpeg(1)).await;

    let request = v1::FindDuplicatesRequest::default();
    let events = events(&mut client, request).await.unwrap();

    let [Event::Group(group), Event::Progress(progress)] = &events[..] else {
        panic!("{events:?}");
    };
    let signs: Vec<&str> = group.images.iter().map(|image| &*image.cont_sign).collect();
    assert_eq!(signs, [&original, &copy]);
    let [pair] = &group.pairs[..] else {
        panic!("{group:?}");
    };
    assert_eq!((&pair.a, &pair.b), (&copy, &original));
    assert!(pair.score > 0.5 && pair.score <= 1.0, "{}", pair.score);
    assert_eq!((progress.compared, progress.total), (3, 3));
    assert!(!progress.cursor.is_empty());

    let since = v1::FindDuplicatesRequest {
        cursor: progress.cursor.clone(),
        ..v1::FindDuplicatesRequest::default()
    };
    let nothing = self::events(&mut client, since).await.unwrap();
    assert!(matches!(&nothing[..], [Event::Progress(_)]), "{nothing:?}");
}

#[tokio::test]
async fn invalid_fields_and_cursors_are_rejected_before_the_stream() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let requests = [
        v1::FindDuplicatesRequest {
            min_score: 1.5,
            ..v1::FindDuplicatesRequest::default()
        },
        v1::FindDuplicatesRequest {
            tags: vec![0],
            ..v1::FindDuplicatesRequest::default()
        },
        v1::FindDuplicatesRequest {
            cursor: "abc".to_owned(),
            ..v1::FindDuplicatesRequest::default()
        },
        v1::FindDuplicatesRequest {
            cursor: "0000000000000000-1".to_owned(),
            ..v1::FindDuplicatesRequest::default()
        },
    ];
    for request in requests {
        let rejected = client.find_duplicates(request.clone()).await.unwrap_err();
        assert_eq!(rejected.code(), Code::InvalidArgument, "{request:?}");
    }
}
