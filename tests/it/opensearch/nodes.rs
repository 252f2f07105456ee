//! A node of a cluster dies: nothing acknowledged is lost, and searches are whole or fail.

use std::time::Duration;

use samegate::config::OpenSearch;
use samegate::domain::{List, ListOrder, RawFilter, RawSource, Search, TagLogic};
use samegate::error::Kind;
use samegate::library::opensearch::OpenSearchBackend;

use crate::contract::call;
use crate::support::backends::opensearch_fixture;
use crate::support::images::png;
use crate::support::opensearch::{Node, library};
use crate::support::probe::until;

#[tokio::test]
async fn after_the_death_of_a_node_searches_are_whole_or_fail_until_they_are_whole() {
    let (first, mut second) = Node::pair("two-nodes");
    let config = OpenSearch {
        urls: vec![second.url.parse().unwrap(), first.url.parse().unwrap()],
        shards: 2,
        replicas: 1,
        timeout: Duration::from_secs(20),
        ..library(&first)
    };
    OpenSearchBackend::create(&config).await.unwrap();
    // Half of it is gone with the node.
    let bare = OpenSearch {
        index: format!("{}-bare", config.index),
        replicas: 0,
        timeout: Duration::from_secs(5),
        ..config.clone()
    };
    OpenSearchBackend::create(&bare).await.unwrap();
    first.until_green().await;
    let (fixture, half) = (opensearch_fixture(&config), opensearch_fixture(&bare));
    for seed in 1..6 {
        fixture.add(png(seed), &seed.to_string(), &[]).await;
        half.add(png(seed), &seed.to_string(), &[]).await;
    }

    second.kill();

    let search = async |seed| {
        let source = RawSource::Content(png(seed));
        let query = Search::new(source, &[], TagLogic::And, (0, 0), 0.0).unwrap();
        fixture.library.search(&call(), query).await
    };
    for seed in 1..6 {
        until("a search is whole", async || match search(seed).await {
            Ok(found) => {
                assert_eq!(found.matches.len(), 1, "whole, or an error");
                true
            }
            Err(_) => false,
        })
        .await;
    }
    until("images can be added", async || {
        fixture.try_add(png(6), "6", &[]).await.is_ok()
    })
    .await;
    assert_eq!(search(6).await.unwrap().matches.len(), 1);

    // Images of the other half are not returned as if they were all.
    for seed in 1..4 {
        let source = RawSource::Content(png(seed));
        let query = Search::new(source, &[], TagLogic::And, (0, 0), 0.0).unwrap();
        let missing = half.library.search(&call(), query).await.unwrap_err();
        assert_eq!(missing.kind(), Kind::ClusterUnavailable, "{missing}");
    }
    // Nor are they counted as if they were all.
    let counted = half.library.stats(&call()).await.unwrap_err();
    assert_eq!(counted.kind(), Kind::ClusterUnavailable, "{counted}");
    let list = List::new(
        10,
        String::new(),
        RawFilter::default(),
        ListOrder::OldestFirst,
        false,
    );
    let listed = half.library.list(&call(), list.unwrap()).await.unwrap_err();
    assert_eq!(listed.kind(), Kind::ClusterUnavailable, "{listed}");
}
