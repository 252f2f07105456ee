use super::*;

use tokio::time::{Duration, Instant, advance};

use crate::error::Kind;

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn limiter(limits: Limits, shadow: bool) -> TenantLimiter {
    let limits = BTreeMap::from([("ann".to_owned(), limits)]);
    let store = Arc::new(LocalStore::default());
    Quotas::of(store, limits, shadow, Rejections::default()).limiter("ann")
}

async fn kind(limiter: &TenantLimiter) -> Option<Kind> {
    limiter.acquire(0).await.err().map(|error| error.kind())
}

/// Calls admitted in a minute of calls every `step`.
async fn admitted_in_a_minute(limiter: &TenantLimiter, step: Duration, bytes: u64) -> u64 {
    let (end, mut admitted) = (Instant::now() + Duration::from_mins(1), 0);
    while Instant::now() < end {
        admitted += u64::from(limiter.acquire(bytes).await.is_ok());
        advance(step).await;
    }
    admitted
}

#[tokio::test(start_paused = true)]
async fn rate_and_burst_hold_within_a_percent_over_a_minute() {
    for (rate, burst) in [(1, 1), (3, 7), (10, 10), (50, 400), (900, 90)] {
        let limiter = limiter(
            limits(|limits| {
                limits.requests_per_second = Some(rate);
                limits.burst = Some(burst);
            }),
            false,
        );

        let admitted = admitted_in_a_minute(&limiter, Duration::from_micros(700), 0).await;

        let expected = (60 * rate + burst) as f64;
        let error = (admitted as f64 - expected).abs() / expected;
        let slack = 1.0 / expected;
        assert!(error <= f64::max(0.01, slack), "{rate}/{burst}: {admitted}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_hold_within_a_percent_whether_known_or_charged_later() {
    const MIB: u64 = 1024 * 1024;
    for known_before in [true, false] {
        let limits = limits(|limits| limits.bytes_per_second = Some(10 * MIB));
        let limiter = limiter(limits, false);
        let (end, mut bytes) = (Instant::now() + Duration::from_mins(1), 0);
        while Instant::now() < end {
            let size = 50_000;
            if limiter
                .acquire(if known_before { size } else { 0 })
                .await
                .is_ok()
            {
                limiter.charge(if known_before { 0 } else { size });
                bytes += size;
            }
            advance(Duration::from_millis(1)).await;
        }

        // Those of one second may come at once.
        let expected = (61 * 10 * MIB) as f64;
        assert!((bytes as f64 / expected - 1.0).abs() < 0.01, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_admitted_after_the_wait_of_its_rejection_and_not_before() {
    let limiter = limiter(limits(|limits| limits.requests_per_second = Some(3)), false);
    for _ in 0..3 {
        let _ = limiter.acquire(0).await.unwrap();
    }

    for _ in 0..50 {
        let rejected = limiter.acquire(0).await.unwrap_err();
        let wait = rejected.retry_after().unwrap();
        assert_eq!(rejected.kind(), Kind::QuotaRate);
        advance(wait - Duration::from_millis(2)).await;
        assert_eq!(kind(&limiter).await, Some(Kind::QuotaRate));
        advance(Duration::from_millis(2)).await;
        assert_eq!(kind(&limiter).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_debt_of_bytes_is_paid_before_the_next_call() {
    let limits = limits(|limits| limits.bytes_per_second = Some(1_000_000));
    let limiter = limiter(limits, false);

    let _ = limiter.acquire(0).await.unwrap();
    limiter.charge(5_000_000);

    let rejected = limiter.acquire(0).await.unwrap_err();
    assert_eq!(rejected.kind(), Kind::QuotaBytes);
    let wait = rejected.retry_after().unwrap().as_secs_f64();
    assert!((wait - 4.0).abs() < 0.01, "{wait}");
}

#[tokio::test(start_paused = true)]
async fn a_running_call_counts_as_concurrent_until_it_is_dropped() {
    let limiter = limiter(limits(|limits| limits.concurrent = Some(2)), false);
    let first = limiter.acquire(0).await.unwrap();
    let _second = limiter.acquire(0).await.unwrap();

    assert_eq!(kind(&limiter).await, Some(Kind::QuotaConcurrency));
    drop(first);
    assert_eq!(kind(&limiter).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_one_limit_rejects_is_charged_to_none() {
    let limiter = limiter(
        limits(|limits| {
            limits.requests_per_day = Some(2);
            limits.concurrent = Some(1);
        }),
        false,
    );
    let running = limiter.acquire(0).await.unwrap();
    for _ in 0..5 {
        assert_eq!(kind(&limiter).await, Some(Kind::QuotaConcurrency));
    }
    drop(running);

    assert_eq!(kind(&limiter).await, None);
    let rejected = limiter.acquire(0).await.unwrap_err();
    assert_eq!(rejected.kind(), Kind::QuotaDay);
    assert!(rejected.retry_after().unwrap() <= Duration::from_hours(24));
}

#[tokio::test(start_paused = true)]
async fn shadow_mode_counts_what_it_would_reject() {
    let limiter = limiter(limits(|limits| limits.requests_per_second = Some(1)), true);

    for _ in 0..10 {
        assert_eq!(kind(&limiter).await, None);
    }
    assert_eq!(limiter.quotas.0.rejections.by_tenant()["ann"], 9);
}

#[tokio::test(start_paused = true)]
async fn tenants_have_quotas_of_their_own_and_others_none() {
    let one = limits(|limits| limits.requests_per_second = Some(1));
    let quotas = BTreeMap::from([
        ("ann".to_owned(), one.clone()),
        ("bob".to_owned(), one),
        ("eve".to_owned(), Limits::default()),
    ]);
    let quotas = Quotas::of(
        Arc::new(LocalStore::default()),
        quotas,
        false,
        Rejections::default(),
    );

    assert_eq!(kind(&quotas.limiter("ann")).await, None);
    assert_eq!(kind(&quotas.limiter("ann")).await, Some(Kind::QuotaRate));
    assert_eq!(kind(&quotas.limiter("bob")).await, None);
    for _ in 0..10 {
        assert_eq!(kind(&quotas.limiter("eve")).await, None);
    }
}
