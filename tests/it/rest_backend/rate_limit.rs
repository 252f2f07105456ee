//! The rate limit: how many calls reach the vendor, by its own count.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::support::clock::{Clock, STEP};
use crate::support::vendor::max_in_any_second;

/// Outcomes of the calls of one load.
#[derive(Default)]
struct Outcomes {
    offered: Cell<usize>,
    succeeded: Cell<usize>,
    rejected: Cell<usize>,
    /// Those that were rejected after a wait, because others came in between.
    late: Cell<usize>,
}

/// Calls that are offered in every step.
struct Load<'a> {
    library: &'a Arc<RestBackend>,
    outcomes: Rc<Outcomes>,
}

fn increment(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

/// A search with its number as its tag.
pub(super) fn numbered(number: u32) -> Search {
    let url = RawSource::Url(IMAGE_URL.to_owned());
    Search::new(url, &[number], TagLogic::And, (0, 0), 0.0).unwrap()
}

/// A vendor that can fetch the image of [`numbered`].
pub(super) async fn serving_vendor() -> Vendor {
    let vendor = Vendor::start().await;
    vendor.publish(IMAGE_URL, png(1));
    vendor
}

/// A vendor whose searches find nothing, which costs no time.
pub(super) async fn vendor_without_images() -> Vendor {
    let vendor = serving_vendor().await;
    vendor.always(Operation::Search, Fault::json(NO_MATCHES));
    vendor
}

const IMAGE_URL: &str = "https://images.invalid/a.png";
const NO_MATCHES: &str = r#"{"log_id":1,"result_num":0,"result":[],"has_more":false}"#;

pub(super) fn limited(vendor: &Vendor, qps: u32) -> Arc<RestBackend> {
    let config = config::Rest {
        qps,
        ..config(vendor)
    };
    Arc::new(open(&config))
}

fn call_of(tenant: &str, weight: u32, bulk: bool, seconds: u64) -> Call {
    let call = call_within(Duration::from_secs(seconds));
    let tenant = Tenant {
        name: tenant.to_owned(),
        libraries: Vec::new(),
        weight,
        read_only: false,
    };
    Call {
        tenant: Arc::new(tenant),
        bulk,
        ..call
    }
}

fn queued(library: &RestBackend) -> usize {
    let queues = library.state().credentials.into_iter();
    queues
        .map(|state| usize::try_from(state.queue.unwrap()).unwrap())
        .sum()
}

// === impl Load ===

impl<'a> Load<'a> {
    fn on(library: &'a Arc<RestBackend>) -> Self {
        let outcomes = Rc::default();
        Load { library, outcomes }
    }

    fn offer(&self, call: Call, number: u32) {
        increment(&self.outcomes.offered);
        let (library, outcomes) = (self.library.clone(), self.outcomes.clone());
        tokio::task::spawn_local(async move {
            let begin = Instant::now();
            let outcome = library.search(&call, numbered(number)).await;
            match outcome {
                Ok(_) => increment(&outcomes.succeeded),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::RateLimitDeadline, "{error}");
                    increment(&outcomes.rejected);
                    if !begin.elapsed().is_zero() {
                        increment(&outcomes.late);
                    } else {
                        assert!(error.retry_after().unwrap() > call.timeout / 2);
                    }
                }
            }
            assert!(begin.elapsed() <= call.timeout);
        });
    }

    /// Offers calls in every step; a step ends when every call is either queued or done.
    async fn run(&self, clock: &Clock, time: Duration, mut step: impl FnMut(&Self)) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            step(self);
            clock.pass(STEP).await;
            let mut polls = 0;
            while self.open() > queued(self.library) {
                clock.settle().await;
                polls += 1;
                assert!(polls < 2000, "calls that are neither queued nor done");
            }
        }
    }

    fn open(&self) -> usize {
        let outcomes = &self.outcomes;
        outcomes.offered.get() - outcomes.succeeded.get() - outcomes.rejected.get()
    }
}

