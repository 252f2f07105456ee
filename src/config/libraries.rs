//! `[libraries.NAME]`: what answers the requests.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::section::Section;
use super::text;

/// One library.
#[derive(Clone, Debug)]
pub enum Library {
    /// The gateway's own engine.
    Embedded(Embedded),
    /// A `same_hq` server, as a rule the vendor's.
    Rest(Rest),
}

/// A library in the gateway's own engine.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Folder of its files; made when missing.
    pub data_dir: PathBuf,
    /// Most images. Default: 500,000.
    pub capacity: u64,
    /// Whether `url` sources may point to private, loopback and link-local
    /// addresses. Default: false.
    pub fetch_private: bool,
}

/// A library at a `same_hq` server.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Scheme and host of the server. Default: the vendor's.
    pub base_url: Url,
    /// Which of the vendor's libraries. Default: `same_hq`.
    pub service: Service,
    /// Keys of accounts: 1 to 16 pairs.
    pub credentials: Vec<Credential>,
    /// Most calls a second with one pair of keys. Default: 10.
    pub qps: u32,
    /// Longest time for one upstream call. Default: 30 s.
    pub timeout: Duration,
}

/// A pair of keys of the vendor's console.
#[derive(Clone)]
pub struct Credential {
    /// API Key: names the application.
    pub api_key: String,
    /// Secret Key.
    pub secret_key: SecretString,
}

impl fmt::Debug for Credential {
    /// Tells that there is a pair of keys and neither of them.
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
/// Most pairs of keys of one library.
const MAX_CREDENTIALS: usize = 16;
/// What the vendor sells (its page of prices): 10 a second and interface.
const QPS: u32 = 10;
const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);

pub(super) fn read(mut section: Section<'_>) -> Option<Library> {
    match section.value("backend", backend)? {
        Backend::Embedded => read_embedded(section).map(Library::Embedded),
        Backend::Rest => read_rest(section).map(Library::Rest),
    }
}

fn read_embedded(mut section: Section<'_>) -> Option<Embedded> {
    let data_dir = section.value("data_dir", text::filled);
    let capacity = section.optional("capacity", CAPACITY, capacity);
    let fetch_private = section.optional("fetch_private", false, text::truth);
    section.finish();
    Some(Embedded {
        data_dir: PathBuf::from(data_dir?),
        capacity: capacity?,
        fetch_private: fetch_private?,
    })
}

fn read_rest(mut section: Section<'_>) -> Option<Rest> {
    let base_url = section.optional("base_url", VENDOR.to_owned(), |url| Ok(url.to_owned()));
    let base_url = base_url.and_then(|url| section.parsed("base_url", &url, base));
    let service = section.optional("service", Service::default(), service);
    let credentials = section.tables("credentials", read_credential);
    let timeout = section.optional("timeout", TIMEOUT, timeout);
    let qps = section.optional("qps", QPS, qps);
    if let Some(error) = credentials.as_deref().and_then(error_of) {
        section.error("credentials", error);
    }
    section.finish();
    Some(Rest {
        base_url: base_url?,
        service: service?,
        credentials: credentials?,
        qps: qps?,
        timeout: timeout?,
    })
}

fn read_credential(mut section: Section<'_>) -> Option<Credential> {
    let api_key = section.value("api_key", text::filled);
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
}

fn backend(value: &str) -> Result<Backend, String> {
    match value {
        "embedded" => Ok(Backend::Embedded),
        "rest" => Ok(Backend::Rest),
        _ => Err(format!("must be embedded or rest, not `{value}`")),
    }
}

fn capacity(value: &str) -> Result<u64, String> {
    text::number(value, &(1..=100_000_000))
}

fn error_of(pairs: &[Credential]) -> Option<&'static str> {
    let keys: BTreeSet<_> = pairs.iter().map(|pair| &pair.api_key).collect();
    if !(1..=MAX_CREDENTIALS).contains(&pairs.len()) {
        Some("must hold 1 to 16 pairs of keys")
    } else if keys.len() < pairs.len() {
        // Both together would be sent at twice the rate of the account.
        Some("names an `api_key` twice")
    } else {
        None
    }
}

fn qps(value: &str) -> Result<u32, String> {
    text::number(value, &(1..=1000))
}

/// The parts that are rejected could carry secrets, so the URL is not shown.
fn base(value: &str) -> Result<Url, String> {
    let wanted = "must be an http or https URL without user, query or fragment";
    let url = Url::parse(value).map_err(|error| format!("{wanted}: {error}"))?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if bare && matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    Err(wanted.to_owned())
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

fn timeout(value: &str) -> Result<Duration, String> {
    let timeout = text::duration(value)?;
    let timeout = Some(timeout).filter(|timeout| TIMEOUTS.contains(timeout));
    timeout.ok_or_else(|| format!("must be from 1ms to 1h, not `{value}`"))
}
