//! `auth.jwt`: the issuer of accepted signed tokens.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::parse;
use super::section::Section;

/// The issuer of accepted tokens, and what they must contain.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Value of `iss` in its tokens.
    pub issuer: String,
    /// Accepted values of `aud`; a token must have one of them.
    pub audience: Vec<String>,
    /// Source of its public keys.
    pub jwks: JwksSource,
    /// Claim that holds the tenant's name. Default: `tenant`.
    pub tenant_claim: String,
    /// Minimum time between two fetches of the keys that are caused by unknown `kid`s, 1 s to 24 h.
    /// Default: 30 s.
    pub jwks_cooldown: Duration,
    /// Maximum wait of a call for the keys, 1 ms to 1 min. Default: 5 s.
    pub jwks_timeout: Duration,
}

/// Source of an issuer's JSON Web Key Set.
#[derive(Clone, Debug)]
pub enum JwksSource {
    /// A file.
    File(PathBuf),
    /// An http or https URL.
    Url(Url),
}

const TENANT_CLAIM: &str = "tenant";
const JWKS_COOLDOWN: Duration = Duration::from_secs(30);
const JWKS_COOLDOWN_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24);
const JWKS_TIMEOUT: Duration = Duration::from_secs(5);
const JWKS_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_mins(1);

pub(super) fn read(mut section: Section<'_>) -> Option<Jwt> {
    let issuer = section.required("issuer", parse::non_empty);
    let audience = section.list("audience");
    if audience.as_ref().is_some_and(Vec::is_empty) {
        section.error("audience", "must not be empty");
    }
    let tenant_claim = section.optional("tenant_claim", TENANT_CLAIM.to_owned(), parse::non_empty);
    let jwks_cooldown = section.optional("jwks_cooldown", JWKS_COOLDOWN, jwks_cooldown);
    let jwks_timeout = section.optional("jwks_timeout", JWKS_TIMEOUT, jwks_timeout);
    let file = section.optional("jwks_file", None, file);
    let url = section.optional("jwks_url", None, url);
    let jwks = match (file?, url?) {
        (Some(file), None) => Some(JwksSource::File(file)),
        (None, Some(url)) => Some(JwksSource::Url(url)),
        (None, None) => {
            section.error("jwks_url", "is missing; give it or `jwks_file`");
            None
        }
        (Some(_), Some(_)) => {
            section.error(
                "jwks_url",
                "is given together with `jwks_file`; give only one",
            );
            None
        }
    };
    section.finish();
    Some(Jwt {
        issuer: issuer?,
        audience: audience?,
        jwks: jwks?,
        tenant_claim: tenant_claim?,
        jwks_cooldown: jwks_cooldown?,
        jwks_timeout: jwks_timeout?,
    })
}

fn file(value: &str) -> Result<Option<PathBuf>, String> {
    parse::non_empty(value).map(|path| Some(PathBuf::from(path)))
}

fn url(value: &str) -> Result<Option<Url>, String> {
    Url::parse(value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .map(Some)
        .ok_or_else(|| "must be an http or https URL".to_owned())
}

fn jwks_cooldown(value: &str) -> Result<Duration, String> {
    parse::duration_within(value, &JWKS_COOLDOWN_RANGE, "from 1s to 24h")
}

fn jwks_timeout(value: &str) -> Result<Duration, String> {
    parse::duration_within(value, &JWKS_TIMEOUT_RANGE, "from 1ms to 1m")
}
