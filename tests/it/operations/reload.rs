//! Reload of the configuration of a running process: when its file changes, and at SIGHUP.

use sha2::{Digest, Sha256};
use tonic::{Code, Request, Status};

use super::{search, vendor_library};
use crate::support::images::png;
use crate::support::probe::{until, until_metric};
use crate::support::process::Process;
use crate::support::vendor::{Fault, Gate, Operation, Vendor};

const RELOAD: &str = "samegate_config_reload_success";
const RELOADED: &str = "configuration reloaded";

/// Returns the configuration of a tenant with one key; `more` is added to its table.
fn config(vendor: &Vendor, key: &str, more: &str) -> String {
    let digest = Sha256::digest(key);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let tenant = format!("api_keys = [\"sha256:{digest}\"]\n{more}\n");
    format!(
        "{}{tenant}[limits]\nlame_duck = \"0s\"\n",
        vendor_library(vendor)
    )
}

async fn call(process: &Process, key: &str) -> Result<(), Status> {
    let mut request = Request::new(search(png(1)));
    request
        .metadata_mut()
        .insert("x-api-key", key.parse().unwrap());
    process
        .client()
        .await
        .search_images(request)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_removed_key_is_rejected_at_once_while_its_running_call_succeeds() {
    let vendor = Vendor::start().await;
    let process = Process::start(&config(&vendor, "old", ""))
        .await
        .ready()
        .await;
    let gate = Gate::closed();
    vendor.script(Operation::Search, Fault::Head(gate.clone()));
    let running = call(&process, "old");
    let changed = async {
        vendor.until("the call is held", || gate.held() == 1).await;
        process.configure(&config(&vendor, "new", ""));
        until("the new key is accepted", async || {
            call(&process, "new").await.is_ok()
        })
        .await;
        let rejected = call(&process, "old").await.unwrap_err();
        gate.open();
        rejected
    };

    let (running, rejected) = tokio::join!(running, changed);

    running.unwrap();
    assert_eq!(rejected.code(), Code::Unauthenticated);
    assert!(process.end().await.status.success());
}

#[tokio::test]
async fn an_invalid_file_keeps_the_last_valid_one_and_shows_in_the_metric() {
    let vendor = Vendor::start().await;
    let good = config(&vendor, "key", "");
    let process = Process::start(&good).await.ready().await;
    until_metric(process.admin, RELOAD, 1.0).await;

    process.configure(&good.replace("api_keys", "api_kies"));
    until_metric(process.admin, RELOAD, 0.0).await;
    call(&process, "key").await.unwrap();
    process.configure(&good);
    until_metric(process.admin, RELOAD, 1.0).await;

    let ended = process.end().await;
    assert!(ended.err.contains("api_kies"), "{}", ended.err);
}

#[tokio::test]
async fn a_quota_is_changed_while_the_process_runs() {
    let vendor = Vendor::start().await;
    let one = config(&vendor, "key", "quota = { requests_per_day = 1 }");
    let process = Process::start(&one).await.ready().await;
    call(&process, "key").await.unwrap();
    let rejected = call(&process, "key").await.unwrap_err();
    assert_eq!(rejected.code(), Code::ResourceExhausted);

    process.configure(&config(&vendor, "key", ""));

    until("the quota is gone", async || {
        call(&process, "key").await.is_ok()
    })
    .await;
    assert!(process.end().await.status.success());
}

#[tokio::test]
async fn sighup_reloads_the_configuration() {
    let vendor = Vendor::start().await;
    let process = Process::start(&config(&vendor, "key", ""))
        .await
        .ready()
        .await;
    let times = || process.log().matches(RELOADED).count();

    process.signal("HUP").await;

    until("it was reloaded", async || times() == 1).await;
    let ended = process.end().await;
    assert!(ended.status.success());
    assert!(ended.out.contains("is running with"), "{}", ended.out);
    let reloads = ended.err.matches(RELOADED).count();
    assert_eq!(reloads, 1, "a start is no reload: {}", ended.err);
}

#[tokio::test]
async fn changes_that_require_a_restart_are_logged() {
    let vendor = Vendor::start().await;
    let first = config(&vendor, "key", "");
    let process = Process::start(&first).await.ready().await;

    let second = first.replace("qps = 1000", "qps = 999");
    let listen = "[listen]\ntls = { cert = \"tls.crt\", key = \"tls.key\" }\n";
    let store = "[redis]\nurl = \"redis://127.0.0.1:1\"\n[quota]\nstore = \"redis\"\n";
    process.configure(&format!("{second}{listen}{store}"));

    until("the keys are logged", async || {
        process
            .log()
            .contains("listen.tls, libraries, redis, quota.store")
    })
    .await;
    // The running gateway is unchanged.
    call(&process, "key").await.unwrap();
    assert!(process.end().await.status.success());
}
