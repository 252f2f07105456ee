//! The rate limit that replicas share through a real Redis, by the vendor's count.
//!
//! Redis has its own clock, so no clock is paused here.

use tokio::task::JoinSet;

use super::rate_limit::{numbered, vendor_without_images};
use super::*;
use crate::support::redis::Redis;
use crate::support::vendor::max_in_any;

const QPS: u32 = 20;
const REPLICAS: u32 = 3;
/// The vendor counts whole seconds. A busy machine records one arrival later than the next, so this
/// period is a little less than a second; replicas that did not share the rate limit would send
/// three times the rate.
const COUNTED_PERIOD: Duration = Duration::from_millis(800);

/// Timeout, above the time that any machine needs for one of these tests.
const LIMIT: Duration = Duration::from_secs(60);

fn replica(vendor: &Vendor, redis: &Redis, qps: u32) -> Arc<RestBackend> {
    let config = config::Rest {
        qps,
        ..config(vendor)
    };
    let connection = redis.connection(REPLICAS);
    Arc::new(RestBackend::new(&config, "", &Metrics::new(), Some(&connection)).unwrap())
}

/// Calls without a pause, many times the rate. Ends when dropped.
fn offer(replicas: &[Arc<RestBackend>]) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for (number, replica) in (1..).zip(replicas) {
        for _ in 0..QPS {
            let replica = replica.clone();
            callers.spawn(async move {
                loop {
                    let call = call_within(Duration::from_secs(5));
                    if let Err(error) = replica.search(&call, numbered(number)).await {
                        assert_eq!(error.kind(), Kind::RateLimitDeadline, "{error}");
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
    }
    callers
}

fn received(vendor: &Vendor) -> usize {
    vendor.calls().len()
}

/// Waits until the vendor has received the calls of this many more seconds.
async fn wait_for_seconds(vendor: &Vendor, seconds: usize) {
    for _ in 0..seconds {
        let expected = received(vendor) + QPS as usize;
        vendor
            .until("more calls", || received(vendor) >= expected)
            .await;
    }
}

/// Sends this many calls as fast as the rate limit allows.
async fn send_at_once(replica: Arc<RestBackend>, calls: u32) {
    let mut sending = JoinSet::new();
    for _ in 0..calls {
        let replica = replica.clone();
        sending.spawn(async move { replica.search(&call(), numbered(1)).await.map(drop) });
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap().unwrap();
    }
}

/// Polls until a condition holds, as often as Redis responds.
async fn until(redis: &Redis, condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            redis.time().await;
        }
    };
    tokio::time::timeout(LIMIT, holds).await.unwrap();
}

fn is_shared(replica: &RestBackend) -> bool {
    replica.state().credentials[0].rate_limit_shared.unwrap()
}

fn assert_rate_limit(vendor: &Vendor) {
    let arrivals: Vec<_> = vendor
        .calls()
        .into_iter()
        .map(|call| call.arrival)
        .chain(vendor.token_arrivals())
        .collect();
    let max = max_in_any(COUNTED_PERIOD, arrivals);
    assert!(max <= QPS as usize, "{max} of {QPS}");
}

#[tokio::test]
async fn three_replicas_share_the_rate_limit_and_use_it_fully() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));

    let callers = offer(&replicas);
    wait_for_seconds(&vendor, 6).await;
    drop(callers);

    assert_rate_limit(&vendor);
    let mut sent = [0; 3];
    for call in vendor.calls() {
        let number: usize = call.fields["tags"].parse().unwrap();
        sent[number - 1] += 1;
    }
    assert!(sent.iter().all(|sent| *sent >= 20), "{sent:?}");
}

#[tokio::test]
async fn a_replica_alone_gets_the_whole_rate() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    let callers = offer(&replicas);
    wait_for_seconds(&vendor, 2).await;

    drop(callers);
    let callers = offer(&replicas[..1]);
    wait_for_seconds(&vendor, 2).await;
    let begin = Instant::now();
    wait_for_seconds(&vendor, 4).await;
    let rate = f64::from(4 * QPS) / begin.elapsed().as_secs_f64();
    drop(callers);

    assert_rate_limit(&vendor);
    // A third, as while the other two had calls, would be below 7.
    assert!(rate > 8.0, "{rate}");
}

