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

use super::attempt::Attempts;
use super::breaker::Breaker;
use super::call::Operation;
use super::client::Client;
use super::cooling::Cooling;
use super::encode::Form;
use super::shaper::{Entrant, Lane, Shaper, SharedWindow};
use super::token::{Fetch, Tokens};
use super::{below, reading};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::library::CredentialState;
use crate::replicas::Redis;
use crate::wire::TOKEN_PATH;

/// Longest wait of a token request for its turn. It goes before every call, so
/// it waits for one place of the window at most.
const TOKEN_PATIENCE: Duration = Duration::from_secs(5);

/// A credential and its state.
pub(super) struct Account {
    pub(super) attempts: Attempts,
    pub(super) tokens: Tokens,
    pub(super) shaper: Shaper,
    pub(super) breaker: Breaker,
    pub(super) cooling: Cooling,
    qps: u32,
}

/// Credentials that one call has given up, by their place in the list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassedOver(u32);

// === impl Account ===

impl Account {
    /// Prepares a credential; nothing is sent before the first call. `pace` is
    /// where replicas count its calls together.
    ///
    /// # Errors
    ///
    /// `ImageSize` for keys of megabytes.
    pub(super) fn new(
        config: &config::Rest,
        credential: &config::Credential,
        client: &Client,
        attempts: Attempts,
        pace: Option<&Redis>,
    ) -> Result<Self> {
        let window =
            pace.map(|redis| SharedWindow::new(redis.clone(), &credential.api_key, config.qps));
        let shaper = Shaper::new(config.qps, window);
        let fetch = fetch(config, credential, client, &shaper, &attempts)?;
        Ok(Account {
            attempts,
            tokens: Tokens::new(credential, fetch),
            shaper,
            breaker: Breaker::new(config.timeout),
            cooling: Cooling::default(),
            qps: config.qps,
        })
    }

    /// Tells how the credential stands, under its place in the configuration.
    pub(super) fn state(&self, place: usize) -> CredentialState {
        let (queued, sent) = self.shaper.load();
        let counts = self.attempts.counts();
        let life = self.tokens.life();
        CredentialState {
            name: place.to_string(),
            token_age_seconds: life.map(|(age, _)| age.as_secs_f64()),
            token_remaining_seconds: life.map(|(_, remaining)| remaining.as_secs_f64()),
            bucket: Some((f64::from(self.qps) - sent as f64).max(0.0)),
            queue: Some(queued as u64),
            paced_together: self.shaper.is_whole(),
            breaker: Some(self.breaker.state()),
            cooling: self.cooling.is_any(Instant::now()),
            in_flight: counts.in_flight,
            succeeded: counts.succeeded,
            failed: counts.failed,
        }
    }

    /// Why the credential cannot take this operation now.
    fn obstacle(&self, operation: Operation, now: Instant) -> Option<Error> {
        let resting = self.cooling.rejection(operation, now);
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

/// The rejection of a breaker that stays open for `wait`.
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
    attempts: &Attempts,
) -> Result<Fetch> {
    let entrant = Entrant {
        lane: Lane::Token,
        tenant: "".into(),
        weight: 1,
    };
    let (client, shaper, attempts) = (client.clone(), shaper.clone(), attempts.clone());
    let url = below(&config.base_url, TOKEN_PATH);
    let form = token_form(credential)?;
    let longest = config.timeout;
    Ok(Box::new(move || {
        let (client, shaper, entrant) = (client.clone(), shaper.clone(), entrant.clone());
        let (url, form, attempts) = (url.clone(), form.clone(), attempts.clone());
        async move {
            let permit = shaper
                .turn(&entrant, Instant::now() + TOKEN_PATIENCE)
                .await?;
            let deadline = Instant::now() + longest;
            let request = async {
                let response = client.post(url, form, deadline, &Arc::new(permit)).await?;
                reading::grant(&response)
            };
            attempts.watch("token", None, request).await
        }
        .boxed()
    }))
}

/// The keys travel in the body, as the vendor's Java and Node SDKs send them,
/// so that no log of addresses on the way gets to hold them.
fn token_form(credential: &config::Credential) -> Result<Form> {
    let secret = credential.secret_key.expose_secret().to_owned();
    let fields = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", credential.api_key.clone()),
        ("client_secret", secret),
    ];
    Form::new(None, &fields)
}
