use futures_util::FutureExt;

use super::*;

const MIB: usize = 1024 * 1024;

fn rejected<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == Kind::Overloaded && error.retry_after().is_some())
}

/// Acquires the permit of a single call.
fn single(budget: &InFlightBudget, tenant: &str) -> Result<CallPermit> {
    let permit = budget.try_acquire(Class::Single, tenant, 0)?;
    Ok(CallPermit::new(permit))
}

/// Acquires the permit of a bulk load.
fn load(budget: &InFlightBudget, tenant: &str) -> Result<CallPermit> {
    let permit = single(budget, tenant)?;
    permit.become_load().map(|()| permit)
}

/// Acquires the permit of an item of a load that has received `bytes`.
fn item(load: &CallPermit, bytes: usize) -> CallPermit {
    load.charge_arrived(bytes).unwrap();
    load.split_item().unwrap()
}

#[test]
fn the_budget_is_exact_to_the_byte_and_the_request() {
    let budget = InFlightBudget::new(2, 100);

    let first = single(&budget, "a").unwrap();
    first.charge_arrived(60).unwrap();
    let second = single(&budget, "a").unwrap();
    assert!(rejected(second.charge_arrived(41)));
    second.charge_arrived(40).unwrap();
    assert!(rejected(single(&budget, "a")));
    drop(first);
    let third = single(&budget, "a").unwrap();
    third.charge_arrived(60).unwrap();
    assert_eq!((budget.requests(), budget.bytes()), (2, 100));
    drop((second, third));
    assert_eq!((budget.requests(), budget.bytes()), (0, 0));
}

#[test]
fn a_declared_length_must_fit_and_reserves_nothing() {
    let budget = InFlightBudget::new(64, 100);

    let permits: Vec<_> = (0..10)
        .map(|_| budget.try_acquire(Class::Single, "a", 100).unwrap())
        .collect();

    assert_eq!((budget.requests(), budget.bytes()), (10, 0));
    assert!(rejected(budget.try_acquire(Class::Single, "a", 101)));
    drop(permits);
}

#[test]
fn a_resized_budget_applies_from_the_next_call_on() {
    let budget = InFlightBudget::new(4, 100);
    let permit = single(&budget, "a").unwrap();
    permit.charge_arrived(80).unwrap();

    budget.resize(4, 50, 100);
    assert!(rejected(budget.try_acquire(Class::Single, "a", 1)));
    budget.resize(4, 200, 100);
    let other = single(&budget, "a").unwrap();
    other.charge_arrived(120).unwrap();
    drop((permit, other));
    assert_eq!(budget.bytes(), 0);
}

#[test]
fn a_response_is_charged_instead_of_its_request() {
    let budget = InFlightBudget::new(4, 100);
    let permit = single(&budget, "a").unwrap();
    permit.charge_arrived(80).unwrap();

    permit.respond(3);

    assert_eq!((budget.requests(), budget.bytes()), (1, 3));
    permit.free();
    assert_eq!((budget.requests(), budget.bytes()), (0, 0));
    assert!(permit.charge_arrived(500).unwrap(), "the call has ended");
}

#[test]
fn a_tenant_has_its_share_and_leaves_the_rest_to_the_others() {
    let budget = InFlightBudget::new(8, 800);
    budget.resize(8, 800, 50);

    let calls: Vec<_> = (0..4).map(|_| single(&budget, "a").unwrap()).collect();
    assert!(rejected(single(&budget, "a")));
    calls[0].charge_arrived(400).unwrap();
    assert!(rejected(calls[1].charge_arrived(1)));
    let others: Vec<_> = (0..4).map(|_| single(&budget, "b").unwrap()).collect();
    others[0].charge_arrived(400).unwrap();

    assert_eq!((budget.requests(), budget.bytes()), (8, 800));
    assert!(rejected(single(&budget, "c")), "all is in flight");
}

#[test]
fn loads_leave_requests_to_items_of_their_tenant_and_loads_to_other_tenants() {
    let budget = InFlightBudget::new(32, 800);
    budget.resize(32, 800, 50);

    let loads: Vec<_> = std::iter::from_fn(|| load(&budget, "a").ok()).collect();
    let others: Vec<_> = std::iter::from_fn(|| load(&budget, "b").ok()).collect();

    // Three eighths of the budget, half for each tenant.
    assert_eq!((loads.len(), others.len()), (6, 6));
    let item = item(&loads[0], 1);
    assert!(item.wait_for_request().now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn items_wait_at_three_quarters_while_single_calls_pass() {
    let budget = InFlightBudget::new(64, 4 * MIB);
    let load = load(&budget, "a").unwrap();
    let bulk = item(&load, 3 * MIB);

    let fetching = item(&load, 0);
    let mut charged = Box::pin(fetching.charge(MIB));
    assert!((&mut charged).now_or_never().is_none());
    let call = single(&budget, "a").unwrap();
    call.charge(MIB).await.unwrap();
    drop(call);
    assert!((&mut charged).now_or_never().is_none());
    drop(bulk);
    charged.await.unwrap();
    assert_eq!(budget.bytes(), MIB);
}

#[tokio::test(start_paused = true)]
async fn loads_read_on_when_memory_is_free_and_one_of_a_tenant_always_does() {
    let budget = InFlightBudget::new(64, 8 * MIB);
    let loads: Vec<_> = (0..3).map(|_| load(&budget, "a").unwrap()).collect();

    // Together they may hold 3 MiB of items that are not complete.
    assert!(loads[0].charge_arrived(2 * MIB).unwrap());
    assert!(loads[1].charge_arrived(2 * MIB).unwrap(), "the one");
    assert!(!loads[2].charge_arrived(1).unwrap());
    let mut read_on = Box::pin(loads[2].wait_to_read_on());
    assert!((&mut read_on).now_or_never().is_none());
    assert!(loads[1].charge_arrived(3 * MIB).unwrap(), "still the one");
    // It is complete, but not in the way of what others receive.
    let complete = loads[1].split_item().unwrap();
    read_on.await;

    drop((complete, loads));
    assert_eq!((budget.requests(), budget.bytes()), (0, 0));
}

#[tokio::test]
async fn one_item_of_a_tenant_always_gets_the_bytes_that_it_fetches() {
    let budget = InFlightBudget::new(64, 8 * MIB);
    let load = load(&budget, "a").unwrap();
    let [one, other] = [item(&load, 0), item(&load, 0)];
    one.charge(3 * MIB).await.unwrap();
    other.charge(3 * MIB).await.unwrap();

    // Both hold a part and nothing is free: without the pass, they would wait for one another.
    one.charge(MIB).await.unwrap();
    let mut waiting = Box::pin(other.charge(MIB));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    one.charge(MIB).await.unwrap();
    drop(one);

    waiting.await.unwrap();
    assert_eq!(budget.bytes(), 4 * MIB);
}

#[tokio::test]
async fn a_load_whose_bytes_are_discarded_returns_its_pass() {
    let budget = InFlightBudget::new(64, 8 * MIB);
    let [one, other] = [load(&budget, "a").unwrap(), load(&budget, "a").unwrap()];

    assert!(one.charge_arrived(4 * MIB).unwrap());
    assert!(!other.charge_arrived(MIB).unwrap());
    one.discard(4 * MIB);

    other.wait_to_read_on().now_or_never().unwrap();
    assert_eq!(budget.bytes(), MIB);
}
