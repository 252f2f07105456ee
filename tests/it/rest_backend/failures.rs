//! The circuit breaker and cool-downs: a vendor that does not respond, and accounts whose quota is
//! used up.

use samegate::library::BreakerState;

use super::rate_limit::{limited, numbered, vendor_without_images};
use super::*;
use crate::support::clock::Clock;

/// Consecutive failures that open a circuit breaker.
const FAILURES: usize = 7;

fn state(library: &RestBackend) -> BreakerState {
    library.state().credentials[0].breaker.unwrap()
}

async fn search_once(library: &RestBackend) -> Result<()> {
    library.search(&call(), numbered(1)).await.map(drop)
}

/// A library with two accounts, `key` and `second`.
fn with_two_accounts(vendor: &Vendor) -> RestBackend {
    vendor.open_account("second", "secret");
    let mut config = config(vendor);
    config.credentials.push(credential("second", "secret"));
    open(&config)
}

fn sent_by(vendor: &Vendor, operation: Operation, account: &str) -> usize {
    let calls = vendor.calls_of(operation);
    let its = |call: &&crate::support::vendor::Call| call.account.as_deref() == Some(account);
    calls.iter().filter(its).count()
}

#[tokio::test]
async fn failures_open_the_circuit_breaker_which_probes_with_one_call() {
    for fault in [Fault::html(503), Fault::Reset] {
        let vendor = vendor_without_images().await;
        let library = limited(&vendor, 100);
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
        // The response of a library without images.
        probe.unwrap();
        assert_eq!(state(&library), BreakerState::Closed);
    }
}

#[tokio::test]
async fn a_failure_on_the_way_to_the_vendor_names_its_class() {
    let vendor = Vendor::start().await;
    let port = vendor.url().rsplit(':').next().unwrap().to_owned();
    let gate = Gate::closed();
    vendor.always(Operation::Token, Fault::Head(gate.clone()));
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unused = free.local_addr().unwrap();
    drop(free);

    for (base_url, class) in [
        // Longer than a label of DNS may be, so that no server is asked.
        (format!("http://{}", "x".repeat(64)), "(DNS)"),
        (format!("http://{unused}"), "(connect)"),
        // It does not speak TLS.
        (format!("https://127.0.0.1:{port}"), "(TLS)"),
        (vendor.url(), "(timeout)"),
    ] {
        let mut config = config(&vendor);
        config.base_url = base_url.parse().unwrap();
        config.timeout = Duration::from_millis(300);

        let error = search_once(&open(&config)).await.unwrap_err();

        assert_eq!(error.kind(), Kind::VendorUnavailable, "{base_url}");
        assert!(error.message().ends_with(class), "{error}");
        assert!(!error.message().contains(&port), "{error}");
    }
    gate.open();
}

#[tokio::test]
async fn a_vendor_that_hangs_opens_the_circuit_breaker() {
    let vendor = vendor_without_images().await;
    let library = limited(&vendor, 100);
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
async fn rejections_by_rate_limit_and_quota_keep_the_circuit_breaker_closed() {
    for code in [4, 17, 18, 19] {
        let vendor = vendor_without_images().await;
        vendor.always(Operation::Search, Fault::code(code));
        let clock = Clock::stop();

        for _ in 0..FAILURES * 2 {
            // Without the cool-down of an account whose quota is used up.
            let library = limited(&vendor, 100);
            clock.drive(search_once(&library)).await.unwrap_err();
            assert_eq!(state(&library), BreakerState::Closed, "{code}");
        }
        let library = limited(&vendor, 100);
        for _ in 0..FAILURES * 2 {
            clock.drive(search_once(&library)).await.unwrap_err();
        }
        assert_eq!(state(&library), BreakerState::Closed, "{code}");
    }
}

#[tokio::test]
async fn calls_use_the_next_account_when_a_quota_is_used_up() {
    let vendor = vendor_without_images().await;
    let library = with_two_accounts(&vendor);
    vendor.reject_account(API_KEY, Operation::Search, Fault::code(17));

    for _ in 0..20 {
        search_once(&library).await.unwrap();
    }
    add(&library, png(1), "a").await.unwrap();

    assert_eq!(
        sent_by(&vendor, Operation::Search, API_KEY),
        1,
        "it is in cool-down"
    );
    assert_eq!(sent_by(&vendor, Operation::Search, "second"), 20);
    assert_eq!(
        sent_by(&vendor, Operation::Add, API_KEY),
        1,
        "quotas are counted for each operation"
    );
    let states = library.state().credentials;
    assert_eq!(
        states
            .iter()
            .map(|state| state.in_cooldown)
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[tokio::test]
async fn a_used_up_quota_is_probed_every_few_minutes_and_at_a_reset() {
    for code in [17, 19] {
        let vendor = vendor_without_images().await;
        let library = limited(&vendor, 100);
        let clock = Clock::stop();
        vendor.always(Operation::Search, Fault::code(code));
        clock.drive(search_once(&library)).await.unwrap_err();
        let sent = vendor.calls().len();

        clock.drive(search_once(&library)).await.unwrap_err();
        assert_eq!(vendor.calls().len(), sent, "{code}: it is in cool-down");
        clock.pass(Duration::from_mins(5)).await;
        clock.drive(search_once(&library)).await.unwrap_err();
        assert_eq!(vendor.calls().len(), sent + 1, "{code}: a probe");

        assert_eq!(library.reset_cooldowns(), 1);
        clock.drive(search_once(&library)).await.unwrap_err();
        assert_eq!(vendor.calls().len(), sent + 2, "{code}: after the reset");
    }
}

#[tokio::test]
async fn an_account_with_wrong_keys_is_excluded() {
    let vendor = vendor_without_images().await;
    vendor.open_account("second", "secret");
    let mut config = config(&vendor);
    config.credentials = vec![
        credential("wrong", "secret"),
        credential("second", "secret"),
    ];
    let library = open(&config);

    for _ in 0..5 {
        search_once(&library).await.unwrap();
    }

    assert_eq!(vendor.token_requests(), 2);
}

#[tokio::test]
async fn with_every_quota_used_up_the_vendors_own_error_comes_at_once() {
    let vendor = vendor_without_images().await;
    let library = with_two_accounts(&vendor);
    vendor.always(Operation::Search, Fault::code(17));

    for _ in 0..10 {
        let error = search_once(&library).await.unwrap_err();
        assert_eq!(error.kind(), Kind::DailyQuotaExceeded);
        assert_eq!(error.vendor_code().unwrap().code, 17);
    }

    assert_eq!(vendor.calls().len(), 2, "one call to each account");
}
