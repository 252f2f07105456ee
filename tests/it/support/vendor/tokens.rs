//! The token endpoint and the tokens that it granted.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{API_KEY, SECRET_KEY};

/// Granted tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) life: Duration,
    /// End of life by token.
    granted: HashMap<String, Instant>,
    count: u64,
}

/// Why a token is of no use, as the API codes it.
pub(super) enum Refused {
    Missing,
    Unknown,
    Expired,
}

// === impl Tokens ===

impl Default for Tokens {
    fn default() -> Self {
        Tokens {
            life: Duration::from_hours(720),
            granted: HashMap::new(),
            count: 0,
        }
    }
}

impl Tokens {
    /// Answers a token request: HTTP status and body. Earlier tokens stay
    /// good.
    pub(super) fn grant(&mut self, client_id: &str, client_secret: &str) -> (u16, Value) {
        if client_id != API_KEY {
            return refusal("unknown client id");
        }
        if client_secret != SECRET_KEY {
            return refusal("Client authentication failed");
        }
        self.count += 1;
        let (life, now) = (self.life.as_secs(), SystemTime::now());
        let unix = now
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970")
            .as_secs();
        let token = format!("24.{:032x}.{life}.{}.282335-1", self.count, unix + life);
        self.granted
            .insert(token.clone(), Instant::now() + self.life);
        let body = json!({
            "access_token": token,
            "expires_in": life,
            "refresh_token": format!("25.{:032x}.315360000.{}.282335-1", self.count, unix + 315_360_000),
            "scope": "public brain_all_scope",
            "session_key": "c2Vzc2lvbg==",
            "session_secret": format!("{:032x}", self.count),
        });
        (200, body)
    }

    pub(super) fn check(&self, token: &str) -> Result<(), Refused> {
        if token.is_empty() {
            return Err(Refused::Missing);
        }
        match self.granted.get(token) {
            None => Err(Refused::Unknown),
            Some(end) if *end <= Instant::now() => Err(Refused::Expired),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn revoke_all(&mut self) {
        self.granted.clear();
    }

    pub(super) fn expire_all(&mut self) {
        let now = Instant::now();
        for end in self.granted.values_mut() {
            *end = now;
        }
    }
}

fn refusal(description: &str) -> (u16, Value) {
    let body = json!({ "error": "invalid_client", "error_description": description });
    (401, body)
}
