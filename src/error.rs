//! The one error of the gateway, and the tables that give it its faces.
//!
//! A violation is classified once, where it happens, as a [`Kind`]. Everything
//! else follows from the table below: the gRPC code and reason, the code that
//! the same_hq wire format uses, who is to blame, whether a repeat helps.
//! Messages are for callers: they never hold a token, a key, an upstream body,
//! an upstream address or image bytes.

use std::fmt;
use std::time::Duration;

use tonic::Code;

/// Result of everything that can fail on the way of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failed request: what happened, for whom, and what to do about it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    details: Box<Details>,
}

/// What an [`Error`] carries beside its kind and message.
#[derive(Debug, Default)]
struct Details {
    violations: Vec<Violation>,
    cont_sign: Option<String>,
    vendor: Option<VendorCode>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// One violation in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the field as the gRPC contract spells it.
    pub field: String,
    /// Class of the violation.
    pub kind: Kind,
    /// What is wrong and what the limit is.
    pub message: String,
}

/// How the vendor named a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorCode {
    /// `error_code` of the response.
    pub code: i64,
    /// `log_id` of the response, where it carried one.
    pub log_id: Option<u64>,
}

/// Who has to act for a failure to go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller: the request cannot succeed as it is.
    Caller,
    /// Nobody: the state of the library answers the request.
    Library,
    /// The vendor, or the network before it.
    Vendor,
    /// Whoever runs the gateway.
    Gateway,
}

/// Whether sending the same call again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: the response will be the same.
    Never,
    /// Yes, with growing waits.
    Backoff,
    /// Yes, once the queries-per-second window has moved on (about 1 s).
    NextWindow,
    /// Yes, a few times: a third party was slow.
    Few,
    /// Yes, one more time.
    Once,
    /// Yes, one more time and with a new access token.
    NewToken,
}

/// Every failure that the gateway tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described by its row in TABLE")]
pub enum Kind {
    InvalidParameter,
    MissingParameter,
    ParameterTooLong,
    ImageEmpty,
    ImageFormat,
    ImageSize,
    ImageEncoding,
    ImageMalformed,
    UrlFormat,
    UrlSize,
    UrlTimeout,
    UrlUnreachable,
    BatchRejected,
    MessageTooLarge,
    ImageNotFound,
    ImageAlreadyExists,
    LibraryNotFound,
    LibraryFull,
    OperationUnsupported,
    CredentialsMissing,
    CredentialsInvalid,
    CredentialsExpired,
    IdentityUnknown,
    IssuerUnavailable,
    QuotaRate,
    QuotaBytes,
    QuotaConcurrency,
    QuotaDay,
    QuotaStoreUnavailable,
    Overloaded,
    DeadlineExceeded,
    RateLimited,
    RateLimitQueueFull,
    RateLimitDeadline,
    DailyQuotaExceeded,
    TotalQuotaExceeded,
    VendorBusy,
    VendorUnavailable,
    VendorRecognition,
    VendorToken,
    VendorSetup,
    VendorProtocol,
    Storage,
    ShuttingDown,
    Internal,
}

