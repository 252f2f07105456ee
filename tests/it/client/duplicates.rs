//! The search for duplicates of the crate, over interruptions.

use samegate_client::v1::{self, find_duplicates_response::Event};
use tonic::Status;

use super::{client, client_of, image};
use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Double, JoinMessage};
use crate::support::images::jpeg;

fn group(sign: &str) -> JoinMessage {
    let image = v1::Image {
        cont_sign: sign.to_owned(),
        ..Default::default()
    };
    let group = v1::DuplicateGroup {
        images: vec![image],
        ..Default::default()
    };
    let event = Some(Event::Group(group));
    Ok(v1::FindDuplicatesResponse { event })
}

fn progress(compared: u64, cursor: &str) -> JoinMessage {
    let progress = v1::FindDuplicatesProgress {
        compared,
        total: 9,
        cursor: cursor.to_owned(),
    };
    let event = Some(Event::Progress(progress));
    Ok(v1::FindDuplicatesResponse { event })
}

#[tokio::test]
async fn an_interrupted_search_goes_on_from_its_cursor() {
    let double = Double::start();
    let broken = Err(Status::unavailable("broken"));
    double.store.lock().unwrap().joins = [
        vec![group("a"), progress(3, "three"), broken],
        vec![group("b"), progress(9, "nine")],
    ]
    .into();
    let samegate = client_of(&double).await;

    let mut duplicates = samegate.find_duplicates(Default::default());
    let mut signs = Vec::new();
    while let Some(group) = duplicates.next().await.unwrap() {
        signs.push(group.images[0].cont_sign.clone());
    }

    assert_eq!(signs, ["a", "b"]);
    assert_eq!((duplicates.compared(), duplicates.total()), (9, 9));
    assert_eq!(duplicates.cursor(), "nine");
    assert_eq!(double.store.lock().unwrap().cursors, ["", "three"]);
}

#[tokio::test]
async fn the_cursor_of_a_run_selects_what_is_new() {
    let gateway = Gateway::start().await;
    let samegate = client(&gateway).await;
    for image in [image(1), jpeg(1).into(), image(2)] {
        samegate.add(image, Default::default()).await.unwrap();
    }

    let mut duplicates = samegate.find_duplicates(Default::default());
    let group = duplicates.next().await.unwrap().unwrap();
    let end = duplicates.next().await.unwrap();
    let mut again = samegate.find_duplicates(v1::FindDuplicatesRequest {
        cursor: duplicates.cursor().to_owned(),
        ..Default::default()
    });
    let new = again.next().await.unwrap();
    let invalid = v1::FindDuplicatesRequest {
        cursor: "x".to_owned(),
        ..Default::default()
    };
    let invalid = samegate.find_duplicates(invalid).next().await.unwrap_err();

    assert_eq!((group.images.len(), end), (2, None));
    assert_eq!(duplicates.compared(), 3);
    assert_eq!(new, None);
    assert_eq!(invalid.violations()[0].field, "cursor");
}
