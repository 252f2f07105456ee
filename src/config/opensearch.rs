//! `[libraries.NAME]` with `backend = "opensearch"`: an index of an OpenSearch cluster.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::library_keys::{self, Effort, MAX_SIDE, Profile, TIMEOUT};
use super::parse;
use super::section::Section;

/// A library in an index of an OpenSearch cluster.
#[derive(Clone, Debug)]
pub struct OpenSearch {
    /// Nodes of the cluster: 1 to 16.
    pub urls: Vec<Url>,
    /// Name of the library's alias, and begin of its index's name.
    pub index: String,
    /// How the gateway authenticates. Default: not at all.
    pub auth: ClusterAuth,
    /// Certificates, in PEM, of the authorities that sign those of the nodes. Default: those of the
    /// system.
    pub ca: Option<String>,
    /// The gateway's own certificate and key, in PEM.
    pub client_identity: Option<SecretString>,
    /// Primary shards of an index that `samegate library init` makes. Default: 1.
    pub shards: u32,
    /// Copies of each shard besides the primary. Default: 1.
    pub replicas: u32,
    /// Maximum number of images. Default: 10,000,000.
    pub capacity: u64,
    /// Number of images that a search compares in the gateway. Default: 200.
    pub candidates: u32,
    /// Timeout of one request to the cluster. Default: 30 s.
    pub timeout: Duration,
    /// How certain a match must be, for searches that do not say it. Default: balanced.
    pub profile: Profile,
    /// How much is done for a query that matches nothing at first, for searches that do not say it.
    /// Default: normal.
    pub effort: Effort,
    /// Minimum score of a match, 0 to 1, for calls that give none. Default: 0.
    pub min_score: f64,
    /// Whether `url` sources may point to private, loopback and link-local addresses. Default:
    /// false.
    pub allow_private_addresses: bool,
    /// Maximum side of an image in pixels at the gRPC API. Default: 4096.
    pub max_side: u32,
}

/// How the gateway authenticates at the cluster, besides its certificate.
#[derive(Clone, Debug)]
pub enum ClusterAuth {
    /// Not at all.
    None,
    /// HTTP basic authentication.
    Basic {
        /// Name of the user.
        username: String,
        /// Its password.
        password: SecretString,
    },
    /// The `ApiKey` scheme, with the key as the cluster has issued it.
    ApiKey(SecretString),
}

/// Maximum number of nodes in the configuration: the cluster may have more.
const MAX_URLS: usize = 16;
const CAPACITY: u64 = 10_000_000;
/// Up to ten times what docs/cluster.md calculates for.
const MAX_CAPACITY: u64 = 1_000_000_000;
/// As many as the engine's own index returns.
const CANDIDATES: u32 = 200;
/// Up to as many as a search can return.
const MAX_CANDIDATES: u32 = 1000;
/// What OpenSearch allows for a whole index by default.
const MAX_SHARDS: u32 = 1024;
const MAX_REPLICAS: u32 = 16;
/// Maximum length of an index name in OpenSearch, less that of the part that the gateway appends.
const MAX_INDEX_BYTES: usize = 200;

pub(super) fn read(mut section: Section<'_>) -> Option<OpenSearch> {
    let urls = read_urls(&mut section);
    let index = section.required("index", index);
    let auth = read_auth(&mut section);
    let ca = section.optional_file("ca");
    let client_identity = read_client_identity(&mut section);
    let shards = section.optional("shards", 1, |text| parse::number(text, &(1..=MAX_SHARDS)));
    let replicas = section.optional("replicas", 1, |text| {
        parse::number(text, &(0..=MAX_REPLICAS))
    });
    let capacity = section.optional("capacity", CAPACITY, |text| {
        parse::number(text, &(1..=MAX_CAPACITY))
    });
    let candidates = section.optional("candidates", CANDIDATES, |text| {
        parse::number(text, &(10..=MAX_CANDIDATES))
    });
    let timeout = section.optional("timeout", TIMEOUT, library_keys::timeout);
    let profile = section.optional("profile", Profile::default(), library_keys::profile);
    let effort = section.optional("effort", Effort::default(), library_keys::effort);
    let min_score = section.optional("min_score", 0.0, library_keys::score);
    let allow_private_addresses =
        section.optional("allow_private_addresses", false, parse::boolean);
    let max_side = section.optional("max_side", MAX_SIDE, library_keys::max_side);
    section.finish();
    Some(OpenSearch {
        urls: urls?,
        index: index?,
        auth: auth?,
        ca: ca?,
        client_identity: client_identity?,
        shards: shards?,
        replicas: replicas?,
        capacity: capacity?,
        candidates: candidates?,
        timeout: timeout?,
        profile: profile?,
        effort: effort?,
        min_score: min_score?,
        allow_private_addresses: allow_private_addresses?,
        max_side: max_side?,
    })
}

fn read_urls(section: &mut Section<'_>) -> Option<Vec<Url>> {
    let texts = section.list("urls")?;
    if !(1..=MAX_URLS).contains(&texts.len()) {
        section.error("urls", "must hold 1 to 16 URLs of nodes");
        return None;
    }
    let urls = texts.iter();
    let urls: Vec<_> = urls
        .map(|text| section.parsed("urls", text, library_keys::base_url))
        .collect();
    urls.into_iter().collect()
}

/// Reads `username` and `password`, or `api_key`, or neither.
fn read_auth(section: &mut Section<'_>) -> Option<ClusterAuth> {
    let username = section.optional("username", String::new(), parse::non_empty);
    let password = section.optional_secret("password", "password_file");
    let api_key = section.optional_secret("api_key", "api_key_file");
    match (username?.as_str(), password?, api_key?) {
        ("", None, None) => Some(ClusterAuth::None),
        ("", None, Some(key)) => Some(ClusterAuth::ApiKey(key)),
        (username, Some(password), None) if !username.is_empty() => Some(ClusterAuth::Basic {
            username: username.to_owned(),
            password,
        }),
        (_, _, Some(_)) => {
            section.error("api_key", "is given together with `username` or `password`");
            None
        }
        (_, _, None) => {
            section.error("username", "`username` and `password` belong together");
            None
        }
    }
}

fn read_client_identity(section: &mut Section<'_>) -> Option<Option<SecretString>> {
    let certificate = section.optional_file("client_certificate");
    let key = section.optional_file("client_key");
    match (certificate?, key?) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => Some(Some(format!("{certificate}\n{key}\n").into())),
        (Some(_), None) | (None, Some(_)) => {
            let message = "`client_certificate` and `client_key` belong together";
            section.error("client_certificate", message);
            None
        }
    }
}

/// Accepts the names that OpenSearch accepts, without those that it reserves.
fn index(value: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let begins = value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && value.len() <= MAX_INDEX_BYTES && value.chars().all(is_plain) {
        return Ok(value.to_owned());
    }
    Err(
        "must be 1 to 200 characters of a-z, 0-9, `-`, `_`, `.`, and begin with a letter or digit"
            .to_owned(),
    )
}

// === impl ClusterAuth ===

impl ClusterAuth {
    /// Returns the value of the `Authorization` header.
    pub fn header(&self) -> Option<SecretString> {
        use base64::Engine;
        match self {
            ClusterAuth::None => None,
            ClusterAuth::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                Some(format!("Basic {encoded}").into())
            }
            ClusterAuth::ApiKey(key) => Some(format!("ApiKey {}", key.expose_secret()).into()),
        }
    }
}
