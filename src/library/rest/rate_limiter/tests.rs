//! The rate limiter on a paused clock; the rules of its queue are in `rules`.

mod rules;

use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::advance;

use super::queue::MAX_QUEUE_SECONDS;
use super::window::PERIOD;
use super::*;

fn waiter(lane: Lane, tenant: &str) -> Waiter {
    Waiter {
        lane,
        tenant: tenant.into(),
        weight: 1,
    }
}

fn unary() -> Waiter {
    waiter(Lane::Unary, "a")
}

fn soon(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Acquires a slot and sends at once; returns when.
async fn send(limiter: &RateLimiter, waiter: Waiter, seconds: u64) -> Result<Instant> {
    let permit = limiter.acquire(&waiter, soon(seconds)).await?;
    permit.mark_sent();
    Ok(Instant::now())
}

/// Sends in a task of its own.
fn sending(limiter: &RateLimiter, waiter: Waiter, seconds: u64) -> JoinHandle<Result<Instant>> {
    let limiter = limiter.clone();
    tokio::spawn(async move { send(&limiter, waiter, seconds).await })
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_sent_in_order_and_never_more_than_the_rate_allows() {
    let limiter = RateLimiter::new(10, None);
    let begin = Instant::now();

    let sends = (0..95).map(|_| send(&limiter, unary(), 60));
    let sent = join_all(sends).await;

    for (number, sent) in sent.into_iter().enumerate() {
        let round = u32::try_from(number / 10).unwrap();
        let late = sent.unwrap() - begin - PERIOD * round;
        // The runtime's timers have a resolution of 1 ms.
        assert!(
            late <= Duration::from_millis(u64::from(round)),
            "{number}: {late:?}"
        );
    }
    assert_eq!(limiter.load().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_be_late_is_rejected_at_once_with_the_wait() {
    let limiter = RateLimiter::new(10, None);
    for _ in 0..10 {
        send(&limiter, unary(), 60).await.unwrap();
    }
    let queued: Vec<_> = (0..10).map(|_| sending(&limiter, unary(), 60)).collect();
    settle().await;
    let begin = Instant::now();

    let error = send(&limiter, unary(), 2).await.unwrap_err();

    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(error.kind(), Kind::RateLimitDeadline);
    assert_eq!(error.retry_after(), Some(PERIOD * 2));
    send(&limiter, unary(), 3)
        .await
        .expect("a call with time waits");
    for sent in join_all(queued).await {
        sent.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_and_a_short_deadline_are_two_errors() {
    let limiter = RateLimiter::new(1, None);
    send(&limiter, unary(), 60).await.unwrap();
    let queued: Vec<_> = (0..MAX_QUEUE_SECONDS)
        .map(|_| sending(&limiter, unary(), 600))
        .collect();
    settle().await;

    let queue_full = send(&limiter, unary(), 600).await.unwrap_err();
    let too_late = send(&limiter, waiter(Lane::Unary, "b"), 1).await;

    assert_eq!(queue_full.kind(), Kind::RateLimitQueueFull);
    assert_eq!(too_late.unwrap_err().kind(), Kind::RateLimitDeadline);
    assert_eq!(queue_full.kind().reason(), "RATE_LIMIT_QUEUE_FULL");
    queued.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_leaves_the_queue_and_uses_no_slot() {
    let limiter = RateLimiter::new(1, None);
    send(&limiter, unary(), 60).await.unwrap();
    let mut waiting: Vec<_> = (0..50).map(|_| sending(&limiter, unary(), 600)).collect();
    settle().await;
    assert_eq!(limiter.load().0, 50);
    let last = waiting.pop().unwrap();

    for task in waiting {
        task.abort();
    }
    settle().await;

    assert_eq!(limiter.load().0, 1);
    assert_eq!(limiter.wait(&unary()), PERIOD * 2);
    let begin = Instant::now();
    last.await.unwrap().unwrap();
    assert!(begin.elapsed() <= PERIOD + Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_used_from_the_send_on_and_free_without_one() {
    let limiter = RateLimiter::new(1, None);
    let permit = limiter.acquire(&unary(), soon(60)).await.unwrap();
    let next = sending(&limiter, unary(), 60);
    settle().await;
    // The connection takes 3 s.
    advance(Duration::from_secs(3)).await;
    settle().await;
    assert!(!next.is_finished());

    permit.mark_sent();
    drop(permit);
    let begin = Instant::now();
    let sent = next.await.unwrap().unwrap();
    assert!(sent - begin >= PERIOD, "{:?}", sent - begin);

    advance(PERIOD).await;
    let unused = limiter.acquire(&unary(), soon(60)).await.unwrap();
    let begin = Instant::now();
    let next = sending(&limiter, unary(), 60);
    settle().await;
    drop(unused);
    assert_eq!(next.await.unwrap().unwrap(), begin, "at once");
}

#[tokio::test(start_paused = true)]
async fn bulk_and_other_tenants_do_not_hold_up_a_single_call() {
    let limiter = RateLimiter::new(10, None);
    let others: Vec<_> = (0..200)
        .map(|_| sending(&limiter, waiter(Lane::Bulk, "many"), 60))
        .collect();
    settle().await;
    let begin = Instant::now();

    send(&limiter, waiter(Lane::Unary, "small"), 60)
        .await
        .unwrap();

    assert!(begin.elapsed() <= PERIOD + Duration::from_millis(1));
    others.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_overtaken_is_rejected_at_its_deadline() {
    let limiter = RateLimiter::new(1, None);
    send(&limiter, unary(), 60).await.unwrap();
    let late = sending(&limiter, waiter(Lane::Bulk, "b"), 2);
    settle().await;
    let begin = Instant::now();
    let overtaking: Vec<_> = (0..20).map(|_| sending(&limiter, unary(), 60)).collect();

    let error = late.await.unwrap().unwrap_err();

    assert_eq!(error.kind(), Kind::RateLimitDeadline);
    assert!(begin.elapsed() <= Duration::from_millis(2001));
    assert!(error.retry_after().is_some());
    overtaking.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn time_is_reserved_for_the_response_but_never_more_than_half() {
    let limiter = RateLimiter::new(1, None);
    for _ in 0..50 {
        limiter.record_response_time(Duration::from_secs(3));
    }
    send(&limiter, unary(), 4).await.expect("no call waits");

    // Sent after 1 s, it would have its response after 4 s.
    let error = send(&limiter, unary(), 2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::RateLimitDeadline);
    send(&limiter, unary(), 5).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_dispatch_task_runs_only_while_calls_are_queued() {
    let limiter = RateLimiter::new(1, None);
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..3 {
        send(&limiter, unary(), 60).await.unwrap();
    }
    settle().await;

    assert_eq!(metrics.num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_cancelled_calls_leave_no_slot_used() {
    let limiter = RateLimiter::new(10, None);
    let sent = Arc::new(AtomicUsize::new(0));
    let others: Vec<_> = (0..500_u64)
        .map(|number| {
            let (limiter, sent) = (limiter.clone(), sent.clone());
            tokio::spawn(async move {
                let timeout = Duration::from_millis(number * 37 % 4000);
                let waiter = unary();
                let acquire = limiter.acquire(&waiter, soon(300));
                let Ok(Ok(permit)) = tokio::time::timeout(timeout, acquire).await else {
                    return;
                };
                if number % 3 > 0 {
                    permit.mark_sent();
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    join_all(others).await;
    advance(PERIOD).await;

    assert_eq!(limiter.load(), (0, 0));
    assert!(sent.load(Ordering::SeqCst) >= 30);
    assert_eq!(limiter.wait(&unary()), Duration::ZERO);
}
