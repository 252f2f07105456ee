//! Quotas that several replicas share through a real Redis.

use std::sync::Arc;
use std::time::Duration;

use samegate::quota::{Decision, Limit, Limits, RedisStore, Store as _};

use super::{call, config, reason};
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;

/// Timeout, above the time that any machine needs for one of these tests.
const TIMEOUT: Duration = Duration::from_secs(60);

fn store(redis: &Redis) -> RedisStore {
    store_for(redis, Duration::from_secs(30))
}

fn store_for(redis: &Redis, max_call_time: Duration) -> RedisStore {
    RedisStore::new(redis.connection(1), max_call_time)
}

fn shared(redis: &Redis, on_failure: &str) -> String {
    let url = redis.url();
    format!(
        "[redis]\nurl = \"{url}\"\nreplicas = 2\n\
         [quota]\nstore = \"redis\"\non_failure = \"{on_failure}\"\n"
    )
}

/// Admitted calls of several replicas at full speed.
#[derive(Default)]
struct Load {
    admitted: u64,
    /// Redis time before and after the first call, and around the last one.
    began: (f64, f64),
    ended: (f64, f64),
}

#[tokio::test]
async fn three_replicas_on_one_redis_admit_the_quota_within_a_percent() {
    let redis = Redis::start().await;
    let limits = Limits {
        requests_per_second: Some(500),
        burst: Some(1000),
        ..Limits::default()
    };
    let stores = [store(&redis), store(&redis), store(&redis)];
    let mut load = Load::default();

    load.began.0 = redis.time().await;
    load.admitted += u64::from(admits(&stores[0], &limits).await);
    load.began.1 = redis.time().await;
    loop {
        load.ended.0 = redis.time().await;
        let round = async |store| {
            let mut admitted = 0;
            for _ in 0..50 {
                admitted += u64::from(admits(store, &limits).await);
            }
            admitted
        };
        let [a, b, c] = &stores;
        let (a, b, c) = tokio::join!(round(a), round(b), round(c));
        load.admitted += a + b + c;
        let all_rejected = a + b + c < 150;
        load.ended.1 = redis.time().await;
        if all_rejected && load.ended.0 - load.began.1 > 2.0 {
            break;
        }
    }

    // The quota was used up when a call of the last round was rejected, so every call that was
    // allowed until then was admitted, on any machine.
    let allowed = |seconds: f64| 1000.0 + 500.0 * seconds;
    let min = allowed(load.ended.0 - load.began.1) * 0.99;
    let max = allowed(load.ended.1 - load.began.0) * 1.01;
    let admitted = load.admitted as f64;
    assert!((min..=max).contains(&admitted), "{min} {admitted} {max}");
}

async fn admits(store: &RedisStore, limits: &Limits) -> bool {
    let decision = store.acquire("ann", limits, 0).await.unwrap();
    matches!(decision, Decision::Admitted(_))
}

async fn rejection(store: &RedisStore, limits: &Limits, bytes: u64) -> Option<(Limit, Duration)> {
    match store.acquire("ann", limits, bytes).await.unwrap() {
        Decision::Admitted(_) => None,
        Decision::Rejected(rejection) => Some((rejection.limit, rejection.wait)),
    }
}

