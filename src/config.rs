//! The configuration as a whole: defaults, file, environment, command line.
//!
//! One struct per concern, and each part of the gateway receives only its own.
//! `config/default.toml` documents every key and holds the defaults. Order of events: [`source`]
//! merges the layers into one [`tree`] that records where each value was set; each concern reads
//! and checks its own part of the tree; [`checks`] holds the rules between concerns. Reading does
//! not stop at the first error: all errors are reported together.

mod auth;
mod checks;
mod console;
mod errors;
mod jwt;
mod libraries;
mod library_keys;
mod limits;
mod listen;
mod opensearch;
mod parse;
mod quota;
mod replicas;
mod section;
mod source;
mod telemetry;
mod tree;
mod warnings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use auth::{Auth, RestKey, RestSecret, Tenant};
pub use console::Console;
pub use errors::ConfigErrors;
pub use jwt::{JwksSource, Jwt};
pub use libraries::{Credential, Embedded, Library, Rest, Service};
pub use library_keys::{Effort, Profile};
pub use limits::Limits;
pub use listen::{ClientAuth, Listen, Tls};
pub use opensearch::{ClusterAuth, OpenSearch};
pub use quota::{OnFailure, Quota, TenantQuota};
pub use replicas::{Redis, Store};
pub use source::{DEFAULT, Overrides};
pub use telemetry::{LogFormat, Telemetry, log_level};

use errors::ErrorCollector;
use section::{Entries, Section};

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of the listeners.
    pub listen: Listen,
    /// Libraries by name; not empty.
    pub libraries: BTreeMap<String, Library>,
    /// Callers by name; not empty.
    pub tenants: BTreeMap<String, Tenant>,
    /// How callers authenticate.
    pub auth: Auth,
    /// The web console.
    pub console: Console,
    /// Limits of requests and connections.
    pub limits: Limits,
    /// The Redis that all replicas share.
    pub redis: Option<Redis>,
    /// Where the quotas of tenants are counted.
    pub quota: Quota,
    /// Where the sends of the vendor's accounts are counted.
    pub rate_limit: Store,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// Other files that values were read from.
    pub files: Vec<PathBuf>,
    /// What is valid but probably not wanted, as lines for people.
    pub warnings: Vec<String>,
    /// Digests of the parts that need a restart.
    fixed: [u64; FIXED.len()],
}

/// Parts that a running gateway cannot change, because they are set up once: ports, libraries,
/// counters, connections and telemetry.
pub const FIXED: [&str; 23] = [
    "listen.grpc",
    "listen.rest",
    "listen.admin",
    "listen.max_connections",
    "listen.max_connections_per_peer",
    "listen.max_control_frames_per_second",
    "listen.tls",
    "libraries",
    "limits.send_timeout",
    "limits.warmup_timeout",
    "limits.max_connection_idle",
    "limits.max_connection_age",
    "limits.max_connection_age_grace",
    "limits.lame_duck",
    "limits.drain_timeout",
    "redis",
    "quota.store",
    "quota.on_failure",
    "rate_limit.store",
    "telemetry.log_format",
    "telemetry.log_buffer",
    "telemetry.otlp_endpoint",
    "telemetry.sampling_ratio",
];

/// Reads the environment variables of this process that begin with `SAMEGATE_`.
///
/// The only function that reads the process environment; [`load`] accepts the result as a map, so
/// that tests pass their own. Variables that are not UTF-8 are ignored.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(source::VARIABLE_PREFIX))
        .collect()
}

/// Reads and checks the configuration.
///
/// The layers are the compiled-in defaults, `file`, `variables` and `overrides`; each overrides
/// those before it. Only variables with `__` in the name are settings; others, such as
/// `SAMEGATE_ENDPOINT`, are not.
///
/// # Errors
///
/// Every error of every layer, each with its key and origin. An error in the TOML syntax is
/// reported alone, since the rest cannot be read.
pub fn load(
    file: Option<&Path>,
    variables: &BTreeMap<String, String>,
    overrides: &Overrides,
) -> Result<Config, ConfigErrors> {
    let file = file.map(source::read_file).transpose()?;
    let named_text = file.as_ref().map(|(name, text)| (&**name, &**text));
    let mut tree = source::layered(named_text, variables)?;
    source::overlay_overrides(&mut tree, overrides)?;

    let errors = ErrorCollector::new(tree::origins(&tree));
    let fixed = FIXED.map(|path| tree::digest(tree::at(&tree, path)));
    let mut config = read(Section::root(tree, &errors), &errors);
    if let Some(config) = &mut config {
        config.files = errors.files();
        let Config {
            listen,
            libraries,
            tenants,
            auth,
            ..
        } = &*config;
        warnings::find(listen, libraries, tenants, auth, &errors);
        config.warnings = errors.warnings();
        config.fixed = fixed;
    }
    errors.into_result(config)
}

fn read(mut root: Section<'_>, errors: &ErrorCollector) -> Option<Config> {
    let listen = listen::read(root.section("listen"));
    let libraries = root.named_tables("libraries", libraries::read);
    let mut tenants = root.named_tables("tenants", auth::read_tenant);
    let auth = auth::read(root.section("auth"));
    let console = console::read(root.section("console"));
    let limits = limits::read(root.section("limits"));
    let redis = root.optional_section("redis", replicas::read);
    let quota = quota::read(root.section("quota"));
    let rate_limit = replicas::read_rate_limit(root.section("rate_limit"));
    let telemetry = telemetry::read(root.section("telemetry"));
    root.finish();

    checks::libraries(&libraries, errors);
    checks::tenants(&tenants, &libraries, errors);
    checks::generated_secrets(&mut tenants, &libraries, errors);
    if let (Some(listen), Some(auth)) = (&listen, &auth) {
        checks::listeners(listen, auth, &tenants, errors);
    }
    if let Some(limits) = &limits {
        checks::shares(limits, &tenants, errors);
        checks::sides(limits, &libraries, errors);
    }
    checks::stores(redis.as_ref(), quota.as_ref(), rate_limit, errors);
    Some(Config {
        listen: listen?,
        libraries: valid_entries(libraries)?,
        tenants: valid_entries(tenants)?,
        auth: auth?,
        console: console?,
        limits: limits?,
        redis: redis?,
        quota: quota?,
        rate_limit: rate_limit?,
        telemetry: telemetry?,
        files: Vec::new(),
        warnings: Vec::new(),
        fixed: FIXED.map(|_| tree::digest(None)),
    })
}

/// Returns all entries, or none if one of them has errors.
fn valid_entries<T>(entries: Entries<T>) -> Option<BTreeMap<String, T>> {
    let entries = entries.into_iter();
    entries.map(|(name, entry)| Some((name, entry?))).collect()
}

// === impl Config ===

impl Config {
    /// Returns the parts that differ from those of `running` and that need a restart to change.
    pub fn needs_restart(&self, running: &Config) -> Vec<&'static str> {
        let digests = self.fixed.iter().zip(&running.fixed);
        let changed = FIXED.into_iter().zip(digests);
        changed
            .filter(|(_, (new, old))| new != old)
            .map(|(key, _)| key)
            .collect()
    }

    /// Replaces the recorded state of the parts that need a restart by that of the running
    /// configuration, so that later reloads compare with it.
    #[must_use]
    pub fn with_fixed_of(self, running: &Config) -> Config {
        let fixed = running.fixed;
        Config { fixed, ..self }
    }
}

#[cfg(test)]
mod tests;
