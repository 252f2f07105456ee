//! The CPU pool on few cores; the rules of its queue are in `rules`.

mod rules;

use std::sync::mpsc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::advance;

use super::*;
use crate::call::{CallStats, RequestId};
use crate::telemetry::CallTrace;

const SMALL: Demand = Demand {
    class: Class::Search,
    cost: 100,
    bytes: 0,
};

fn tenant(name: &str) -> Tenant {
    Tenant {
        name: name.to_owned(),
        libraries: Vec::new(),
        weight: 1,
        read_only: false,
    }
}

/// A call that has this many seconds.
fn call(name: &str, seconds: u64) -> Call {
    let timeout = Duration::from_secs(seconds);
    Call {
        tenant: tenant(name).into(),
        request_id: RequestId::default(),
        deadline: Instant::now() + timeout,
        stream_deadline: None,
        timeout,
        bulk: false,
        permit: Default::default(),
        stats: CallStats::default(),
        trace: CallTrace::default(),
    }
}

/// Runs a job that lasts until the sender is used or dropped.
async fn occupy(pool: &CpuPool, demand: Demand) -> (mpsc::Sender<()>, JoinHandle<Result<()>>) {
    let (release, gate) = mpsc::channel();
    let before = running(pool);
    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let job = move || gate.recv().unwrap_or_default();
            pool.run(&call("ann", 3600), demand, job).await
        }
    });
    while running(pool) == before {
        tokio::task::yield_now().await;
    }
    (release, task)
}

fn running(pool: &CpuPool) -> u64 {
    pool.state().search.running
}

#[tokio::test]
async fn a_job_that_is_cancelled_before_it_starts_never_runs() {
    let pool = CpuPool::with_cores(1, 0);
    let (release, running) = occupy(&pool, SMALL).await;
    let (ran, has_run) = mpsc::channel();
    let call = call("ann", 60);
    let mut waiting = Box::pin(pool.run(&call, SMALL, move || ran.send(()).unwrap()));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert_eq!(pool.state().search.waiting, 1);

    drop(waiting);

    assert_eq!(pool.state().search.waiting, 0);
    release.send(()).unwrap();
    running.await.unwrap().unwrap();
    pool.run(&call, SMALL, || ()).await.unwrap();
    assert!(has_run.recv().is_err(), "the sender was dropped unused");
    assert_eq!(pool.state(), CpuState::default());
}

#[tokio::test]
async fn a_job_that_panics_fails_alone() {
    let pool = CpuPool::with_cores(1, 0);
    let call = call("ann", 60);

    let failed = pool.run(&call, SMALL, || panic!("boom")).await;

    assert_eq!(failed.unwrap_err().kind(), Kind::Internal);
    assert_eq!(pool.run(&call, SMALL, || 7).await.unwrap(), 7);
}

#[tokio::test]
async fn another_tenants_job_overtakes_the_queue_of_a_busy_one() {
    let pool = CpuPool::with_cores(1, 0);
    let large = Demand {
        cost: 17_000,
        ..SMALL
    };
    let (release, running) = occupy(&pool, large).await;
    let (ended, order) = mpsc::channel();
    let jobs = [
        ("ann", large),
        ("ann", large),
        ("ann", large),
        ("bob", SMALL),
    ];
    let mut tasks = Vec::new();
    for (waiting, (name, demand)) in (1..).zip(jobs) {
        let (shared, ended) = (pool.clone(), ended.clone());
        tasks.push(tokio::spawn(async move {
            let job = move || ended.send(name).unwrap();
            shared.run(&call(name, 3600), demand, job).await
        }));
        while pool.state().search.waiting < waiting {
            tokio::task::yield_now().await;
        }
    }

    release.send(()).unwrap();

    running.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    drop(ended);
    let order: Vec<_> = order.into_iter().collect();
    // Nothing had started from the queue before, so the tenants were equal.
    assert_eq!(order, ["ann", "bob", "ann", "ann"]);
}

#[tokio::test]
async fn images_that_do_not_fit_into_memory_together_are_decoded_one_after_the_other() {
    let pool = CpuPool::with_cores(2, 100);
    let half = Demand { bytes: 60, ..SMALL };
    let (release, first) = occupy(&pool, half).await;
    let call = call("bob", 60);
    let mut second = Box::pin(pool.run(&call, half, || ()));
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(pool.state().decoded_bytes, 60);

    pool.resize(120);

    second.await.unwrap();
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(pool.state(), CpuState::default());
}

#[tokio::test]
async fn a_cancelled_job_that_waited_for_memory_lets_those_behind_it_start() {
    let pool = CpuPool::with_cores(2, 100);
    let (release, first) = occupy(&pool, Demand { bytes: 60, ..SMALL }).await;
    let (ann, bob) = (call("ann", 60), call("bob", 60));
    let mut second = Box::pin(pool.run(&ann, Demand { bytes: 60, ..SMALL }, || ()));
    assert!(futures_util::poll!(&mut second).is_pending());
    let mut third = Box::pin(pool.run(&ann, SMALL, || ()));
    assert!(futures_util::poll!(&mut third).is_pending());

    drop(second);

    third.await.unwrap();
    pool.run(&bob, SMALL, || ()).await.unwrap();
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_would_start_too_late_is_rejected_at_once_with_the_wait() {
    let pool = CpuPool::with_cores(1, 0);
    // Before any measurement, 75 s.
    let minute = Demand {
        cost: 1_000_000,
        ..SMALL
    };
    let (release, running) = occupy(&pool, minute).await;
    let begin = Instant::now();

    let rejected = pool.run(&call("bob", 10), SMALL, || ()).await.unwrap_err();

    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(rejected.kind(), Kind::RateLimitDeadline);
    // A running job is half done.
    let half = Duration::from_millis(37_500);
    assert!(rejected.retry_after().unwrap().abs_diff(half) < Duration::from_millis(1));
    release.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiting_job_is_rejected_once_it_is_too_late() {
    let pool = CpuPool::with_cores(1, 0);
    let (release, running) = occupy(&pool, SMALL).await;
    let call = call("bob", 10);
    let mut waiting = Box::pin(pool.run(&call, SMALL, || ()));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    // Time does not pass by itself while a job runs. The job itself needs some of it.
    advance(Duration::from_millis(9_900)).await;
    assert!(futures_util::poll!(&mut waiting).is_pending());
    advance(Duration::from_millis(99)).await;

    let rejected = waiting.await.unwrap_err();

    assert_eq!(rejected.kind(), Kind::RateLimitDeadline);
    assert_eq!(pool.state().search.waiting, 0);
    release.send(()).unwrap();
    running.await.unwrap().unwrap();
}
