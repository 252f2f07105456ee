//! Memory of the process while many clients upload large images.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tonic::Code;
use tonic_types::StatusExt;

use super::*;
use crate::support::images::png;
use crate::support::process::Process;
use crate::support::vendor::{Fault, Gate, Operation};

const CALLERS: usize = 500;
const BUDGET_MIB: u64 = 128;
/// Maximum memory of a process in addition to the budget: docs/operations.md allows 200 MiB;
/// measured with this test: 215 to 230 MiB in all.
const OVERHEAD_MIB: u64 = 130;

/// Makes an image near the size limit: a small one with padding.
fn large() -> Bytes {
    let mut file = png(1).to_vec();
    file.resize(3_000_000, 0);
    file.into()
}

#[tokio::test]
async fn five_hundred_large_uploads_at_once_stay_within_the_budget() {
    let (vendor, gate) = (Vendor::start().await, Gate::closed());
    vendor.always(Operation::Search, Fault::Head(gate.clone()));
    // On a busy machine, the uploads need longer than by default.
    let limits = format!(
        "[limits]\nmax_bytes_in_flight = \"{BUDGET_MIB}MiB\"\n\
         default_deadline = \"5m\"\nbody_timeout = \"5m\"\n"
    );
    let library = vendor_library(&vendor).replace("qps", "timeout = \"5m\"\nqps");
    let process = Process::start(&format!("{library}{limits}")).await;
    let process = process.ready().await;
    let clients = [process.client().await, process.client().await];
    let image = large();
    let mut calls: FuturesUnordered<_> = (0..CALLERS)
        .map(|number| {
            let mut client = clients[number % 2].clone();
            let image = image.clone();
            async move { client.search_images(search(image)).await }
        })
        .collect();

    // Calls that the vendor holds have a permit; all others are rejected.
    let mut rejected = 0;
    loop {
        let all = || gate.held() + rejected == CALLERS;
        let response = tokio::select! {
            response = calls.next() => response.unwrap(),
            () = vendor.until("every call is held or rejected", all) => break,
        };
        let status = response.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
        assert!(details.retry_info().is_some());
        rejected += 1;
    }
    let held = CALLERS - rejected;
    let peak = process.peak_memory_mib();
    gate.open();
    while let Some(response) = calls.next().await {
        response.unwrap();
    }

    assert!(held >= 10, "{held} of 500");
    assert!(peak < BUDGET_MIB + OVERHEAD_MIB, "{peak} MiB");
}
