//! The rules of the pool's queue, checked against the order in which it starts jobs.

use proptest::prelude::*;

use super::super::class_queue::ClassQueue;
use super::super::schedule::{MAX_WAITING_OF_TENANT, Schedule};
use super::*;

const CLASSES: [Class; Class::COUNT] = [Class::Search, Class::Single, Class::Bulk];
const TENANTS: [&str; 3] = ["ann", "bob", "cid"];
/// Cost of the largest image.
const MAX_COST: u64 = 17_000;

/// A job of the tenant and the class with these indices.
#[derive(Clone, Copy, Debug)]
struct Job {
    class: Class,
    tenant: usize,
    cost: u64,
}

fn any_job() -> impl Strategy<Value = Job> {
    (0..Class::COUNT, 0..TENANTS.len(), 1..=MAX_COST).prop_map(|(class, tenant, cost)| Job {
        class: CLASSES[class],
        tenant,
        cost,
    })
}

fn of(index: usize) -> Tenant {
    Tenant {
        weight: [1, 3, 10][index],
        ..tenant(TENANTS[index])
    }
}

fn push(queue: &mut ClassQueue<Job>, job: Job) {
    queue.push(job.class, &of(job.tenant), job.cost, job);
}

/// A queue with any load, of which a part has started.
fn loaded(jobs: &[Job], started: usize) -> ClassQueue<Job> {
    let mut queue = ClassQueue::new();
    for job in jobs {
        push(&mut queue, *job);
    }
    for _ in 0..started {
        queue.pop();
    }
    queue
}

/// Starts every job before one of a tenant without a load, and returns them.
fn before(queue: &mut ClassQueue<Job>, class: Class) -> Vec<Job> {
    let (cost, new) = (1, usize::MAX);
    let mark = Job {
        class,
        tenant: new,
        cost,
    };
    queue.push(class, &tenant("new"), cost, mark);
    let starts = std::iter::from_fn(|| queue.pop());
    starts.take_while(|job| job.tenant != new).collect()
}

fn cost(jobs: &[Job], class: Class) -> u64 {
    let jobs = jobs.iter().filter(|job| job.class == class);
    jobs.map(|job| job.cost).sum()
}

proptest! {
    /// Goyal et al. 1996, theorem 1.
    #[test]
    fn two_busy_tenants_differ_by_one_job_each_at_most(
        costs in prop::collection::vec((1..=MAX_COST, 1..=MAX_COST), 1..200),
    ) {
        let mut queue = ClassQueue::new();
        for (ann, bob) in &costs {
            for (tenant, cost) in [(0, *ann), (1, *bob)] {
                push(&mut queue, Job { class: Class::Search, tenant, cost });
            }
        }

        // Three times the weight, so three times the work.
        let (mut ann, mut bob) = (0, 0);
        let mut left = [costs.len(); 2];
        while left[0] > 0 && left[1] > 0 {
            let job = queue.pop().unwrap();
            left[job.tenant] -= 1;
            *[&mut ann, &mut bob][job.tenant] += job.cost;
            let max = 3 * MAX_COST + MAX_COST;
            prop_assert!(u64::abs_diff(3 * ann, bob) <= max, "{ann} and {bob}");
        }
    }

    /// Whatever load others have, a tenant without one waits for one job of each at most, and for
    /// the share that the other classes have meanwhile.
    #[test]
    fn a_load_of_any_size_delays_another_tenants_search_by_a_bounded_amount(
        jobs in prop::collection::vec(any_job(), 0..300),
        started in 0..300_usize,
    ) {
        let started = before(&mut loaded(&jobs, started), Class::Search);

        let searches = started.iter().filter(|job| job.class == Class::Search);
        let mut tenants: Vec<_> = searches.map(|job| job.tenant).collect();
        let count = tenants.len();
        tenants.sort_unstable();
        tenants.dedup();
        prop_assert_eq!(count, tenants.len(), "one search of each tenant");
        // Until the search class is served, and while it serves those searches.
        let meanwhile = MAX_COST + cost(&started, Class::Search);
        prop_assert!(cost(&started, Class::Single) <= meanwhile / 4 + MAX_COST);
        prop_assert!(cost(&started, Class::Bulk) <= meanwhile / 16 + MAX_COST);
    }

    #[test]
    fn the_cost_ahead_of_a_job_is_never_overestimated(
        jobs in prop::collection::vec(any_job(), 0..300),
        started in 0..300_usize,
        class in 0..Class::COUNT,
    ) {
        let (mut queue, class) = (loaded(&jobs, started), CLASSES[class]);
        let estimated = queue.ahead(class, &tenant("new"));

        let started = before(&mut queue, class);

        for other in CLASSES {
            let actual = cost(&started, other);
            prop_assert!(estimated[other as usize] <= actual, "{other:?}: {estimated:?}, {actual}");
        }
        let missing = cost(&started, class) - estimated[class as usize];
        prop_assert!(missing <= TENANTS.len() as u64 * MAX_COST);
    }

    #[test]
    fn running_jobs_never_exceed_cores_and_memory(
        events in prop::collection::vec((any_job(), 0..100_u64, any::<bool>()), 1..300),
    ) {
        let (cores, max_bytes) = (3, 120);
        let mut schedule = Schedule::new(cores, max_bytes);
        let mut running: Vec<Demand> = Vec::new();
        for (job, bytes, ends) in events {
            let demand = Demand { class: job.class, cost: job.cost, bytes };
            if schedule.start(demand) {
                running.push(demand);
            } else {
                schedule.push(demand, &of(job.tenant), Duration::MAX, ()).unwrap();
            }
            if ends && !running.is_empty() {
                schedule.end(running.remove(0), Some(Duration::from_millis(1)));
            }
            while let Some((demand, ())) = schedule.pop() {
                running.push(demand);
            }

            let used: u64 = running.iter().map(|demand| demand.bytes).sum();
            prop_assert!(running.len() <= cores && used <= max_bytes);
            prop_assert_eq!(schedule.state().decoded_bytes, used);
        }
    }
}

