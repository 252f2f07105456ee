//! A vendor that does not answer, and accounts that are used up.

use samegate::library::BreakerState;

use super::pace::{numbered, paced, vendor_without_images};
use super::*;
use crate::support::clock::Clock;

/// Failures in a row that open a breaker.
const FAILURES: usize = 7;

fn state(library: &Rest) -> BreakerState {
    library.state().credentials[0].breaker.unwrap()
}

async fn search_once(library: &Rest) -> Result<()> {
    library.search(&call(), numbered(1)).await.map(drop)
}

/// A library with two accounts, `key` and `second`.
fn with_two_accounts(vendor: &Vendor) -> Rest {
    vendor.open_account("second", "secret");
    let mut config = config(vendor);
    config.credentials.push(credential("second", "secret"));
    Rest::connect(&config).unwrap()
}

fn sent_by(vendor: &Vendor, operation: Operation, account: &str) -> usize {
    let calls = vendor.calls_of(operation);
    let its = |call: &&crate::support::vendor::Call| call.account.as_deref() == Some(account);
    calls.iter().filter(its).count()
}

#[tokio::test]
async fn a_vendor_that_breaks_is_left_alone_and_probed_with_one_call() {
    for fault in [Fault::html(503), Fault::Reset] {
        let vendor = vendor_without_images().await;
        let library = paced(&vendor, 100);
        let clock = Clock::stop();
        clock.drive(search_once(&library)).await.unwrap();
        vendor.always(Operation::Search, fault);

        let mut calls = 0;
        while state(&library) != BreakerState::Open {
            clock.drive(search_once(&library)).await.unwrap_err();
            calls += 1;
            assert!(calls <= FAILURES);
        }
        assert_eq!(vendor.calls().len(), 1 + FAILURES);

        let begin = Instant::now();
        for _ in 0..100 {
            let error = clock.drive(search_once(&library)).await.unwrap_err();
            assert_eq!(error.kind(), Kind::VendorUnavailable);
            assert!(error.retry_after().is_some());
        }
        assert_eq!(begin.elapsed(), Duration::ZERO, "rejected at once");
        assert_eq!(vendor.calls().len(), 1 + FAILURES, "nothing is sent");

        let gate = Gate::closed();
        vendor.behave(Operation::Search);
        vendor.script(Operation::Search, Fault::Head(gate.clone()));
        vendor.always(Operation::Search, Fault::code(18));
        clock.pass(Duration::from_millis(1500)).await;
        let (probe, other) = tokio::join!(search_once(&library), async {
            vendor.until("the probe", || gate.held() == 1).await;
            assert_eq!(state(&library), BreakerState::HalfOpen);
            let other = search_once(&library).await;
            gate.open();
            other
        });
        assert_eq!(other.unwrap_err().kind(), Kind::VendorUnavailable);
        // Served after all, from a library without images.
        probe.unwrap();
        assert_eq!(state(&library), BreakerState::Closed);
    }
}

#[tokio::test]
async fn a_silent_vendor_opens_the_breaker() {
    let vendor = vendor_without_images().await;
    let library = paced(&vendor, 100);
    let clock = Clock::stop();
    let gate = Gate::closed();
    vendor.always(Operation::Search, Fault::Head(gate.clone()));

    let calls = futures_util::future::join_all((0..FAILURES).map(|_| search_once(&library)));
    let outcomes = clock.drive(calls).await;

    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), Kind::DeadlineExceeded);
    }
    assert_eq!(state(&library), BreakerState::Open);
    vendor.until("their ends", || gate.held() == 0).await;
}

#[tokio::test]
async fn rejections_for_pace_and_quota_leave_the_breaker_closed() {
    for code in [4, 17, 18, 19] {
        let vendor = vendor_without_images().await;
        vendor.always(Operation::Search, Fault::code(code));
        let clock = Clock::stop();

        for _ in 0..FAILURES * 2 {
            // Without the rest of an account that is used up.
            let library = paced(&vendor, 100);
            clock.drive(search_once(&library)).await.unwrap_err();
            assert_eq!(state(&library), BreakerState::Closed, "{code}");
        }
        let library = paced(&vendor, 100);
        for _ in 0..FAILURES * 2 {
            clock.drive(search_once(&library)).await.unwrap_err();
        }
        assert_eq!(state(&library), BreakerState::Closed, "{code}");
    }
}

#[tokio::test]
async fn an_account_that_is_used_up_hands_its_calls_to_the_next() {
    let vendor = vendor_without_images().await;
    let library = with_two_accounts(&vendor);
    vendor.reject_account(API_KEY, Operation::Search, Fault::code(17));

    for _ in 0..20 {
        search_once(&library).await.unwrap();
    }
    add(&library, png(1), "a").await.unwrap();

    assert_eq!(sent_by(&vendor, Operation::Search, API_KEY), 1, "it rests");
    assert_eq!(sent_by(&vendor, Operation::Search, "second"), 20);
    assert_eq!(
        sent_by(&vendor, Operation::Add, API_KEY),
        1,
        "quotas are counted for each operation"
    );
    let states = library.state().credentials;
    assert_eq!(
        states.iter().map(|state| state.cooling).collect::<Vec<_>>(),
        [true, false]
    );
}

#[tokio::test]
async fn an_account_with_wrong_keys_is_passed_over() {
    let vendor = vendor_without_images().await;
    vendor.open_account("second", "secret");
    let mut config = config(&vendor);
    config.credentials = vec![
        credential("wrong", "secret"),
        credential("second", "secret"),
    ];
    let library = Rest::connect(&config).unwrap();

    for _ in 0..5 {
        search_once(&library).await.unwrap();
    }

    assert_eq!(vendor.token_requests(), 2);
}

#[tokio::test]
async fn with_every_account_used_up_the_vendors_own_response_comes_at_once() {
    let vendor = vendor_without_images().await;
    let library = with_two_accounts(&vendor);
    vendor.always(Operation::Search, Fault::code(17));

    for _ in 0..10 {
        let error = search_once(&library).await.unwrap_err();
        assert_eq!(error.kind(), Kind::DailyQuotaExceeded);
        assert_eq!(error.vendor_code().unwrap().code, 17);
    }

    assert_eq!(vendor.calls().len(), 2, "each account was asked once");
}
