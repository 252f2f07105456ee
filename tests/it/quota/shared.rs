//! Quotas that several replicas share through a real Redis.

use std::sync::Arc;
use std::time::Duration;

use samegate::quota::{Decision, Limit, Limits, Redis as Store, Store as _};

use super::{ask, config, reason};
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;

/// More than any machine needs for one of these tests.
const LIMIT: Duration = Duration::from_secs(60);

fn store(redis: &Redis) -> Store {
    store_for(redis, Duration::from_secs(30))
}

fn store_for(redis: &Redis, longest: Duration) -> Store {
    Store::new(redis.connection(1), longest)
}

fn shared(redis: &Redis, on_failure: &str) -> String {
    let url = redis.url();
    format!(
        "[redis]\nurl = \"{url}\"\nreplicas = 2\n\
         [quota]\nstore = \"redis\"\non_failure = \"{on_failure}\"\n"
    )
}

/// What flat-out calls of several replicas got.
#[derive(Default)]
struct Tally {
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
    let mut tally = Tally::default();

    tally.began.0 = redis.time().await;
    tally.admitted += u64::from(admits(&stores[0], &limits).await);
    tally.began.1 = redis.time().await;
    loop {
        tally.ended.0 = redis.time().await;
        let round = async |store| {
            let mut admitted = 0;
            for _ in 0..50 {
                admitted += u64::from(admits(store, &limits).await);
            }
            admitted
        };
        let [a, b, c] = &stores;
        let (a, b, c) = tokio::join!(round(a), round(b), round(c));
        tally.admitted += a + b + c;
        let all_rejected = a + b + c < 150;
        tally.ended.1 = redis.time().await;
        if all_rejected && tally.ended.0 - tally.began.1 > 2.0 {
            break;
        }
    }

    // The bucket was empty when a call of the last round was rejected, so all
    // that was allowed until then was admitted, whatever the machine did.
    let allowed = |seconds: f64| 1000.0 + 500.0 * seconds;
    let least = allowed(tally.ended.0 - tally.began.1) * 0.99;
    let most = allowed(tally.ended.1 - tally.began.0) * 1.01;
    let admitted = tally.admitted as f64;
    assert!(
        (least..=most).contains(&admitted),
        "{least} {admitted} {most}"
    );
}

async fn admits(store: &Store, limits: &Limits) -> bool {
    let decision = store.take("ann", limits, 0).await.unwrap();
    matches!(decision, Decision::Admitted(_))
}

async fn rejection(store: &Store, limits: &Limits, bytes: u64) -> Option<(Limit, Duration)> {
    match store.take("ann", limits, bytes).await.unwrap() {
        Decision::Admitted(_) => None,
        Decision::Rejected(rejection) => Some((rejection.limit, rejection.wait)),
    }
}

