//! The rules of the queue, checked against the dispatches of a queue.

use proptest::prelude::*;

use super::super::queue::{Contention, MAX_QUEUE_SECONDS, Queue};
use super::super::window::PERIOD;
use super::*;

const TENANTS: [&str; 3] = ["ann", "bob", "cid"];

/// An event at a queue.
#[derive(Clone, Debug)]
enum Event {
    Push {
        waiter: Waiter,
        timeout: Duration,
    },
    /// The queued call with this number, modulo their count, is cancelled.
    Cancel(usize),
    Advance(Duration),
    /// The oldest dispatched call is sent, or cancelled.
    Send,
    CancelDispatched,
}

fn any_waiter() -> impl Strategy<Value = Waiter> {
    (0..10_usize, 0..TENANTS.len()).prop_map(|(lane, tenant)| Waiter {
        lane: match lane {
            0 => Lane::Token,
            1..6 => Lane::Unary,
            _ => Lane::Bulk,
        },
        tenant: TENANTS[tenant].into(),
        // The weight belongs to the tenant.
        weight: [1, 3, 10][tenant],
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let millis = |max| (0..max).prop_map(Duration::from_millis);
    prop_oneof![
        6 => (any_waiter(), millis(20_000_u64))
            .prop_map(|(waiter, timeout)| Event::Push { waiter, timeout }),
        1 => any::<usize>().prop_map(Event::Cancel),
        3 => millis(700_u64).prop_map(Event::Advance),
        5 => Just(Event::Send),
        1 => Just(Event::CancelDispatched),
    ]
}

/// A queue with the calls that it dispatched, and when they were sent.
struct Simulation {
    queue: Queue<u64>,
    now: Instant,
    queued: Vec<(Waiter, u64)>,
    dispatched: Vec<u64>,
    sends: Vec<Instant>,
}

impl Simulation {
    fn new(qps: u32) -> Self {
        Simulation {
            queue: Queue::new(qps),
            now: Instant::now(),
            queued: Vec::new(),
            dispatched: Vec::new(),
            sends: Vec::new(),
        }
    }

    fn push(&mut self, waiter: &Waiter, timeout: Duration) {
        let wait = self.queue.wait(waiter, self.now);
        let name = self.sends.len() as u64;
        let queued = self.queue.push(waiter, self.now, self.now + timeout, name);
        match queued {
            Ok(number) => {
                assert!(wait <= timeout, "queued to wait {wait:?} of {timeout:?}");
                self.queued.push((waiter.clone(), number));
            }
            Err(rejected) => {
                assert_eq!(rejected.wait, wait);
                assert!(
                    rejected.queue_full || wait > timeout,
                    "rejected without need"
                );
            }
        }
    }

    fn play(&mut self, event: Event) {
        match event {
            Event::Push { waiter, timeout } => self.push(&waiter, timeout),
            Event::Cancel(which) if !self.queued.is_empty() => {
                let (waiter, number) = self.queued.swap_remove(which % self.queued.len());
                self.queue.cancel(&waiter, number);
            }
            Event::Advance(time) => self.now += time,
            Event::Send if self.dispatched.pop().is_some() => {
                self.queue.mark_sent(self.now);
                self.sends.push(self.now);
            }
            Event::CancelDispatched if self.dispatched.pop().is_some() => {
                self.queue.cancel_dispatched();
            }
            Event::Cancel(_) | Event::Send | Event::CancelDispatched => {}
        }
        while let Some(call) = self.queue.pop(self.now) {
            self.dispatched.push(call);
        }
    }
}

proptest! {
    #[test]
    fn no_sliding_second_holds_more_than_the_rate(
        qps in 1_u32..12,
        events in prop::collection::vec(any_event(), 1..400),
    ) {
        let mut simulation = Simulation::new(qps);
        for event in events {
            simulation.play(event);
            prop_assert!(simulation.dispatched.len() <= qps as usize);
        }

        for sends in simulation.sends.windows(qps as usize + 1) {
            prop_assert!(sends[qps as usize] - sends[0] > Duration::from_secs(1));
        }
    }

    /// The projection is exact while no call comes after: a call that is rejected would have been
    /// late, and one that is queued is not.
    #[test]
    fn a_call_waits_as_long_as_projected_if_no_call_comes_after(
        qps in 1_u32..12,
        events in prop::collection::vec(any_event(), 0..200),
        waiter in any_waiter(),
    ) {
        let mut simulation = Simulation::new(qps);
        for event in events {
            simulation.play(event);
        }
        while !simulation.dispatched.is_empty() {
            simulation.play(Event::Send);
        }
        let (begin, queue) = (simulation.now, &mut simulation.queue);
        let projected = queue.wait(&waiter, begin);
        let queued = queue.push(&waiter, begin, begin + projected, u64::MAX);
        prop_assert!(queued.is_ok());

        let mut now = begin;
        loop {
            match queue.pop(now) {
                Some(u64::MAX) => break,
                Some(_) => queue.mark_sent(now),
                None => now = queue.next_dispatch().unwrap(),
            }
        }

        prop_assert_eq!(now - begin, projected);
    }
}

/// Keeps calls of all these lanes and tenants queued, and counts the dispatches of each.
fn dispatches(flows: &[(Lane, &str, u32)], dispatches: usize) -> Vec<usize> {
    let mut queue = Queue::new(1000);
    let mut now = Instant::now();
    let mut counts = vec![0; flows.len()];
    let push = |queue: &mut Queue<usize>, now, flow: usize| {
        let (lane, tenant, weight) = flows[flow];
        let waiter = Waiter {
            lane,
            tenant: tenant.into(),
            weight,
        };
        let late = now + Duration::from_hours(1);
        queue.push(&waiter, now, late, flow).unwrap();
    };
    for flow in 0..flows.len() {
        (0..20).for_each(|_| push(&mut queue, now, flow));
    }
    for _ in 0..dispatches {
        now += Duration::from_millis(2);
        let flow = queue.pop(now).unwrap();
        queue.mark_sent(now);
        counts[flow] += 1;
        push(&mut queue, now, flow);
    }
    counts
}

#[test]
fn tenants_share_by_weight() {
    let flows = [
        (Lane::Unary, "a", 1),
        (Lane::Unary, "b", 3),
        (Lane::Unary, "c", 100),
        (Lane::Unary, "d", 1),
    ];

    let counts = dispatches(&flows, 105 * 50);

    for (count, (_, tenant, weight)) in counts.into_iter().zip(flows) {
        let share = 50 * weight as usize;
        assert!(count.abs_diff(share) <= 1, "{tenant}: {count} of {share}");
    }
}

#[test]
fn single_calls_go_before_bulk_which_gets_every_tenth_slot() {
    let flows = [
        (Lane::Unary, "a", 1),
        (Lane::Bulk, "a", 1),
        (Lane::Bulk, "b", 3),
    ];

    let counts = dispatches(&flows, 4000);

    assert_eq!(counts, [3600, 100, 300]);
}

#[test]
fn a_token_request_goes_before_every_other_call() {
    let now = Instant::now();
    let mut queue = Queue::new(1);
    let late = now + Duration::from_hours(1);
    for lane in [Lane::Bulk, Lane::Unary, Lane::Token] {
        queue.push(&waiter(lane, "a"), now, late, lane).unwrap();
    }

    assert_eq!(queue.pop(now), Some(Lane::Token));
}

#[test]
fn an_idle_tenant_saves_up_nothing_and_cancelled_calls_cost_nothing() {
    let now = Instant::now();
    let late = now + Duration::from_hours(1);
    let mut queue = Queue::new(1000);
    let (ann, bob) = (unary_of("ann"), unary_of("bob"));
    let push =
        |queue: &mut Queue<_>, waiter: &Waiter, name| queue.push(waiter, now, late, name).unwrap();
    for _ in 0..50 {
        push(&mut queue, &ann, "ann");
    }
    for _ in 0..40 {
        queue.pop(now).unwrap();
    }
    let cancelled: Vec<_> = (0..30).map(|_| push(&mut queue, &bob, "bob")).collect();
    for number in cancelled {
        queue.cancel(&bob, number);
    }
    for _ in 0..10 {
        push(&mut queue, &bob, "bob");
    }

    let order: Vec<_> = (0..20).filter_map(|_| queue.pop(now)).collect();

    for pair in order.chunks(2) {
        assert_ne!(pair[0], pair[1], "{order:?}");
    }
}

#[test]
fn a_tenant_may_queue_a_minute_of_the_rate_and_others_still_can() {
    let now = Instant::now();
    let late = now + Duration::from_hours(24);
    let mut queue = Queue::new(2);
    let max = 2 * MAX_QUEUE_SECONDS;
    for _ in 0..max {
        queue
            .push(&waiter(Lane::Bulk, "ann"), now, late, ())
            .unwrap();
    }

    let rejected = queue.push(&unary_of("ann"), now, late, ()).unwrap_err();

    assert!(rejected.queue_full);
    assert!(queue.push(&unary_of("bob"), now, late, ()).is_ok());
    assert_eq!(queue.len(), max + 1);
}

fn unary_of(tenant: &str) -> Waiter {
    waiter(Lane::Unary, tenant)
}

/// Sends every call as slots become available; returns when, from `begin` on.
fn sends(queue: &mut Queue<()>, begin: Instant) -> Vec<Duration> {
    let (mut now, mut sends) = (begin, Vec::new());
    while queue.len() > 0 {
        while queue.pop(now).is_some() {
            queue.mark_sent(now);
            sends.push(now - begin);
        }
        now = queue.next_dispatch().unwrap_or(now);
    }
    sends
}

#[test]
fn a_replica_in_fallback_pauses_and_then_keeps_to_its_share() {
    let begin = Instant::now();
    let late = begin + Duration::from_hours(1);
    let mut queue = Queue::new(6);
    for _ in 0..6 {
        queue.push(&unary_of("ann"), begin, late, ()).unwrap();
    }
    // The whole rate, in the last moment before.
    assert_eq!(sends(&mut queue, begin), [Duration::ZERO; 6]);

    let (share, pause) = (2, begin + Duration::from_millis(500));
    queue.set_limit(share, Some(pause), None);
    let projected: Vec<_> = (0..5)
        .map(|_| {
            let wait = queue.wait(&unary_of("ann"), begin);
            queue.push(&unary_of("ann"), begin, late, ()).unwrap();
            wait
        })
        .collect();
    let sent = sends(&mut queue, begin);

    assert_eq!(sent, projected);
    // Four slots have to expire before two are available again.
    let periods = [1, 1, 2, 2, 3].map(|period| PERIOD * period);
    assert_eq!(sent, periods);
}

#[test]
fn nothing_is_sent_in_a_pause() {
    let begin = Instant::now();
    let late = begin + Duration::from_hours(1);
    let mut queue = Queue::new(2);
    queue.set_limit(2, Some(begin + Duration::from_millis(700)), None);
    for _ in 0..3 {
        queue.push(&unary_of("ann"), begin, late, ()).unwrap();
    }

    let sent = sends(&mut queue, begin);

    let pause = Duration::from_millis(700);
    assert_eq!(sent, [pause, pause, pause + PERIOD]);
}

#[test]
fn a_projected_wait_includes_the_calls_of_other_replicas() {
    let now = Instant::now();
    let late = now + Duration::from_hours(1);
    let mut queue = Queue::new(10);
    let next = now + Duration::from_millis(300);
    queue.set_limit(10, None, Some(Contention { next, replicas: 3 }));

    let projected: Vec<_> = (0..8)
        .map(|_| {
            let wait = queue.wait(&unary_of("ann"), now);
            queue.push(&unary_of("ann"), now, late, ()).unwrap();
            wait
        })
        .collect();

    // Of ten slots in each period, three or four are for this replica.
    let first = Duration::from_millis(300);
    let periods = [0, 0, 0, 0, 1, 1, 1, 2].map(|period| first + PERIOD * period);
    assert_eq!(projected, periods);
    let soon = now + Duration::from_secs(1);
    assert!(queue.push(&unary_of("ann"), now, soon, ()).is_err());
}
