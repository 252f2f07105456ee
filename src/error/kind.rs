//! Classes of failures, and the class of each error code of the vendor.

/// Every class of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described by its row in table.rs")]
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
    SameImageExists,
    LibraryNotFound,
    LibraryFull,
    CountMismatch,
    DiskFull,
    OperationUnsupported,
    CredentialsMissing,
    CredentialsInvalid,
    CredentialsExpired,
    IdentityUnknown,
    ReadOnlyKey,
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
    ClusterUnavailable,
    ClusterBusy,
    ClusterSetup,
    Storage,
    ShuttingDown,
    Internal,
}

/// Who has to act before the call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller: the request cannot succeed unchanged.
    Caller,
    /// No one: the failure follows from what the library holds.
    Library,
    /// The vendor, or the network between the gateway and the vendor.
    Vendor,
    /// The operator of the gateway.
    Gateway,
}

/// Whether a retry of the same call can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: the result would be the same.
    Never,
    /// Yes, with exponential backoff.
    Backoff,
    /// Yes, once the window of the rate limit has moved on (about 1 s).
    NextWindow,
    /// Yes, a few times: a third party was slow.
    Few,
    /// Yes, one time.
    Once,
    /// Yes, one time and with a new access token.
    NewToken,
}

// === impl Kind ===

impl Kind {
    /// Classifies an `error_code` of the vendor.
    ///
    /// An unknown code is a protocol error, never a success. Source: the vendor's error table, with
    /// the meaning that the vendor documents for each code.
    pub fn from_vendor_code(code: i64) -> Kind {
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
}
