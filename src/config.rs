//! The configuration: defaults, file, environment, command line, as a whole.
//!
//! One struct per concern, and each part of the gateway gets only its own.
//! `config/default.toml` documents every key and holds the defaults. Order of
//! events: [`source`] lays the layers over each other into one tree that knows
//! where each value came from; each concern reads and checks its own part of
//! the tree; [`checks`] holds the rules between concerns. Nothing stops at the
//! first error: the user gets all of them at once.

mod auth;
mod checks;
mod errors;
mod jwt;
mod libraries;
mod limits;
mod listen;
mod quota;
mod replicas;
mod section;
mod source;
mod telemetry;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use auth::{Auth, RestKey, Tenant};
pub use errors::ConfigErrors;
pub use jwt::{JwksSource, Jwt};
pub use libraries::{Credential, Embedded, Library, Rest, Service};
pub use limits::Limits;
pub use listen::{ClientAuth, Listen, Tls};
pub use quota::{OnFailure, Quota, TenantQuota};
pub use replicas::{Redis, Store};
pub use telemetry::{LogFormat, Telemetry, log_level};

use errors::Collector;
use section::Section;

/// The default configuration: commented TOML that documents every key.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of the doors.
    pub listen: Listen,
    /// Libraries by name; at least one.
    pub libraries: BTreeMap<String, Library>,
    /// Callers by name; at least one.
    pub tenants: BTreeMap<String, Tenant>,
    /// How callers prove who they are.
    pub auth: Auth,
    /// Bounds on requests.
    pub limits: Limits,
    /// The Redis that replicas share.
    pub redis: Option<Redis>,
    /// Where the quotas of tenants are counted.
    pub quota: Quota,
    /// Where the sends of the vendor's accounts are counted.
    pub rate_limit: Store,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// Files beside the configuration that values were read from.
    pub files: Vec<PathBuf>,
    /// Digests of the parts that a running gateway cannot change.
    fixed: [u64; FIXED.len()],
}

/// Parts that a running gateway cannot change: ports are bound, libraries open,
/// quotas counted, connections and telemetry set up.
pub const FIXED: [&str; 14] = [
    "listen",
    "libraries",
    "limits.ready_wait",
    "limits.connection_age",
    "limits.connection_grace",
    "limits.lame_duck",
    "limits.drain",
    "redis",
    "quota.store",
    "quota.on_failure",
    "rate_limit.store",
    "telemetry.log",
    "telemetry.otlp_endpoint",
    "telemetry.sampling",
];

/// Settings from the command line; they beat every other layer.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Data folder of the only embedded library.
    pub data: Option<PathBuf>,
    /// Address of the gRPC API.
    pub grpc: Option<SocketAddr>,
    /// Address of the REST API.
    pub rest: Option<SocketAddr>,
    /// Address of the probes.
    pub admin: Option<SocketAddr>,
}

/// Reads the variables of this process whose names begin with `SAMEGATE_`.
///
/// The only place that looks at the process environment; [`load`] takes the
/// result as a map, so that tests pass their own. Variables that are not UTF-8
/// are left out.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(source::VARIABLE_PREFIX))
        .collect()
}

/// Reads and checks the configuration.
///
/// The layers are the compiled-in defaults, `file`, `variables` and
/// `overrides`, each beating those before it. Only variables with `__` in the
/// name are settings; others (`SAMEGATE_CONFIG`) belong to somebody else.
///
/// # Errors
///
/// Every error of every layer, each with its key and where it stands. ConfigErrors
/// in the TOML syntax come alone, since nothing can be read past them.
pub fn load(
    file: Option<&Path>,
    variables: &BTreeMap<String, String>,
    overrides: &Overrides,
) -> Result<Config, ConfigErrors> {
    let text = file.map(source::read_file).transpose()?;
    let text = text
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let mut tree = source::layered(text, variables)?;
    source::overlay_overrides(&mut tree, overrides)?;

    let errors = Collector::new(source::origins(&tree));
    let fixed = FIXED.map(|path| source::digest(source::at(&tree, path)));
    let mut config = read(Section::root(tree, &errors), &errors);
    if let Some(config) = &mut config {
        config.files = errors.files();
        config.fixed = fixed;
    }
    errors.verdict(config)
}

fn read(mut root: Section<'_>, errors: &Collector) -> Option<Config> {
    let listen = listen::read(root.section("listen"));
    let libraries = root.children("libraries", libraries::read);
    let tenants = root.children("tenants", auth::read_tenant);
    let auth = auth::read(root.section("auth"));
    let limits = limits::read(root.section("limits"));
    let redis = root.optional_section("redis", replicas::read);
    let quota = quota::read(root.section("quota"));
    let rate_limit = replicas::read_rate_limit(root.section("rate_limit"));
    let telemetry = telemetry::read(root.section("telemetry"));
    root.finish();

    checks::libraries(&libraries, errors);
    checks::tenants(&tenants, &libraries, errors);
    if let (Some(listen), Some(auth)) = (&listen, &auth) {
        checks::doors(listen, auth, &tenants, errors);
    }
    checks::stores(redis.as_ref(), quota.as_ref(), rate_limit, errors);
    Some(Config {
        listen: listen?,
        libraries: whole(libraries)?,
        tenants: whole(tenants)?,
        auth: auth?,
        limits: limits?,
        redis: redis?,
        quota: quota?,
        rate_limit: rate_limit?,
        telemetry: telemetry?,
        files: Vec::new(),
        fixed: FIXED.map(|_| source::digest(None)),
    })
}

impl Config {
    /// Parts that differ from those of `old` and that a running gateway cannot
    /// change.
    pub fn wants_restart(&self, old: &Config) -> Vec<&'static str> {
        let pairs = FIXED.into_iter().zip(self.fixed.iter().zip(&old.fixed));
        let changed = pairs.filter(|(_, (new, old))| new != old);
        changed.map(|(key, _)| key).collect()
    }

    /// Counts as having the unchangeable parts of another one.
    #[must_use]
    pub fn with_fixed_of(self, running: &Config) -> Config {
        let fixed = running.fixed;
        Config { fixed, ..self }
    }
}

/// Entries by name; `None` stands for one with errors of its own.
type Entries<T> = BTreeMap<String, Option<T>>;

fn whole<T>(entries: Entries<T>) -> Option<BTreeMap<String, T>> {
    let entries = entries.into_iter();
    entries.map(|(name, entry)| Some((name, entry?))).collect()
}

#[cfg(test)]
mod tests;