#[tokio::test]
async fn redis_decides_by_every_limit_and_returns_the_wait() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let bytes = Limits {
        bytes_per_second: Some(1_000_000),
        ..Limits::default()
    };
    store.charge("ann", &bytes, 100_000_000);
    // The charge is made in the background.
    let (limit, wait) = tokio::time::timeout(TIMEOUT, async {
        loop {
            if let Some(rejection) = rejection(&store, &bytes, 0).await {
                break rejection;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(limit, Limit::Bytes);
    assert!((90.0..=99.1).contains(&wait.as_secs_f64()), "{wait:?}");

    let day = Limits {
        requests_per_day: Some(1),
        ..Limits::default()
    };
    let other = async |limits| match store.acquire("bob", limits, 0).await.unwrap() {
        Decision::Admitted(_) => None,
        Decision::Rejected(rejection) => Some(rejection),
    };
    assert_eq!(other(&day).await, None);
    let rejected = other(&day).await.unwrap();
    assert_eq!(rejected.limit, Limit::Day);
    assert!(rejected.wait <= Duration::from_hours(24), "{rejected:?}");
}

#[tokio::test]
async fn concurrent_calls_are_shared_and_freed() {
    let redis = Redis::start().await;
    let (one, two) = (store(&redis), store(&redis));
    let limits = Limits {
        concurrent: Some(1),
        ..Limits::default()
    };
    let running = one.acquire("ann", &limits, 0).await.unwrap();
    assert!(matches!(running, Decision::Admitted(_)));
    assert_eq!(
        rejection(&two, &limits, 0).await.unwrap().0,
        Limit::Concurrency
    );

    drop(running);

    // The permit is freed in the background.
    let freed = async { while rejection(&two, &limits, 0).await.is_some() {} };
    tokio::time::timeout(TIMEOUT, freed).await.unwrap();
}

#[tokio::test]
async fn concurrent_calls_of_a_crashed_replica_expire_after_the_maximum_call_time() {
    let redis = Redis::start().await;
    let limits = Limits {
        concurrent: Some(1),
        ..Limits::default()
    };
    let short = store_for(&redis, Duration::from_millis(300));
    let running = short.acquire("ann", &limits, 0).await.unwrap();
    // A crash frees nothing in Redis.
    std::mem::forget(running);

    let other = store(&redis);
    let freed = async { while rejection(&other, &limits, 0).await.is_some() {} };
    tokio::time::timeout(TIMEOUT, freed).await.unwrap();
}

#[tokio::test]
async fn the_count_of_the_day_survives_the_gateway_and_is_shared_by_replicas() {
    let redis = Redis::start().await;
    let config = config("requests_per_day = 5", &shared(&redis, "closed"));
    let first = Gateway::with_config(&config).await;
    for _ in 0..3 {
        call(&first).await.unwrap();
    }
    first.stop().await;

    let (one, two) = (
        Gateway::with_config(&config).await,
        Gateway::with_config(&config).await,
    );
    call(&one).await.unwrap();
    call(&two).await.unwrap();
    for gateway in [one, two] {
        assert_eq!(
            reason(&call(&gateway).await.unwrap_err()),
            "QUOTA_DAY_EXCEEDED"
        );
    }
}

/// Calls until a response is as expected; the responses before must be as allowed.
async fn until(
    gateway: &Gateway,
    expected: fn(&Result<(), tonic::Status>) -> bool,
    allowed: fn(&Result<(), tonic::Status>) -> bool,
) {
    let calls = async {
        loop {
            let response = call(gateway).await;
            if expected(&response) {
                break;
            }
            assert!(allowed(&response), "{response:?}");
        }
    };
    tokio::time::timeout(TIMEOUT, calls).await.unwrap();
}

fn is_over(response: &Result<(), tonic::Status>) -> bool {
    response
        .as_ref()
        .is_err_and(|error| reason(error) == "QUOTA_DAY_EXCEEDED")
}

fn is_unavailable(response: &Result<(), tonic::Status>) -> bool {
    response.as_ref().is_err_and(|error| {
        error.code() == tonic::Code::Unavailable && reason(error) == "QUOTA_STORE_UNAVAILABLE"
    })
}

#[tokio::test]
async fn without_redis_each_replica_admits_its_share() {
    let mut redis = Redis::start().await;
    let config = config("requests_per_day = 40", &shared(&redis, "local"));
    let gateway = Gateway::with_config(&config).await;
    for _ in 0..30 {
        call(&gateway).await.unwrap();
    }

    redis.kill().await;
    let mut admitted = 0;
    while !is_over(&call(&gateway).await) {
        admitted += 1;
        assert!(admitted <= 20, "half of 40 for one of two");
    }
    assert!(admitted > 0);

    // It comes back empty, and the quota is counted there from zero.
    redis.restart().await;
    until(&gateway, Result::is_ok, is_over).await;
    for _ in 0..39 {
        call(&gateway).await.unwrap();
    }
    assert!(is_over(&call(&gateway).await));
}

#[tokio::test]
async fn without_redis_every_or_no_call_is_admitted_as_configured() {
    let mut redis = Redis::start().await;
    let config = |on_failure| config("requests_per_day = 20", &shared(&redis, on_failure));
    let open = Gateway::with_config(&config("open")).await;
    let closed = Gateway::with_config(&config("closed")).await;
    call(&open).await.unwrap();
    call(&closed).await.unwrap();

    redis.kill().await;
    for _ in 0..30 {
        call(&open).await.unwrap();
        let rejected = call(&closed).await;
        assert!(is_unavailable(&rejected), "{rejected:?}");
    }

    redis.restart().await;
    until(&closed, Result::is_ok, is_unavailable).await;
    until(&open, is_over, Result::is_ok).await;
}

#[tokio::test]
async fn a_gateway_starts_without_redis_and_uses_it_later() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let config = config("requests_per_day = 4", &shared(&redis, "closed"));
    let gateway = Arc::new(Gateway::with_config(&config).await);
    assert!(is_unavailable(&call(&gateway).await));

    redis.restart().await;

    until(&gateway, Result::is_ok, is_unavailable).await;
}
