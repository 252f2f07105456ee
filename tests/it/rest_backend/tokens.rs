//! Access tokens: fetched once, refreshed in time, replaced when rejected.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn concurrent_cold_calls_make_one_token_request() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);

    let calls = (0..100).map(|_| add(&library, png(1), "a"));
    let added = join_all(calls).await;

    assert!(added.iter().all(Result::is_ok));
    assert_eq!(vendor.token_requests(), 1);
}

#[tokio::test]
async fn a_token_request_survives_the_call_that_started_it() {
    let vendor = Vendor::start().await;
    let library = Arc::new(library(&vendor));
    let first = tokio::spawn({
        let library = library.clone();
        async move { add(&library, png(1), "a").await }
    });
    vendor
        .until("the token request", || vendor.token_requests() == 1)
        .await;
    first.abort();

    add(&library, png(1), "a").await.unwrap();

    assert_eq!(vendor.token_requests(), 1);
}

#[tokio::test]
async fn a_token_near_its_expiry_is_refreshed_in_the_background() {
    let vendor = Vendor::start().await;
    vendor.set_token_ttl(1000);
    let library = library(&vendor);
    add(&library, png(1), "a").await.unwrap();

    advance(Duration::from_secs(690)).await;
    add(&library, png(1), "a").await.unwrap();
    assert_eq!(vendor.token_requests(), 1);

    advance(Duration::from_secs(165)).await;
    add(&library, png(1), "a").await.unwrap();
    vendor
        .until("the refresh", || vendor.token_requests() == 2)
        .await;

    advance(Duration::from_secs(150)).await;
    add(&library, png(1), "a").await.unwrap();
    assert_eq!(
        vendor.token_requests(),
        2,
        "the first token has expired, the second is used"
    );
}

#[tokio::test]
async fn an_expired_token_is_never_sent() {
    let vendor = Vendor::start().await;
    vendor.set_token_ttl(1000);
    let library = library(&vendor);
    add(&library, png(1), "a").await.unwrap();
    vendor.always(Operation::Token, Fault::html(500));

    advance(Duration::from_secs(999)).await;
    add(&library, png(1), "a")
        .await
        .expect("the old token is used until it expires");
    let sent = vendor.calls_of(Operation::Add).len();

    advance(Duration::from_secs(20)).await;
    let error = add(&library, png(1), "a").await.unwrap_err();
    assert_eq!(error.kind(), Kind::VendorUnavailable);
    assert_eq!(vendor.calls_of(Operation::Add).len(), sent);

    let requests = vendor.token_requests();
    let error = add(&library, png(1), "a").await.unwrap_err();
    assert_eq!(error.kind(), Kind::VendorUnavailable);
    assert_eq!(
        vendor.token_requests(),
        requests,
        "calls fail at once during the backoff"
    );

    vendor.behave(Operation::Token);
    advance(Duration::from_secs(10)).await;
    add(&library, png(1), "a").await.unwrap();
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_is_an_outage_with_a_time_to_retry() {
    let vendor = Vendor::start().await;
    let gate = Gate::closed();
    vendor.always(Operation::Token, Fault::Head(gate.clone()));
    let library = open(&config::Rest {
        timeout: Duration::from_millis(100),
        ..config(&vendor)
    });

    for _ in 0..2 {
        let error = add(&library, png(1), "a").await.unwrap_err();

        assert_eq!(error.kind(), Kind::VendorUnavailable);
        assert!(error.retry_after().is_some());
    }
    assert_eq!(vendor.token_requests(), 1, "the backoff runs");
}

#[tokio::test]
async fn a_rejected_token_is_refreshed_once_and_the_call_sent_once_more() {
    for code in [13, 100, 110, 111] {
        let vendor = Vendor::start().await;
        let library = library(&vendor);
        add(&library, png(1), "a").await.unwrap();
        match code {
            110 => vendor.revoke_tokens(),
            111 => vendor.expire_tokens(),
            _ => vendor.script(Operation::Add, Fault::code(code)),
        }

        let added = add(&library, png(2), "b").await.unwrap();

        assert!(!added.existed);
        let calls = vendor.calls_of(Operation::Add);
        assert_eq!((vendor.token_requests(), calls.len()), (2, 3), "{code}");
        assert_ne!(calls[1].token, calls[2].token, "{code}");
    }
}

#[tokio::test]
async fn a_vendor_that_rejects_every_token_is_not_flooded_with_requests() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    vendor.always(Operation::Add, Fault::code(110));

    let begin = Instant::now();
    for _ in 0..10 {
        let error = add(&library, png(1), "a").await.unwrap_err();
        assert_eq!(error.kind(), Kind::VendorToken);
    }

    // The first token, one refresh, and one more for every second of this test.
    let refreshes = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    assert!(vendor.token_requests() <= 1 + refreshes);
    assert!(vendor.calls_of(Operation::Add).len() <= 10 + refreshes);
}

#[tokio::test]
async fn the_error_of_a_wrong_pair_of_keys_names_the_setting_and_never_the_key() {
    let vendor = Vendor::start().await;
    for (api_key, secret_key, setting) in [
        ("wrong-canary", "secret", "check `api_key` of"),
        ("key", "wrong-canary", "check `api_key` and `secret_key` of"),
    ] {
        let mut config = config(&vendor);
        config.credentials = vec![Credential {
            api_key: api_key.to_owned(),
            secret_key: secret_key.to_owned().into(),
        }];
        let library = open(&config);

        let error = add(&library, png(1), "a").await.unwrap_err();

        assert_eq!(error.kind(), Kind::VendorSetup);
        assert!(error.message().contains(setting), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
    assert_eq!(vendor.calls_of(Operation::Add).len(), 0);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_classified() {
    let code = r#"{"error_code":4,"error_msg":"busy"}"#;
    let without_ttl = r#"{"access_token":"t","expires_in":0}"#;
    for (fault, kind) in [
        (Fault::html(500), Kind::VendorUnavailable),
        (Fault::Reset, Kind::VendorUnavailable),
        (Fault::HalfBody, Kind::VendorUnavailable),
        (Fault::json("garbage"), Kind::VendorProtocol),
        (Fault::json(without_ttl), Kind::VendorProtocol),
        (Fault::json(code), Kind::VendorBusy),
    ] {
        let vendor = Vendor::start().await;
        vendor.always(Operation::Token, fault.clone());

        let error = add(&library(&vendor), png(1), "a").await.unwrap_err();

        assert_eq!(error.kind(), kind, "{fault:?}");
        assert_eq!(vendor.calls_of(Operation::Add).len(), 0);
    }
}

#[tokio::test]
async fn a_slow_token_endpoint_costs_a_call_no_more_than_its_deadline() {
    let vendor = Vendor::start().await;
    vendor.always(Operation::Token, Fault::Head(Gate::closed()));
    let request = Add::new(RawSource::Content(png(1)), "a".to_owned(), &[]).unwrap();

    let library = library(&vendor);
    let add = async {
        let call = call_within(Duration::from_secs(20));
        library.add(&call, request).await.unwrap_err()
    };
    let wait = async {
        vendor
            .until("the token request", || vendor.token_requests() == 1)
            .await;
        advance(Duration::from_secs(20)).await;
    };
    let (error, ()) = tokio::join!(add, wait);

    assert_eq!(error.kind(), Kind::DeadlineExceeded);
}
