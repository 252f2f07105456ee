//! Libraries in OpenSearch: what several gateways see of each other, and the operations that other
//! backends do not have.
//!
//! Against a real node, which all tests share; `nodes` starts clusters of its own, `failures` makes
//! the index, the node or a double of it fail, `security` puts TLS in front of it.

mod failures;
mod kills;
#[allow(clippy::print_stdout, reason = "a measurement, by hand")]
mod measure;
mod nodes;
mod security;

use futures_util::StreamExt;
use samegate::config::OpenSearch;
use samegate::domain::{
    Compare, DeleteByFilter, DuplicateEvent, FindDuplicates, Get, ImageLimits, List, ListOrder,
    RawFilter, RawSource, RawTarget, Search, TagLogic, Update,
};
use samegate::error::Kind;
use samegate::library::Library;
use samegate::library::opensearch::OpenSearchBackend;

use crate::contract::{Fixture, call, content, signs};
use crate::support::backends::{opensearch, opensearch_fixture, opensearch_library};
use crate::support::images::{jpeg, png, variant};
use crate::support::opensearch::{library, shared};

/// Two gateways with the same library.
async fn two() -> (OpenSearch, [Fixture; 2]) {
    let config = library(shared());
    OpenSearchBackend::create(&config).await.unwrap();
    let fixtures = [0, 1].map(|_| opensearch_fixture(&config));
    (config, fixtures)
}

#[tokio::test]
async fn what_one_gateway_writes_every_other_one_sees_at_once() {
    let (_, [one, two]) = two().await;

    let sign = one.add(png(1), "sunset", &[7]).await;

    let found = two.search(jpeg(1), (0, 0)).await.matches;
    assert_eq!(
        (&found[0].cont_sign, found[0].brief.as_str()),
        (&sign, "sunset")
    );
    let again = two.try_add(png(1), "again", &[]).await.unwrap();
    assert_eq!((again.cont_sign, again.existed), (sign.clone(), true));
    assert_eq!(two.delete(signs(&[&sign])).await, [None]);
    assert_eq!(one.search(png(1), (0, 0)).await.matches, []);
}

#[tokio::test]
async fn the_cluster_settles_which_gateway_adds_an_image() {
    let (_, gateways) = two().await;
    let adds = (0..8).map(|number| gateways[number % 2].try_add(png(1), "one", &[]));

    let added = futures_util::future::try_join_all(adds).await.unwrap();

    assert_eq!(added.iter().filter(|added| !added.existed).count(), 1);
    assert_eq!(gateways[0].search(png(1), (0, 0)).await.matches.len(), 1);
}

#[tokio::test]
async fn updates_of_one_image_by_several_gateways_lose_nothing() {
    let (_, [one, two]) = two().await;
    let sign = one.add(png(1), "old", &[1]).await;
    let target = || signs(&[&sign]);

    let (brief, tags) = tokio::join!(
        one.update(target(), Some("new"), None),
        two.update(target(), None, Some(&[2])),
    );

    brief.and(tags).unwrap();
    assert_eq!(one.briefs(png(1), &[2], TagLogic::And).await, ["new"]);
    // The terms are still those of the image.
    assert_eq!(two.search(jpeg(1), (0, 0)).await.matches.len(), 1);
}

#[tokio::test]
async fn records_are_listed_page_by_page_in_both_orders() {
    let fixture = opensearch().await;
    for number in 0..5 {
        let brief = format!("Poster {number}");
        fixture
            .add(variant(1, number), &brief, &[1 + u32::from(number % 2)])
            .await;
    }
    let list = async |order, filter: RawFilter| {
        let (mut token, mut briefs, mut totals) = (String::new(), Vec::new(), Vec::new());
        loop {
            let request = List::new(2, token, filter.clone(), order, false).unwrap();
            let page = fixture.library.list(&call(), request).await.unwrap();
            totals.push(page.total);
            briefs.extend(page.records.into_iter().map(|record| record.brief));
            token = page.next_page_token;
            if token.is_empty() {
                return (briefs, totals);
            }
        }
    };

    let (oldest, totals) = list(ListOrder::OldestFirst, RawFilter::default()).await;
    let (mut newest, _) = list(ListOrder::NewestFirst, RawFilter::default()).await;
    let tagged = RawFilter {
        tags: vec![2],
        ..RawFilter::default()
    };
    let (tagged, _) = list(ListOrder::OldestFirst, tagged).await;
    let named = RawFilter {
        brief_contains: "STER 3".to_owned(),
        ..RawFilter::default()
    };
    let (named, _) = list(ListOrder::OldestFirst, named).await;

    assert_eq!(
        oldest,
        [0, 1, 2, 3, 4].map(|number| format!("Poster {number}"))
    );
    assert_eq!(totals, [Some(5); 3]);
    newest.reverse();
    assert_eq!(newest, oldest);
    assert_eq!(tagged, ["Poster 1", "Poster 3"]);
    assert_eq!(named, ["Poster 3"]);
}