/// One row of the error table.
struct Row {
    kind: Kind,
    reason: &'static str,
    code: Code,
    /// Code and message in the same_hq wire format (vendor's error table).
    same_hq: (i64, &'static str),
    origin: Origin,
    retry: Retry,
}

/// Kind → reason, gRPC code, same_hq code, blame, repeat; in order of `Kind`.
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
        row(K::LibraryNotFound,      "LIBRARY_NOT_FOUND",      Code::NotFound,           (216_017, "not initialized"),      Caller,  Never),
        row(K::LibraryFull,          "LIBRARY_FULL",           Code::ResourceExhausted,  (19, "Open api total request limit reached"), Library, Never),
        row(K::OperationUnsupported, "OPERATION_UNSUPPORTED",  Code::Unimplemented,      (3, "Unsupported openapi method"), Caller,  Never),
        row(K::CredentialsMissing,   "CREDENTIALS_MISSING",    Code::Unauthenticated,    (100, "Invalid parameter"),        Caller,  Never),
        row(K::CredentialsInvalid,   "CREDENTIALS_INVALID",    Code::Unauthenticated,    BAD_TOKEN,                         Caller,  Never),
        row(K::CredentialsExpired,   "CREDENTIALS_EXPIRED",    Code::Unauthenticated,    (111, "Access token expired"),     Caller,  Never),
        row(K::IdentityUnknown,      "IDENTITY_UNKNOWN",       Code::PermissionDenied,   (6, "No permission to access data"), Caller, Never),
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
        row(K::Storage,              "STORAGE_FAILED",         Code::Internal,           INTERNAL,                          Gateway, Never),
        row(K::ShuttingDown,         "SHUTTING_DOWN",          Code::Unavailable,        UNAVAILABLE,                       Gateway, Backoff),
        row(K::Internal,             "INTERNAL",               Code::Internal,           INTERNAL,                          Gateway, Never),
    ]
};

// === impl Kind ===

impl Kind {
    /// Every kind, in the order of the table.
    pub fn all() -> impl Iterator<Item = Kind> {
        TABLE.iter().map(|row| row.kind)
    }

    /// Classifies an `error_code` of the vendor; an unknown one is a breach of
    /// the protocol and never a success.
    ///
    /// Source: the vendor's error table, with the classes that its own
    /// documentation gives to each code.
    pub fn of_vendor_code(code: i64) -> Kind {
        match code {
            1 | 2 | 216_630 | 216_634 | 282_000 => Kind::VendorUnavailable,
            4 => Kind::VendorBusy,
            3 | 6 | 14 | 15 | 216_017 | 216_102 | 216_110 => Kind::VendorSetup,
            13 | 100 | 110 | 111 => Kind::VendorToken,
            17 => Kind::DailyQuotaExceeded,
            18 => Kind::RateLimited,
            19 => Kind::TotalQuotaExceeded,
            216_100 => Kind::InvalidParameter,
            216_101 | 282_003 => Kind::MissingParameter,
            216_103 => Kind::ParameterTooLong,
            216_200 => Kind::ImageEmpty,
            216_201 => Kind::ImageFormat,
            216_202 => Kind::ImageSize,
            216_203 => Kind::ImageEncoding,
            216_680 => Kind::ImageNotFound,
            216_681 => Kind::ImageAlreadyExists,
            282_005 | 282_006 => Kind::BatchRejected,
            282_111 => Kind::UrlFormat,
            282_112 => Kind::UrlTimeout,
            282_113 => Kind::UrlUnreachable,
            282_114 => Kind::UrlSize,
            282_810 => Kind::VendorRecognition,
            283_300 => Kind::ImageMalformed,
            _ => Kind::VendorProtocol,
        }
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Stable name for machines, in UPPER_SNAKE_CASE.
    pub fn reason(self) -> &'static str {
        self.row().reason
    }

    /// Canonical gRPC code.
    pub fn code(self) -> Code {
        self.row().code
    }

    /// `error_code` and `error_msg` in the same_hq wire format.
    pub fn same_hq(self) -> (i64, &'static str) {
        self.row().same_hq
    }

    /// Who has to act.
    pub fn origin(self) -> Origin {
        self.row().origin
    }

    /// Whether a repeat can help.
    pub fn retry(self) -> Retry {
        self.row().retry
    }
}

// === impl Violation ===

impl Violation {
    /// Names a violation in a field.
    pub fn new(field: &str, kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Violation {
            field: field.to_owned(),
            kind,
            message,
        }
    }
}

// === impl Error ===

