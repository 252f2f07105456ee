//! Names of log fields, span attributes and metrics, in one list.
//!
//! They follow OpenTelemetry's semantic conventions where those have a name; OpenMetrics requires
//! `_` instead of `.`, and the unit at the end. Tests compare the fields in use with [`FIELDS`],
//! and the output of `/metrics`, dashboards and alerts with [`METRICS`].

/// Names of the fields of log lines and spans. The macros of `tracing` require literal names, so a
/// test compares every use with this list.
pub const FIELDS: [&str; 37] = [
    // Path of the request: full name of the rpc, or REST path.
    "path",
    // Id of the request, also in its response.
    "id",
    // Name of the tenant.
    "tenant",
    // Name of the library, and its operation.
    "library",
    "operation",
    // Outcome of an operation: OK, CANCELLED, or the reason of its failure.
    "outcome",
    // Method of a call: the RPC, or the path of the REST API.
    "method",
    // Outcome of a call: canonical gRPC code, and the reason if it failed.
    "code",
    "reason",
    // HTTP status of the response.
    "http_status",
    // Headers Host and Origin of a request that was rejected before its call.
    "host",
    "origin",
    // Bytes of the request's body that were read.
    "bytes",
    // Requests that the call sent to the vendor.
    "attempts",
    // Time of a call: its waits in queues (rate limit, CPU pool), its requests to the vendor, and
    // all of it, from the head of the request to the end of the response.
    "queue_ms",
    "upstream_ms",
    "total_ms",
    // Time of one operation of a library.
    "duration_ms",
    // Number of the operation in the response: of the vendor, or of the gateway.
    "log_id",
    // Trace id of the call, as in W3C trace context.
    "trace_id",
    // Kind of a span, as OpenTelemetry defines it.
    "otel.kind",
    // Graceful shutdown: time for which new calls are still accepted, and maximum wait for running
    // calls after it.
    "lame_duck_ms",
    "drain_ms",
    // Consecutive failures, and time until the next attempt.
    "failures",
    "retry_after_ms",
    // Cause of a failure, for operators; of a rejected call, its message.
    "error",
    // Name of a listener: grpc, rest, admin.
    "listener",
    // Addresses of the listeners.
    "grpc",
    "rest",
    "admin",
    // File that was reloaded.
    "file",
    // Keys of the configuration that require a restart.
    "keys",
    // Maximum wait for libraries at start.
    "wait_ms",
    // New log level.
    "level",
    // Source location of a panic.
    "location",
    // Number of what the message names.
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
    /// HTTP status of an upstream response.
    pub const HTTP_STATUS: &str = "http.response.status_code";
    /// Id of the request in log lines and its response.
    pub const REQUEST_ID: &str = "samegate.request_id";
    /// Name of the tenant.
    pub const TENANT: &str = "samegate.tenant";
    /// Name of the library.
    pub const LIBRARY: &str = "samegate.library";
    /// Operation of the library.
    pub const OPERATION: &str = "samegate.operation";
    /// Outcome of an operation or attempt.
    pub const OUTCOME: &str = "samegate.outcome";
    /// Length of a wait in milliseconds.
    pub const WAIT_MS: &str = "samegate.wait_ms";

    /// The attributes of spans, without those of their events.
    pub const OF_SPANS: [&str; 11] = [
        RPC_SYSTEM,
        RPC_METHOD,
        RPC_STATUS,
        ERROR_TYPE,
        HTTP_METHOD,
        HTTP_STATUS,
        REQUEST_ID,
        TENANT,
        LIBRARY,
        OPERATION,
        OUTCOME,
    ];
}

/// Names of the events of exported spans.
pub mod event {
    /// The call waited for the rate limit of a credential, or for the CPU pool.
    pub const QUEUE_WAIT: &str = "queue.wait";
    /// The call waited for an access token.
    pub const TOKEN_WAIT: &str = "token.wait";
}

/// A metric: its name in queries, its help text, and its labels.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Full name; of a histogram without `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// Help text.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

const fn metric(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, help, labels }
}

const NONE: &[&str] = &[];
const LIBRARY: &[&str] = &["library"];
const CLASS: &[&str] = &["class"];
const CREDENTIAL: &[&str] = &["library", "credential"];