#[tokio::test]
async fn without_redis_each_falls_back_to_its_share_and_no_call_fails() {
    let (vendor, mut redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    let callers = offer(&replicas);
    wait_for_seconds(&vendor, 2).await;
    assert!(replicas.iter().all(|replica| is_shared(replica)));

    redis.kill().await;
    vendor
        .until("all are in fallback", || {
            replicas.iter().all(|replica| !is_shared(replica))
        })
        .await;
    wait_for_seconds(&vendor, 2).await;

    // It comes back empty, without the sends of the last second.
    redis.restart().await;
    vendor
        .until("all share again", || {
            replicas.iter().all(|replica| is_shared(replica))
        })
        .await;
    wait_for_seconds(&vendor, 4).await;
    let mut callers = callers;
    assert!(callers.try_join_next().is_none(), "a call failed");
    drop(callers);

    assert_rate_limit(&vendor);
}

#[tokio::test]
async fn a_redis_that_lost_its_data_between_two_calls_grants_no_slot_twice() {
    let (vendor, mut redis) = (vendor_without_images().await, Redis::start().await);
    let [one, two, _] = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    // Both have a token then.
    for replica in [&one, &two] {
        replica.search(&call(), numbered(1)).await.unwrap();
    }
    send_at_once(one, QPS - 4).await;

    // No replica uses it meanwhile, so none notices.
    redis.kill().await;
    redis.restart().await;
    send_at_once(two, QPS).await;

    assert_rate_limit(&vendor);
}

#[tokio::test]
async fn a_redis_that_hung_keeps_no_slots_for_a_response_that_came_too_late() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replica = replica(&vendor, &redis, QPS);
    // Until this Redis is no longer new, and grants the whole rate.
    for _ in 0..3 {
        send_at_once(replica.clone(), QPS).await;
    }
    until(&redis, async || redis.used_slots().await == 0).await;

    redis.hang().await;
    let calls = tokio::spawn(send_at_once(replica.clone(), 2 * QPS));
    vendor
        .until("it is in fallback", || !is_shared(&replica))
        .await;
    // Redis now runs the script, and the response is lost.
    redis.resume().await;
    until(&redis, async || is_shared(&replica)).await;

    // Its share may be on the way; the lost response held every slot.
    let unsent = redis.unsent_slots().await;
    assert!(unsent <= (QPS / REPLICAS) as usize, "{unsent}");
    calls.await.unwrap();
    assert_rate_limit(&vendor);
}

#[tokio::test]
async fn calls_that_are_cancelled_while_they_wait_leave_no_slot_used() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    let callers = offer(&replicas);
    wait_for_seconds(&vendor, 2).await;
    let begin = redis.time().await;

    drop(callers);
    until(&redis, async || redis.used_slots().await == 0).await;

    // Slots of sent calls expire after a second, a leaked one after 10.
    let seconds = redis.time().await - begin;
    assert!(seconds < 9.0, "{seconds}");
}

#[tokio::test]
async fn calls_that_were_never_written_leave_no_slot_used() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let unreachable = {
        let mut config = config(&vendor);
        config.qps = 1;
        // No server listens there.
        config.base_url = "http://127.0.0.1:1".parse().unwrap();
        let connection = redis.connection(REPLICAS);
        RestBackend::new(&config, "", &Metrics::new(), Some(&connection)).unwrap()
    };

    // Each of these uses the only slot; a leaked one would be held for longer than the timeout of
    // the call.
    for number in 1..4 {
        let call = call_within(Duration::from_secs(8));
        let error = unreachable
            .search(&call, numbered(number))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::VendorUnavailable, "{error}");
    }
}

/// Figures of docs/benchmarks.md: `cargo test --release --workspace --test it -- --ignored
/// --nocapture measure_shared_rate_limit`.
#[tokio::test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "its purpose")]
async fn measure_shared_rate_limit() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, 10));
    let callers = offer(&replicas);
    wait_for_seconds(&vendor, 1).await;
    let (begin, before) = (Instant::now(), received(&vendor));
    wait_for_seconds(&vendor, 15).await;
    let rate = (received(&vendor) - before) as f64 / begin.elapsed().as_secs_f64();
    drop(callers);

    let arrivals = vendor.calls().into_iter().map(|call| call.arrival);
    let max = max_in_any(Duration::from_secs(1), arrivals.collect());
    println!("{rate:.2} calls/s, maximum of any second {max}");
    println!("{} sent; {}", received(&vendor), redis.script_stats().await);
}
