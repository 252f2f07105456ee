//! The shaper on a paused clock; its rules stand in `rules`.

mod rules;

use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::advance;

use super::window::PERIOD;
use super::*;

fn entrant(lane: Lane, tenant: &str) -> Entrant {
    Entrant {
        lane,
        tenant: tenant.into(),
        weight: 1,
    }
}

fn unary() -> Entrant {
    entrant(Lane::Unary, "a")
}

fn soon(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Takes a turn and writes at once; tells when.
async fn send(shaper: &Shaper, entrant: Entrant, seconds: u64) -> Result<Instant> {
    let permit = shaper.turn(&entrant, soon(seconds)).await?;
    permit.stamp();
    Ok(Instant::now())
}

/// Sends in a task of its own.
fn sending(shaper: &Shaper, entrant: Entrant, seconds: u64) -> JoinHandle<Result<Instant>> {
    let shaper = shaper.clone();
    tokio::spawn(async move { send(&shaper, entrant, seconds).await })
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_sent_in_order_and_never_more_than_the_rate_allows() {
    let shaper = Shaper::new(10, None);
    let begin = Instant::now();

    let sends = (0..95).map(|_| send(&shaper, unary(), 60));
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
    assert_eq!(shaper.load().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_be_late_is_rejected_at_once_with_the_wait() {
    let shaper = Shaper::new(10, None);
    for _ in 0..10 {
        send(&shaper, unary(), 60).await.unwrap();
    }
    let queued: Vec<_> = (0..10).map(|_| sending(&shaper, unary(), 60)).collect();
    settle().await;
    let begin = Instant::now();

    let error = send(&shaper, unary(), 2).await.unwrap_err();

    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(error.kind(), Kind::PacingRejected);
    assert_eq!(error.retry_after(), Some(PERIOD * 2));
    send(&shaper, unary(), 3)
        .await
        .expect("one that has the time waits");
    for sent in join_all(queued).await {
        sent.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gives_up_frees_its_place_and_costs_no_send() {
    let shaper = Shaper::new(1, None);
    send(&shaper, unary(), 60).await.unwrap();
    let mut waiting: Vec<_> = (0..50).map(|_| sending(&shaper, unary(), 600)).collect();
    settle().await;
    assert_eq!(shaper.load().0, 50);
    let last = waiting.pop().unwrap();

    for task in waiting {
        task.abort();
    }
    settle().await;

    assert_eq!(shaper.load().0, 1);
    assert_eq!(shaper.wait(&unary()), PERIOD * 2);
    let begin = Instant::now();
    last.await.unwrap().unwrap();
    assert!(begin.elapsed() <= PERIOD + Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_counts_from_its_stamp_and_not_at_all_without_one() {
    let shaper = Shaper::new(1, None);
    let permit = shaper.turn(&unary(), soon(60)).await.unwrap();
    let next = sending(&shaper, unary(), 60);
    settle().await;
    // The connection takes its time.
    advance(Duration::from_secs(3)).await;
    settle().await;
    assert!(!next.is_finished());

    permit.stamp();
    drop(permit);
    let begin = Instant::now();
    let sent = next.await.unwrap().unwrap();
    assert!(sent - begin >= PERIOD, "{:?}", sent - begin);

    advance(PERIOD).await;
    let unused = shaper.turn(&unary(), soon(60)).await.unwrap();
    let begin = Instant::now();
    let next = sending(&shaper, unary(), 60);
    settle().await;
    drop(unused);
    assert_eq!(next.await.unwrap().unwrap(), begin, "at once");
}

#[tokio::test(start_paused = true)]
async fn bulk_and_other_tenants_do_not_hold_up_a_single_call() {
    let shaper = Shaper::new(10, None);
    let crowd: Vec<_> = (0..200)
        .map(|_| sending(&shaper, entrant(Lane::Bulk, "crowd"), 60))
        .collect();
    settle().await;
    let begin = Instant::now();

    send(&shaper, entrant(Lane::Unary, "small"), 60)
        .await
        .unwrap();

    assert!(begin.elapsed() <= PERIOD + Duration::from_millis(1));
    crowd.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_overtaken_is_rejected_when_its_time_is_up() {
    let shaper = Shaper::new(1, None);
    send(&shaper, unary(), 60).await.unwrap();
    let late = sending(&shaper, entrant(Lane::Bulk, "b"), 2);
    settle().await;
    let begin = Instant::now();
    let overtaking: Vec<_> = (0..20).map(|_| sending(&shaper, unary(), 60)).collect();

    let error = late.await.unwrap().unwrap_err();

    assert_eq!(error.kind(), Kind::PacingRejected);
    assert!(begin.elapsed() <= Duration::from_millis(2001));
    assert!(error.retry_after().is_some());
    overtaking.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn time_for_the_response_is_kept_free_but_never_more_than_half() {
    let shaper = Shaper::new(1, None);
    for _ in 0..50 {
        shaper.answered_in(Duration::from_secs(3));
    }
    send(&shaper, unary(), 4).await.expect("nobody waits");

    // Sent after 1 s, it could be answered after 4 s.
    let error = send(&shaper, unary(), 2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PacingRejected);
    send(&shaper, unary(), 5).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_watched_only_while_somebody_waits() {
    let shaper = Shaper::new(1, None);
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..3 {
        send(&shaper, unary(), 60).await.unwrap();
    }
    settle().await;

    assert_eq!(metrics.num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_comes_and_goes_leaves_no_place_behind() {
    let shaper = Shaper::new(10, None);
    let sent = Arc::new(AtomicUsize::new(0));
    let crowd: Vec<_> = (0..500_u64)
        .map(|number| {
            let (shaper, sent) = (shaper.clone(), sent.clone());
            tokio::spawn(async move {
                let patience = Duration::from_millis(number * 37 % 4000);
                let turn = unary();
                let turn = shaper.turn(&turn, soon(300));
                let Ok(Ok(permit)) = tokio::time::timeout(patience, turn).await else {
                    return;
                };
                if number % 3 > 0 {
                    permit.stamp();
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    join_all(crowd).await;
    advance(PERIOD).await;

    assert_eq!(shaper.load(), (0, 0));
    assert!(sent.load(Ordering::SeqCst) >= 30);
    assert_eq!(shaper.wait(&unary()), Duration::ZERO);
}