#[tokio::test]
async fn the_token_of_another_listing_is_rejected() {
    let fixture = opensearch().await;
    for number in 0..2 {
        fixture.add(variant(1, number), "", &[]).await;
    }
    let list = async |token: &str, order| {
        let request = List::new(1, token.to_owned(), RawFilter::default(), order, false);
        fixture.library.list(&call(), request.unwrap()).await
    };

    let first = list("", ListOrder::OldestFirst).await.unwrap();

    let other = list(&first.next_page_token, ListOrder::NewestFirst).await;
    assert_eq!(other.unwrap_err().kind(), Kind::InvalidParameter);
}

#[tokio::test]
async fn a_stored_image_is_returned_compared_and_searched_for_by_its_sign() {
    let fixture = opensearch().await;
    let sign = fixture.add(png(1), "sunset", &[7]).await;
    let copy = fixture.add(jpeg(1), "copy", &[]).await;
    fixture.add(png(2), "harbour", &[]).await;
    let library = &fixture.library;

    let get = Get {
        cont_sign: sign.clone(),
        preview: true,
    };
    let record = library.get(&call(), get).await.unwrap();
    let stats = library.stats(&call()).await.unwrap();
    let tags = library.tags(&call()).await.unwrap();
    let query = Search::new(signs(&[&sign]), &[], TagLogic::And, (0, 0), 0.0).unwrap();
    let found = library.search(&call(), query).await.unwrap().matches;
    let limits = ImageLimits::VENDOR;
    let compare = Compare::within(limits, content(png(1)), signs(&[&copy]), None).unwrap();
    let compared = library.compare(&call(), compare).await.unwrap();

    assert_eq!(
        (record.brief.as_str(), record.width, record.height),
        ("sunset", 320, 240)
    );
    assert!(record.thumbnail.starts_with(&[0xFF, 0xD8]), "a JPEG");
    assert!(
        record.preview.is_empty(),
        "a library in OpenSearch has none"
    );
    assert_eq!(
        (stats.images, stats.capacity, stats.id.len()),
        (3, 1000, 16)
    );
    assert!(stats.size_bytes > 0);
    assert_eq!((tags.len(), tags[0].tag, tags[0].images), (1, 7, 1));
    let found: Vec<_> = found.into_iter().map(|found| found.cont_sign).collect();
    assert_eq!(found, [copy]);
    assert!(compared.score > 0.5 && compared.geometry.is_some());
}

#[tokio::test]
async fn a_deletion_by_filter_deletes_what_it_has_counted() {
    let fixture = opensearch().await;
    for number in 0..4 {
        let tags: &[u32] = if number < 3 { &[5] } else { &[] };
        fixture.add(variant(1, number), "", tags).await;
    }
    let delete = async |expected, dry_run| {
        let filter = RawFilter {
            tags: vec![5],
            ..RawFilter::default()
        };
        let request = DeleteByFilter::new(filter, expected, dry_run).unwrap();
        fixture.library.delete_by_filter(&call(), request).await
    };

    let dry = delete(None, true).await.unwrap();
    let wrong = delete(Some(2), false).await.unwrap_err();
    let done = delete(Some(3), false).await.unwrap();

    assert_eq!((dry.matched, dry.deleted, dry.cont_signs.len()), (3, 0, 3));
    assert_eq!(wrong.kind(), Kind::CountMismatch);
    assert_eq!((done.matched, done.deleted), (3, 3));
    assert_eq!(fixture.library.stats(&call()).await.unwrap().images, 1);
}

#[tokio::test]
async fn images_of_a_library_are_compared_with_each_other() {
    let fixture = opensearch().await;
    for seed in 1..4 {
        fixture.add(png(seed), &format!("{seed}"), &[]).await;
        fixture.add(jpeg(seed), &format!("{seed} again"), &[]).await;
    }
    fixture.add(png(4), "alone", &[]).await;
    let request = || FindDuplicates::new(0.0, &[], TagLogic::And, None, String::new()).unwrap();

    let stream = fixture
        .library
        .find_duplicates(&call(), request())
        .await
        .unwrap();
    let second = fixture.library.find_duplicates(&call(), request()).await;
    let events: Vec<_> = stream.map(Result::unwrap).collect().await;

    assert!(matches!(second, Err(error) if error.kind() == Kind::Overloaded));
    let (mut groups, mut cursor) = (Vec::new(), String::new());
    for event in events {
        match event {
            DuplicateEvent::Group(group) => {
                assert_eq!(group.pairs.len(), 1);
                let briefs = group.images.into_iter().map(|image| image.brief);
                groups.push(briefs.collect::<Vec<_>>());
            }
            DuplicateEvent::Progress(progress) if !progress.cursor.is_empty() => {
                assert_eq!((progress.compared, progress.total), (7, 7));
                cursor = progress.cursor;
            }
            DuplicateEvent::Progress(_) => {}
        }
    }
    groups.sort();
    assert_eq!(
        groups,
        [["1", "1 again"], ["2", "2 again"], ["3", "3 again"]]
    );
    let rest = FindDuplicates::new(0.0, &[], TagLogic::And, None, cursor).unwrap();
    let rest = fixture
        .library
        .find_duplicates(&call(), rest)
        .await
        .unwrap();
    let rest: Vec<_> = rest.collect().await;
    assert_eq!(rest.len(), 1, "only the end of the progress");
}