impl Error {
    /// Makes an error; `message` is shown to the caller.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let details = Box::default();
        Error {
            kind,
            message: message.into(),
            details,
        }
    }

    /// Makes the error for an invalid request; it takes the kind of the first
    /// violation, and its message names every one.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let kind = violations
            .first()
            .map_or(Kind::InvalidParameter, |first| first.kind);
        let mut message = String::new();
        for violation in &violations {
            let separator = if message.is_empty() { "" } else { "; " };
            message.push_str(&format!(
                "{separator}`{}`: {}",
                violation.field, violation.message
            ));
        }
        let mut error = Error::new(kind, message);
        error.details.violations = violations;
        error
    }

    /// Makes the error for the vendor's `error_code`.
    pub fn vendor(code: i64, message: &str, log_id: Option<u64>) -> Self {
        let mut error = Error::new(
            Kind::of_vendor_code(code),
            format!("the vendor answered {code}: {message}"),
        );
        error.details.vendor = Some(VendorCode { code, log_id });
        error
    }

    /// Attaches the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.details.source = Some(source.into());
        self
    }

    /// Attaches the sign of the stored image.
    #[must_use]
    pub fn with_cont_sign(mut self, cont_sign: impl Into<String>) -> Self {
        self.details.cont_sign = Some(cont_sign.into());
        self
    }

    /// Attaches how long the caller should wait before a repeat.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.details.retry_after = Some(wait);
        self
    }

    /// Copies the error for another item of the same request; the cause stays
    /// with the original.
    #[must_use]
    pub fn without_source(&self) -> Error {
        let details = Details {
            violations: self.details.violations.clone(),
            cont_sign: self.details.cont_sign.clone(),
            vendor: self.details.vendor,
            retry_after: self.details.retry_after,
            source: None,
        };
        Error {
            kind: self.kind,
            message: self.message.clone(),
            details: Box::new(details),
        }
    }

    /// Class of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What went wrong, for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// ConfigErrors of the request, in the order of its fields.
    pub fn violations(&self) -> &[Violation] {
        &self.details.violations
    }

    /// Sign of the stored image that stands in the way.
    pub fn cont_sign(&self) -> Option<&str> {
        self.details.cont_sign.as_deref()
    }

    /// How the vendor named the failure.
    pub fn vendor_code(&self) -> Option<VendorCode> {
        self.details.vendor
    }

    /// How long to wait before a repeat; `None` where a repeat does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        let by_kind = match self.kind.retry() {
            Retry::Never => None,
            // Rates are per second, so the window has moved on after one.
            Retry::NextWindow | Retry::Backoff | Retry::Few => Some(Duration::from_secs(1)),
            Retry::Once | Retry::NewToken => Some(Duration::from_millis(100)),
        };
        self.details.retry_after.or(by_kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.details.source.as_deref()?;
        Some(source)
    }
}

/// Tells an error and its causes in one line, as each tells one level only.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
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
    fn no_vendor_code_whatever_is_taken_for_success() {
        for code in (-10..300_000).chain([i64::MIN, i64::MAX]) {
            assert_ne!(Kind::of_vendor_code(code).code(), Code::Ok, "{code}");
        }
    }

    #[test]
    fn a_vendor_code_answered_by_the_rest_api_keeps_its_class() {
        for code in [
            2, 4, 17, 18, 19, 216_100, 216_200, 216_680, 216_681, 282_112, 283_300,
        ] {
            let kind = Kind::of_vendor_code(code);
            assert_eq!(Kind::of_vendor_code(kind.same_hq().0), kind, "{code}");
        }
    }

    #[test]
    fn an_invalid_request_names_all_its_violations() {
        let error = Error::invalid(vec![
            Violation::new("tags", Kind::InvalidParameter, "3 tags; at most 2"),
            Violation::new("brief", Kind::ParameterTooLong, "257 bytes; at most 256"),
        ]);

        assert_eq!(
            error.to_string(),
            "`tags`: 3 tags; at most 2; `brief`: 257 bytes; at most 256"
        );
        assert_eq!(error.kind(), Kind::InvalidParameter);
    }
}
