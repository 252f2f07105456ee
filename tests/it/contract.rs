//! The contract of `trait Library`, tested for every backend.
//!
//! A backend is added by one line at the end. No test here knows which backend it runs against.

mod duplicates;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use samegate::admission::CallPermit;
use samegate::call::{Call, CallStats, RequestId, Tenant};
use samegate::domain::{
    Add, Added, Capability, ContSign, Delete, DeleteByFilter, ImageLimits, List, ListOrder,
    OnMatch, RawFilter, RawSource, RawTarget, Search, SearchResults, TagLogic, Update,
};
use samegate::error::{Kind, Result};
use samegate::library::Library;
use samegate::telemetry::CallTrace;
use tokio::time::Instant;

use crate::support::images::{jpeg, png, variant};

/// A library under test, and the resources that it needs.
pub struct Fixture {
    pub library: Arc<dyn Library>,
    pub _keep: Box<dyn Any + Send>,
}

// === Calls ===

pub fn call() -> Call {
    let tenant = Arc::new(Tenant {
        name: "test".to_owned(),
        libraries: Vec::new(),
        weight: 1,
        read_only: false,
    });
    let timeout = Duration::from_secs(60);
    let deadline = Instant::now() + timeout;
    Call {
        tenant,
        request_id: RequestId::default(),
        deadline,
        stream_deadline: None,
        timeout,
        bulk: false,
        permit: CallPermit::default(),
        stats: CallStats::default(),
        trace: CallTrace::default(),
    }
}

impl Fixture {
    pub async fn try_add(&self, image: Bytes, brief: &str, tags: &[u32]) -> Result<Added> {
        let request = Add::new(RawSource::Content(image), brief.to_owned(), tags).unwrap();
        self.library.add(&call(), request).await
    }

    pub async fn add(&self, image: Bytes, brief: &str, tags: &[u32]) -> ContSign {
        let added = self.try_add(image, brief, tags).await.unwrap();
        assert!(!added.existed, "`{brief}` is new");
        added.cont_sign
    }

    pub async fn search(&self, image: Bytes, window: (u32, u32)) -> SearchResults {
        let query =
            Search::new(RawSource::Content(image), &[], TagLogic::And, window, 0.0).unwrap();
        self.library.search(&call(), query).await.unwrap()
    }

    pub async fn briefs(&self, image: Bytes, tags: &[u32], logic: TagLogic) -> Vec<String> {
        let query = Search::new(RawSource::Content(image), tags, logic, (0, 0), 0.0).unwrap();
        let page = self.library.search(&call(), query).await.unwrap();
        let mut briefs: Vec<_> = page.matches.into_iter().map(|found| found.brief).collect();
        briefs.sort();
        briefs
    }

    pub async fn update(
        &self,
        target: RawTarget,
        brief: Option<&str>,
        tags: Option<&[u32]>,
    ) -> Result<()> {
        let request = Update::new(target, brief.map(str::to_owned), tags).unwrap();
        self.library.update(&call(), request).await.map(drop)
    }

    pub async fn delete(&self, target: RawTarget) -> Vec<Option<Kind>> {
        let deleted = self
            .library
            .delete(&call(), Delete::new(target).unwrap())
            .await
            .unwrap();
        deleted
            .outcomes
            .into_iter()
            .map(|outcome| outcome.err().map(|error| error.kind()))
            .collect()
    }
}

pub fn signs(signs: &[&ContSign]) -> RawTarget {
    RawTarget::Signs(signs.iter().map(ToString::to_string).collect())
}

pub fn content(image: Bytes) -> RawTarget {
    RawTarget::Source(RawSource::Content(image))
}

// === Behaviour ===

