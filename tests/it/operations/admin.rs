//! The admin port: probes, metrics, state, log level.

use std::collections::{BTreeMap, BTreeSet};

use samegate::telemetry::names::METRICS;
use serde_json::Value;

use super::{get_library, search, vendor_library};
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::{get, metrics, until};
use crate::support::process::Process;
use crate::support::vendor::{Fault, Gate, Operation, Vendor};

#[tokio::test]
async fn a_gateway_is_ready_once_it_has_the_vendors_token() {
    let vendor = Vendor::start().await;
    let gate = Gate::closed();
    vendor.script(Operation::Token, Fault::Head(gate.clone()));
    let config = format!(
        "[limits]\nwarmup_timeout = \"1h\"\n{}",
        vendor_library(&vendor)
    );
    let gateway = Gateway::with_config(&config).await;
    let admin = gateway.addresses.admin;
    vendor
        .until("the token is requested", || gate.held() == 1)
        .await;

    let starting = get(admin, "/readyz").await;
    assert_eq!(starting, (503, "starting\n".to_owned()));
    assert_eq!(get(admin, "/livez").await.0, 200);
    gate.open();

    until("the gateway is ready", async || {
        get(admin, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(vendor.token_requests(), 1);
}

#[tokio::test]
async fn an_unavailable_vendor_delays_readiness_by_a_bounded_wait() {
    let vendor = Vendor::start().await;
    let config = format!(
        "[limits]\nwarmup_timeout = \"100ms\"\n{}",
        vendor_library(&vendor)
    );
    drop(vendor);
    let gateway = Gateway::with_config(&config).await;
    let admin = gateway.addresses.admin;

    until("the gateway is ready", async || {
        get(admin, "/readyz").await.0 == 200
    })
    .await;

    let rejected = gateway.client().await.search_images(search(png(1))).await;
    assert_eq!(rejected.unwrap_err().code(), tonic::Code::Unavailable);
    // A restart would repair nothing.
    assert_eq!(get(admin, "/livez").await.0, 200);
    assert_eq!(get(admin, "/readyz").await.0, 200);
}

const OPEN_METRICS: &str = "application/openmetrics-text";

/// A sample of a metric.
struct Sample {
    name: String,
    labels: BTreeSet<String>,
    value: f64,
}

/// Parses the text format of OpenMetrics strictly: each family is described once, before its
/// samples, and the text ends with its marker.
fn parsed(text: &str) -> BTreeMap<String, (String, Vec<Sample>)> {
    let mut families = BTreeMap::<String, (String, Vec<Sample>)>::new();
    let lines = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut current = String::new();
    for line in lines.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split(' ').next().unwrap().to_owned();
            assert!(!families.contains_key(&current), "twice: {current}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current, "the type follows the help");
            families.insert(current.clone(), (kind.to_owned(), Vec::new()));
        } else {
            let sample = sample(line);
            let (kind, samples) = families.get_mut(&current).expect("described before");
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "gauge" => &[""],
                _ => panic!("type {kind}"),
            };
            let fits = |suffix: &&str| sample.name == format!("{current}{suffix}");
            assert!(suffixes.iter().any(fits), "{line}");
            samples.push(sample);
        }
    }
    families
}

fn sample(line: &str) -> Sample {
    let (line, exemplar) = match line.split_once(" # ") {
        Some((line, exemplar)) => (line, Some(exemplar)),
        None => (line, None),
    };
    if let Some(exemplar) = exemplar {
        assert!(exemplar.starts_with("{trace_id=\""), "{exemplar}");
    }
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    let labels = labels.split("\",").filter(|label| !label.is_empty());
    Sample {
        name: name.to_owned(),
        labels: labels
            .map(|label| label.split_once("=\"").unwrap().0.to_owned())
            .collect(),
        value: value.parse().unwrap(),
    }
}

/// One library of each kind, a tenant over its quota, and a broken handshake.
const EVERYTHING: &str = r#"
[libraries.own]
backend = "embedded"
data_dir = "DATA"
[tenants.ann]
libraries = ["own"]
api_keys = ["sha256:DIGEST"]
quota = { requests_per_day = 1 }
"#;

#[tokio::test]
async fn metrics_are_openmetrics_with_the_names_and_labels_of_the_list() {
    let vendor = Vendor::start().await;
    let folder = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let served = crate::support::certificates::Authority::new("one").server();
    let at = |name: &str| files.path().join(name).display().to_string();
    std::fs::write(at("tls.crt"), &served.cert).unwrap();
    std::fs::write(at("tls.key"), &served.key).unwrap();
    let digest: String = sha2_hex("secret key");
    let own = EVERYTHING
        .replace("DATA", &folder.path().join("own").display().to_string())
        .replace("DIGEST", &digest);
    let config = format!("{}{own}", vendor_library(&vendor));
    let gateway = Gateway::in_folder(folder, &config).await;
    let mut client = gateway.client().await;
    client.search_images(search(png(1))).await.unwrap();
    for _ in 0..2 {
        let mut request = tonic::Request::new(search(png(1)));
        request
            .metadata_mut()
            .insert("x-api-key", "secret key".parse().unwrap());
        let _ = client.search_images(request).await;
    }

    let (kind, text) = metrics(gateway.addresses.admin, OPEN_METRICS).await;

    assert_eq!(
        kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let families = parsed(&text);
    let documented = crate::docs::rows("docs/operations.md");
    let listed = METRICS.map(|metric| metric.name.trim_end_matches("_total"));
    let listed = BTreeSet::from(listed);
    for name in families.keys() {
        assert!(listed.contains(name.as_str()), "not in the list: {name}");
    }
    for metric in METRICS {
        let name = metric.name.trim_end_matches("_total");
        let Some((kind, samples)) = families.get(name) else {
            // No handshake has failed here; another test looks at this one.
            assert_eq!(name, "samegate_tls_handshake_failures");
            continue;
        };
        let [documented, _, _] = &documented[metric.name];
        assert_eq!(documented.split(", ").next(), Some(&**kind), "{name}");
        for sample in samples {
            let labels = sample.labels.iter().map(String::as_str);
            let labels: BTreeSet<&str> = labels.filter(|label| *label != "le").collect();
            assert_eq!(labels, metric.labels.iter().copied().collect(), "{name}");
        }
    }
    let value = |name: &str| {
        let (_, samples) = &families[name];
        samples.iter().map(|sample| sample.value).sum::<f64>()
    };
    assert_eq!(value("samegate_quota_rejections"), 1.0);
    assert_eq!(value("samegate_quota_store_up"), 1.0);
    assert_eq!(value("samegate_admission_requests"), 0.0);
    assert!(value("samegate_received_bytes") >= 2.0 * png(1).len() as f64);
    assert!(value("samegate_token_remaining_seconds") > 0.0);
}

#[tokio::test]
async fn scrapers_that_do_not_name_openmetrics_get_the_same_samples_in_the_older_format() {
    let gateway = Gateway::start().await;
    get_library(gateway.client().await).await.unwrap();
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let names = lines.map(|line| line.split(['{', ' ']).next().unwrap().to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    };
    let (_, open_metrics) = metrics(gateway.addresses.admin, OPEN_METRICS).await;

    let (kind, text) = metrics(gateway.addresses.admin, "*/*").await;

    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(samples(&text), samples(&open_metrics));
    assert!(!text.contains("# EOF"), "{text}");
    // The type of a counter has the name of its sample.
    let counter = "# TYPE samegate_received_bytes_total counter\nsamegate_received_bytes_total ";
    assert!(text.contains(counter), "{text}");
}

#[tokio::test]
async fn gauges_show_requests_and_bytes_while_they_are_in_flight() {
    let vendor = Vendor::start().await;
    let gateway = Gateway::with_config(&vendor_library(&vendor)).await;
    let gate = Gate::closed();
    vendor.script(Operation::Search, Fault::Head(gate.clone()));
    let mut client = gateway.client().await;
    let call = tokio::spawn(async move { client.search_images(search(png(1))).await });
    vendor.until("the call is held", || gate.held() == 1).await;

    let (_, text) = metrics(gateway.addresses.admin, OPEN_METRICS).await;
    let families = parsed(&text);
    let value = |name: &str| families[name].1[0].value;
    assert_eq!(value("samegate_calls_in_flight"), 1.0);
    assert_eq!(value("samegate_admission_requests"), 1.0);
    assert!(value("samegate_admission_bytes") >= png(1).len() as f64);
    assert!(value("samegate_bytes_in_flight") >= png(1).len() as f64);
    assert_eq!(value("samegate_credential_in_flight"), 1.0);
    gate.open();
    call.await.unwrap().unwrap();

    for gone in [
        "samegate_calls_in_flight",
        "samegate_admission_bytes",
        "samegate_bytes_in_flight",
    ] {
        crate::support::probe::until_metric(gateway.addresses.admin, gone, 0.0).await;
    }
}

#[tokio::test]
async fn state_shows_libraries_and_credentials_without_secrets() {
    let vendor = Vendor::start().await;
    let folder = tempfile::tempdir().unwrap();
    let own = EVERYTHING
        .replace("DATA", &folder.path().join("own").display().to_string())
        .replace("DIGEST", &sha2_hex("secret key"));
    let config = format!("{}{own}", vendor_library(&vendor));
    let gateway = Gateway::in_folder(folder, &config).await;
    gateway
        .client()
        .await
        .search_images(search(png(1)))
        .await
        .unwrap();

    let (status, text) = get(gateway.addresses.admin, "/state").await;

    assert_eq!(status, 200);
    let state: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state["phase"], "ready");
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(state["libraries"]["own"]["images"], 0);
    let credential = &state["libraries"]["cloud"]["credentials"][0];
    assert_eq!(credential["name"], "0");
    assert_eq!(credential["breaker"], "closed");
    assert_eq!(credential["queue"], 0);
    assert!(credential["succeeded"].as_u64() >= Some(1), "{credential}");
    assert!(credential["token_age_seconds"].is_number(), "{credential}");
    let token = &vendor.calls()[0].token;
    assert!(!text.contains(token.as_str()), "{text}");
}

#[tokio::test]
async fn an_operator_ends_the_cool_downs_of_credentials() {
    let vendor = Vendor::start().await;
    let gateway = Gateway::with_config(&vendor_library(&vendor)).await;
    let mut client = gateway.client().await;
    vendor.script(Operation::Search, Fault::code(19));
    client.search_images(search(png(1))).await.unwrap_err();
    client.search_images(search(png(1))).await.unwrap_err();

    let url = format!("http://{}/credentials/reset", gateway.addresses.admin);
    let reset = async || {
        let response = reqwest::Client::new().post(&url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(reset().await, (200, "{\"credentials\":1}".to_owned()));

    client.search_images(search(png(1))).await.unwrap();
    assert_eq!(reset().await, (200, "{\"credentials\":0}".to_owned()));
    // A link on a page changes nothing.
    assert_eq!(
        get(gateway.addresses.admin, "/credentials/reset").await.0,
        405
    );
}

#[tokio::test]
async fn the_log_level_is_changed_while_the_process_runs() {
    let process = Process::start("[limits]\nlame_duck = \"0s\"")
        .await
        .ready()
        .await;
    let url = format!("http://{}/log-level", process.admin);
    let put = async |level: &'static str| {
        let request = reqwest::Client::new().put(&url).body(level);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    get_library(process.client().await).await.unwrap();
    assert_eq!(get(process.admin, "/log-level").await.1, "info\n");

    let (loud, rejection) = put("loud").await;
    assert_eq!(loud, 400);
    assert!(
        rejection.contains("must be one of off, error"),
        "{rejection}"
    );
    assert!(!process.log().contains("DEBUG"));
    assert_eq!(put("debug").await, (200, "debug\n".to_owned()));
    assert_eq!(get(process.admin, "/log-level").await.1, "debug\n");
    get_library(process.client().await).await.unwrap();

    until("a line of the new level", async || {
        process.log().contains("library call ended")
    })
    .await;
    assert!(process.end().await.status.success());
}

fn sha2_hex(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
