use futures_util::FutureExt;

use super::*;

const MIB: usize = 1024 * 1024;

fn rejected(result: Result<Permit>) -> bool {
    result.is_err_and(|error| error.kind() == Kind::Overloaded && error.retry_after().is_some())
}

#[test]
fn the_budget_is_exact_to_the_byte_and_the_request() {
    let budget = InFlightBudget::new(2, 100);

    let first = budget.try_acquire(Class::Single, 60).unwrap();
    assert!(rejected(budget.try_acquire(Class::Single, 41)));
    let second = budget.try_acquire(Class::Single, 40).unwrap();
    assert!(rejected(budget.try_acquire(Class::Single, 0)));
    drop(first);
    let third = budget.try_acquire(Class::Single, 60).unwrap();
    drop((second, third));
    assert_eq!((budget.requests(), budget.bytes()), (0, 0));
}

#[test]
fn a_permit_grows_within_the_budget_and_frees_all_of_it() {
    let budget = InFlightBudget::new(4, 100);
    let mut permit = budget.try_acquire(Class::Single, 0).unwrap();

    permit.grow(70).unwrap();
    assert!(permit.grow(31).is_err());
    permit.grow(30).unwrap();
    assert_eq!(budget.bytes(), 100);
    drop(permit);
    assert_eq!(budget.bytes(), 0);
}

#[test]
fn a_resized_budget_applies_from_the_next_call_on() {
    let budget = InFlightBudget::new(4, 100);
    let permit = budget.try_acquire(Class::Single, 80).unwrap();

    budget.resize(4, 50);
    assert!(rejected(budget.try_acquire(Class::Single, 1)));
    budget.resize(4, 200);
    let other = budget.try_acquire(Class::Single, 120).unwrap();
    drop((permit, other));
    assert_eq!(budget.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn bulk_waits_at_three_quarters_while_single_calls_pass() {
    let budget = InFlightBudget::new(64, 4 * MIB);
    let bulk = budget.acquire(3 * MIB).await;

    let mut next = Box::pin(budget.acquire(MIB));
    assert!((&mut next).now_or_never().is_none());
    let single = budget.try_acquire(Class::Single, MIB).unwrap();
    drop(single);
    assert!((&mut next).now_or_never().is_none());
    drop(bulk);
    let permit = next.await;
    assert_eq!(budget.bytes(), MIB);
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn an_item_larger_than_the_share_passes_alone() {
    let budget = InFlightBudget::new(64, 4 * MIB);

    let permit = budget.acquire(100 * MIB).await;
    assert_eq!(budget.bytes(), 3 * MIB);
    drop(permit);
}