async fn an_added_image_is_found_with_its_brief(fixture: Fixture) {
    let sign = fixture.add(png(1), "sunset", &[]).await;
    fixture.add(png(2), "harbour", &[]).await;

    let page = fixture.search(png(1), (0, 0)).await;

    assert_eq!(page.matches.len(), 1);
    assert_eq!(
        (&page.matches[0].cont_sign, page.matches[0].brief.as_str()),
        (&sign, "sunset")
    );
    assert_eq!(page.matches[0].score, 1.0);
    assert!(!page.has_more);
}

async fn an_image_that_was_never_added_is_not_found(fixture: Fixture) {
    fixture.add(png(1), "sunset", &[]).await;

    assert_eq!(fixture.search(png(3), (0, 0)).await.matches, []);
}

async fn adding_the_same_bytes_again_returns_existed_and_changes_nothing(fixture: Fixture) {
    let sign = fixture.add(png(1), "first", &[7]).await;

    let again = fixture.try_add(png(1), "second", &[8]).await.unwrap();

    assert_eq!((again.cont_sign, again.existed), (sign, true));
    assert_eq!(fixture.briefs(png(1), &[7], TagLogic::And).await, ["first"]);
}

async fn concurrent_adds_of_the_same_bytes_store_one_image(fixture: Fixture) {
    let adds = (0..8).map(|_| fixture.try_add(png(1), "one", &[]));

    let added = futures_util::future::try_join_all(adds).await.unwrap();

    assert_eq!(added.iter().filter(|added| !added.existed).count(), 1);
    assert!(
        added
            .iter()
            .all(|other| other.cont_sign == added[0].cont_sign)
    );
    assert_eq!(fixture.search(png(1), (0, 0)).await.matches.len(), 1);
}

async fn a_deleted_image_is_gone_and_can_be_added_again(fixture: Fixture) {
    let sign = fixture.add(png(1), "sunset", &[]).await;

    assert_eq!(fixture.delete(signs(&[&sign])).await, [None]);

    assert_eq!(fixture.search(png(1), (0, 0)).await.matches, []);
    fixture.add(png(1), "sunset again", &[]).await;
}

async fn an_image_can_be_deleted_by_its_content(fixture: Fixture) {
    fixture.add(png(1), "sunset", &[]).await;

    assert_eq!(fixture.delete(content(png(1))).await, [None]);

    assert_eq!(
        fixture.delete(content(png(1))).await,
        [Some(Kind::ImageNotFound)]
    );
}

async fn each_sign_of_a_deletion_has_its_outcome(fixture: Fixture) {
    let (one, two) = (
        fixture.add(png(1), "1", &[]).await,
        fixture.add(png(2), "2", &[]).await,
    );
    let (unknown, strange) = (
        ContSign::new("4,4").unwrap(),
        ContSign::new("no sign at all").unwrap(),
    );

    let outcomes = fixture
        .delete(signs(&[&one, &unknown, &strange, &two]))
        .await;

    // The vendor returns one outcome for a batch, so a sign that was never stored may count as
    // deleted beside others that were; one that was stored must.
    let absent = Some(Kind::ImageNotFound);
    assert_eq!((outcomes.len(), outcomes[0], outcomes[3]), (4, None, None));
    assert!(
        outcomes[1..3]
            .iter()
            .all(|outcome| [None, absent].contains(outcome))
    );
    assert_eq!(
        fixture.delete(signs(&[&one, &unknown, &two])).await,
        [absent; 3]
    );
}

async fn more_than_a_hundred_signs_are_deleted_in_one_request(fixture: Fixture) {
    let mut added = Vec::new();
    for number in 0..103 {
        added.push(
            fixture
                .add(variant(1, number), &number.to_string(), &[])
                .await,
        );
    }

    let outcomes = fixture
        .delete(signs(&added.iter().collect::<Vec<_>>()))
        .await;

    assert_eq!(outcomes, vec![None; 103]);
    assert_eq!(fixture.search(variant(1, 0), (0, 0)).await.matches, []);
}

