//! Names of everything that the gateway tells about itself, in one list.
//!
//! Where OpenTelemetry's semantic conventions have a name, it is that one;
//! OpenMetrics wants `_` for `.` and the unit at the end. Tests hold the uses
//! of fields against [`FIELDS`], and the output of `/metrics` against
//! [`METRICS`]; dashboards and alerts are checked against it too.

/// Names of the fields of log lines and spans. The macros of `tracing` want
/// them spelt out, so a test holds every use against this list.
pub const FIELDS: [&str; 31] = [
    // Path of the request: full name of the rpc, or REST path.
    "path",
    // Name of the request, also in its response.
    "id",
    // Name of the tenant that asked.
    "tenant",
    // Name of the library that answered, and what it was asked for.
    "library",
    "operation",
    // How an operation ended: OK, CANCELLED, or the reason of its failure.
    "outcome",
    // What was called: the rpc, or the path of the REST API.
    "method",
    // How a call ended: canonical gRPC code, and its reason if it failed.
    "code",
    "reason",
    // Status of the response as HTTP numbers it.
    "http_status",
    // Bytes of the request's body that were read.
    "bytes",
    // Requests that the call sent to the vendor.
    "attempts",
    // Time that the call waited for its turn at the vendor or the processor,
    // time that the vendor took, and all of it, from the head of the request
    // to the end of the response.
    "queue_ms",
    "upstream_ms",
    "total_ms",
    // Time of one operation of a library.
    "duration_ms",
    // Names the trace of the call, as W3C trace context does.
    "trace_id",
    // Kind of a span in OpenTelemetry's terms.
    "otel.kind",
    // Time for which new calls are still taken after the stop was announced,
    // and longest wait for running calls at shutdown.
    "lame_duck_ms",
    "drain_ms",
    // Failures in a row, and how long something is not tried again.
    "failures",
    "retry_after_ms",
    // What went wrong, for operators.
    "error",
    // What is listened on or connected to: grpc, rest, admin.
    "listener",
    // File that was read again.
    "file",
    // Keys of the configuration that want a restart.
    "keys",
    // Longest wait for libraries at start.
    "wait_ms",
    // What is logged from now on.
    "level",
    // Where a panic happened.
    "location",
    // Number of something that the line names.
    "count",
    // Version of the gateway.
    "version",
];

/// Names of the attributes of exported spans that are not log fields.
pub mod attribute {
    /// `grpc`, or `same_hq` for the REST API.
    pub const RPC_SYSTEM: &str = "rpc.system.name";
    /// Full name of the method.
    pub const RPC_METHOD: &str = "rpc.method";
    /// Canonical code of the response, as `NOT_FOUND`.
    pub const RPC_STATUS: &str = "rpc.response.status_code";
    /// Reason of a failure.
    pub const ERROR_TYPE: &str = "error.type";
    /// HTTP method of an upstream request.
    pub const HTTP_METHOD: &str = "http.request.method";
    /// HTTP status of an upstream answer.
    pub const HTTP_STATUS: &str = "http.response.status_code";
    /// Name of the tenant that asked.
    pub const TENANT: &str = "samegate.tenant";
    /// Name of the library.
    pub const LIBRARY: &str = "samegate.library";
    /// What the library was asked for.
    pub const OPERATION: &str = "samegate.operation";
    /// How an operation or attempt ended.
    pub const OUTCOME: &str = "samegate.outcome";
    /// Time of an event's wait in milliseconds.
    pub const WAIT_MS: &str = "samegate.wait_ms";
}

/// Names of the events of exported spans.
pub mod event {
    /// The call waited for its turn at the vendor.
    pub const QUEUE_WAIT: &str = "queue.wait";
    /// The call waited for an access token.
    pub const TOKEN_WAIT: &str = "token.wait";
}

/// A metric: its name as it is queried, what it tells, and its labels.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Full name; of a histogram without `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

const fn metric(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, help, labels }
}

