//! The script that reserves slots for replicas, called directly in a real Redis.
//!
//! Cases are a replica that was killed and a Redis without data, with times short enough to wait
//! for.

use redis::Script;
use redis::aio::MultiplexedConnection;

use super::*;
use crate::support::redis::Redis;

const LIMIT: usize = 9;
const SHARE: usize = 3;
const LONG: f64 = 600.0;

/// A window of nine slots, as replicas use it.
struct Window {
    connection: MultiplexedConnection,
    redis: Redis,
    script: Script,
    period: f64,
    lease: f64,
    recovery: f64,
}

/// Slots granted, microseconds until the next, replicas that wait.
type Response = (usize, u64, usize);

impl Window {
    /// Creates one in a Redis that has just started, empty.
    async fn new() -> Self {
        let redis = Redis::start().await;
        Window {
            connection: redis.client().await,
            redis,
            script: Script::new(include_str!(
                "../../../src/library/rest/rate_limiter/reserve.lua"
            )),
            period: 0.1,
            lease: LONG,
            recovery: 0.0,
        }
    }

    /// Creates one that Redis has kept for longer than any period.
    async fn established() -> Self {
        let mut window = Window::new().await;
        let () = redis::cmd("SET")
            .arg("since")
            .arg(0)
            .query_async(&mut window.connection)
            .await
            .unwrap();
        window
    }

    async fn reserve(&mut self, replica: &str, name: &str, requested: usize) -> Response {
        let mut call = self.script.prepare_invoke();
        call.key("slots").key("waiting").key("since").arg(LIMIT);
        call.arg(requested).arg(0).arg(replica).arg(name);
        call.arg(self.period)
            .arg(self.lease)
            .arg(SHARE)
            .arg(self.recovery);
        call.invoke_async(&mut self.connection).await.unwrap()
    }

    /// Tries until slots are granted; returns how many, and the seconds since `begin`, in Redis
    /// time.
    async fn until_granted(&mut self, replica: &str, begin: f64) -> (usize, f64) {
        let granted = async {
            for number in 0.. {
                let (slots, ..) = self
                    .reserve(replica, &format!("{replica}{number}-"), LIMIT)
                    .await;
                if slots > 0 {
                    return (slots, self.redis.time().await - begin);
                }
            }
            unreachable!()
        };
        tokio::time::timeout(Duration::from_secs(60), granted)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn slots_of_a_replica_that_was_killed_expire_with_their_lease() {
    let mut window = Window::established().await;
    window.lease = 0.5;
    let begin = window.redis.time().await;

    // It never records a send, nor a cancellation.
    assert_eq!(window.reserve("killed", "killed-", LIMIT).await.0, LIMIT);
    let (granted, seconds) = window.until_granted("other", begin).await;

    assert_eq!(granted, LIMIT);
    assert!(seconds >= 0.5, "{seconds}");
}

#[tokio::test]
async fn an_empty_redis_grants_nothing_for_a_period_and_then_a_share() {
    let mut window = Window::new().await;
    window.recovery = LONG;
    let begin = window.redis.time().await;

    let (granted, wait, _) = window.reserve("one", "one-", LIMIT).await;
    assert_eq!((granted, wait), (0, 100_000));
    let (first, seconds) = window.until_granted("one", begin).await;
    let (second, ..) = window.reserve("two", "two-", LIMIT).await;

    assert!(seconds >= 0.1, "{seconds}");
    assert_eq!((first, second), (SHARE, SHARE));
}

#[tokio::test]
async fn replicas_that_wait_get_equal_parts() {
    let mut window = Window::established().await;
    window.period = LONG;
    window.lease = 0.5;
    assert_eq!(window.reserve("full", "full-", LIMIT).await.0, LIMIT);
    for (replica, others) in [("one", 1), ("two", 2), ("three", 3)] {
        let (granted, _, waiting) = window.reserve(replica, &format!("{replica}-"), LIMIT).await;
        assert_eq!((granted, waiting), (0, others));
    }

    let begin = window.redis.time().await;
    let (one, _) = window.until_granted("one", begin).await;
    let (two, ..) = window.reserve("two", "two+", LIMIT).await;
    let (three, ..) = window.reserve("three", "three+", LIMIT).await;

    assert_eq!([one, two, three], [3; 3]);
}

#[tokio::test]
async fn a_second_request_after_a_lost_response_uses_no_slot_twice() {
    let mut window = Window::established().await;

    assert_eq!(window.reserve("one", "one-", LIMIT).await.0, LIMIT);
    assert_eq!(window.reserve("one", "one-", 4).await.0, 4);

    assert_eq!(window.reserve("two", "two-", LIMIT).await.0, LIMIT - 4);
}
