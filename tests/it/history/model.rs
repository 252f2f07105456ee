//! Checks a history of concurrent calls: whether some order of them explains every result.
//!
//! Each image is a register that is empty or has a brief (linearizability is local: a history is
//! right if that of each image is). A call takes effect once, at a moment between its begin and its
//! result. A call without a result may have taken effect or not, but not after the end of the
//! process that it was sent to. The check keeps every explanation of the events so far, and drops
//! those that a result contradicts (just-in-time linearization, Lowe 2017).

use std::collections::{BTreeMap, BTreeSet};

/// The brief of an image; `None` while it is not stored.
pub type Register = Option<String>;

/// A call.
#[derive(Clone, Debug)]
pub enum Op {
    Add(String),
    Update(String),
    Delete,
    Read,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// An add, update or delete did what it says.
    Done,
    /// An add found the image stored already.
    Exists,
    /// An update or delete found no image.
    NotFound,
    /// An add was rejected because the disk has too little space.
    DiskFull,
    /// A read found this.
    Found(Register),
}

/// What happened to one image, in the order of time; calls have numbers.
#[derive(Clone, Debug)]
pub enum Event {
    Begin(usize, Op),
    End(usize, Outcome),
    /// The process was killed: calls that have not taken effect never will.
    Kill,
}

/// One explanation of the events so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Explanation {
    register: Register,
    /// Calls that have taken effect, with the result that they must have.
    done: BTreeMap<usize, Outcome>,
    /// Calls that can still take effect.
    open: BTreeSet<usize>,
}

/// Checks the events of one image.
///
/// # Errors
///
/// The first event that no order of the calls explains.
pub fn check(events: &[Event]) -> Result<(), String> {
    let mut calls: BTreeMap<usize, Call> = BTreeMap::new();
    for event in events {
        match event {
            Event::Begin(call, op) => {
                calls.insert(*call, Call::new(op.clone()));
            }
            Event::End(call, outcome) => {
                let call = calls.get_mut(call).unwrap();
                call.outcome = Some(outcome.clone());
            }
            Event::Kill => {}
        }
    }
    let mut explanations = BTreeSet::from([Explanation::default()]);
    for event in events {
        explanations = after(explanations, event, &calls);
        if explanations.is_empty() {
            return Err(format!("no order of the calls explains {event:?}"));
        }
    }
    Ok(())
}

/// A call and the result that it had in the end, if any.
struct Call {
    op: Op,
    outcome: Option<Outcome>,
}

// === impl Call ===

impl Call {
    fn new(op: Op) -> Self {
        Self { op, outcome: None }
    }

    /// Returns the possible registers after the call took effect on this one, with its result.
    fn effects(&self, register: &Register) -> Vec<(Register, Outcome)> {
        let unchanged = |outcome| (register.clone(), outcome);
        match (&self.op, register) {
            (Op::Add(brief), None) => vec![
                (Some(brief.clone()), Outcome::Done),
                unchanged(Outcome::DiskFull),
            ],
            (Op::Add(_), Some(_)) => vec![unchanged(Outcome::Exists)],
            (Op::Update(brief), Some(_)) => vec![(Some(brief.clone()), Outcome::Done)],
            (Op::Delete, Some(_)) => vec![(None, Outcome::Done)],
            (Op::Update(_) | Op::Delete, None) => vec![unchanged(Outcome::NotFound)],
            (Op::Read, _) => vec![unchanged(Outcome::Found(register.clone()))],
        }
    }
}

fn after(
    explanations: BTreeSet<Explanation>,
    event: &Event,
    calls: &BTreeMap<usize, Call>,
) -> BTreeSet<Explanation> {
    match event {
        Event::Begin(call, _) => {
            let begun = explanations.into_iter().map(|mut explanation| {
                explanation.open.insert(*call);
                explanation
            });
            begun.collect()
        }
        Event::End(call, outcome) => {
            let ended = expanded(explanations, calls).into_iter();
            let ended = ended.filter_map(|mut explanation| {
                let expected = explanation.done.remove(call)?;
                (expected == *outcome).then_some(explanation)
            });
            ended.collect()
        }
        Event::Kill => {
            let killed = expanded(explanations, calls).into_iter();
            let killed = killed.map(|mut explanation| {
                explanation.open.clear();
                // Nothing will contradict a call that has no result.
                explanation
                    .done
                    .retain(|call, _| calls[call].outcome.is_some());
                explanation
            });
            killed.collect()
        }
    }
}

/// Lets open calls take effect, in every order and number.
fn expanded(
    explanations: BTreeSet<Explanation>,
    calls: &BTreeMap<usize, Call>,
) -> BTreeSet<Explanation> {
    let mut all = explanations.clone();
    let mut new: Vec<Explanation> = explanations.into_iter().collect();
    while let Some(explanation) = new.pop() {
        for number in &explanation.open {
            let call = &calls[number];
            for (register, outcome) in call.effects(&explanation.register) {
                if call.outcome.as_ref().is_some_and(|real| *real != outcome) {
                    continue;
                }
                let mut next = explanation.clone();
                next.register = register;
                next.open.remove(number);
                next.done.insert(*number, outcome);
                if all.insert(next.clone()) {
                    new.push(next);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(brief: &str) -> Op {
        Op::Add(brief.to_owned())
    }

    fn found(brief: Option<&str>) -> Outcome {
        Outcome::Found(brief.map(str::to_owned))
    }

    #[test]
    fn concurrent_calls_may_have_any_order() {
        let events = [
            Event::Begin(0, add("a")),
            Event::Begin(1, add("b")),
            Event::End(1, Outcome::Exists),
            Event::End(0, Outcome::Done),
            Event::Begin(2, Op::Read),
            Event::End(2, found(Some("a"))),
        ];
        assert_eq!(check(&events), Ok(()));
    }

    #[test]
    fn a_lost_acknowledged_write_is_found() {
        let events = [
            Event::Begin(0, add("a")),
            Event::End(0, Outcome::Done),
            Event::Kill,
            Event::Begin(1, Op::Read),
            Event::End(1, found(None)),
        ];
        assert!(check(&events).is_err());
    }

    #[test]
    fn a_write_without_a_result_may_be_done_but_not_after_the_kill() {
        let history = |first: Option<&str>, second: Option<&str>| {
            check(&[
                Event::Begin(0, add("a")),
                Event::Kill,
                Event::Begin(1, Op::Read),
                Event::End(1, found(first)),
                Event::Begin(2, Op::Read),
                Event::End(2, found(second)),
            ])
        };
        assert_eq!(history(None, None), Ok(()));
        assert_eq!(history(Some("a"), Some("a")), Ok(()));
        assert!(history(None, Some("a")).is_err());
        assert!(history(Some("a"), None).is_err());
    }

    #[test]
    fn an_update_of_a_deleted_image_is_found() {
        let events = [
            Event::Begin(0, Op::Update("b".to_owned())),
            Event::End(0, Outcome::Done),
        ];
        assert!(check(&events).is_err());
    }
}
