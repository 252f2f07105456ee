//! The integration tests in one binary, so that the linker runs once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test"
)]

mod architecture;
mod backup;
mod bulk;
mod bulk_search;
mod cli;
mod client;
mod contract;
mod copy;
mod docs;
mod grpc_api;
mod history;
mod hostile;
mod kills;
mod opensearch;
mod operations;
mod quota;
mod rest_api;
mod rest_backend;
mod soak;
mod support;
mod tenants;
mod tokens;
mod vendor_itself;
