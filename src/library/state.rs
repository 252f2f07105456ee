//! The state of a library, and of what libraries share, for operators.
//!
//! A snapshot, made without waiting; `/state` returns all of it and `/metrics` its numbers. It
//! holds names, counts and times only.

use serde::Serialize;

/// State of one library. A field that a backend does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// `embedded`, `rest` or `opensearch`.
    pub backend: &'static str,
    /// Random identity of the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Images stored now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Maximum number of images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Size of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Free space of the disk of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_disk_bytes: Option<u64>,
    /// Reads and writes of its file that failed since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_failures: Option<u64>,
    /// Whether failures of its file persist, so that the gateway is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_storage_failing: Option<bool>,
    /// Its cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterState>,
    /// Its credentials at the vendor, in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialState>,
}

/// State of the CPU pool, which all embedded libraries share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpuState {
    /// Searches.
    pub search: ClassState,
    /// Other single calls.
    pub single: ClassState,
    /// Items of bulk loads.
    pub bulk: ClassState,
    /// Memory that is reserved for the images of running jobs.
    pub decoded_bytes: u64,
}

/// Jobs of one class of the CPU pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClassState {
    /// Jobs that run on a core.
    pub running: u64,
    /// Jobs that wait for one.
    pub waiting: u64,
}

/// State of the cluster of a library in OpenSearch, as this gateway sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterState {
    /// Whether requests are sent to any of its nodes at present: not all circuit breakers are open.
    pub is_reachable: bool,
    /// Images that searches have compared since the start.
    pub candidates: u64,
    /// Bytes of the requests since the start.
    pub sent_bytes: u64,
    /// Bytes of the responses since the start.
    pub received_bytes: u64,
}

/// State of one credential at the vendor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CredentialState {
    /// Its index in the configuration, from 0; never a key.
    pub name: String,
    /// Age of its valid token.
    pub token_age_seconds: Option<f64>,
    /// Remaining ttl of its valid token.
    pub token_remaining_seconds: Option<f64>,
    /// Available slots of its rate limit: requests that may be sent now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_slots: Option<f64>,
    /// Calls that wait for a slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// Whether its rate limit is shared with the other replicas at present; absent where it is not
    /// configured to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_shared: Option<bool>,
    /// State of its circuit breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// Whether some operation is in cool-down: a quota is used up, or the set-up is wrong.
    pub in_cooldown: bool,
    /// Requests that wait for the vendor's response.
    pub in_flight: u64,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed or were cancelled.
    pub failed: u64,
}

/// State of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls are sent.
    Closed = 0,
    /// One call is sent as the probe.
    HalfOpen = 1,
    /// Calls are rejected.
    Open = 2,
}