const NONE: &[&str] = &[];
const LIBRARY: &[&str] = &["library"];
const CREDENTIAL: &[&str] = &["library", "credential"];

/// Calls of both APIs: a histogram, so its `_count` is their number.
pub const CALL_DURATION: Metric = metric(
    "rpc_server_call_duration_seconds",
    "Time from the head of a call to the end of its response",
    &[
        "rpc_system_name",
        "rpc_method",
        "rpc_response_status_code",
        "error_type",
        "tenant",
    ],
);
/// Calls that are worked on.
pub const CALLS_IN_FLIGHT: Metric =
    metric("samegate_calls_in_flight", "Calls that are worked on", NONE);
/// Bytes of their bodies.
pub const BYTES_IN_FLIGHT: Metric = metric(
    "samegate_bytes_in_flight",
    "Bytes of request bodies read by calls that are worked on",
    NONE,
);
/// Bytes of all bodies.
pub const RECEIVED_BYTES: Metric = metric(
    "samegate_received_bytes_total",
    "Bytes of request bodies read",
    NONE,
);
/// Requests that hold a place in the budget.
pub const ADMITTED: Metric = metric(
    "samegate_admission_requests",
    "Requests that hold a place in limits.requests_in_flight",
    NONE,
);
/// Bytes that hold a place in the budget.
pub const ADMITTED_BYTES: Metric = metric(
    "samegate_admission_bytes",
    "Bytes that hold a place in limits.bytes_in_flight",
    NONE,
);
/// Calls over a quota.
pub const QUOTA_REJECTIONS: Metric = metric(
    "samegate_quota_rejections_total",
    "Calls and items of bulk loads that were over their tenant's quota, in shadow mode too",
    &["tenant"],
);
/// Whether quotas are counted as configured.
pub const QUOTA_STORE: Metric = metric(
    "samegate_quota_store_up",
    "Whether quotas are counted in quota.store, and not without it: 1 or 0",
    NONE,
);
/// Handlers that panicked.
pub const PANICS: Metric = metric("samegate_panics_total", "Handlers that panicked", NONE);
/// Requests to vendors.
pub const ATTEMPT_DURATION: Metric = metric(
    "samegate_upstream_attempt_duration_seconds",
    "Time of one request to a vendor, by how it ended; token requests are operation `token`",
    &["library", "operation", "outcome"],
);
/// Connections that are open.
pub const CONNECTIONS: Metric = metric(
    "samegate_connections",
    "Connections that are open",
    &["listener"],
);
/// Handshakes that failed.
pub const HANDSHAKE_FAILURES: Metric = metric(
    "samegate_tls_handshake_failures_total",
    "TLS handshakes that failed or took too long",
    &["listener"],
);
/// Whether certificates could be read.
pub const TLS_RELOAD: Metric = metric(
    "samegate_tls_reload_success",
    "Whether the files of `listen.tls` could be used when they last changed: 1 or 0",
    NONE,
);
/// When certificates were last taken.
pub const TLS_RELOADED_AT: Metric = metric(
    "samegate_tls_reload_success_timestamp_seconds",
    "When the certificate in use was read, in seconds since the Unix epoch",
    NONE,
);
/// Whether the configuration could be read.
pub const CONFIG_RELOAD: Metric = metric(
    "samegate_config_reload_success",
    "Whether the configuration could be used when it last changed: 1 or 0",
    NONE,
);
/// When the configuration was last taken.
pub const CONFIG_RELOADED_AT: Metric = metric(
    "samegate_config_reload_success_timestamp_seconds",
    "When the configuration in use was read, in seconds since the Unix epoch",
    NONE,
);
/// Whether the gateway takes traffic.
pub const READY: Metric = metric(
    "samegate_ready",
    "Whether the gateway wants traffic, as /readyz says: 1 or 0",
    NONE,
);
/// Version of the gateway.
pub const BUILD: Metric = metric(
    "samegate_build_info",
    "Version of the gateway; always 1",
    &["version"],
);
/// Images of a library.
pub const LIBRARY_IMAGES: Metric = metric(
    "samegate_library_images",
    "Images that an embedded library holds",
    LIBRARY,
);
/// Most images of a library.
pub const LIBRARY_CAPACITY: Metric = metric(
    "samegate_library_capacity_images",
    "Most images that an embedded library takes",
    LIBRARY,
);
/// Files of a library.
pub const LIBRARY_SIZE: Metric = metric(
    "samegate_library_size_bytes",
    "Size of an embedded library's files",
    LIBRARY,
);
/// Jobs on the processor.
pub const CPU_RUNNING: Metric = metric(
    "samegate_cpu_pool_running",
    "Jobs of an embedded library that run on a core",
    LIBRARY,
);
/// Jobs that wait for the processor.
pub const CPU_WAITING: Metric = metric(
    "samegate_cpu_pool_waiting",
    "Jobs of an embedded library that wait for a core",
    LIBRARY,
);
/// Age of an access token.
pub const TOKEN_AGE: Metric = metric(
    "samegate_token_age_seconds",
    "Age of a credential's access token; absent without a valid one",
    CREDENTIAL,
);
/// Remaining ttl of an access token.
pub const TOKEN_REMAINING: Metric = metric(
    "samegate_token_remaining_seconds",
    "Time until a credential's access token expires; absent without a valid one",
    CREDENTIAL,
);
/// Available slots of a credential's rate limit.
pub const AVAILABLE_SLOTS: Metric = metric(
    "samegate_credential_available_slots",
    "Requests that the rate limit of a credential allows now",
    CREDENTIAL,
);
/// Calls that wait for a credential.
pub const QUEUE: Metric = metric(
    "samegate_credential_queue",
    "Calls that wait for the rate limit of a credential",
    CREDENTIAL,
);
/// Requests of a credential at the vendor.
pub const CREDENTIAL_IN_FLIGHT: Metric = metric(
    "samegate_credential_in_flight",
    "Requests of a credential that wait for the vendor's response",
    CREDENTIAL,
);
/// State of a circuit breaker.
pub const BREAKER: Metric = metric(
    "samegate_credential_breaker",
    "Circuit breaker of a credential: 0 closed, 1 half open, 2 open",
    CREDENTIAL,
);

