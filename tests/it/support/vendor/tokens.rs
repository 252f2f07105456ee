//! The token endpoint and the tokens that it granted.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

/// The API Key that the vendor knows.
pub const API_KEY: &str = "key";
/// The Secret Key that belongs to it.
pub const SECRET_KEY: &str = "secret";

/// Granted tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) ttl: Duration,
    /// Secret Key by API Key.
    accounts: HashMap<String, String>,
    granted: HashMap<String, Grant>,
    count: u64,
}

#[derive(Debug)]
struct Grant {
    account: String,
    expires_at: Instant,
}

/// Why a token is invalid, by the codes of the API.
pub(super) enum InvalidToken {
    Missing,
    Unknown,
    Expired,
}

// === impl Tokens ===

impl Default for Tokens {
    fn default() -> Self {
        Tokens {
            ttl: Duration::from_hours(720),
            accounts: HashMap::from([(API_KEY.to_owned(), SECRET_KEY.to_owned())]),
            granted: HashMap::new(),
            count: 0,
        }
    }
}

impl Tokens {
    /// Responds to a token request with HTTP status and body. Earlier tokens are still valid.
    pub(super) fn grant(&mut self, client_id: &str, client_secret: &str) -> (u16, Value) {
        let Some(secret) = self.accounts.get(client_id) else {
            return rejection("unknown client id");
        };
        if client_secret != secret {
            return rejection("Client authentication failed");
        }
        self.count += 1;
        let ttl = self.ttl.as_secs();
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970")
            .as_secs();
        let token = format!("24.{:032x}.{ttl}.{}.282335-1", self.count, unix + ttl);
        let grant = Grant {
            account: client_id.to_owned(),
            expires_at: Instant::now() + self.ttl,
        };
        self.granted.insert(token.clone(), grant);
        let body = json!({
            "access_token": token,
            "expires_in": ttl,
            "refresh_token": format!("25.{:032x}.315360000.{}.282335-1", self.count, unix + 315_360_000),
            "scope": "public brain_all_scope",
            "session_key": "c2Vzc2lvbg==",
            "session_secret": format!("{:032x}", self.count),
        });
        (200, body)
    }

    pub(super) fn check(&self, token: &str) -> Result<(), InvalidToken> {
        if token.is_empty() {
            return Err(InvalidToken::Missing);
        }
        match self.granted.get(token) {
            None => Err(InvalidToken::Unknown),
            Some(grant) if grant.expires_at <= Instant::now() => Err(InvalidToken::Expired),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn revoke_all(&mut self) {
        self.granted.clear();
    }

    pub(super) fn expire_all(&mut self) {
        let now = Instant::now();
        for grant in self.granted.values_mut() {
            grant.expires_at = now;
        }
    }

    pub(super) fn open_account(&mut self, api_key: &str, secret_key: &str) {
        self.accounts
            .insert(api_key.to_owned(), secret_key.to_owned());
    }

    /// Returns the API Key of the account that a token was granted to.
    pub(super) fn account_of(&self, token: &str) -> Option<&str> {
        self.granted.get(token).map(|grant| grant.account.as_str())
    }
}

fn rejection(description: &str) -> (u16, Value) {
    let body = json!({ "error": "invalid_client", "error_description": description });
    (401, body)
}
