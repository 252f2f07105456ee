//! What a library tells about itself to whoever runs the gateway.
//!
//! A snapshot, taken without waiting for anything; `/state` shows it whole and
//! `/metrics` its numbers. It holds names, counts and times only.

use serde::Serialize;

/// State of one library. What a backend does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// `embedded` or `rest`.
    pub backend: &'static str,
    /// Images stored now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Most images that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Size of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Its jobs on the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuState>,
    /// Its accounts at the vendor, in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialState>,
}

/// Jobs on the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CpuState {
    /// Jobs that run on a core.
    pub running: u64,
    /// Jobs that wait for one.
    pub waiting: u64,
}

/// State of one account at the vendor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CredentialState {
    /// Its place in the configuration, from 0; never a key.
    pub name: String,
    /// Age of its valid token.
    pub token_age_seconds: Option<f64>,
    /// Rest of its valid token's life.
    pub token_remaining_seconds: Option<f64>,
    /// Requests that may be sent at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<f64>,
    /// Calls that wait for their turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// Whether its pace is that of all replicas together; absent where each
    /// keeps its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paced_together: Option<bool>,
    /// Whether the vendor is asked at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// Whether a quota or a wrong set-up keeps it from some operation.
    pub cooling: bool,
    /// Requests that the vendor has not answered.
    pub in_flight: u64,
    /// Requests that were answered with success, and those that were not.
    pub succeeded: u64,
    /// See `succeeded`.
    pub failed: u64,
}

/// State of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Requests pass.
    Closed = 0,
    /// One request tries.
    HalfOpen = 1,
    /// No request passes.
    Open = 2,
}
