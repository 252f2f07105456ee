//! Retries: which calls are retried, when, and how often.

use samegate::domain::{Delete, RawTarget, Update};

use super::rate_limit::{limited, numbered, serving_vendor, vendor_without_images};
use super::*;
use crate::support::clock::Clock;

/// Fills the retry budget by calls that succeed.
async fn fill_retry_budget(library: &RestBackend, calls: u32) {
    for _ in 0..calls {
        library.search(&call(), numbered(1)).await.unwrap();
    }
}

async fn search_briefly(library: &RestBackend, seconds: u64) -> Result<()> {
    let call = call_within(Duration::from_secs(seconds));
    library.search(&call, numbered(1)).await.map(drop)
}

#[tokio::test]
async fn a_vendor_that_fails_every_time_gets_a_fifth_more_calls_and_no_more() {
    for code in [2, 4, 18, 282_000] {
        let vendor = vendor_without_images().await;
        vendor.always(Operation::Search, Fault::code(code));
        let library = limited(&vendor, 1000);
        let clock = Clock::stop();

        for _ in 0..100 {
            let error = clock.drive(search_briefly(&library, 20)).await.unwrap_err();
            assert_eq!(error.vendor_code().unwrap().code, code);
        }

        let sent = vendor.calls_of(Operation::Search).len();
        assert!((115..=120).contains(&sent), "{code}: {sent}");
    }
}

#[tokio::test]
async fn a_rejection_by_the_rate_limit_is_retried_after_its_second() {
    let vendor = vendor_without_images().await;
    vendor.script(Operation::Search, Fault::code(18));
    let library = limited(&vendor, 10);
    let clock = Clock::stop();

    clock.drive(search_briefly(&library, 20)).await.unwrap();

    let calls = vendor.calls();
    let wait = calls[1].arrival - calls[0].arrival;
    let expected = Duration::from_secs(1)..Duration::from_millis(1280);
    assert!(expected.contains(&wait), "{wait:?}");
}

#[tokio::test]
async fn a_retry_that_the_deadline_does_not_allow_fails_at_once() {
    let vendor = vendor_without_images().await;
    vendor.script(Operation::Search, Fault::code(18));
    let library = limited(&vendor, 10);
    let clock = Clock::stop();
    let begin = Instant::now();

    let error = clock.drive(search_briefly(&library, 1)).await.unwrap_err();

    assert_eq!(error.kind(), Kind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert!(begin.elapsed() < Duration::from_millis(100));
    assert_eq!(vendor.calls().len(), 1);
}

#[tokio::test]
async fn an_add_whose_response_was_lost_is_retried_and_returns_whether_it_existed() {
    for (before, existed) in [(None, false), (Some("other"), true)] {
        let vendor = serving_vendor().await;
        let library = library(&vendor);
        let clock = Clock::stop();
        if let Some(brief) = before {
            clock.drive(add(&library, png(1), brief)).await.unwrap();
        }
        clock.drive(fill_retry_budget(&library, 15)).await;
        vendor.script(Operation::Add, Fault::LostResponse);

        let added = clock.drive(add(&library, png(1), "mine")).await.unwrap();

        assert_eq!(added.existed, existed);
        let stored = vendor.stored();
        assert_eq!(stored.len(), 1);
        assert_eq!(added.cont_sign.as_str(), stored[0].cont_sign);
    }
}

#[tokio::test]
async fn an_update_is_retried_and_a_deletion_only_if_it_had_no_effect() {
    let vendor = serving_vendor().await;
    let library = library(&vendor);
    let clock = Clock::stop();
    let added = clock.drive(add(&library, png(1), "a")).await.unwrap();
    let signs = vec![added.cont_sign.to_string()];
    clock.drive(fill_retry_budget(&library, 20)).await;
    let update = || Update::new(RawTarget::Signs(signs.clone()), Some("b".to_owned()), None);
    let delete = || Delete::new(RawTarget::Signs(signs.clone())).unwrap();

    vendor.script(Operation::Update, Fault::LostResponse);
    let (one, two) = (call(), call());
    clock
        .drive(library.update(&one, update().unwrap()))
        .await
        .unwrap();
    assert_eq!(vendor.calls_of(Operation::Update).len(), 2);

    vendor.script(Operation::Delete, Fault::code(4));
    vendor.script(Operation::Delete, Fault::LostResponse);
    let mut deleted = clock.drive(library.delete(&two, delete())).await.unwrap();

    let error = deleted.outcomes.remove(0).unwrap_err();
    assert_eq!(error.kind(), Kind::VendorUnavailable);
    assert_eq!(vendor.calls_of(Operation::Delete).len(), 2);
    assert!(
        vendor.stored().is_empty(),
        "it was done, and its response was lost"
    );
}

#[tokio::test]
async fn tokens_that_are_revoked_again_and_again_fail_no_call_and_cost_a_refresh_each() {
    let vendor = serving_vendor().await;
    let library = limited(&vendor, 10);
    let clock = Clock::stop();

    for number in 0..60 {
        if number % 15 == 0 {
            vendor.revoke_tokens();
        }
        clock.pass(Duration::from_millis(200)).await;
        clock.drive(search_briefly(&library, 20)).await.unwrap();
    }

    // Revoked before the first was granted, and three times after.
    assert_eq!(vendor.token_requests(), 1 + 3);
    assert_eq!(vendor.calls().len(), 60 + 3);
}
