//! Pace that replicas keep together through a real Redis, by the vendor's count.
//!
//! Redis has its own clock, so nothing is paused here.

use samegate::telemetry::Metrics;
use tokio::task::JoinSet;

use super::pace::{numbered, vendor_without_images};
use super::*;
use crate::support::redis::Redis;
use crate::support::vendor::max_in_any;

const QPS: u32 = 20;
const REPLICAS: u32 = 3;
/// The vendor counts whole seconds. A machine with much else to do notes one
/// arrival later than the next, so this looks at somewhat less than a second;
/// replicas that did not know of each other would send thrice the rate.
const LOOK: Duration = Duration::from_millis(800);

/// More than any machine needs for one of these tests.
const LIMIT: Duration = Duration::from_secs(60);

fn replica(vendor: &Vendor, redis: &Redis, qps: u32) -> Arc<Rest> {
    let config = config::Rest {
        qps,
        ..config(vendor)
    };
    let connection = redis.connection(REPLICAS);
    Arc::new(Rest::observed(&config, "", &Metrics::new(), Some(&connection)).unwrap())
}

/// Calls without a pause, many times what the vendor allows. Ends when dropped.
fn offer(replicas: &[Arc<Rest>]) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for (number, replica) in (1..).zip(replicas) {
        for _ in 0..QPS {
            let replica = replica.clone();
            callers.spawn(async move {
                loop {
                    let call = call_within(Duration::from_secs(5));
                    if let Err(error) = replica.search(&call, numbered(number)).await {
                        assert_eq!(error.kind(), Kind::PacingRejected, "{error}");
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
    }
    callers
}

fn seen(vendor: &Vendor) -> usize {
    vendor.calls().len()
}

/// Waits until the vendor has seen this many seconds' calls more.
async fn let_send(vendor: &Vendor, seconds: usize) {
    for _ in 0..seconds {
        let wanted = seen(vendor) + QPS as usize;
        vendor.until("more calls", || seen(vendor) >= wanted).await;
    }
}

/// Sends this many calls as fast as the pace allows.
async fn send_at_once(replica: Arc<Rest>, calls: u32) {
    let mut sending = JoinSet::new();
    for _ in 0..calls {
        let replica = replica.clone();
        sending.spawn(async move { replica.search(&call(), numbered(1)).await.map(drop) });
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap().unwrap();
    }
}

/// Looks until a condition holds, as often as Redis answers.
async fn until(redis: &Redis, condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            redis.time().await;
        }
    };
    tokio::time::timeout(LIMIT, holds).await.unwrap();
}

fn is_together(replica: &Rest) -> bool {
    replica.state().credentials[0].paced_together.unwrap()
}

fn assert_kept(vendor: &Vendor) {
    let arrivals = vendor.calls().into_iter().map(|call| call.arrival);
    let arrivals: Vec<_> = arrivals.chain(vendor.token_arrivals()).collect();
    let most = max_in_any(LOOK, arrivals);
    assert!(most <= QPS as usize, "{most} of {QPS}");
}

#[tokio::test]
async fn three_replicas_together_send_what_the_vendor_allows_and_share_it() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));

    let callers = offer(&replicas);
    let_send(&vendor, 6).await;
    drop(callers);

    assert_kept(&vendor);
    let mut sent = [0; 3];
    for call in vendor.calls() {
        let number: usize = call.fields["tags"].parse().unwrap();
        sent[number - 1] += 1;
    }
    assert!(sent.iter().all(|sent| *sent >= 20), "{sent:?}");
}

#[tokio::test]
async fn a_replica_alone_has_the_whole_rate_of_all() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    let callers = offer(&replicas);
    let_send(&vendor, 2).await;

    drop(callers);
    let callers = offer(&replicas[..1]);
    let_send(&vendor, 2).await;
    let begin = Instant::now();
    let_send(&vendor, 4).await;
    let rate = f64::from(4 * QPS) / begin.elapsed().as_secs_f64();
    drop(callers);

    assert_kept(&vendor);
    // A part of a third, left by the two that went, would be below 7.
    assert!(rate > 8.0, "{rate}");
}