/// Whether a credential's rate limit is shared with the other replicas.
pub const RATE_LIMIT_SHARED: Metric = metric(
    "samegate_credential_rate_limit_shared",
    "Whether a credential's rate limit is counted in rate_limit.store with the other replicas: \
     1 or 0; absent where each replica has its own",
    CREDENTIAL,
);

/// Every metric of `/metrics`.
pub const METRICS: [Metric; 30] = [
    CALL_DURATION,
    CALLS_IN_FLIGHT,
    BYTES_IN_FLIGHT,
    RECEIVED_BYTES,
    ADMITTED,
    ADMITTED_BYTES,
    QUOTA_REJECTIONS,
    QUOTA_STORE,
    PANICS,
    ATTEMPT_DURATION,
    CONNECTIONS,
    HANDSHAKE_FAILURES,
    TLS_RELOAD,
    TLS_RELOADED_AT,
    CONFIG_RELOAD,
    CONFIG_RELOADED_AT,
    READY,
    BUILD,
    LIBRARY_IMAGES,
    LIBRARY_CAPACITY,
    LIBRARY_SIZE,
    CPU_RUNNING,
    CPU_WAITING,
    TOKEN_AGE,
    TOKEN_REMAINING,
    AVAILABLE_SLOTS,
    QUEUE,
    CREDENTIAL_IN_FLIGHT,
    BREAKER,
    RATE_LIMIT_SHARED,
];

/// Canonical gRPC codes by number, as labels and log lines spell them.
pub const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Stands for a method that nobody serves: callers choose such names, and
/// each would be a series of its own.
pub const OTHER: &str = "_OTHER";
