//! Bulk loads and bulk searches of the crate: one outcome for each item, whatever happens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use samegate_client::v1::{self, AddImagesOptions};
use samegate_client::{Added, Client, Code, Error, Image, Item, Outcomes};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{client, client_of, image};
use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Act, Double, error_status};
use crate::support::images::jpeg;

fn item(number: usize) -> Item {
    Item::new(number.to_string().into_bytes()).brief(number.to_string())
}

fn double_that(acts: impl IntoIterator<Item = Act>) -> Double {
    let double = Double::start();
    double.store.lock().unwrap().acts = acts.into_iter().collect();
    double
}

fn fail(double: &Double, number: usize, times: usize) {
    let error = error_status(Code::Unavailable, "VENDOR_BUSY");
    let errors = std::iter::repeat_n(error, times).collect();
    let mut state = double.store.lock().unwrap();
    state.errors.insert(number.to_string(), errors);
}

async fn all(mut outcomes: Outcomes<Added>) -> Result<Vec<Added>, Error> {
    let mut all = Vec::new();
    while let Some(outcome) = outcomes.next().await? {
        all.push(outcome);
    }
    Ok(all)
}

/// Loads items over a double, and checks that each has one outcome and is stored.
async fn load(samegate: &Client, double: &Double, count: usize) {
    let outcomes = samegate.add_all((0..count).map(item), AddImagesOptions::default());
    assert_complete(&all(outcomes).await.unwrap(), count);
    assert_eq!(double.briefs().len(), count);
}

fn assert_complete(outcomes: &[Added], count: usize) {
    let indices: BTreeSet<usize> = outcomes.iter().map(|outcome| outcome.index).collect();
    assert_eq!((outcomes.len(), indices.len()), (count, count));
    for outcome in outcomes {
        assert!(outcome.result.is_ok(), "{outcome:?}");
        assert_eq!(outcome.item.brief, outcome.index.to_string());
    }
}

#[tokio::test]
async fn each_item_has_one_outcome_and_a_bad_one_fails_alone() {
    let gateway = Gateway::start().await;
    let samegate = client(&gateway).await;
    let items = [
        Item::new(image(1)),
        Item::new(b"no image".to_vec()),
        Item::new(gateway.folder.path().join("none.jpg")),
        Item::new(image(2)).brief("b".repeat(257)),
        Item::new(Image::sign("1,1")),
        Item::new(Image::load_with(|| async { Err("not downloaded".into()) })),
        Item::new(Image::load_with(|| async { Ok(image(3)) })),
    ];

    let outcomes = samegate.add_stream(stream::iter(items), AddImagesOptions::default());
    let mut outcomes = all(outcomes).await.unwrap();

    outcomes.sort_by_key(|outcome| outcome.index);
    let reason = |outcome: &Added| match &outcome.result {
        Ok(_) => String::new(),
        Err(error) => error.reason().to_owned(),
    };
    let reasons: Vec<String> = outcomes.iter().map(reason).collect();
    let expected = [
        "",
        "IMAGE_FORMAT",
        "FILE_UNREADABLE",
        "PARAMETER_TOO_LONG",
        "INVALID_ITEM",
        "LOAD_FAILED",
        "",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(samegate.info().await.unwrap().image_count, 2);
}

#[tokio::test]
async fn broken_and_drained_streams_are_resumed() {
    let acts = [Act::BreakAfter(7), Act::DrainAfter(10), Act::BreakAfter(1)];
    let double = double_that(acts);

    load(&client_of(&double).await, &double, 60).await;
}

#[tokio::test]
async fn a_killed_gateway_is_awaited() {
    let hangs = CancellationToken::new();
    let double = double_that([Act::HangAfter(10, hangs.clone())]);
    let samegate = client_of(&double).await;
    let outcomes = samegate.add_all((0..60).map(item), AddImagesOptions::default());

    let restart = async {
        hangs.cancelled().await;
        let (address, store) = (double.address, double.store.clone());
        double.kill();
        Double::start_at(address, store)
    };
    let (outcomes, double) = tokio::join!(all(outcomes), restart);

    assert_complete(&outcomes.unwrap(), 60);
    assert_eq!(double.briefs().len(), 60);
}

#[tokio::test]
async fn an_item_that_fails_for_a_transient_reason_is_sent_three_times() {
    let double = Double::start();
    fail(&double, 0, 2);
    fail(&double, 1, 3);

    let samegate = client_of(&double).await;
    let outcomes = samegate.add_all((0..5).map(item), AddImagesOptions::default());
    let outcomes = all(outcomes).await.unwrap();

    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err());
    let failed: Vec<usize> = failed.map(|outcome| outcome.index).collect();
    assert_eq!((outcomes.len(), failed), (5, vec![1]));
}

#[tokio::test]
async fn a_library_that_fails_for_all_items_pauses_the_load_and_fails_none() {
    let double = Double::start();
    (0..32).for_each(|number| fail(&double, number, 3));

    load(&client_of(&double).await, &double, 60).await;

    assert!(double.store.lock().unwrap().options.len() > 1);
}

