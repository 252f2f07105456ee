//! Tests of the configuration as a user sees it: what is read and what is rejected.

mod opensearch;
mod rules;
mod secrets;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Config, DEFAULT, Library, LogFormat, Overrides, Service, load};

const CLOUD: &str = r#"
[libraries.cloud]
backend = "rest"
credentials = [{ api_key = "id", secret_key = "canary-secret" }]
"#;

const TENANT: &str = r#"
[tenants.shop]
libraries = ["cloud"]
"#;

#[test]
fn without_a_file_one_embedded_library_serves_loopback() {
    let config = load(None, &BTreeMap::new(), &Overrides::default()).unwrap();

    assert_eq!(config.listen.grpc, "127.0.0.1:50051".parse().unwrap());
    assert_eq!(config.listen.rest, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.listen.admin, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.libraries.len(), 1);
    let Library::Embedded(library) = &config.libraries["default"] else {
        panic!("not embedded");
    };
    assert_eq!(library.data_dir, PathBuf::from("./samegate-data"));
    assert_eq!(library.capacity, 500_000);
    assert!(!library.allow_private_addresses);
    assert_eq!(config.tenants.len(), 1);
    let tenant = &config.tenants["local"];
    assert_eq!(tenant.libraries, ["default"]);
    assert!(tenant.api_keys.is_empty());
    assert_eq!(tenant.rest_keys[0].api_key, "local");
    assert!(!config.auth.anonymous);
    assert_eq!(config.limits.max_message_bytes, 8 * 1024 * 1024);
    assert_eq!(config.limits.default_deadline, Duration::from_secs(30));
    assert_eq!(config.limits.max_deadline, Duration::from_secs(300));
    assert_eq!(config.limits.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.telemetry.log_format, LogFormat::Text);
    assert_eq!(config.telemetry.log_level, "info");
}

#[test]
fn the_example_lines_of_the_default_file_state_the_defaults() {
    let uncommented = DEFAULT.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && !setting.is_empty() => setting,
        _ => line,
    });
    let with_examples: Vec<&str> = uncommented.collect();

    let spelt_out = from_file(&with_examples.join("\n")).unwrap();
    let left_out = from_file(&format!("{CLOUD}{TENANT}")).unwrap();

    let Library::Rest(spelt_out) = &spelt_out.libraries["cloud"] else {
        panic!("not a rest library");
    };
    let Library::Rest(left_out) = &left_out.libraries["cloud"] else {
        panic!("not a rest library");
    };
    assert_eq!(left_out.base_url, spelt_out.base_url);
    assert_eq!(left_out.service, spelt_out.service);
    assert_eq!(left_out.service, Service::SameHq);
    assert_eq!(left_out.timeout, spelt_out.timeout);
}