#[tokio::test(flavor = "local")]
async fn of_200_calls_a_second_ten_are_sent_in_each_and_the_others_rejected_at_once() {
    let vendor = vendor_without_images().await;
    // Token requests count as well.
    vendor.set_token_ttl(15);
    let library = limited(&vendor, 10);
    let clock = Clock::stop();

    let load = Load::on(&library);
    let each_step = |load: &Load<'_>| {
        load.offer(call_of("a", 1, false, 5), 1);
        load.offer(call_of("a", 1, false, 2), 1);
    };
    load.run(&clock, Duration::from_mins(1), each_step).await;

    let arrivals: Vec<_> = vendor
        .calls()
        .into_iter()
        .map(|call| call.arrival)
        .chain(vendor.token_arrivals())
        .collect();
    let sent = arrivals.len();
    assert!(sent >= 570, "95 % of 10/s in a minute: {sent}");
    assert!(max_in_any_second(arrivals) <= 10);
    assert!(vendor.token_requests() >= 4, "{}", vendor.token_requests());
    let (offered, rejected) = (load.outcomes.offered.get(), load.outcomes.rejected.get());
    assert_eq!(offered, 12_000);
    assert!(rejected > 11_000, "{rejected}");
    // Token requests come in between, and the steps of this clock add up to more than was
    // projected.
    let late = load.outcomes.late.get();
    assert!(late <= rejected / 50, "{late} of {rejected} rejected late");
    assert!(queued(&library) <= 50, "{}", queued(&library));
}

#[tokio::test(flavor = "local")]
async fn tenants_share_by_weight_and_bulk_keeps_a_tenth() {
    let vendor = vendor_without_images().await;
    let library = limited(&vendor, 10);
    let clock = Clock::stop();

    let load = Load::on(&library);
    let each_step = |load: &Load<'_>| {
        load.offer(call_of("ann", 1, false, 20), 1);
        load.offer(call_of("bob", 3, false, 20), 2);
        load.offer(call_of("cid", 1, true, 20), 3);
    };
    load.run(&clock, Duration::from_secs(60), each_step).await;

    let mut sent = [0_usize; 3];
    for call in vendor.calls() {
        let number: usize = call.fields["tags"].parse().unwrap();
        sent[number - 1] += 1;
    }
    assert!(max_in_any_second(vendor.calls().iter().map(|call| call.arrival).collect()) <= 10);
    let expected = [132, 396, 58];
    for (sent, expected) in sent.iter().zip(expected) {
        assert!(
            sent.abs_diff(expected) <= expected / 10,
            "{sent} of {expected}"
        );
    }
}

#[tokio::test(flavor = "local")]
async fn a_call_that_is_cancelled_in_the_queue_is_never_sent() {
    let vendor = vendor_without_images().await;
    let library = limited(&vendor, 2);
    let clock = Clock::stop();
    // With the token request, the whole rate of one second.
    clock
        .drive(library.search(&call(), numbered(1)))
        .await
        .unwrap();
    let waiting: Vec<_> = (2..5)
        .map(|number| {
            let library = library.clone();
            tokio::spawn(async move { library.search(&call(), numbered(number)).await })
        })
        .collect();
    clock.settle().await;
    assert_eq!(queued(&library), 3);

    waiting[0].abort();
    waiting[1].abort();
    clock.settle().await;

    assert_eq!(queued(&library), 1, "at once");
    clock.pass(Duration::from_secs(5)).await;
    let sent = vendor
        .calls()
        .into_iter()
        .map(|call| call.fields["tags"].clone());
    assert_eq!(sent.collect::<Vec<_>>(), ["1", "4"]);
}

#[tokio::test(flavor = "local")]
async fn two_accounts_send_twice_the_rate_and_each_keeps_its_own() {
    let vendor = vendor_without_images().await;
    vendor.open_account("second", "secret");
    let library = {
        let mut config = config(&vendor);
        config.qps = 10;
        config.credentials.push(credential("second", "secret"));
        Arc::new(open(&config))
    };
    let clock = Clock::stop();

    let load = Load::on(&library);
    let each_step = |load: &Load<'_>| load.offer(call_of("a", 1, false, 5), 1);
    load.run(&clock, Duration::from_secs(20), each_step).await;

    let calls = vendor.calls();
    assert!(calls.len() >= 378, "{}", calls.len());
    for account in [API_KEY, "second"] {
        let its = calls
            .iter()
            .filter(|call| call.account.as_deref() == Some(account));
        let arrivals: Vec<_> = its.map(|call| call.arrival).collect();
        assert!(arrivals.len() >= 189, "{account}: {}", arrivals.len());
        assert!(max_in_any_second(arrivals) <= 10, "{account}");
    }
}
