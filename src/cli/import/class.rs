//! What a failure means: final for its image, passing, or not about it.
//!
//! The gateway's own error table decides; a reason that is not in it, as of a
//! later gateway, goes by its code.

use tonic::Code;

use crate::cli::failure::Failure;
use crate::error::{Kind, Origin, Retry};

/// What a failure means for its image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It will never be taken.
    Final,
    /// It may be taken later.
    Passing,
    /// It was not looked at.
    NotTaken,
    /// It is not about this image.
    Everything,
}

/// Kinds that the next image would meet as well.
const MEETS_EVERYTHING: [Kind; 12] = [
    Kind::LibraryNotFound,
    Kind::LibraryFull,
    Kind::OperationUnsupported,
    Kind::CredentialsMissing,
    Kind::CredentialsInvalid,
    Kind::CredentialsExpired,
    Kind::IdentityUnknown,
    Kind::QuotaDay,
    Kind::DailyQuotaExceeded,
    Kind::TotalQuotaExceeded,
    Kind::VendorSetup,
    Kind::Storage,
];

/// Classifies the failure of one item.
pub(super) fn classify(failure: &Failure) -> Class {
    let Some(kind) = failure.kind() else {
        return if is_final_code(failure) {
            Class::Final
        } else {
            Class::Passing
        };
    };
    if kind == Kind::ShuttingDown {
        return Class::NotTaken;
    }
    if MEETS_EVERYTHING.contains(&kind) {
        return Class::Everything;
    }
    let is_about_the_image = matches!(kind.origin(), Origin::Caller | Origin::Library);
    if is_about_the_image && kind.retry() == Retry::Never {
        return Class::Final;
    }
    Class::Passing
}

fn is_final_code(failure: &Failure) -> bool {
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

    fn class_of(kind: Kind) -> Class {
        classify(&Failure::of_kind(kind, "x"))
    }

    #[test]
    fn a_bad_image_is_final_and_a_busy_vendor_passes() {
        assert_eq!(class_of(Kind::ImageFormat), Class::Final);
        assert_eq!(class_of(Kind::ImageAlreadyExists), Class::Final);
        assert_eq!(class_of(Kind::VendorBusy), Class::Passing);
        assert_eq!(class_of(Kind::UrlTimeout), Class::Passing);
        assert_eq!(class_of(Kind::Internal), Class::Passing);
    }

    #[test]
    fn what_meets_every_image_stops_the_import() {
        assert_eq!(class_of(Kind::LibraryFull), Class::Everything);
        assert_eq!(class_of(Kind::CredentialsInvalid), Class::Everything);
        assert_eq!(class_of(Kind::ShuttingDown), Class::NotTaken);
    }

    #[test]
    fn an_unknown_reason_goes_by_its_code() {
        let status = |code| {
            Failure::from(v1::Status {
                code,
                reason: "NEW".to_owned(),
                ..v1::Status::default()
            })
        };

        assert_eq!(classify(&status(3)), Class::Final);
        assert_eq!(classify(&status(14)), Class::Passing);
        assert_eq!(classify(&Failure::local("cannot read")), Class::Passing);
    }
}
