//! One credential with everything that belongs to it, and the choice between
//! several.
//!
//! Each has its own tokens, pace, breaker and cool-downs. A call goes to the
//! one that could send it soonest, the first of equals, past those that rest
//! or whose vendor does not answer; so one that is used up hands its calls to
//! the next. Nothing here sends a call.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::breaker::{Breaker, BreakerState};
use super::call::Operation;
use super::client::Client;
use super::cooling::Cooling;
use super::shaper::{Entrant, Lane, Shaper};
use super::token::{Fetch, Tokens};
use super::{below, encode, reading};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::wire::TOKEN_PATH;

/// Longest wait of a token request for its turn. It goes before every call, so
/// it waits for one place of the window at most.
const TOKEN_PATIENCE: Duration = Duration::from_secs(5);

/// A credential and its state.
pub(super) struct Account {
    pub(super) tokens: Tokens,
    pub(super) shaper: Shaper,
    pub(super) breaker: Breaker,
    pub(super) cooling: Cooling,
}

/// What can be told of a credential at a moment; names neither of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialState {
    /// Where its breaker stands.
    pub breaker: BreakerState,
    /// Calls that wait for their turn.
    pub queued: usize,
    /// Calls of the last second that count against the rate, those included
    /// that are about to be written.
    pub sent: usize,
    /// Whether a quota or a wrong set-up keeps it from some operation.
    pub cooling: bool,
}

/// Credentials that one call has given up, by their place in the list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassedOver(u32);

// === impl Account ===

impl Account {
    /// Prepares a credential; nothing is sent before the first call.
    ///
    /// # Errors
    ///
    /// `ImageSize` for keys of megabytes.
    pub(super) fn new(
        config: &config::Rest,
        credential: &config::Credential,
        client: &Client,
    ) -> Result<Self> {
        let shaper = Shaper::new(config.qps);
        let fetch = fetch(config, credential, client, &shaper)?;
        Ok(Account {
            tokens: Tokens::new(credential, fetch),
            shaper,
            breaker: Breaker::new(config.timeout),
            cooling: Cooling::default(),
        })
    }

    /// Tells how the credential stands.
    pub(super) fn state(&self) -> CredentialState {
        let (queued, sent) = self.shaper.load();
        CredentialState {
            breaker: self.breaker.state(),
            queued,
            sent,
            cooling: self.cooling.is_any(Instant::now()),
        }
    }

    /// Why the credential cannot take this operation now.
    fn obstacle(&self, operation: Operation, now: Instant) -> Option<Error> {
        let resting = self.cooling.refusal(operation, now);
        resting.or_else(|| self.breaker.blocked(now).map(unreachable_for))
    }
}

/// The credential that can send a call soonest.
///
/// # Errors
///
/// Why the first that comes into question cannot, where none can.
pub(super) fn choose<'a>(
    accounts: &'a [Account],
    operation: Operation,
    entrant: &Entrant,
    passed_over: PassedOver,
) -> Result<(usize, &'a Account)> {
    let now = Instant::now();
    let mut best: Option<(Duration, usize, &Account)> = None;
    let mut obstacle = None;
    for (place, account) in accounts.iter().enumerate() {
        if passed_over.contains(place) {
            continue;
        }
        if let Some(error) = account.obstacle(operation, now) {
            // A vendor that does not answer may soon; a quota does not.
            if obstacle.is_none() || error.kind() == Kind::VendorUnavailable {
                obstacle = Some(error);
            }
            continue;
        }
        let wait = account.shaper.wait(entrant);
        if best.is_none_or(|(least, ..)| wait < least) {
            best = Some((wait, place, account));
        }
    }
    match (best, obstacle) {
        (Some((_, place, account)), _) => Ok((place, account)),
        (None, Some(obstacle)) => Err(obstacle),
        (None, None) => {
            let message = "no credential of this library is left for the call";
            Err(Error::new(Kind::VendorUnavailable, message))
        }
    }
}

/// The refusal of a breaker that stays open for `wait`.
pub(super) fn unreachable_for(wait: Duration) -> Error {
    let message = "the vendor did not answer the last calls, so this one was not sent";
    Error::new(Kind::VendorUnavailable, message).with_retry_after(wait)
}

// === impl PassedOver ===

impl PassedOver {
    pub(super) fn add(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    fn contains(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }
}

fn fetch(
    config: &config::Rest,
    credential: &config::Credential,
    client: &Client,
    shaper: &Shaper,
) -> Result<Fetch> {
    let entrant = Entrant {
        lane: Lane::Token,
        tenant: "".into(),
        weight: 1,
    };
    let (client, shaper) = (client.clone(), shaper.clone());
    let url = below(&config.base_url, TOKEN_PATH);
    let form = token_form(credential)?;
    let longest = config.timeout;
    Ok(Box::new(move || {
        let (client, shaper, entrant) = (client.clone(), shaper.clone(), entrant.clone());
        let (url, form) = (url.clone(), form.clone());
        async move {
            let permit = shaper
                .turn(&entrant, Instant::now() + TOKEN_PATIENCE)
                .await?;
            let deadline = Instant::now() + longest;
            let answer = client.post(url, form, deadline, &Arc::new(permit)).await?;
            reading::grant(&answer)
        }
        .boxed()
    }))
}

/// The keys travel in the body, as the vendor's Java and Node SDKs send them,
/// so that no log of addresses on the way gets to hold them.
fn token_form(credential: &config::Credential) -> Result<bytes::Bytes> {
    let secret = credential.secret_key.expose_secret().to_owned();
    let fields = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", credential.api_key.clone()),
        ("client_secret", secret),
    ];
    encode::form(None, &fields)
}