#[test]
fn libraries_and_tenants_of_a_file_replace_the_defaults() {
    let config = from_file(&format!("{CLOUD}{TENANT}")).unwrap();

    assert_eq!(config.libraries.keys().collect::<Vec<_>>(), ["cloud"]);
    assert_eq!(config.tenants.keys().collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn an_embedded_library_of_a_file_has_the_documented_defaults() {
    let config =
        from_file("[libraries.default]\nbackend = \"embedded\"\ndata_dir = \"x\"").unwrap();

    let Library::Embedded(library) = &config.libraries["default"] else {
        panic!("not embedded");
    };
    assert_eq!(library.capacity, 500_000);
    assert!(!library.allow_private_addresses);
}

#[test]
fn a_variable_overrides_the_file_and_a_flag_overrides_the_variable() {
    let text = format!("[listen]\ngrpc = \"127.0.0.1:1\"\nrest = \"127.0.0.1:1\"\n{CLOUD}{TENANT}");
    let file = temp_file(&text);
    let variables = variables(&[
        ("SAMEGATE_LISTEN__GRPC", "127.0.0.1:2"),
        ("SAMEGATE_LISTEN__REST", "127.0.0.1:2"),
        ("SAMEGATE_LISTEN__ADMIN", "127.0.0.1:4"),
    ]);
    let overrides = Overrides {
        grpc: Some("127.0.0.1:3".parse().unwrap()),
        ..Overrides::default()
    };

    let config = load(Some(file.path()), &variables, &overrides).unwrap();

    assert_eq!(config.listen.grpc.port(), 3);
    assert_eq!(config.listen.rest.port(), 2);
    assert_eq!(config.listen.admin.port(), 4);
}

#[test]
fn variables_reach_every_kind_of_value() {
    let text = format!("{}{TENANT}", CLOUD.replace("cloud", "Cloud-1"));
    let file = temp_file(&text.replace("\"cloud\"", "\"Cloud-1\""));
    let variables = variables(&[
        (
            "SAMEGATE_LIBRARIES__CLOUD_1__CREDENTIALS__0__SECRET_KEY",
            "from variable",
        ),
        ("SAMEGATE_LIBRARIES__OWN__BACKEND", "embedded"),
        ("SAMEGATE_LIBRARIES__OWN__DATA_DIR", "own"),
        ("SAMEGATE_TENANTS__SHOP__LIBRARIES", "own, Cloud-1"),
        (
            "SAMEGATE_TENANTS__SHOP__REST_KEYS",
            "[{ api_key = 'a', secret_key = 'b' }]",
        ),
        ("SAMEGATE_AUTH__ANONYMOUS", "true"),
        ("SAMEGATE_LIMITS__DRAIN_TIMEOUT", "1s"),
        ("SAMEGATE_CONFIG", "not a setting"),
        ("PATH", "not ours"),
    ]);

    let config = load(Some(file.path()), &variables, &Overrides::default()).unwrap();

    let Library::Rest(cloud) = &config.libraries["Cloud-1"] else {
        panic!("not a rest library");
    };
    assert_eq!(
        cloud.credentials[0].secret_key.expose_secret(),
        "from variable"
    );
    assert_eq!(config.tenants["shop"].libraries, ["own", "Cloud-1"]);
    assert_eq!(config.tenants["shop"].rest_keys[0].api_key, "a");
    assert!(config.auth.anonymous);
    assert_eq!(config.limits.drain_timeout, Duration::from_secs(1));
}

#[test]
fn the_data_flag_sets_the_folder_of_the_only_embedded_library() {
    let overrides = Overrides {
        data: Some(PathBuf::from("elsewhere")),
        ..Overrides::default()
    };

    let config = load(None, &BTreeMap::new(), &overrides).unwrap();
    let rejected = load(
        Some(temp_file(&format!("{CLOUD}{TENANT}")).path()),
        &BTreeMap::new(),
        &overrides,
    );

    let Library::Embedded(library) = &config.libraries["default"] else {
        panic!("not embedded");
    };
    assert_eq!(library.data_dir, PathBuf::from("elsewhere"));
    let errors = rejected.unwrap_err().to_string();
    assert!(errors.starts_with("--data: "), "{errors}");
}

#[test]
fn a_secret_can_be_read_from_a_file_of_its_own() {
    let secret = temp_file("  hidden\n");
    let text = CLOUD.replace(
        "secret_key = \"canary-secret\"",
        &format!("secret_key_file = '{}'", secret.path().display()),
    );

    let config = from_file(&format!("{text}{TENANT}")).unwrap();

    let Library::Rest(cloud) = &config.libraries["cloud"] else {
        panic!("not a rest library");
    };
    assert_eq!(cloud.credentials[0].secret_key.expose_secret(), "hidden");
}

#[test]
fn all_errors_are_reported_together_each_with_key_and_line() {
    let text = r#"[listen]
grpc = "localhost"
[limits]
max_mesage_bytes = 1
default_deadline = "1h"
drain_timeout = 5
[tenants.shop]
libraries = ["nowhere"]
"#;

    let errors = from_file(text).unwrap_err();

    let expected = [
        (2, "`listen.grpc`: must be an IP address and port"),
        (
            4,
            "`limits.max_mesage_bytes`: unknown key; did you mean `max_message_bytes`?",
        ),
        (
            5,
            "`limits.default_deadline`: is longer than `limits.max_deadline`",
        ),
        (6, "`limits.drain_timeout`: must be a duration"),
        (
            8,
            "`tenants.shop.libraries[0]`: no library is named `nowhere`; there are: default",
        ),
    ];
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{errors}");
    for (line, (number, message)) in lines.iter().zip(expected) {
        assert!(line.contains(&format!(":{number}: {message}")), "{line}");
    }
}

#[test]
fn an_error_in_a_variable_names_the_variable() {
    let variables = variables(&[
        ("SAMEGATE_LIMITS__DRAIN_TIMEOUT", "soon"),
        ("SAMEGATE_LIMIT__DRAIN", "1s"),
    ]);

    let errors = load(None, &variables, &Overrides::default())
        .unwrap_err()
        .to_string();

    assert!(
        errors.contains("variable SAMEGATE_LIMITS__DRAIN_TIMEOUT: `limits.drain_timeout`: must be"),
        "{errors}"
    );
    assert!(
        errors.contains(
            "variable SAMEGATE_LIMIT__DRAIN: `limit`: unknown key; did you mean `limits`?"
        ),
        "{errors}"
    );
}

#[test]
fn an_error_in_the_syntax_names_its_line_and_quotes_nothing() {
    let errors = from_file("[auth]\n\nanonymous = \"canary-secret\n").unwrap_err();

    assert!(errors.contains(":3: "), "{errors}");
    assert!(!errors.contains("canary"), "{errors}");
}

#[test]
fn a_missing_file_is_named() {
    let missing = Path::new("/nowhere/gate.toml");

    let errors = load(Some(missing), &BTreeMap::new(), &Overrides::default())
        .unwrap_err()
        .to_string();

    assert!(
        errors.starts_with("/nowhere/gate.toml: cannot be read: "),
        "{errors}"
    );
}

fn from_file(text: &str) -> Result<Config, String> {
    let file = temp_file(text);
    let config = load(Some(file.path()), &BTreeMap::new(), &Overrides::default());
    config.map_err(|errors| errors.to_string())
}

fn temp_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
