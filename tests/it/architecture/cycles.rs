//! Groups of files that import each other, directly or over others.

use std::collections::{BTreeMap, BTreeSet};

/// Returns each group of at least two nodes of a directed graph that reach each other (its strongly
/// connected components).
pub(super) fn cycles(edges: &BTreeSet<[String; 2]>) -> BTreeSet<BTreeSet<&str>> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for [from, to] in edges {
        targets.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = targets
        .keys()
        .map(|from| (*from, reachable(from, &targets)))
        .collect();
    let is_mutual = |one: &str, other: &str| {
        reached
            .get(one)
            .is_some_and(|reached| reached.contains(other))
            && reached
                .get(other)
                .is_some_and(|reached| reached.contains(one))
    };
    let nodes = || reached.keys().copied();
    nodes()
        .map(|one| nodes().filter(|other| is_mutual(one, other)).collect())
        .filter(|group: &BTreeSet<&str>| group.len() > 1)
        .collect()
}

fn reachable<'a>(from: &'a str, targets: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![from];
    while let Some(node) = pending.pop() {
        for next in targets.get(node).into_iter().flatten() {
            if reached.insert(*next) {
                pending.push(next);
            }
        }
    }
    reached
}

#[test]
fn files_that_import_each_other_over_a_third_are_one_cycle() {
    let edge = |(from, to): (&str, &str)| [from.to_owned(), to.to_owned()];
    let into_cycle = [("c", "leaf"), ("root", "a")].map(edge);
    let cycle = [("a", "b"), ("b", "c"), ("c", "a")].map(edge);

    let without = BTreeSet::from(into_cycle.clone());
    let with = into_cycle.into_iter().chain(cycle).collect();

    assert!(cycles(&without).is_empty());
    assert_eq!(
        cycles(&with),
        BTreeSet::from([BTreeSet::from(["a", "b", "c"])])
    );
}
