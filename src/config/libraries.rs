//! `[libraries.NAME]`: the image libraries that serve the requests.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::library_keys::{
    Effort, MAX_SIDE, Profile, TIMEOUT, base_url, effort, max_side, profile, score, timeout,
};
use super::opensearch::{self, OpenSearch};
use super::parse;
use super::section::Section;

/// One library.
#[derive(Clone, Debug)]
pub enum Library {
    /// The gateway's own engine.
    Embedded(Embedded),
    /// A `same_hq` server, normally the vendor's.
    Rest(Rest),
    /// An index of an OpenSearch cluster.
    OpenSearch(Box<OpenSearch>),
}

/// A library in the gateway's own engine.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Folder of its files; created when missing.
    pub data_dir: PathBuf,
    /// Maximum number of images. Default: 500,000.
    pub capacity: u64,
    /// Free space of the disk in bytes below which adds are rejected. Default: 256 MiB.
    pub min_free_disk: u64,
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
    /// Longer side in pixels of the previews that are stored of new images; 0 means none. Default:
    /// 1024.
    pub preview_side: u32,
}

/// A library at a `same_hq` server.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Scheme and host of the server. Default: the vendor's.
    pub base_url: Url,
    /// The vendor's service. Default: `same_hq`.
    pub service: Service,
    /// Pairs of keys from the vendor's console: 1 to 16.
    pub credentials: Vec<Credential>,
    /// Rate limit of each pair of keys, in requests per second. Default: 10.
    pub qps: u32,
    /// Timeout of one upstream request. Default: 30 s.
    pub timeout: Duration,
    /// Minimum score of a match, 0 to 1, for calls that give none. Default: 0.
    pub min_score: f64,
}

/// A pair of keys from the vendor's console.
#[derive(Clone)]
pub struct Credential {
    /// API Key: identifies the application.
    pub api_key: String,
    /// Secret Key.
    pub secret_key: SecretString,
}

// === impl Credential ===

impl fmt::Debug for Credential {
    /// Shows the type only: both keys are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// The vendor's image search services; all have the same four operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// Same image (相同图片).
    #[default]
    SameHq,
    /// Similar image (相似图片).
    Similar,
    /// Product (商品).
    Product,
    /// Fabric (面料).
    Materiel,
    /// Image book (绘本).
    Picturebook,
}

/// The vendor's host, the same for all its image search services.
const VENDOR: &str = "https://aip.baidubce.com";
const CAPACITY: u64 = 500_000;
/// Enough for thousands of deletes, and for what a writer at full speed adds within a quarter of a
/// second, the interval of the measurement: 100 MB.
const MIN_FREE_DISK: u64 = 256 << 20;
/// What a phone shows, and half of a desktop's screen: docs/operations.md has the cost.
const PREVIEW_SIDE: u32 = 1024;
/// The engine's limits.
const PREVIEW_SIDES: RangeInclusive<u32> = 512..=2048;
/// Maximum number of pairs of keys of one library.
const MAX_CREDENTIALS: usize = 16;
/// The vendor's standard limit (its price page): 10 requests per second for each interface.
const QPS: u32 = 10;

pub(super) fn read(mut section: Section<'_>) -> Option<Library> {
    match section.required("backend", backend)? {
        Backend::Embedded => read_embedded(section).map(Library::Embedded),
        Backend::Rest => read_rest(section).map(Library::Rest),
        Backend::OpenSearch => {
            let library = opensearch::read(section);
            library.map(Box::new).map(Library::OpenSearch)
        }
    }
}

