//! Rules between parts of the configuration.
//!
//! An entry with errors of its own is `None`. It counts as present, so that one mistake is not
//! reported twice.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use secrecy::ExposeSecret;

use super::auth::{Auth, RestKey, RestSecret, Tenant};
use super::errors::ErrorCollector;
use super::libraries::Library;
use super::limits::Limits;
use super::listen::Listen;
use super::quota::Quota;
use super::replicas::{Redis, Store};
use super::section::Entries;

/// Memory of the most expensive image, a PNG of 16 bits (`engine::prepare_memory`).
const DECODER_BYTES_PER_PIXEL: u64 = 16;
/// Start of the names of the files that keep generated secrets; the tenant's name follows.
const SECRET_FILE: &str = "rest-secret";

/// Checks that there is a library, and that no two use the same folder.
pub(super) fn libraries(libraries: &Entries<Library>, errors: &ErrorCollector) {
    if libraries.is_empty() {
        errors.push("libraries", "must not be empty");
    }
    let mut owners: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, library) in libraries {
        let Some(Library::Embedded(library)) = library else {
            continue;
        };
        // `./x` and `x` are the same folder.
        let folder = library
            .data_dir
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect();
        if let Some(owner) = owners.insert(folder, name) {
            errors.push(
                &format!("libraries.{name}.data_dir"),
                format!("is the folder of library `{owner}` too"),
            );
        }
    }
}

/// Checks that there is a tenant, that the libraries of all exist, and that no two tenants have the
/// same credential.
pub(super) fn tenants(
    tenants: &Entries<Tenant>,
    libraries: &Entries<Library>,
    errors: &ErrorCollector,
) {
    if tenants.is_empty() {
        errors.push("tenants", "must not be empty");
    }
    let mut owners: BTreeMap<&[u8], &str> = BTreeMap::new();
    for (name, tenant) in tenants {
        let Some(tenant) = tenant else {
            continue;
        };
        for (index, library) in tenant.libraries.iter().enumerate() {
            let key = format!("tenants.{name}.libraries[{index}]");
            check_library(&key, library, libraries, errors);
        }
        for (key, value) in credentials(tenant) {
            // Two pairs of one tenant may share a key while its secret is rotated.
            if let Some(owner) = owners.insert(value, name).filter(|owner| owner != name) {
                errors.push(
                    &format!("tenants.{name}.{key}"),
                    format!("already belongs to tenant `{owner}`"),
                );
            }
        }
    }
}

/// Sets the files of generated secrets: in the data folder of the tenant's first embedded library,
/// where what the gateway must not lose is kept.
pub(super) fn generated_secrets(
    tenants: &mut Entries<Tenant>,
    libraries: &Entries<Library>,
    errors: &ErrorCollector,
) {
    for (name, tenant) in tenants {
        let Some(tenant) = tenant else {
            continue;
        };
        let mut entries = tenant.libraries.iter().map(|name| libraries.get(name));
        let are_valid = entries.clone().all(|entry| matches!(entry, Some(Some(_))));
        let folder = entries.find_map(|entry| match entry? {
            Some(Library::Embedded(library)) => Some(&library.data_dir),
            Some(Library::Rest(_) | Library::OpenSearch(_)) | None => None,
        });
        for (index, pair) in tenant.rest_keys.iter_mut().enumerate() {
            let RestSecret::Generated(file) = &mut pair.secret_key else {
                continue;
            };
            match folder {
                Some(folder) => *file = folder.join(format!("{SECRET_FILE}-{name}")),
                // Else the error of the library is the one to correct.
                None if are_valid => errors.push(
                    &format!("tenants.{name}.rest_keys[{index}].generate_secret"),
                    "needs an embedded library of the tenant, whose folder keeps the secret; give \
                     `secret_key` instead",
                ),
                None => {}
            }
        }
    }
}

/// Checks that the share of a tenant among several holds a message of maximum size: with the image
/// that is decoded from it, a form needs 1.75 times its size.
pub(super) fn shares(limits: &Limits, tenants: &Entries<Tenant>, errors: &ErrorCollector) {
    let share = limits
        .max_bytes_in_flight
        .saturating_mul(limits.max_tenant_percent)
        / 100;
    if tenants.len() > 1 && share < limits.max_message_bytes.saturating_mul(2) {
        errors.push(
            "limits.max_tenant_percent",
            "of `max_bytes_in_flight` is less than twice `max_message_bytes`",
        );
    }
}