async fn an_update_changes_the_given_fields_and_no_other(fixture: Fixture) {
    let sign = fixture.add(png(1), "old", &[1]).await;

    fixture
        .update(signs(&[&sign]), Some("new"), None)
        .await
        .unwrap();
    assert_eq!(fixture.briefs(png(1), &[1], TagLogic::And).await, ["new"]);

    fixture
        .update(content(png(1)), None, Some(&[2, 3]))
        .await
        .unwrap();
    assert_eq!(fixture.briefs(png(1), &[1], TagLogic::And).await, [""; 0]);
    assert_eq!(
        fixture.briefs(png(1), &[2, 3], TagLogic::And).await,
        ["new"]
    );

    // Nothing is given.
    fixture.update(content(png(1)), None, None).await.unwrap();
    assert_eq!(
        fixture.briefs(png(1), &[2, 3], TagLogic::And).await,
        ["new"]
    );
}

async fn an_update_of_an_unknown_image_is_not_found(fixture: Fixture) {
    for target in [signs(&[&ContSign::new("4,4").unwrap()]), content(png(1))] {
        for brief in [Some("new"), None] {
            let rejected = fixture.update(target.clone(), brief, None).await;
            assert_eq!(rejected.unwrap_err().kind(), Kind::ImageNotFound);
        }
    }
}

async fn tags_filter_a_search_by_and_or_or(fixture: Fixture) {
    fixture.add(variant(1, 0), "none", &[]).await;
    fixture.add(variant(1, 1), "one", &[1]).await;
    fixture.add(variant(1, 2), "both", &[1, 65_535]).await;

    let found = |tags: &'static [u32], logic| fixture.briefs(variant(1, 0), tags, logic);

    assert_eq!(found(&[], TagLogic::And).await, ["both", "none", "one"]);
    assert_eq!(found(&[1], TagLogic::And).await, ["both", "one"]);
    assert_eq!(found(&[1, 65_535], TagLogic::And).await, ["both"]);
    assert_eq!(found(&[1, 65_535], TagLogic::Or).await, ["both", "one"]);
    assert_eq!(found(&[2], TagLogic::Or).await, [""; 0]);
}

async fn a_search_is_read_page_by_page(fixture: Fixture) {
    for number in 0..5 {
        fixture
            .add(variant(1, number), &number.to_string(), &[])
            .await;
    }

    let mut seen = Vec::new();
    for (offset, has_more) in [(0, true), (2, true), (4, false), (5, false)] {
        let page = fixture.search(variant(1, 0), (offset, 2)).await;
        assert_eq!(page.has_more, has_more, "at {offset}");
        seen.extend(page.matches.into_iter().map(|found| found.brief));
    }

    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
}

async fn a_min_score_excludes_matches_below_it(fixture: Fixture) {
    fixture.add(png(1), "sunset", &[]).await;

    let query = |min_score| {
        Search::new(
            RawSource::Content(jpeg(1)),
            &[],
            TagLogic::And,
            (0, 0),
            min_score,
        )
        .unwrap()
    };

    assert_eq!(
        fixture
            .library
            .search(&call(), query(0.5))
            .await
            .unwrap()
            .matches
            .len(),
        1
    );
    assert_eq!(
        fixture
            .library
            .search(&call(), query(1.0))
            .await
            .unwrap()
            .matches,
        []
    );
}

