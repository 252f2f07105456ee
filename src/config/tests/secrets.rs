//! Secrets that the gateway generates, and warnings of weak and exposed ones.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;

use super::{CLOUD, from_file, variables};
use crate::config::{Config, Overrides, RestSecret, load};

fn secret<'a>(config: &'a Config, tenant: &str) -> &'a RestSecret {
    &config.tenants[tenant].rest_keys[0].secret_key
}

#[test]
fn a_generated_secret_is_kept_in_the_folder_of_the_first_embedded_library() {
    let overrides = Overrides {
        data: Some("elsewhere".into()),
        ..Overrides::default()
    };
    let default = load(None, &BTreeMap::new(), &overrides).unwrap();
    let text = format!(
        "{CLOUD}[libraries.own]\nbackend = \"embedded\"\ndata_dir = \"own\"\n[tenants.shop]\n\
         libraries = [\"cloud\", \"own\"]\nrest_keys = [{{ api_key = \"k\", generate_secret = true }}]"
    );
    let own = from_file(&text).unwrap();

    for (config, tenant, file) in [
        (&default, "local", "elsewhere/rest-secret-local"),
        (&own, "shop", "own/rest-secret-shop"),
    ] {
        let RestSecret::Generated(found) = secret(config, tenant) else {
            panic!("given");
        };
        assert_eq!(found, Path::new(file));
    }
}

#[test]
fn a_generated_secret_needs_an_embedded_library() {
    let text = format!(
        "{CLOUD}[tenants.shop]\nlibraries = [\"cloud\"]\n\
         rest_keys = [{{ api_key = \"k\", generate_secret = true }}]"
    );

    let errors = from_file(&text).unwrap_err();

    let expected = "`tenants.shop.rest_keys[0].generate_secret`: needs an embedded library";
    assert!(errors.contains(expected), "{errors}");
    // The tenant `local` names a library that does not exist: this one error is enough.
    let errors = from_file(CLOUD).unwrap_err();
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_secret_that_is_given_replaces_the_generated_one() {
    let variables = variables(&[("SAMEGATE_TENANTS__LOCAL__REST_KEYS__0__SECRET_KEY", "mine")]);

    let config = load(None, &variables, &Overrides::default()).unwrap();

    let RestSecret::Given(secret) = secret(&config, "local") else {
        panic!("generated");
    };
    assert_eq!(secret.expose_secret(), "mine");
}

#[test]
fn risks_are_warnings_with_key_and_line() {
    let text = r#"[listen]
rest = "0.0.0.0:8080"
admin = "0.0.0.0:9090"
[libraries.cloud]
backend = "rest"
base_url = "http://vendor.test"
credentials = [{ api_key = "id", secret_key = "canary-secret" }]
[tenants.shop]
libraries = ["cloud"]
rest_keys = [{ api_key = "k", secret_key = "canary-of-15-ch" }, { api_key = "l", secret_key = "canary-of-16-cha" }]
[auth]
jwt = { issuer = "i", audience = ["a"], jwks_url = "http://id.test/keys" }
"#;

    let warnings = from_file(text).unwrap().warnings;

    let expected = [
        (3, "`listen.admin`: is not loopback"),
        (6, "`libraries.cloud.base_url`: is plain http"),
        (
            10,
            "`tenants.shop.rest_keys[0].secret_key`: has less than 16",
        ),
        (12, "`auth.jwt.jwks_url`: is plain http"),
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, (line, text)) in warnings.iter().zip(expected) {
        assert!(warning.contains(&format!(":{line}: {text}")), "{warning}");
        assert!(!warning.contains("canary"), "{warning}");
    }
}

#[test]
fn on_loopback_and_with_https_there_are_no_warnings() {
    let text = format!(
        "{CLOUD}[libraries.near]\nbackend = \"rest\"\nbase_url = \"http://127.0.0.1:8081\"\n\
         credentials = [{{ api_key = \"id\", secret_key = \"s\" }}]\n[tenants.shop]\n\
         libraries = [\"cloud\", \"near\"]\nrest_keys = [{{ api_key = \"k\", secret_key = \"s\" }}]\n\
         [auth]\njwt = {{ issuer = \"i\", audience = [\"a\"], jwks_url = \"http://localhost/keys\" }}"
    );
    let default = load(None, &BTreeMap::new(), &Overrides::default()).unwrap();

    assert_eq!(from_file(&text).unwrap().warnings, Vec::<String>::new());
    assert_eq!(default.warnings, Vec::<String>::new());
}