/// Checks that the largest image of each library can be decoded within the memory for it.
pub(super) fn sides(limits: &Limits, libraries: &Entries<Library>, errors: &ErrorCollector) {
    for (name, library) in libraries {
        let max_side = match library {
            Some(Library::Embedded(library)) => library.max_side,
            Some(Library::OpenSearch(library)) => library.max_side,
            Some(Library::Rest(_)) | None => continue,
        };
        let needed = u64::from(max_side).pow(2) * DECODER_BYTES_PER_PIXEL;
        if needed > limits.max_decoded_bytes {
            errors.push(
                &format!("libraries.{name}.max_side"),
                format!(
                    "needs `limits.max_decoded_bytes` of {} MiB: its square has {DECODER_BYTES_PER_PIXEL} \
                     bytes per pixel",
                    needed.div_ceil(1 << 20)
                ),
            );
        }
    }
}

/// Returns the key within the tenant's table, and the value, of each credential.
fn credentials(tenant: &Tenant) -> impl Iterator<Item = (String, &[u8])> {
    let api_keys = tenant.api_keys.iter().enumerate();
    let read_keys = tenant.read_keys.iter().enumerate();
    let rest_keys = tenant.rest_keys.iter().enumerate();
    let identities = tenant.identities.iter().enumerate();
    api_keys
        .map(|(i, hash)| (format!("api_keys[{i}]"), &hash[..]))
        .chain(read_keys.map(|(i, hash)| (format!("read_keys[{i}]"), &hash[..])))
        .chain(rest_keys.map(|(i, pair)| {
            let key = format!("rest_keys[{i}].api_key");
            (key, pair.api_key.as_bytes())
        }))
        .chain(identities.map(|(i, name)| (format!("identities[{i}]"), name.as_bytes())))
}

/// Checks that each listener has an address of its own, and that those on other addresses than
/// loopback need credentials.
pub(super) fn listeners(
    listen: &Listen,
    auth: &Auth,
    tenants: &Entries<Tenant>,
    errors: &ErrorCollector,
) {
    let listeners = [
        ("grpc", listen.grpc),
        ("rest", listen.rest),
        ("admin", listen.admin),
    ];
    for (index, (listener, address)) in listeners.iter().enumerate() {
        // Port 0 is a free port, a different one each time.
        let conflicts = |(_, other): &&(&str, _)| other == address && address.port() != 0;
        if let Some((other, _)) = listeners[..index].iter().find(conflicts) {
            errors.push(
                &format!("listen.{listener}"),
                format!("is the address of `listen.{other}` too"),
            );
        }
    }
    for (name, tenant) in tenants {
        let Some(tenant) = tenant else {
            continue;
        };
        // With `auth.jwt`, callers of a tenant without keys present tokens.
        let is_open = !tenant.needs_credentials() && auth.jwt.is_none() && !auth.anonymous;
        if is_open && !listen.grpc.ip().is_loopback() {
            errors.push(
                "listen.grpc",
                format!(
                    "is not loopback while tenant `{name}` needs no credentials; give \
                     `tenants.{name}.api_keys` or `identities`, `auth.jwt`, or set \
                     `auth.anonymous = true`"
                ),
            );
        }
        if tenant.rest_keys.iter().any(is_guessable) && !listen.rest.ip().is_loopback() {
            errors.push(
                "listen.rest",
                format!(
                    "is not loopback while tenant `{name}` has a secret key that equals its API \
                     key; give other `tenants.{name}.rest_keys`"
                ),
            );
        }
    }
}

/// Checks that a Redis is configured if something is counted in it.
pub(super) fn stores(
    redis: Option<&Option<Redis>>,
    quota: Option<&Quota>,
    rate_limit: Option<Store>,
    errors: &ErrorCollector,
) {
    if !matches!(redis, Some(None)) {
        return;
    }
    let stores = [
        ("quota.store", quota.map(|quota| quota.store)),
        ("rate_limit.store", rate_limit),
    ];
    for (key, store) in stores {
        if store == Some(Store::Redis) {
            errors.push(key, "is redis; give `redis.url` or `redis.url_file`");
        }
    }
}

fn check_library(key: &str, name: &str, libraries: &Entries<Library>, errors: &ErrorCollector) {
    if !libraries.contains_key(name) {
        let known: Vec<&str> = libraries.keys().map(String::as_str).collect();
        errors.push(
            key,
            format!(
                "no library is named `{name}`; there are: {}",
                known.join(", ")
            ),
        );
    }
}

fn is_guessable(pair: &RestKey) -> bool {
    match &pair.secret_key {
        RestSecret::Given(secret) => secret.expose_secret() == pair.api_key,
        RestSecret::Generated(_) => false,
    }
}
