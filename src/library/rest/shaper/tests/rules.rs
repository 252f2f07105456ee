//! The rules of the queue, held against what a queue really does.

use proptest::prelude::*;

use super::super::queue::{Crowd, MAX_LINE_SECONDS, Queue};
use super::super::window::PERIOD;
use super::*;

const TENANTS: [&str; 3] = ["ann", "bob", "cid"];

/// Something that happens to a queue.
#[derive(Clone, Debug)]
enum Event {
    Enter {
        entrant: Entrant,
        patience: Duration,
    },
    /// The waiting call with this number, modulo their count, gives up.
    Leave(usize),
    Pass(Duration),
    /// The oldest call that was let go is written, or given up.
    Stamp,
    GiveBack,
}

fn any_entrant() -> impl Strategy<Value = Entrant> {
    (0..10_usize, 0..TENANTS.len()).prop_map(|(lane, tenant)| Entrant {
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
    let millis = |most| (0..most).prop_map(Duration::from_millis);
    prop_oneof![
        6 => (any_entrant(), millis(20_000_u64))
            .prop_map(|(entrant, patience)| Event::Enter { entrant, patience }),
        1 => any::<usize>().prop_map(Event::Leave),
        3 => millis(700_u64).prop_map(Event::Pass),
        5 => Just(Event::Stamp),
        1 => Just(Event::GiveBack),
    ]
}

/// A queue with what it let go, and when it was written.
struct Played {
    queue: Queue<u64>,
    now: Instant,
    waiting: Vec<(Entrant, u64)>,
    going: Vec<u64>,
    stamps: Vec<Instant>,
}

impl Played {
    fn new(qps: u32) -> Self {
        Played {
            queue: Queue::new(qps),
            now: Instant::now(),
            waiting: Vec::new(),
            going: Vec::new(),
            stamps: Vec::new(),
        }
    }

    fn enter(&mut self, entrant: &Entrant, patience: Duration) -> bool {
        let wait = self.queue.wait(entrant, self.now);
        let name = self.stamps.len() as u64;
        let entered = self
            .queue
            .enter(entrant, self.now, self.now + patience, name);
        match entered {
            Ok(number) => {
                assert!(wait <= patience, "let in to wait {wait:?} of {patience:?}");
                self.waiting.push((entrant.clone(), number));
                true
            }
            Err(rejected) => {
                assert_eq!(rejected.wait, wait);
                assert!(rejected.full || wait > patience, "rejected without need");
                false
            }
        }
    }

    fn play(&mut self, event: Event) {
        match event {
            Event::Enter { entrant, patience } => {
                self.enter(&entrant, patience);
            }
            Event::Leave(which) if !self.waiting.is_empty() => {
                let (entrant, number) = self.waiting.swap_remove(which % self.waiting.len());
                self.queue.leave(&entrant, number);
            }
            Event::Pass(time) => self.now += time,
            Event::Stamp if self.going.pop().is_some() => {
                self.queue.stamp(self.now);
                self.stamps.push(self.now);
            }
            Event::GiveBack if self.going.pop().is_some() => self.queue.give_back(),
            Event::Leave(_) | Event::Stamp | Event::GiveBack => {}
        }
        while let Some(call) = self.queue.next(self.now) {
            self.going.push(call);
        }
    }
}

proptest! {
    #[test]
    fn no_sliding_second_holds_more_than_the_rate(
        qps in 1_u32..12,
        events in prop::collection::vec(any_event(), 1..400),
    ) {
        let mut played = Played::new(qps);
        for event in events {
            played.play(event);
            prop_assert!(played.going.len() <= qps as usize);
        }

        for stamps in played.stamps.windows(qps as usize + 1) {
            prop_assert!(stamps[qps as usize] - stamps[0] > Duration::from_secs(1));
        }
    }

    /// The projection is exact while nobody comes after: what is rejected
    /// would have been late, and what is let in is not.
    #[test]
    fn a_call_waits_as_long_as_it_was_told_if_nobody_comes_after(
        qps in 1_u32..12,
        events in prop::collection::vec(any_event(), 0..200),
        entrant in any_entrant(),
    ) {
        let mut played = Played::new(qps);
        for event in events {
            played.play(event);
        }
        while !played.going.is_empty() {
            played.play(Event::Stamp);
        }
        let begin = played.now;
        let told = played.queue.wait(&entrant, begin);
        let entered = played.queue.enter(&entrant, begin, begin + told, u64::MAX);
        prop_assert!(entered.is_ok());

        loop {
            match played.queue.next(played.now) {
                Some(u64::MAX) => break,
                Some(_) => played.queue.stamp(played.now),
                None => played.now = played.queue.next_turn().unwrap(),
            }
        }

        prop_assert_eq!(played.now - begin, told);
    }
}

/// Keeps every line of these lanes and tenants standing, and counts whose
/// turn it is.
fn turns(lines: &[(Lane, &str, u32)], turns: usize) -> Vec<usize> {
    let mut queue = Queue::new(1000);
    let mut now = Instant::now();
    let mut counts = vec![0; lines.len()];
    let enter = |queue: &mut Queue<usize>, now, line: usize| {
        let (lane, tenant, weight) = lines[line];
        let tenant = tenant.into();
        let entrant = Entrant {
            lane,
            tenant,
            weight,
        };
        let late = now + Duration::from_hours(1);
        queue.enter(&entrant, now, late, line).unwrap();
    };
    for line in 0..lines.len() {
        (0..20).for_each(|_| enter(&mut queue, now, line));
    }
    for _ in 0..turns {
        now += Duration::from_millis(2);
        let line = queue.next(now).unwrap();
        queue.stamp(now);
        counts[line] += 1;
        enter(&mut queue, now, line);
    }
    counts
}

#[test]
fn tenants_share_by_weight() {
    let lines = [
        (Lane::Unary, "a", 1),
        (Lane::Unary, "b", 3),
        (Lane::Unary, "c", 100),
        (Lane::Unary, "d", 1),
    ];

    let counts = turns(&lines, 105 * 50);

    for (count, (_, tenant, weight)) in counts.into_iter().zip(lines) {
        let share = 50 * weight as usize;
        assert!(count.abs_diff(share) <= 1, "{tenant}: {count} of {share}");
    }
}

#[test]
fn single_calls_go_before_bulk_and_leave_it_every_tenth_turn() {
    let lines = [
        (Lane::Unary, "a", 1),
        (Lane::Bulk, "a", 1),
        (Lane::Bulk, "b", 3),
    ];

    let counts = turns(&lines, 4000);

    assert_eq!(counts, [3600, 100, 300]);
}

#[test]
fn a_token_request_goes_before_everything() {
    let now = Instant::now();
    let mut queue = Queue::new(1);
    let late = now + Duration::from_hours(1);
    for lane in [Lane::Bulk, Lane::Unary, Lane::Token] {
        queue.enter(&entrant(lane, "a"), now, late, lane).unwrap();
    }

    assert_eq!(queue.next(now), Some(Lane::Token));
}

#[test]
fn who_was_away_has_saved_up_nothing_and_who_gave_up_owes_nothing() {
    let now = Instant::now();
    let late = now + Duration::from_hours(1);
    let mut queue = Queue::new(1000);
    let (ann, bob) = (entrant(Lane::Unary, "ann"), entrant(Lane::Unary, "bob"));
    let enter = |queue: &mut Queue<_>, entrant: &Entrant, name| {
        queue.enter(entrant, now, late, name).unwrap()
    };
    for _ in 0..50 {
        enter(&mut queue, &ann, "ann");
    }
    for _ in 0..40 {
        queue.next(now).unwrap();
    }
    let given_up: Vec<_> = (0..30).map(|_| enter(&mut queue, &bob, "bob")).collect();
    for number in given_up {
        queue.leave(&bob, number);
    }
    for _ in 0..10 {
        enter(&mut queue, &bob, "bob");
    }

    let order: Vec<_> = (0..20).filter_map(|_| queue.next(now)).collect();

    for pair in order.chunks(2) {
        assert_ne!(pair[0], pair[1], "{order:?}");
    }
}

#[test]
fn a_tenant_may_have_a_minute_of_the_rate_waiting_and_others_still_come_in() {
    let now = Instant::now();
    let late = now + Duration::from_hours(24);
    let mut queue = Queue::new(2);
    let line = 2 * MAX_LINE_SECONDS;
    for _ in 0..line {
        queue
            .enter(&entrant(Lane::Bulk, "ann"), now, late, ())
            .unwrap();
    }

    let rejected = queue.enter(&unary_of("ann"), now, late, ()).unwrap_err();

    assert!(rejected.full);
    assert!(queue.enter(&unary_of("bob"), now, late, ()).is_ok());
    assert_eq!(queue.len(), line + 1);
}

fn unary_of(tenant: &str) -> Entrant {
    entrant(Lane::Unary, tenant)
}

/// Lets everybody go as turns come; tells when each did, from `begin` on.
fn sends(queue: &mut Queue<()>, begin: Instant) -> Vec<Duration> {
    let (mut now, mut sends) = (begin, Vec::new());
    while queue.len() > 0 {
        while queue.next(now).is_some() {
            queue.stamp(now);
            sends.push(now - begin);
        }
        now = queue.next_turn().unwrap_or(now);
    }
    sends
}

#[test]
fn a_replica_that_goes_on_alone_pauses_and_then_keeps_to_its_share() {
    let begin = Instant::now();
    let late = begin + Duration::from_hours(1);
    let mut queue = Queue::new(6);
    for _ in 0..6 {
        queue.enter(&unary_of("ann"), begin, late, ()).unwrap();
    }
    // All that the rate allows, in the last moment before.
    assert_eq!(sends(&mut queue, begin), [Duration::ZERO; 6]);

    let (share, pause) = (2, begin + Duration::from_millis(500));
    queue.bound(share, Some(pause), None);
    let told: Vec<_> = (0..5)
        .map(|_| {
            let told = queue.wait(&unary_of("ann"), begin);
            queue.enter(&unary_of("ann"), begin, late, ()).unwrap();
            told
        })
        .collect();
    let sent = sends(&mut queue, begin);

    assert_eq!(sent, told);
    // Four places have to free before there are two again.
    let rounds = [1, 1, 2, 2, 3].map(|round| PERIOD * round);
    assert_eq!(sent, rounds);
}

#[test]
fn nothing_is_sent_in_a_pause() {
    let begin = Instant::now();
    let late = begin + Duration::from_hours(1);
    let mut queue = Queue::new(2);
    queue.bound(2, Some(begin + Duration::from_millis(700)), None);
    for _ in 0..3 {
        queue.enter(&unary_of("ann"), begin, late, ()).unwrap();
    }

    let sent = sends(&mut queue, begin);

    let pause = Duration::from_millis(700);
    assert_eq!(sent, [pause, pause, pause + PERIOD]);
}

#[test]
fn a_wait_counts_on_those_who_wait_at_other_replicas() {
    let now = Instant::now();
    let late = now + Duration::from_hours(1);
    let mut queue = Queue::new(10);
    let next = now + Duration::from_millis(300);
    queue.bound(10, None, Some(Crowd { next, replicas: 3 }));

    let told: Vec<_> = (0..8)
        .map(|_| {
            let told = queue.wait(&unary_of("ann"), now);
            queue.enter(&unary_of("ann"), now, late, ()).unwrap();
            told
        })
        .collect();

    // Of ten places in each period, three or four are for this one.
    let first = Duration::from_millis(300);
    let rounds = [0, 0, 0, 0, 1, 1, 1, 2].map(|round| first + PERIOD * round);
    assert_eq!(told, rounds);
    let soon = now + Duration::from_secs(1);
    assert!(queue.enter(&unary_of("ann"), now, soon, ()).is_err());
}