#[test]
fn searches_go_first_and_no_class_starves() {
    let mut queue = ClassQueue::new();
    for class in CLASSES {
        for _ in 0..2100 {
            push(
                &mut queue,
                Job {
                    class,
                    tenant: 0,
                    cost: 500,
                },
            );
        }
    }

    let started: Vec<_> = (0..2100).filter_map(|_| queue.pop()).collect();

    let shares = CLASSES.map(|class| cost(&started, class) / 500);
    assert!(shares[0].abs_diff(1600) <= 1, "{shares:?}");
    assert!(shares[1].abs_diff(400) <= 1, "{shares:?}");
    assert!(shares[2].abs_diff(100) <= 1, "{shares:?}");
}

#[test]
fn a_search_waits_for_no_backlog_of_adds_or_bulk_loads() {
    let job = |class| Job {
        class,
        tenant: 0,
        cost: 500,
    };
    let jobs = [[job(Class::Single); 50], [job(Class::Bulk); 50]].concat();

    let started = before(&mut loaded(&jobs, 20), Class::Search);

    assert!(started.is_empty(), "{started:?}");
}

#[test]
fn a_tenant_may_fill_half_of_the_queue_and_others_still_can_wait() {
    let mut schedule = Schedule::new(1, 0);
    assert!(schedule.start(SMALL));
    let (ann, bob) = (tenant("ann"), tenant("bob"));
    for _ in 0..MAX_WAITING_OF_TENANT {
        schedule.push(SMALL, &ann, Duration::MAX, ()).unwrap();
    }

    let rejected = schedule.push(SMALL, &ann, Duration::MAX, ()).unwrap_err();

    assert!(rejected.queue_full);
    schedule.push(SMALL, &bob, Duration::MAX, ()).unwrap();
}

#[test]
fn an_estimate_that_is_too_high_leaves_half_of_the_time_for_waiting() {
    let mut schedule: Schedule<()> = Schedule::new(1, 0);
    assert!(schedule.start(SMALL));
    schedule.end(SMALL, Some(Duration::from_secs(60)));

    let max_wait = schedule.max_wait(SMALL, Duration::from_secs(10));

    assert_eq!(max_wait, Duration::from_secs(5));
}

/// The attack: 60 searches of 1.2 s. Those that cannot be done in time are rejected, and the search
/// of another tenant waits for one of them only.
#[test]
fn sixty_expensive_searches_delay_another_tenants_search_by_one_of_them() {
    let large = Demand {
        cost: MAX_COST,
        ..SMALL
    };
    let mut schedule = Schedule::new(2, 0);
    let (ann, bob) = (tenant("ann"), tenant("bob"));
    let deadline = Duration::from_secs(30);
    let mut rejected = 0;
    for _ in 0..60 {
        let max_wait = schedule.max_wait(large, deadline);
        if !schedule.start(large) && schedule.push(large, &ann, max_wait, ()).is_err() {
            rejected += 1;
        }
    }

    // At 1.3 s each, 46 are done in 30 s by two cores.
    assert!((12..18).contains(&rejected), "{rejected}");
    let wait = schedule.wait(Class::Search, &bob);
    assert!(wait < Duration::from_secs(2), "{wait:?}");
    schedule.push(SMALL, &bob, deadline, ()).unwrap();
    let mut next = || {
        schedule.end(large, Some(Duration::from_millis(1200)));
        schedule.pop().unwrap()
    };
    assert_eq!([next(), next()], [(large, ()), (SMALL, ())]);
}
