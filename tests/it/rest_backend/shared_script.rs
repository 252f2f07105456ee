//! The script that gives places to replicas, asked by hand in a real Redis.
//!
//! What it does for a replica that was killed, or that Redis knows nothing of,
//! with times short enough to wait for.

use redis::Script;
use redis::aio::MultiplexedConnection;

use super::*;
use crate::support::redis::Redis;

const LIMIT: usize = 9;
const SHARE: usize = 3;
const LONG: f64 = 600.0;

/// A window of nine places, as replicas ask for them.
struct Window {
    connection: MultiplexedConnection,
    redis: Redis,
    script: Script,
    period: f64,
    lease: f64,
    new: f64,
}

/// Places taken, microseconds until the next, replicas that wait.
type Response = (usize, u64, usize);

impl Window {
    /// In a Redis that has just started, empty.
    async fn new() -> Self {
        let redis = Redis::start().await;
        Window {
            connection: redis.client().await,
            redis,
            script: Script::new(include_str!("../../../src/library/rest/shaper/reserve.lua")),
            period: 0.1,
            lease: LONG,
            new: 0.0,
        }
    }

    /// One that Redis has kept for as long as anybody cares.
    async fn known() -> Self {
        let mut window = Window::new().await;
        let mut set = redis::cmd("SET");
        let set = set.arg("since").arg(0).query_async(&mut window.connection);
        let () = set.await.unwrap();
        window
    }

    async fn ask(&mut self, replica: &str, name: &str, wanted: usize) -> Response {
        let mut call = self.script.prepare_invoke();
        call.key("places").key("waiting").key("since").arg(LIMIT);
        call.arg(wanted).arg(0).arg(replica).arg(name);
        call.arg(self.period)
            .arg(self.lease)
            .arg(SHARE)
            .arg(self.new);
        call.invoke_async(&mut self.connection).await.unwrap()
    }

    /// Asks until there are places; tells how many, and the seconds since
    /// `begin`, in Redis time.
    async fn until_taken(&mut self, replica: &str, begin: f64) -> (usize, f64) {
        let asking = async {
            for number in 0.. {
                let (taken, ..) = self
                    .ask(replica, &format!("{replica}{number}-"), LIMIT)
                    .await;
                if taken > 0 {
                    return (taken, self.redis.time().await - begin);
                }
            }
            unreachable!()
        };
        tokio::time::timeout(Duration::from_secs(60), asking)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn places_of_a_replica_that_was_killed_free_when_their_lease_is_over() {
    let mut window = Window::known().await;
    window.lease = 0.5;
    let begin = window.redis.time().await;

    // It never tells that it sent something, nor that it did not.
    assert_eq!(window.ask("killed", "killed-", LIMIT).await.0, LIMIT);
    let (taken, seconds) = window.until_taken("other", begin).await;

    assert_eq!(taken, LIMIT);
    assert!(seconds >= 0.5, "{seconds}");
}

#[tokio::test]
async fn a_redis_that_knows_nothing_gives_nothing_for_a_period_and_then_a_share() {
    let mut window = Window::new().await;
    window.new = LONG;
    let begin = window.redis.time().await;

    let (taken, wait, _) = window.ask("one", "one-", LIMIT).await;
    assert_eq!((taken, wait), (0, 100_000));
    let (first, seconds) = window.until_taken("one", begin).await;
    let (second, ..) = window.ask("two", "two-", LIMIT).await;

    assert!(seconds >= 0.1, "{seconds}");
    assert_eq!((first, second), (SHARE, SHARE));
}

#[tokio::test]
async fn replicas_that_wait_leave_each_other_a_part() {
    let mut window = Window::known().await;
    window.period = LONG;
    window.lease = 0.5;
    assert_eq!(window.ask("full", "full-", LIMIT).await.0, LIMIT);
    for (replica, others) in [("one", 1), ("two", 2), ("three", 3)] {
        let (taken, _, waiting) = window.ask(replica, &format!("{replica}-"), LIMIT).await;
        assert_eq!((taken, waiting), (0, others));
    }

    let begin = window.redis.time().await;
    let (one, _) = window.until_taken("one", begin).await;
    let (two, ..) = window.ask("two", "two+", LIMIT).await;
    let (three, ..) = window.ask("three", "three+", LIMIT).await;

    assert_eq!([one, two, three], [3; 3]);
}

#[tokio::test]
async fn who_asks_again_because_a_response_was_lost_takes_no_place_twice() {
    let mut window = Window::known().await;

    assert_eq!(window.ask("one", "one-", LIMIT).await.0, LIMIT);
    assert_eq!(window.ask("one", "one-", 4).await.0, 4);

    assert_eq!(window.ask("two", "two-", LIMIT).await.0, LIMIT - 4);
}
