//! What the process holds when many send much at once.

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
/// What a process may have beside the budget.
const BESIDE_MIB: u64 = 100;

/// An image of nearly the greatest size: a small one with its end far behind.
fn large() -> Bytes {
    let mut file = png(1).to_vec();
    file.resize(3_000_000, 0);
    file.into()
}

#[tokio::test]
async fn five_hundred_large_uploads_at_once_stay_within_the_budget() {
    let (vendor, gate) = (Vendor::start().await, Gate::closed());
    vendor.always(Operation::Search, Fault::Head(gate.clone()));
    let limits = format!("[limits]\nmax_bytes_in_flight = \"{BUDGET_MIB}MiB\"\n");
    let process = Process::start(&format!("{}{limits}", vendor_library(&vendor))).await;
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

    // Those that the vendor holds have a place, and everybody else is rejected.
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
    let most = process.most_memory_mib();
    gate.open();
    while let Some(response) = calls.next().await {
        response.unwrap();
    }

    assert!(held >= 10, "{held} of 500");
    assert!(most < BUDGET_MIB + BESIDE_MIB, "{most} MiB");
}
