//! Settings that are valid and yet a risk. `samegate config check` prints them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use secrecy::ExposeSecret;
use url::{Host, Url};

use super::auth::{Auth, RestSecret, Tenant};
use super::errors::ErrorCollector;
use super::jwt::JwksSource;
use super::libraries::Library;
use super::listen::Listen;

/// Minimum length of a secret that is not weak. RFC 6749 section 10.10 wants secrets that are
/// guessed with a probability of 2^-128 or less: 16 random bytes.
const MIN_SECRET_BYTES: usize = 16;

/// Reports the risks of a valid configuration as warnings.
pub(super) fn find(
    listen: &Listen,
    libraries: &BTreeMap<String, Library>,
    tenants: &BTreeMap<String, Tenant>,
    auth: &Auth,
    errors: &ErrorCollector,
) {
    if !listen.admin.ip().is_loopback() {
        let message = "is not loopback, and the admin port has no authentication: let only probes \
                       and Prometheus reach it";
        errors.warn("listen.admin", message);
    }
    for (name, library) in libraries {
        if let Library::Rest(library) = library
            && is_plain(&library.base_url)
        {
            let message = "is plain http: keys, access tokens and images can be read on the way";
            errors.warn(&format!("libraries.{name}.base_url"), message);
        }
    }
    for (name, library) in libraries {
        if let Library::OpenSearch(library) = library
            && library.urls.iter().any(is_plain)
        {
            let message =
                "has plain http: passwords, keys and stored images can be read on the way";
            errors.warn(&format!("libraries.{name}.urls"), message);
        }
    }
    if let Some(jwt) = &auth.jwt
        && let JwksSource::Url(url) = &jwt.jwks
        && is_plain(url)
    {
        let message = "is plain http: who changes the keys on the way can sign any token";
        errors.warn("auth.jwt.jwks_url", message);
    }
    if !listen.rest.ip().is_loopback() {
        weak_secrets(tenants, errors);
    }
}

fn weak_secrets(tenants: &BTreeMap<String, Tenant>, errors: &ErrorCollector) {
    for (name, tenant) in tenants {
        for (index, pair) in tenant.rest_keys.iter().enumerate() {
            if let RestSecret::Given(secret) = &pair.secret_key
                && secret.expose_secret().len() < MIN_SECRET_BYTES
            {
                let key = format!("tenants.{name}.rest_keys[{index}].secret_key");
                let message = "has less than 16 characters, and `listen.rest` is not loopback: \
                               generate it, as with `openssl rand -hex 32`";
                errors.warn(&key, message);
            }
        }
    }
}

/// Returns whether a URL sends data over a network without encryption.
fn is_plain(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_loopback
}