#[tokio::test]
async fn without_redis_each_goes_on_with_its_share_and_nobody_sees_an_error() {
    let (vendor, mut redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    let callers = offer(&replicas);
    let_send(&vendor, 2).await;
    assert!(replicas.iter().all(|replica| is_together(replica)));

    redis.kill().await;
    vendor
        .until("all are alone", || {
            replicas.iter().all(|replica| !is_together(replica))
        })
        .await;
    let_send(&vendor, 2).await;

    // It comes back empty: it knows nothing of the last second.
    redis.restart().await;
    vendor
        .until("all are together", || {
            replicas.iter().all(|replica| is_together(replica))
        })
        .await;
    let_send(&vendor, 4).await;
    let mut callers = callers;
    assert!(callers.try_join_next().is_none(), "a caller saw an error");
    drop(callers);

    assert_kept(&vendor);
}

#[tokio::test]
async fn a_redis_that_lost_its_memory_between_two_calls_lets_nobody_send_twice() {
    let (vendor, mut redis) = (vendor_without_images().await, Redis::start().await);
    let [one, two, _] = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    // Both have a token then.
    for replica in [&one, &two] {
        replica.search(&call(), numbered(1)).await.unwrap();
    }
    send_at_once(one, QPS - 4).await;

    // Nobody asks meanwhile, so nobody sees it go.
    redis.kill().await;
    redis.restart().await;
    send_at_once(two, QPS).await;

    assert_kept(&vendor);
}

#[tokio::test]
async fn a_redis_that_hung_holds_no_places_for_a_response_that_came_too_late() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replica = replica(&vendor, &redis, QPS);
    // Until this Redis is not new any more, and gives the whole rate.
    for _ in 0..3 {
        send_at_once(replica.clone(), QPS).await;
    }
    until(&redis, async || redis.taken_places().await == 0).await;

    redis.hang().await;
    let calls = tokio::spawn(send_at_once(replica.clone(), 2 * QPS));
    vendor.until("it is alone", || !is_together(&replica)).await;
    // Redis does now what it was asked, and nobody hears the response.
    redis.go_on().await;
    until(&redis, async || is_together(&replica)).await;

    // Its share may be on the way; the lost answer held all there is.
    let unsent = redis.unsent_places().await;
    assert!(unsent <= (QPS / REPLICAS) as usize, "{unsent}");
    calls.await.unwrap();
    assert_kept(&vendor);
}

#[tokio::test]
async fn calls_that_give_up_while_they_wait_leave_no_place_taken() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, QPS));
    let callers = offer(&replicas);
    let_send(&vendor, 2).await;
    let begin = redis.time().await;

    drop(callers);
    until(&redis, async || redis.taken_places().await == 0).await;

    // Those that were sent free after a second, one that was forgotten after 10.
    let seconds = redis.time().await - begin;
    assert!(seconds < 9.0, "{seconds}");
}

#[tokio::test]
async fn calls_that_were_never_written_leave_no_place_taken() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let unreachable = {
        let mut config = config(&vendor);
        config.qps = 1;
        // Nobody listens there.
        config.base_url = "http://127.0.0.1:1".parse().unwrap();
        let connection = redis.connection(REPLICAS);
        Rest::observed(&config, "", &Metrics::new(), Some(&connection)).unwrap()
    };

    // Each of these takes the only place; one that stayed would be held for
    // longer than the call may take.
    for number in 1..4 {
        let call = call_within(Duration::from_secs(8));
        let error = unreachable
            .search(&call, numbered(number))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::VendorUnavailable, "{error}");
    }
}

/// Figures of docs/benchmarks.md:
/// `cargo test --release --workspace --test it -- --ignored --nocapture measure_shared_pace`.
#[tokio::test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "its purpose")]
async fn measure_shared_pace() {
    let (vendor, redis) = (vendor_without_images().await, Redis::start().await);
    let replicas = [(); 3].map(|()| replica(&vendor, &redis, 10));
    let callers = offer(&replicas);
    let_send(&vendor, 1).await;
    let (begin, before) = (Instant::now(), seen(&vendor));
    let_send(&vendor, 15).await;
    let rate = (seen(&vendor) - before) as f64 / begin.elapsed().as_secs_f64();
    drop(callers);

    let arrivals = vendor.calls().into_iter().map(|call| call.arrival);
    let most = max_in_any(Duration::from_secs(1), arrivals.collect());
    println!("{rate:.2} calls/s, at most {most} in any second");
    println!("{} sent; {}", seen(&vendor), redis.script_stats().await);
}