#[tokio::test]
async fn a_full_library_accepts_no_image_and_every_other_call() {
    let config = OpenSearch {
        capacity: 1,
        ..library(shared())
    };
    OpenSearchBackend::create(&config).await.unwrap();
    let fixture = opensearch_fixture(&config);
    let sign = fixture.add(png(1), "sunset", &[]).await;

    let full = fixture.try_add(png(2), "", &[]).await.unwrap_err();

    assert_eq!(full.kind(), Kind::LibraryFull);
    assert!(fixture.try_add(png(1), "", &[]).await.unwrap().existed);
    fixture
        .update(signs(&[&sign]), Some("new"), None)
        .await
        .unwrap();
    assert_eq!(fixture.delete(signs(&[&sign])).await, [None]);
    fixture.add(png(2), "", &[]).await;
}

#[tokio::test]
async fn a_library_is_made_once_and_has_no_backup() {
    let config = library(shared());
    OpenSearchBackend::create(&config).await.unwrap();

    let again = OpenSearchBackend::create(&config).await.unwrap_err();

    assert_eq!(again.kind(), Kind::ClusterSetup);
    OpenSearchBackend::check(&config).await.unwrap();
    let Err(backup) = opensearch_library(&config).backup() else {
        panic!("snapshots are the backups");
    };
    assert_eq!(backup.kind(), Kind::OperationUnsupported);
}

#[tokio::test]
async fn an_update_by_content_and_one_without_a_change_need_the_image() {
    let fixture = opensearch().await;
    fixture.add(png(1), "old", &[]).await;
    let unknown = RawTarget::Source(RawSource::Content(png(2)));
    let request = Update::new(unknown, None, None).unwrap();

    let missing = fixture.library.update(&call(), request).await.unwrap_err();

    assert_eq!(missing.kind(), Kind::ImageNotFound);
    fixture
        .update(content(png(1)), Some("new"), None)
        .await
        .unwrap();
    assert_eq!(fixture.briefs(png(1), &[], TagLogic::And).await, ["new"]);
}

#[tokio::test]
async fn a_page_beyond_the_first_candidates_has_all_copies() {
    let config = OpenSearch {
        candidates: 5,
        ..library(shared())
    };
    OpenSearchBackend::create(&config).await.unwrap();
    let fixture = opensearch_fixture(&config);
    for number in 0..12 {
        fixture.add(variant(1, number), "", &[]).await;
    }

    let first = fixture.search(png(1), (0, 8)).await;
    let rest = fixture.search(png(1), (8, 8)).await;

    assert_eq!((first.matches.len(), first.has_more), (8, true));
    assert_eq!((rest.matches.len(), rest.has_more), (4, false));
}

#[tokio::test]
async fn a_gateway_stays_with_its_index_when_the_alias_is_moved() {
    let (config, [one, _]) = two().await;
    let (other, [elsewhere, _]) = two().await;
    one.add(png(1), "here", &[]).await;
    let action = |verb: &str, index: &str| {
        let index = format!("{index}-*-1");
        serde_json::json!({ verb: { "index": index, "alias": config.index } })
    };
    let moved = [action("remove", &config.index), action("add", &other.index)];
    let body = serde_json::json!({ "actions": moved });
    let (status, response) = shared().request("POST", "_aliases", Some(body)).await;
    assert_eq!(status, 200, "{response}");

    one.add(png(2), "also here", &[]).await;

    assert_eq!(one.briefs(png(1), &[], TagLogic::And).await, ["here"]);
    assert_eq!(one.briefs(png(2), &[], TagLogic::And).await, ["also here"]);
    assert_eq!(elsewhere.search(png(2), (0, 0)).await.matches, []);
    // A gateway that starts now finds an index that does not know the alias.
    let error = OpenSearchBackend::check(&config).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ClusterSetup);
}
