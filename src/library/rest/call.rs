//! One operation at the vendor, with everything that may happen on the way.
//!
//! In order, for each attempt: a credential is chosen (`account`), its valid
//! token taken (`token`), a turn waited for (`shaper`), the breaker asked, the
//! form posted (`client`), the response read (`reading`). A failure then decides:
//! a rejected token is renewed once and the call repeated; a credential that is
//! used up is passed over; what `retry` allows is sent again after a wait that
//! fits into the deadline; anything else is the caller's response.

use std::sync::Arc;
use std::time::Duration;

use super::encode::Form;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::account::{self, Account, PassedOver};
use super::breaker::Pass;
use super::client::{Response, deadline_passed, within};
use super::retry::{self, Effect, Safety};
use super::shaper::{Entrant, Lane, Permit};
use super::token::Token;
use super::{Rest, reading};
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{names::event, waited};

/// What the vendor is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Search,
    Update,
    Delete,
}

/// How an operation ended.
pub(super) struct Outcome<T> {
    pub(super) response: Result<T>,
    /// Whether an attempt before the last may have had its effect.
    pub(super) in_doubt: bool,
}

/// What the attempts of one operation have come to.
#[derive(Default)]
struct Story {
    repeats: u32,
    renewed: bool,
    passed_over: PassedOver,
    in_doubt: bool,
    /// The vendor's last word: it tells more than a rejection of ours to ask
    /// again.
    last: Option<Error>,
}

/// A failed attempt.
struct Failure {
    error: Error,
    stage: Stage,
}

/// How far an attempt came.
enum Stage {
    /// There was no token to be had.
    Token,
    /// The queue is too long for the deadline.
    Turn,
    /// The breaker opened while the call waited.
    Breaker,
    /// The request went out, or was about to, with this token.
    Sent(Arc<Token>, Effect),
}

// === impl Operation ===

impl Operation {
    pub(super) const ALL: [Operation; 4] = [
        Operation::Add,
        Operation::Search,
        Operation::Update,
        Operation::Delete,
    ];

    /// Place in [`Operation::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// Last part of its path.
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Add => "add",
            Operation::Search => "search",
            Operation::Update => "update",
            Operation::Delete => "delete",
        }
    }

    /// An add that was done already answers so, with the sign; a deletion that
    /// was done already answers like one of an image that never was.
    fn safety(self) -> Safety {
        match self {
            Operation::Add | Operation::Search | Operation::Update => Safety::Harmless,
            Operation::Delete => Safety::Harmful,
        }
    }
}

// === impl Rest ===