fn read_embedded(mut section: Section<'_>) -> Option<Embedded> {
    let data_dir = section.required("data_dir", parse::non_empty);
    let capacity = section.optional("capacity", CAPACITY, capacity);
    let min_free_disk = section.optional("min_free_disk", MIN_FREE_DISK, parse::bytes);
    let profile = section.optional("profile", Profile::default(), profile);
    let effort = section.optional("effort", Effort::default(), effort);
    let min_score = section.optional("min_score", 0.0, score);
    let allow_private_addresses =
        section.optional("allow_private_addresses", false, parse::boolean);
    let max_side = section.optional("max_side", MAX_SIDE, max_side);
    let preview_side = section.optional("preview_side", PREVIEW_SIDE, preview_side);
    section.finish();
    Some(Embedded {
        data_dir: PathBuf::from(data_dir?),
        capacity: capacity?,
        min_free_disk: min_free_disk?,
        profile: profile?,
        effort: effort?,
        min_score: min_score?,
        allow_private_addresses: allow_private_addresses?,
        max_side: max_side?,
        preview_side: preview_side?,
    })
}

fn read_rest(mut section: Section<'_>) -> Option<Rest> {
    let base_url = section
        .optional("base_url", VENDOR.to_owned(), |url| Ok(url.to_owned()))
        .and_then(|url| section.parsed("base_url", &url, base_url));
    let service = section.optional("service", Service::default(), service);
    let credentials = section.tables("credentials", read_credential);
    let timeout = section.optional("timeout", TIMEOUT, timeout);
    let qps = section.optional("qps", QPS, qps);
    let min_score = section.optional("min_score", 0.0, score);
    section.optional("max_side", MAX_SIDE, vendor_max_side);
    if let Some(error) = credentials.as_deref().and_then(credentials_error) {
        section.error("credentials", error);
    }
    section.finish();
    Some(Rest {
        base_url: base_url?,
        service: service?,
        credentials: credentials?,
        qps: qps?,
        timeout: timeout?,
        min_score: min_score?,
    })
}

fn read_credential(mut section: Section<'_>) -> Option<Credential> {
    let api_key = section.required("api_key", parse::non_empty);
    let secret_key = section.secret_key();
    section.finish();
    Some(Credential {
        api_key: api_key?,
        secret_key: secret_key?,
    })
}

enum Backend {
    Embedded,
    Rest,
    OpenSearch,
}

fn backend(value: &str) -> Result<Backend, String> {
    match value {
        "embedded" => Ok(Backend::Embedded),
        "rest" => Ok(Backend::Rest),
        "opensearch" => Ok(Backend::OpenSearch),
        _ => Err(format!(
            "must be embedded, rest or opensearch, not `{value}`"
        )),
    }
}

fn capacity(value: &str) -> Result<u64, String> {
    parse::number(value, &(1..=100_000_000))
}

fn preview_side(value: &str) -> Result<u32, String> {
    match value {
        "0" => Ok(0),
        _ => parse::number(value, &PREVIEW_SIDES)
            .map_err(|message| format!("{message}, or 0 for none")),
    }
}

/// Accepts the vendor's limit only, with a message for those who expect that it can be raised.
fn vendor_max_side(value: &str) -> Result<u32, String> {
    parse::number(value, &(MAX_SIDE..=MAX_SIDE)).map_err(|_| {
        format!(
            "must be {MAX_SIDE}, the vendor's limit: only an embedded library takes larger sides"
        )
    })
}

fn credentials_error(pairs: &[Credential]) -> Option<&'static str> {
    let keys: BTreeSet<_> = pairs.iter().map(|pair| &pair.api_key).collect();
    if !(1..=MAX_CREDENTIALS).contains(&pairs.len()) {
        Some("must hold 1 to 16 pairs of keys")
    } else if keys.len() < pairs.len() {
        // Each pair has a rate limiter of its own, so the account would receive twice its rate.
        Some("names an `api_key` twice")
    } else {
        None
    }
}

fn qps(value: &str) -> Result<u32, String> {
    parse::number(value, &(1..=1000))
}

fn service(value: &str) -> Result<Service, String> {
    match value {
        "same_hq" => Ok(Service::SameHq),
        "similar" => Ok(Service::Similar),
        "product" => Ok(Service::Product),
        "materiel" => Ok(Service::Materiel),
        "picturebook" => Ok(Service::Picturebook),
        _ => Err(format!(
            "must be same_hq, similar, product, materiel or picturebook, not `{value}`"
        )),
    }
}
