//! The error table: for each [`Kind`] its reason, its codes in both APIs, who has to act, and
//! whether a retry can help.

use tonic::Code;

use super::kind::{Kind, Origin, Retry};

/// One row of the error table.
struct Row {
    kind: Kind,
    reason: &'static str,
    code: Code,
    /// `error_code` and `error_msg` in the same_hq format (source: the vendor's error table).
    same_hq: (i64, &'static str),
    origin: Origin,
    retry: Retry,
}

/// Reason, gRPC code, same_hq code, origin and retry of each kind, in the order of `Kind`.
#[rustfmt::skip]
const TABLE: &[Row] = {
    use Kind as K;
    use Origin::{Caller, Gateway, Library, Vendor};
    use Retry::{Backoff, Few, Never, NewToken, NextWindow, Once};
    const fn row(kind: Kind, reason: &'static str, code: Code, same_hq: (i64, &'static str), origin: Origin, retry: Retry) -> Row {
        Row { kind, reason, code, same_hq, origin, retry }
    }
    const UNAVAILABLE: (i64, &str) = (2, "Service temporarily unavailable");
    const INTERNAL: (i64, &str) = (282_000, "internal error");
    const QPS_LIMIT: (i64, &str) = (18, "Open api qps request limit reached");
    const BAD_TOKEN: (i64, &str) = (110, "Access token invalid or no longer valid");
    &[
        row(K::InvalidParameter,     "INVALID_PARAMETER",      Code::InvalidArgument,    (216_100, "invalid param"),        Caller,  Never),
        row(K::MissingParameter,     "MISSING_PARAMETER",      Code::InvalidArgument,    (216_101, "not enough param"),     Caller,  Never),
        row(K::ParameterTooLong,     "PARAMETER_TOO_LONG",     Code::InvalidArgument,    (216_103, "param too long"),       Caller,  Never),
        row(K::ImageEmpty,           "IMAGE_EMPTY",            Code::InvalidArgument,    (216_200, "empty image"),          Caller,  Never),
        row(K::ImageFormat,          "IMAGE_FORMAT",           Code::InvalidArgument,    (216_201, "image format error"),   Caller,  Never),
        row(K::ImageSize,            "IMAGE_SIZE",             Code::InvalidArgument,    (216_202, "image size error"),     Caller,  Never),
        row(K::ImageEncoding,        "IMAGE_ENCODING",         Code::InvalidArgument,    (216_203, "image size error"),     Caller,  Never),
        row(K::ImageMalformed,       "IMAGE_MALFORMED",        Code::InvalidArgument,    (283_300, "image recognize error"), Caller, Never),
        row(K::UrlFormat,            "URL_FORMAT",             Code::InvalidArgument,    (282_111, "url format illegal"),   Caller,  Never),
        row(K::UrlSize,              "URL_SIZE",               Code::InvalidArgument,    (282_114, "url size error"),       Caller,  Never),
        row(K::UrlTimeout,           "URL_TIMEOUT",            Code::Unavailable,        (282_112, "url download timeout"), Caller,  Few),
        row(K::UrlUnreachable,       "URL_UNREACHABLE",        Code::FailedPrecondition, (282_113, "url response invalid"), Caller,  Never),
        row(K::BatchRejected,        "BATCH_REJECTED",         Code::InvalidArgument,    (282_006, "batch task limit reached"), Caller, Never),
        row(K::MessageTooLarge,      "MESSAGE_TOO_LARGE",      Code::ResourceExhausted,  (216_202, "image size error"),     Caller,  Never),
        row(K::ImageNotFound,        "IMAGE_NOT_FOUND",        Code::NotFound,           (216_680, "item not exist"),       Library, Never),
        row(K::ImageAlreadyExists,   "IMAGE_ALREADY_EXISTS",   Code::AlreadyExists,      (216_681, "item has existed"),     Library, Never),
        row(K::SameImageExists,      "SAME_IMAGE_EXISTS",      Code::AlreadyExists,      (216_681, "item has existed"),     Library, Never),
        row(K::LibraryNotFound,      "LIBRARY_NOT_FOUND",      Code::NotFound,           (216_017, "not initialized"),      Caller,  Never),
        row(K::LibraryFull,          "LIBRARY_FULL",           Code::ResourceExhausted,  (19, "Open api total request limit reached"), Library, Never),
        row(K::CountMismatch,        "COUNT_MISMATCH",         Code::FailedPrecondition, (216_100, "invalid param"),        Library, Never),
        row(K::DiskFull,             "DISK_FULL",              Code::ResourceExhausted,  (19, "Open api total request limit reached"), Gateway, Backoff),
        row(K::OperationUnsupported, "OPERATION_UNSUPPORTED",  Code::Unimplemented,      (3, "Unsupported openapi method"), Caller,  Never),
        row(K::CredentialsMissing,   "CREDENTIALS_MISSING",    Code::Unauthenticated,    (100, "Invalid parameter"),        Caller,  Never),
        row(K::CredentialsInvalid,   "CREDENTIALS_INVALID",    Code::Unauthenticated,    BAD_TOKEN,                         Caller,  Never),
        row(K::CredentialsExpired,   "CREDENTIALS_EXPIRED",    Code::Unauthenticated,    (111, "Access token expired"),     Caller,  Never),
        row(K::IdentityUnknown,      "IDENTITY_UNKNOWN",       Code::PermissionDenied,   (6, "No permission to access data"), Caller, Never),
        row(K::ReadOnlyKey,          "READ_ONLY_KEY",          Code::PermissionDenied,   (6, "No permission to access data"), Caller, Never),
        row(K::IssuerUnavailable,    "ISSUER_UNAVAILABLE",     Code::Unavailable,        UNAVAILABLE,                       Gateway, Backoff),
        row(K::QuotaRate,            "QUOTA_RATE_EXCEEDED",    Code::ResourceExhausted,  QPS_LIMIT,                         Caller,  NextWindow),
        row(K::QuotaBytes,           "QUOTA_BYTES_EXCEEDED",   Code::ResourceExhausted,  QPS_LIMIT,                         Caller,  NextWindow),
        row(K::QuotaConcurrency,     "QUOTA_CONCURRENCY_EXCEEDED", Code::ResourceExhausted, QPS_LIMIT,                      Caller,  NextWindow),
        row(K::QuotaDay,             "QUOTA_DAY_EXCEEDED",     Code::ResourceExhausted,  (17, "Open api daily request limit reached"), Caller, Never),
        row(K::QuotaStoreUnavailable, "QUOTA_STORE_UNAVAILABLE", Code::Unavailable,      UNAVAILABLE,                       Gateway, Backoff),
        row(K::Overloaded,           "OVERLOADED",             Code::ResourceExhausted,  (4, "Open api request limit reached"), Gateway, Backoff),
        row(K::DeadlineExceeded,     "DEADLINE_EXCEEDED",      Code::DeadlineExceeded,   UNAVAILABLE,                       Gateway, Never),
        row(K::RateLimited,          "RATE_LIMITED",           Code::ResourceExhausted,  QPS_LIMIT,                         Vendor,  NextWindow),
        row(K::RateLimitQueueFull,   "RATE_LIMIT_QUEUE_FULL",  Code::ResourceExhausted,  QPS_LIMIT,                         Caller,  NextWindow),
        row(K::RateLimitDeadline,    "RATE_LIMIT_DEADLINE",    Code::ResourceExhausted,  QPS_LIMIT,                         Caller,  NextWindow),
        row(K::DailyQuotaExceeded,   "DAILY_QUOTA_EXCEEDED",   Code::ResourceExhausted,  (17, "Open api daily request limit reached"), Vendor, Never),
        row(K::TotalQuotaExceeded,   "TOTAL_QUOTA_EXCEEDED",   Code::ResourceExhausted,  (19, "Open api total request limit reached"), Vendor, Never),
        row(K::VendorBusy,           "VENDOR_BUSY",            Code::Unavailable,        (4, "Open api request limit reached"), Vendor, Backoff),
        row(K::VendorUnavailable,    "VENDOR_UNAVAILABLE",     Code::Unavailable,        UNAVAILABLE,                       Vendor,  Backoff),
        row(K::VendorRecognition,    "VENDOR_RECOGNITION",     Code::Unavailable,        (282_810, "image recognize error"), Vendor, Once),
        row(K::VendorToken,          "VENDOR_TOKEN",           Code::Unavailable,        (13, "Get service token failed"),  Vendor,  NewToken),
        row(K::VendorSetup,          "VENDOR_SETUP",           Code::FailedPrecondition, (6, "No permission to access data"), Gateway, Never),
        row(K::VendorProtocol,       "VENDOR_PROTOCOL",        Code::Unknown,            INTERNAL,                          Vendor,  Never),
        row(K::ClusterUnavailable,   "CLUSTER_UNAVAILABLE",    Code::Unavailable,        UNAVAILABLE,                       Gateway, Backoff),
        row(K::ClusterBusy,          "CLUSTER_BUSY",           Code::ResourceExhausted,  (4, "Open api request limit reached"), Gateway, Backoff),
        row(K::ClusterSetup,         "CLUSTER_SETUP",          Code::FailedPrecondition, (6, "No permission to access data"), Gateway, Never),
        row(K::Storage,              "STORAGE_FAILED",         Code::Internal,           INTERNAL,                          Gateway, Never),
        row(K::ShuttingDown,         "SHUTTING_DOWN",          Code::Unavailable,        UNAVAILABLE,                       Gateway, Backoff),
        row(K::Internal,             "INTERNAL",               Code::Internal,           INTERNAL,                          Gateway, Never),
    ]
};