impl Rest {
    /// Performs an operation.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
    ) -> Result<T> {
        self.perform(call, operation, form).await.response
    }

    /// Performs an operation and tells whether a repeat was in doubt.
    pub(super) async fn perform<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
    ) -> Outcome<T> {
        self.budget.deposit();
        let mut story = Story::default();
        let response = self.attempts(call, operation, form, &mut story).await;
        Outcome {
            response,
            in_doubt: story.in_doubt,
        }
    }

    /// Asks something that no caller asked for, if the budget has a call left.
    pub(super) async fn ask_aside<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
    ) -> Option<T> {
        if !self.budget.withdraw() {
            return None;
        }
        let mut story = Story::default();
        let response = self.attempts(call, operation, form, &mut story).await;
        response.ok()
    }

    async fn attempts<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
        story: &mut Story,
    ) -> Result<T> {
        let entrant = entrant(call);
        loop {
            if call.remaining().is_zero() {
                return Err(story.last.take().unwrap_or_else(deadline_passed));
            }
            let chosen = account::choose(&self.accounts, operation, &entrant, story.passed_over);
            let (place, account) = match chosen {
                Ok(chosen) => chosen,
                Err(error) => return Err(story.last.take().unwrap_or(error)),
            };
            let attempt = self.attempt(account, call, &entrant, operation, form.clone());
            let failure = match attempt.await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let wait = match failure.stage {
                Stage::Sent(token, effect) => {
                    let error = failure.error;
                    self.after_rejection(account, call, operation, (error, token, effect), story)
                        .await?
                }
                Stage::Token => {
                    account.cooling.note(operation, &failure.error);
                    story.passed_over.add(place);
                    story.last.get_or_insert(failure.error);
                    Duration::ZERO
                }
                Stage::Breaker => Duration::ZERO,
                Stage::Turn => return Err(story.last.take().unwrap_or(failure.error)),
            };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// One attempt with one credential.
    async fn attempt<T: DeserializeOwned>(
        &self,
        account: &Account,
        call: &Call,
        entrant: &Entrant,
        operation: Operation,
        form: Form,
    ) -> Result<T, Failure> {
        let at = |stage| move |error| Failure { error, stage };
        loop {
            let asked = Instant::now();
            let token = within(call.deadline, account.tokens.usable()).await;
            waited(event::TOKEN_WAIT, asked.elapsed());
            let token = token.map_err(at(Stage::Token))?;
            let turn = turn(account, entrant, call).await;
            let permit = Arc::new(turn.map_err(at(Stage::Turn))?);
            let now = Instant::now();
            if token.is_expired(now) {
                // It was good when the wait began.
                continue;
            }
            let pass = account.breaker.pass(now);
            let pass = pass.map_err(|wait| at(Stage::Breaker)(account::unreachable_for(wait)))?;
            let url = self.url(operation, &token);
            let request = async {
                let posted = self.client.post(url, form, call.deadline, &permit).await;
                judge(pass, &posted);
                if posted.is_ok() {
                    account.shaper.answered_in(now.elapsed());
                }
                posted.and_then(|response| reading::response(&response))
            };
            let attempts = &account.attempts;
            let watched = attempts.watch(operation.name(), Some(&call.stats), request);
            let response = watched.await;
            if response.is_ok() {
                token.accept();
            }
            return response.map_err(|error| {
                let effect = match permit.is_stamped() {
                    true => retry::effect(&error),
                    false => Effect::None,
                };
                let error = reading::without_token(error, &token);
                at(Stage::Sent(token, effect))(error)
            });
        }
    }

    /// Decides after a failure that came from the vendor or the way to it: how
    /// long to wait before the next attempt, or the caller's response.
    async fn after_rejection(
        &self,
        account: &Account,
        call: &Call,
        operation: Operation,
        (error, token, effect): (Error, Arc<Token>, Effect),
        story: &mut Story,
    ) -> Result<Duration> {
        if error.kind() == Kind::VendorToken {
            let may_renew = !std::mem::replace(&mut story.renewed, true);
            if may_renew && self.renewed(account, call, token).await? {
                return Ok(Duration::ZERO);
            }
            return Err(error);
        }
        if account.cooling.note(operation, &error) {
            story.last = Some(error);
            return Ok(Duration::ZERO);
        }
        let safety = operation.safety();
        let wait = retry::wait(&error, story.repeats, effect, safety, &self.budget);
        match wait.filter(|wait| *wait < call.remaining()) {
            Some(wait) => {
                story.repeats += 1;
                story.in_doubt |= effect == Effect::Unknown;
                story.last = Some(error);
                Ok(wait)
            }
            None => Err(error),
        }
    }

    /// Whether there is another token than the rejected one, and a repeat with
    /// it in order. A token that served and then did not was revoked, and its
    /// repeat will do; where tokens never serve, repeats are paid for.
    async fn renewed(&self, account: &Account, call: &Call, rejected: Arc<Token>) -> Result<bool> {
        let served = rejected.was_accepted();
        let token = within(call.deadline, account.tokens.renew(rejected)).await?;
        Ok(token.is_some() && (served || self.budget.withdraw()))
    }

    fn url(&self, operation: Operation, token: &Token) -> url::Url {
        let mut url = self.urls[operation.index()].clone();
        url.query_pairs_mut()
            .append_pair("access_token", token.expose());
        url
    }
}

/// Waits for the turn of a call, and notes the wait, also of one in vain.
async fn turn(account: &Account, entrant: &Entrant, call: &Call) -> Result<Permit> {
    let asked = Instant::now();
    let turn = account.shaper.turn(entrant, call.deadline).await;
    call.stats.add_wait(asked.elapsed());
    waited(event::QUEUE_WAIT, asked.elapsed());
    turn
}

/// Tells the breaker how a call went. One that this side ended, it judges by
/// itself.
fn judge(pass: Pass<'_>, posted: &Result<Response>) {
    match posted {
        Ok(response) if response.status.is_server_error() && !reading::names_error(response) => {
            pass.failed(Instant::now());
        }
        Err(error) if error.kind() == Kind::VendorUnavailable => pass.failed(Instant::now()),
        Err(error) if error.kind() == Kind::DeadlineExceeded => drop(pass),
        Ok(_) | Err(_) => pass.answered(),
    }
}

fn entrant(call: &Call) -> Entrant {
    Entrant {
        lane: if call.bulk { Lane::Bulk } else { Lane::Unary },
        tenant: call.tenant.name.as_str().into(),
        weight: call.tenant.weight,
    }
}
