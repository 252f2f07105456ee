//! Rules that hold between parts of the configuration.
//!
//! Entries with errors of their own are `None`: they count as there, so that
//! one slip is not reported twice.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use secrecy::ExposeSecret;

use super::errors::Collector;
use super::{Auth, Entries, Library, Listen, Quota, Redis, RestKey, Store, Tenant};

/// Both halves of the REST key pair of the default configuration.
const WELL_KNOWN: &str = "local";

/// At least one library; no folder belongs to two.
pub(super) fn libraries(libraries: &Entries<Library>, errors: &Collector) {
    if libraries.is_empty() {
        errors.add("libraries", "must hold at least one library");
    }
    let mut owners: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, library) in libraries {
        let Some(Library::Embedded(library)) = library else {
            continue;
        };
        // `./x` and `x` are the same folder.
        let parts = library.data_dir.components();
        let folder = parts.filter(|part| *part != Component::CurDir).collect();
        if let Some(owner) = owners.insert(folder, name) {
            let key = format!("libraries.{name}.data_dir");
            errors.add(&key, format!("is the folder of library `{owner}` too"));
        }
    }
}

/// At least one tenant; their libraries exist; no key belongs to two.
pub(super) fn tenants(tenants: &Entries<Tenant>, libraries: &Entries<Library>, errors: &Collector) {
    if tenants.is_empty() {
        errors.add("tenants", "must hold at least one tenant");
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
        let hashes = tenant.api_keys.iter().enumerate();
        let hashes = hashes.map(|(i, hash)| (format!("api_keys[{i}]"), &hash[..]));
        let pairs = tenant.rest_keys.iter().enumerate();
        let pairs =
            pairs.map(|(i, pair)| (format!("rest_keys[{i}].api_key"), pair.api_key.as_bytes()));
        let identities = tenant.identities.iter().enumerate();
        let identities = identities.map(|(i, name)| (format!("identities[{i}]"), name.as_bytes()));
        for (key, value) in hashes.chain(pairs).chain(identities) {
            // Two pairs of one tenant may share a key while its secret changes.
            if let Some(owner) = owners.insert(value, name).filter(|owner| owner != name) {
                let key = format!("tenants.{name}.{key}");
                errors.add(&key, format!("belongs to tenant `{owner}` already"));
            }
        }
    }
}

/// Each door on its own address; beyond loopback none stands open.
pub(super) fn doors(listen: &Listen, auth: &Auth, tenants: &Entries<Tenant>, errors: &Collector) {
    let doors = [
        ("grpc", listen.grpc),
        ("rest", listen.rest),
        ("admin", listen.admin),
    ];
    for (index, (door, address)) in doors.iter().enumerate() {
        // Port 0 is a free port, another one each time.
        let taken = |(_, other): &&(&str, _)| other == address && address.port() != 0;
        if let Some((other, _)) = doors[..index].iter().find(taken) {
            errors.add(
                &format!("listen.{door}"),
                format!("is the address of `listen.{other}` too"),
            );
        }
    }
    for (name, tenant) in tenants {
        let Some(tenant) = tenant else {
            continue;
        };
        // Where tokens are taken, a tenant without keys is reached by those.
        let open = !tenant.is_closed() && auth.jwt.is_none() && !auth.anonymous;
        if open && !listen.grpc.ip().is_loopback() {
            errors.add(
                "listen.grpc",
                format!(
                    "is not loopback while tenant `{name}` needs no credentials; give \
                     `tenants.{name}.api_keys` or `identities`, `auth.jwt`, or set \
                     `auth.anonymous = true`"
                ),
            );
        }
        if tenant.rest_keys.iter().any(is_well_known) && !listen.rest.ip().is_loopback() {
            errors.add(
                "listen.rest",
                format!(
                    "is not loopback while tenant `{name}` has the well-known key pair \
                     {WELL_KNOWN}/{WELL_KNOWN}; give other `tenants.{name}.rest_keys`"
                ),
            );
        }
    }
}

/// What is counted in Redis needs one.
pub(super) fn stores(
    redis: Option<&Option<Redis>>,
    quota: Option<&Quota>,
    rate_limit: Option<Store>,
    errors: &Collector,
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
            errors.add(key, "is redis; give `redis.url` or `redis.url_file`");
        }
    }
}

fn check_library(key: &str, name: &str, libraries: &Entries<Library>, errors: &Collector) {
    if !libraries.contains_key(name) {
        let known: Vec<&str> = libraries.keys().map(String::as_str).collect();
        let known = known.join(", ");
        errors.add(
            key,
            format!("no library is named `{name}`; there are: {known}"),
        );
    }
}

fn is_well_known(pair: &RestKey) -> bool {
    pair.api_key == WELL_KNOWN && pair.secret_key.expose_secret() == WELL_KNOWN
}