async fn what_a_library_cannot_do_is_unsupported_and_the_rest_works(fixture: Fixture) {
    fixture.add(png(1), "sunset", &[7]).await;
    let filter = || RawFilter {
        tags: vec![7],
        ..RawFilter::default()
    };
    let library = &fixture.library;
    let can = |capability| library.capabilities().contains(&capability);
    let order = ListOrder::NewestFirst;
    let list = List::new(0, String::new(), filter(), order, true).unwrap();
    let delete = DeleteByFilter::new(filter(), Some(1), false).unwrap();

    let listed = library
        .list(&call(), list)
        .await
        .map(|page| page.records.len());
    let tags = library.tags(&call()).await.map(|tags| tags.len());
    let deleted = library.delete_by_filter(&call(), delete).await;

    let outcome = |result: Result<usize>| result.map_err(|error| error.kind());
    let expected = |can: bool| {
        if can {
            Ok(1)
        } else {
            Err(Kind::OperationUnsupported)
        }
    };
    assert_eq!(outcome(listed), expected(can(Capability::List)));
    assert_eq!(outcome(tags), expected(can(Capability::List)));
    let deleted = deleted.map(|deleted| usize::try_from(deleted.deleted).unwrap());
    assert_eq!(outcome(deleted), expected(can(Capability::DeleteByFilter)));
}

async fn a_copy_of_a_stored_image_is_rejected_or_reported_on_request(fixture: Fixture) {
    let sign = fixture.add(png(1), "first", &[]).await;
    let add = |image, on_match| {
        let image = RawSource::Content(image);
        let on_match = (on_match, 0.5);
        let request = Add::within(ImageLimits::VENDOR, image, "a".to_owned(), &[], on_match);
        let library = &fixture.library;
        async move { library.add(&call(), request.unwrap()).await.unwrap() }
    };

    let rejected = add(variant(1, 1), OnMatch::Reject).await;
    let new = add(png(2), OnMatch::Reject).await;
    let reported = add(variant(1, 1), OnMatch::Report).await;

    let signs = |added: &Added| {
        let matches = added.matches.iter();
        let signs = matches.map(|found| found.cont_sign.clone());
        signs.collect::<Vec<_>>()
    };
    assert!(rejected.is_rejected);
    assert_eq!(
        (&rejected.cont_sign, signs(&rejected)),
        (&sign, vec![sign.clone()])
    );
    assert!(!new.is_rejected && new.matches.is_empty());
    assert!(!reported.is_rejected && !reported.existed);
    assert_eq!(signs(&reported), [sign]);
    assert_eq!(fixture.search(png(1), (0, 0)).await.matches.len(), 2);
}

async fn briefs_are_returned_unchanged(fixture: Fixture) {
    for (seed, brief) in (1..).zip([
        "图片 1 & 2",
        "a=b;c+d%20e",
        "\"quoted\"\\",
        "line\nbreak",
        &"x".repeat(256),
    ]) {
        fixture.add(png(seed), brief, &[]).await;
        assert_eq!(fixture.briefs(png(seed), &[], TagLogic::And).await, [brief]);
    }
}

macro_rules! contract {
    ($backend:ident, $open:path) => {
        contract!($backend, $open,
            an_added_image_is_found_with_its_brief,
            an_image_that_was_never_added_is_not_found,
            adding_the_same_bytes_again_returns_existed_and_changes_nothing,
            concurrent_adds_of_the_same_bytes_store_one_image,
            a_deleted_image_is_gone_and_can_be_added_again,
            an_image_can_be_deleted_by_its_content,
            each_sign_of_a_deletion_has_its_outcome,
            more_than_a_hundred_signs_are_deleted_in_one_request,
            an_update_changes_the_given_fields_and_no_other,
            an_update_of_an_unknown_image_is_not_found,
            tags_filter_a_search_by_and_or_or,
            a_search_is_read_page_by_page,
            a_min_score_excludes_matches_below_it,
            what_a_library_cannot_do_is_unsupported_and_the_rest_works,
            a_copy_of_a_stored_image_is_rejected_or_reported_on_request,
            briefs_are_returned_unchanged,
        );
    };
    ($backend:ident, $open:path, $($behaviour:ident,)*) => {
        mod $backend {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour($open().await).await;
            })*
        }
    };
}

contract!(embedded, crate::support::backends::embedded);
contract!(opensearch, crate::support::backends::opensearch);
contract!(rest_api, crate::support::backends::rest_to_own_rest_api);
contract!(vendor, crate::support::backends::rest_to_fake_vendor);