/// Duration of calls of both APIs; the `_count` of this histogram is their number.
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
/// Running calls.
pub const CALLS_IN_FLIGHT: Metric =
    metric("samegate_calls_in_flight", "Calls that are running", NONE);
/// Bytes of the bodies of running calls.
pub const BYTES_IN_FLIGHT: Metric = metric(
    "samegate_bytes_in_flight",
    "Bytes of request bodies read by running calls",
    NONE,
);
/// Bytes of all request bodies.
pub const RECEIVED_BYTES: Metric = metric(
    "samegate_received_bytes_total",
    "Bytes of request bodies read",
    NONE,
);
/// Requests that are admitted.
pub const ADMITTED: Metric = metric(
    "samegate_admission_requests",
    "Requests that are admitted, out of limits.max_requests_in_flight",
    NONE,
);
/// Bytes that are reserved.
pub const ADMITTED_BYTES: Metric = metric(
    "samegate_admission_bytes",
    "Bytes that are reserved, out of limits.max_bytes_in_flight",
    NONE,
);
/// Rejections by quotas.
pub const QUOTA_REJECTIONS: Metric = metric(
    "samegate_quota_rejections_total",
    "Calls and items of bulk loads that exceeded their tenant's quota, also in shadow mode",
    &["tenant"],
);
/// Whether the configured quota store is in use.
pub const QUOTA_STORE: Metric = metric(
    "samegate_quota_store_up",
    "Whether quotas are counted in quota.store: 1, or 0 for the fallback quota.on_failure",
    NONE,
);
/// Handlers that panicked.
pub const PANICS: Metric = metric("samegate_panics_total", "Handlers that panicked", NONE);
/// Duration of requests to vendors.
pub const ATTEMPT_DURATION: Metric = metric(
    "samegate_upstream_attempt_duration_seconds",
    "Duration of one request to a vendor or a cluster, by outcome; token requests are operation `token`",
    &["library", "operation", "outcome"],
);
/// Open connections.
pub const CONNECTIONS: Metric = metric("samegate_connections", "Open connections", &["listener"]);
/// Connections that a limit has closed.
pub const CLOSED_CONNECTIONS: Metric = metric(
    "samegate_connections_closed_total",
    "Connections that the gateway closed: over max_connections or max_connections_per_peer, idle, \
     or flood for too many frames without content",
    &["listener", "reason"],
);
/// Failed TLS handshakes.
pub const HANDSHAKE_FAILURES: Metric = metric(
    "samegate_tls_handshake_failures_total",
    "TLS handshakes that failed or timed out",
    &["listener"],
);
/// Requests that are rejected before their call.
pub const WEB_REJECTIONS: Metric = metric(
    "samegate_web_rejections_total",
    "Requests rejected before any call: for their host, origin, content type or HTTP method",
    &["listener", "reason"],
);
/// Rejected token requests.
pub const TOKEN_REJECTIONS: Metric = metric(
    "samegate_token_rejections_total",
    "Requests to the REST API's token endpoint that were rejected: unknown_key, wrong_secret, or \
     rate_limited after too many of those",
    &["reason"],
);
/// Whether the last reload of certificates succeeded.
pub const TLS_RELOAD: Metric = metric(
    "samegate_tls_reload_success",
    "Whether the last reload of the files of `listen.tls` succeeded: 1 or 0",
    NONE,
);
/// Time of the last successful reload of certificates.
pub const TLS_RELOADED_AT: Metric = metric(
    "samegate_tls_reload_success_timestamp_seconds",
    "Time at which the certificate in use was loaded, in seconds since the Unix epoch",
    NONE,
);
/// Whether the last reload of the configuration succeeded.
pub const CONFIG_RELOAD: Metric = metric(
    "samegate_config_reload_success",
    "Whether the last reload of the configuration succeeded: 1 or 0",
    NONE,
);
/// Time of the last successful reload of the configuration.
pub const CONFIG_RELOADED_AT: Metric = metric(
    "samegate_config_reload_success_timestamp_seconds",
    "Time at which the configuration in use was loaded, in seconds since the Unix epoch",
    NONE,
);
/// Whether the gateway accepts traffic.
pub const READY: Metric = metric(
    "samegate_ready",
    "Whether the gateway accepts traffic, as /readyz reports it: 1 or 0",
    NONE,
);
/// Log lines that were dropped.
pub const DROPPED_LOG_LINES: Metric = metric(
    "samegate_log_lines_dropped_total",
    "Log lines that were dropped because the reader of standard error was too slow",
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
    "Images that an embedded library, or one in OpenSearch, holds",
    LIBRARY,
);
/// Maximum number of images of a library.
pub const LIBRARY_CAPACITY: Metric = metric(
    "samegate_library_capacity_images",
    "Maximum number of images of an embedded library, or one in OpenSearch",
    LIBRARY,
);
/// Files of a library.
pub const LIBRARY_SIZE: Metric = metric(
    "samegate_library_size_bytes",
    "Size of an embedded library's files, or of the primary shards of one in OpenSearch",
    LIBRARY,
);
/// Free space of a library's disk.
pub const LIBRARY_FREE_DISK: Metric = metric(
    "samegate_library_free_disk_bytes",
    "Free space of the disk of an embedded library",
    LIBRARY,
);
/// Failed operations of a library's file.
pub const STORAGE_FAILURES: Metric = metric(
    "samegate_library_storage_failures_total",
    "Reads and writes of an embedded library's file that failed",
    LIBRARY,
);
/// Whether a library's file works.
pub const STORAGE_FAILING: Metric = metric(
    "samegate_library_storage_failing",
    "Whether failures of an embedded library's file persist, so that the gateway is not ready: \
     1 or 0",
    LIBRARY,
);
/// Whether a library's cluster gets requests.
pub const CLUSTER_REACHABLE: Metric = metric(
    "samegate_cluster_reachable",
    "Whether requests are sent to any node of a library's OpenSearch cluster: 1, or 0 while all \
     circuit breakers are open",
    LIBRARY,
);
/// Images that were compared for searches.
pub const CLUSTER_CANDIDATES: Metric = metric(
    "samegate_cluster_candidates_total",
    "Candidates of searches that an OpenSearch cluster has returned",
    LIBRARY,
);
/// Bytes to a cluster.
pub const CLUSTER_SENT: Metric = metric(
    "samegate_cluster_sent_bytes_total",
    "Bytes of requests to an OpenSearch cluster",
    LIBRARY,
);
/// Bytes from a cluster.
pub const CLUSTER_RECEIVED: Metric = metric(
    "samegate_cluster_received_bytes_total",
    "Bytes of responses of an OpenSearch cluster",
    LIBRARY,
);
/// Running jobs of the CPU pool.
pub const CPU_RUNNING: Metric = metric(
    "samegate_cpu_pool_running",
    "Jobs of embedded libraries that run: searches, other single calls, items of bulk loads",
    CLASS,
);
/// Waiting jobs of the CPU pool.
pub const CPU_WAITING: Metric = metric(
    "samegate_cpu_pool_waiting",
    "Jobs of embedded libraries that wait for a core or for memory",
    CLASS,
);
/// Memory of the CPU pool.
pub const CPU_DECODED_BYTES: Metric = metric(
    "samegate_cpu_pool_decoded_bytes",
    "Memory reserved for the images of running jobs, out of limits.max_decoded_bytes",
    NONE,
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
pub const METRICS: [Metric; 42] = [
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
    CLOSED_CONNECTIONS,
    HANDSHAKE_FAILURES,
    WEB_REJECTIONS,
    TOKEN_REJECTIONS,
    TLS_RELOAD,
    TLS_RELOADED_AT,
    CONFIG_RELOAD,
    CONFIG_RELOADED_AT,
    READY,
    DROPPED_LOG_LINES,
    BUILD,
    LIBRARY_IMAGES,
    LIBRARY_CAPACITY,
    LIBRARY_SIZE,
    LIBRARY_FREE_DISK,
    STORAGE_FAILURES,
    STORAGE_FAILING,
    CLUSTER_REACHABLE,
    CLUSTER_CANDIDATES,
    CLUSTER_SENT,
    CLUSTER_RECEIVED,
    CPU_RUNNING,
    CPU_WAITING,
    CPU_DECODED_BYTES,
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

/// Name of all unknown methods: callers choose paths, and each would be a series of its own.
pub const OTHER: &str = "_OTHER";
