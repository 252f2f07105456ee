//! `auth.jwt`: whose signed tokens are taken.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::section::Section;
use super::text;

/// The issuer whose tokens are taken.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Values of `aud`, one of which a token must have.
    pub audience: Vec<String>,
    /// Where its public keys are.
    pub jwks: JwksSource,
    /// Claim that holds the tenant's name. Default: `tenant`.
    pub tenant_claim: String,
    /// Least time between two fetches of the keys that unknown `kid`s cause.
    /// Default: 30 s.
    pub cool_down: Duration,
}

/// Where an issuer's JSON Web Key Set is.
#[derive(Clone, Debug)]
pub enum JwksSource {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(Url),
}

const TENANT_CLAIM: &str = "tenant";
const COOL_DOWN: Duration = Duration::from_secs(30);
const COOL_DOWNS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

pub(super) fn read(mut section: Section<'_>) -> Option<Jwt> {
    let issuer = section.value("issuer", text::filled);
    let audience = section.list("audience");
    if audience.as_ref().is_some_and(Vec::is_empty) {
        section.error("audience", "must name at least one audience");
    }
    let tenant_claim = section.optional("tenant_claim", TENANT_CLAIM.to_owned(), text::filled);
    let cool_down = section.optional("cool_down", COOL_DOWN, cool_down);
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
            section.error("jwks_url", "stands beside `jwks_file`; give one of them");
            None
        }
    };
    section.finish();
    Some(Jwt {
        issuer: issuer?,
        audience: audience?,
        jwks: jwks?,
        tenant_claim: tenant_claim?,
        cool_down: cool_down?,
    })
}

fn file(value: &str) -> Result<Option<PathBuf>, String> {
    text::filled(value).map(|path| Some(PathBuf::from(path)))
}

fn url(value: &str) -> Result<Option<Url>, String> {
    let url = Url::parse(value).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Some)
        .ok_or_else(|| "must be an http or https URL".to_owned())
}

fn cool_down(value: &str) -> Result<Duration, String> {
    let time = Some(text::duration(value)?).filter(|time| COOL_DOWNS.contains(time));
    time.ok_or_else(|| format!("must be from 1s to 24h, not `{value}`"))
}
