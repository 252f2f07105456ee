//! Classifies the failure of an image: permanent, transient, or that of every image.
//!
//! The gateway's own error table decides. A reason that is not in it, such as one of a later
//! gateway version, is classified by its code.

use samegate_client::Code;

use crate::cli::failure::Failure;
use crate::error::{Kind, Origin, Retry};

/// What a failure means for its image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// The image will never be accepted.
    Permanent,
    /// A retry may succeed.
    Transient,
    /// Every other image would fail in the same way.
    Fatal,
}

/// Kinds of errors that the next image would get too.
const FATAL: [Kind; 14] = [
    Kind::LibraryNotFound,
    Kind::LibraryFull,
    Kind::DiskFull,
    Kind::OperationUnsupported,
    Kind::CredentialsMissing,
    Kind::CredentialsInvalid,
    Kind::CredentialsExpired,
    Kind::IdentityUnknown,
    Kind::ReadOnlyKey,
    Kind::QuotaDay,
    Kind::DailyQuotaExceeded,
    Kind::TotalQuotaExceeded,
    Kind::VendorSetup,
    Kind::Storage,
];

/// Classifies the failure of one item.
pub(super) fn classify(failure: &Failure) -> FailureClass {
    let Some(kind) = failure.kind() else {
        return if has_permanent_code(failure) {
            FailureClass::Permanent
        } else {
            FailureClass::Transient
        };
    };
    if FATAL.contains(&kind) {
        return FailureClass::Fatal;
    }
    let is_about_the_image = matches!(kind.origin(), Origin::Caller | Origin::Library);
    if is_about_the_image && kind.retry() == Retry::Never {
        return FailureClass::Permanent;
    }
    FailureClass::Transient
}

fn has_permanent_code(failure: &Failure) -> bool {
    failure.code().is_some_and(|code| {
        matches!(
            code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::OutOfRange
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1;

    fn class_of(kind: Kind) -> FailureClass {
        classify(&Failure::of_kind(kind, "x"))
    }

    #[test]
    fn a_bad_image_is_permanent_and_a_busy_vendor_is_transient() {
        assert_eq!(class_of(Kind::ImageFormat), FailureClass::Permanent);
        assert_eq!(class_of(Kind::ImageAlreadyExists), FailureClass::Permanent);
        assert_eq!(class_of(Kind::VendorBusy), FailureClass::Transient);
        assert_eq!(class_of(Kind::UrlTimeout), FailureClass::Transient);
        assert_eq!(class_of(Kind::Internal), FailureClass::Transient);
    }

    #[test]
    fn an_error_that_every_image_would_get_is_fatal() {
        assert_eq!(class_of(Kind::LibraryFull), FailureClass::Fatal);
        assert_eq!(class_of(Kind::CredentialsInvalid), FailureClass::Fatal);
    }

    #[test]
    fn an_unknown_reason_is_classified_by_its_code() {
        let status = |code| {
            Failure::from(v1::Status {
                code,
                reason: "NEW".to_owned(),
                ..v1::Status::default()
            })
        };

        assert_eq!(classify(&status(3)), FailureClass::Permanent);
        assert_eq!(classify(&status(14)), FailureClass::Transient);
        assert_eq!(
            classify(&Failure::local("cannot read")),
            FailureClass::Transient
        );
    }
}