#[tokio::test]
async fn a_library_that_stays_down_ends_a_load_with_few_items_in_flight() {
    let double = Double::start();
    (0..60).for_each(|number| fail(&double, number, 100));
    let samegate = Client::builder(double.endpoint()).stream_attempts(2);
    let samegate = samegate.connect().await.unwrap();
    let options = AddImagesOptions {
        max_in_flight: 4,
        ..Default::default()
    };

    let mut outcomes = samegate.add_all((0..60).map(item), options);
    let mut failed = 0;
    let error = loop {
        match outcomes.next().await {
            Ok(outcome) => failed += usize::from(outcome.unwrap().result.is_err()),
            Err(error) => break error,
        }
    };

    assert_eq!(error.reason(), "VENDOR_BUSY");
    assert!(failed < 30, "{failed}");
}

#[tokio::test]
async fn streams_without_an_outcome_end_the_load() {
    let rejected = || Act::Reject(Status::unavailable("out of order"));
    let double = double_that([rejected(), rejected()]);
    let samegate = Client::builder(double.endpoint()).stream_attempts(2);
    let samegate = samegate.connect().await.unwrap();

    let outcomes = samegate.add_all((0..3).map(item), AddImagesOptions::default());
    let error = all(outcomes).await.unwrap_err();

    assert_eq!(error.message(), "out of order");
    let denied = double_that([Act::Reject(Status::permission_denied("no"))]);
    let samegate = client_of(&denied).await;
    let outcomes = samegate.add_all((0..3).map(item), AddImagesOptions::default());
    let error = all(outcomes).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::PermissionDenied));
}

#[tokio::test]
async fn a_load_that_is_stopped_loses_no_outcome() {
    let double = Double::start();
    let samegate = client_of(&double).await;
    let options = AddImagesOptions {
        max_in_flight: 4,
        ..Default::default()
    };
    let mut outcomes = samegate.add_all((0..10_000).map(item), options);

    let mut count = 0;
    while outcomes.next().await.unwrap().is_some() {
        count += 1;
        if count == 10 {
            outcomes.stop();
        }
    }

    assert!((10..1000).contains(&count), "{count}");
    assert_eq!(double.briefs().len(), count);
}

#[tokio::test]
async fn a_load_that_is_stopped_says_that_items_were_lost() {
    let hangs = CancellationToken::new();
    let double = double_that([Act::HangAfter(10, hangs.clone())]);
    let samegate = client_of(&double).await;
    let outcomes = samegate.add_all((0..60).map(item), AddImagesOptions::default());

    hangs.cancelled().await;
    outcomes.stop();
    double.kill();
    let error = all(outcomes).await.unwrap_err();

    assert_eq!(error.code(), Some(Code::Unavailable), "{error}");
}

#[tokio::test]
async fn no_more_items_are_taken_than_the_window_holds() {
    let double = Double::start();
    let samegate = client_of(&double).await;
    let taken = Arc::<AtomicUsize>::default();
    let takes = taken.clone();
    let items = (0..500).map(move |number| {
        takes.fetch_add(1, Ordering::Relaxed);
        // Outcomes of files that cannot be read are bounded, too.
        Item::new(Image::file(format!("missing/{number}")))
    });

    let mut outcomes = samegate.add_all(items, AddImagesOptions::default());
    outcomes.next().await.unwrap();

    assert!(taken.load(Ordering::Relaxed) < 100, "{taken:?}");
    assert_eq!(all(outcomes).await.unwrap().len(), 499);
}

#[tokio::test]
#[should_panic(expected = "mine")]
async fn a_panic_of_the_iterator_is_the_callers() {
    let double = Double::start();
    let samegate = client_of(&double).await;
    let items = (0..3).map(|number| match number {
        2 => panic!("mine"),
        _ => item(number),
    });

    let _ = all(samegate.add_all(items, AddImagesOptions::default())).await;
}

#[tokio::test]
async fn a_bulk_search_finds_the_matches_of_each_query() {
    let gateway = Gateway::start().await;
    let samegate = client(&gateway).await;
    let mut signs = Vec::new();
    for seed in 0..2 {
        let added = samegate.add(image(seed), Default::default()).await;
        signs.push(added.unwrap().cont_sign);
    }

    let queries = [1, 9].map(|seed| Image::from(jpeg(seed)));
    let options = v1::BulkSearchImagesOptions::default();
    let mut outcomes = samegate.search_all(queries, options);
    let mut found = [None, None];
    while let Some(outcome) = outcomes.next().await.unwrap() {
        found[outcome.index] = Some(outcome.result.unwrap().matches);
    }

    let [first, second] = found.map(Option::unwrap);
    assert_eq!((first.len(), second.len()), (1, 0));
    assert_eq!(first[0].cont_sign, signs[1]);
}