#[tokio::test]
async fn redis_decides_by_every_limit_and_names_the_wait() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let bytes = Limits {
        bytes_per_second: Some(1_000_000),
        ..Limits::default()
    };
    store.charge("ann", &bytes, 100_000_000);
    // The charge is made in the background.
    let (limit, wait) = tokio::time::timeout(LIMIT, async {
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
    let other = async |limits| match store.take("bob", limits, 0).await.unwrap() {
        Decision::Admitted(_) => None,
        Decision::Rejected(rejection) => Some(rejection),
    };
    assert_eq!(other(&day).await, None);
    let rejected = other(&day).await.unwrap();
    assert_eq!(rejected.limit, Limit::Day);
    assert!(rejected.wait <= Duration::from_hours(24), "{rejected:?}");
}

#[tokio::test]
async fn places_of_running_calls_are_shared_and_freed() {
    let redis = Redis::start().await;
    let (one, two) = (store(&redis), store(&redis));
    let limits = Limits {
        concurrent: Some(1),
        ..Limits::default()
    };
    let running = one.take("ann", &limits, 0).await.unwrap();
    assert!(matches!(running, Decision::Admitted(_)));
    assert_eq!(
        rejection(&two, &limits, 0).await.unwrap().0,
        Limit::Concurrency
    );

    drop(running);

    // The place is freed in the background.
    let freed = async { while rejection(&two, &limits, 0).await.is_some() {} };
    tokio::time::timeout(LIMIT, freed).await.unwrap();
}

#[tokio::test]
async fn a_place_that_a_crashed_replica_left_is_free_after_the_longest_call() {
    let redis = Redis::start().await;
    let limits = Limits {
        concurrent: Some(1),
        ..Limits::default()
    };
    let short = store_for(&redis, Duration::from_millis(300));
    let running = short.take("ann", &limits, 0).await.unwrap();
    // A crash says nothing to Redis.
    std::mem::forget(running);

    let other = store(&redis);
    let freed = async { while rejection(&other, &limits, 0).await.is_some() {} };
    tokio::time::timeout(LIMIT, freed).await.unwrap();
}

#[tokio::test]
async fn the_days_count_outlives_the_gateway_and_holds_for_its_replicas() {
    let redis = Redis::start().await;
    let config = config("requests_per_day = 5", &shared(&redis, "closed"));
    let first = Gateway::with_config(&config).await;
    for _ in 0..3 {
        ask(&first).await.unwrap();
    }
    first.stop().await;

    let (one, two) = (
        Gateway::with_config(&config).await,
        Gateway::with_config(&config).await,
    );
    ask(&one).await.unwrap();
    ask(&two).await.unwrap();
    for gateway in [one, two] {
        assert_eq!(
            reason(&ask(&gateway).await.unwrap_err()),
            "QUOTA_DAY_EXCEEDED"
        );
    }
}

/// Asks until a response is as wanted; the responses before must be as allowed.
async fn until(
    gateway: &Gateway,
    wanted: fn(&Result<(), tonic::Status>) -> bool,
    allowed: fn(&Result<(), tonic::Status>) -> bool,
) {
    let asking = async {
        loop {
            let response = ask(gateway).await;
            if wanted(&response) {
                break;
            }
            assert!(allowed(&response), "{response:?}");
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap();
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
        ask(&gateway).await.unwrap();
    }

    redis.kill().await;
    let mut admitted = 0;
    while !is_over(&ask(&gateway).await) {
        admitted += 1;
        assert!(admitted <= 20, "half of 40 for one of two");
    }
    assert!(admitted > 0);

    // It comes back empty, and the whole quota is counted there again.
    redis.restart().await;
    until(&gateway, Result::is_ok, is_over).await;
    for _ in 0..39 {
        ask(&gateway).await.unwrap();
    }
    assert!(is_over(&ask(&gateway).await));
}

#[tokio::test]
async fn without_redis_everything_or_nothing_is_admitted_as_configured() {
    let mut redis = Redis::start().await;
    let config = |on_failure| config("requests_per_day = 20", &shared(&redis, on_failure));
    let open = Gateway::with_config(&config("open")).await;
    let closed = Gateway::with_config(&config("closed")).await;
    ask(&open).await.unwrap();
    ask(&closed).await.unwrap();

    redis.kill().await;
    for _ in 0..30 {
        ask(&open).await.unwrap();
        let rejected = ask(&closed).await;
        assert!(is_unavailable(&rejected), "{rejected:?}");
    }

    redis.restart().await;
    until(&closed, Result::is_ok, is_unavailable).await;
    until(&open, is_over, Result::is_ok).await;
}

#[tokio::test]
async fn a_gateway_starts_without_redis_and_finds_it_later() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let config = config("requests_per_day = 4", &shared(&redis, "closed"));
    let gateway = Arc::new(Gateway::with_config(&config).await);
    assert!(is_unavailable(&ask(&gateway).await));

    redis.restart().await;

    until(&gateway, Result::is_ok, is_unavailable).await;
}