// === impl Kind ===

impl Kind {
    /// Lists every kind, in the order of the table.
    pub fn all() -> impl Iterator<Item = Kind> {
        TABLE.iter().map(|row| row.kind)
    }

    /// Returns the stable name for programs, in UPPER_SNAKE_CASE.
    pub fn reason(self) -> &'static str {
        self.row().reason
    }

    /// Returns the canonical gRPC code.
    pub fn code(self) -> Code {
        self.row().code
    }

    /// Returns `error_code` and `error_msg` of the same_hq format.
    pub fn same_hq(self) -> (i64, &'static str) {
        self.row().same_hq
    }

    /// Returns who has to act.
    pub fn origin(self) -> Origin {
        self.row().origin
    }

    /// Returns whether a retry can help.
    pub fn retry(self) -> Retry {
        self.row().retry
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_row_per_kind_in_order() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{:?}", row.kind);
        }
        assert_eq!(TABLE.len(), Kind::Internal as usize + 1);
    }

    #[test]
    fn reasons_are_unique_and_upper_snake_case() {
        let mut reasons: Vec<_> = Kind::all().map(Kind::reason).collect();
        for reason in &reasons {
            assert!(
                reason.chars().all(|c| c.is_ascii_uppercase() || c == '_'),
                "{reason}"
            );
        }
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), TABLE.len());
    }

    #[test]
    fn no_vendor_code_is_classified_as_success() {
        for code in (-10..300_000).chain([i64::MIN, i64::MAX]) {
            assert_ne!(Kind::from_vendor_code(code).code(), Code::Ok, "{code}");
        }
    }

    #[test]
    fn a_vendor_code_that_the_rest_api_returns_keeps_its_class() {
        for code in [
            2, 4, 17, 18, 19, 216_100, 216_200, 216_680, 216_681, 282_112, 283_300,
        ] {
            let kind = Kind::from_vendor_code(code);
            assert_eq!(Kind::from_vendor_code(kind.same_hq().0), kind, "{code}");
        }
    }
}
