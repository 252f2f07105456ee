//! Cool-downs: what a credential was rejected for good is not asked for again
//! at once.
//!
//! A used-up quota and a set-up that is wrong meet every next call as well. The
//! credential then rests, so that calls go to the next one, or are rejected at
//! once with the vendor's own answer where there is none. The vendor counts
//! quotas per interface, so as a rule one operation rests and the others go
//! on. When the time is over, the next call asks again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::call::Operation;
use crate::error::{Error, Kind};

const DAY: Duration = Duration::from_hours(24);
/// The vendor's day begins at midnight in China (UTC+8). Its documentation
/// names no zone; this is where it is.
const CHINA: Duration = Duration::from_hours(8);
/// Rest after a total quota is used up: somebody has to buy more.
const TOTAL_QUOTA_REST: Duration = DAY;
/// Rest after a rejection that somebody has to set right in the console: short
/// enough to notice that it was.
const SET_UP_REST: Duration = Duration::from_mins(5);

/// What a credential is not asked for at present, by operation.
#[derive(Debug, Default)]
pub(super) struct Cooling(Mutex<[Option<Rest>; Operation::ALL.len()]>);

#[derive(Debug)]
struct Rest {
    until: Instant,
    rejection: Error,
}

/// What a rejection concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Operation,
    Credential,
}

// === impl Cooling ===

impl Cooling {
    /// The rejection that still holds for this operation.
    pub(super) fn rejection(&self, operation: Operation, now: Instant) -> Option<Error> {
        let rests = self.lock();
        let rest = rests[operation.index()].as_ref()?;
        (now < rest.until).then(|| rest.rejection.without_source())
    }

    /// Whether any operation rests.
    pub(super) fn is_any(&self, now: Instant) -> bool {
        self.lock().iter().flatten().any(|rest| now < rest.until)
    }

    /// Takes note of a rejection; `true` if the credential rests because of it.
    pub(super) fn note(&self, operation: Operation, rejection: &Error) -> bool {
        let Some((time, reach)) = rest_after(rejection, SystemTime::now()) else {
            return false;
        };
        let until = Instant::now() + time;
        let mut rests = self.lock();
        for concerned in Operation::ALL {
            if reach == Reach::Credential || concerned == operation {
                rests[concerned.index()] = Some(Rest {
                    until,
                    rejection: rejection.without_source(),
                });
            }
        }
        tracing::warn!(
            reason = rejection.kind().reason(),
            operation = operation.name(),
            retry_after_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            "a credential of the vendor is not used for a while"
        );
        true
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Rest>; Operation::ALL.len()]> {
        // Rests are replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a credential rests after a rejection, and for what.
fn rest_after(rejection: &Error, now: SystemTime) -> Option<(Duration, Reach)> {
    let code = rejection.vendor_code().map(|vendor| vendor.code);
    match (rejection.kind(), code) {
        (Kind::DailyQuotaExceeded, _) => Some((until_next_day(now), Reach::Operation)),
        (Kind::TotalQuotaExceeded, _) => Some((TOTAL_QUOTA_REST, Reach::Operation)),
        // An interface that is not enabled for the application.
        (Kind::VendorSetup, Some(6)) => Some((SET_UP_REST, Reach::Operation)),
        // Wrong keys, missing application; no code: the token endpoint.
        (Kind::VendorSetup, Some(14 | 15 | 216_110) | None) => {
            Some((SET_UP_REST, Reach::Credential))
        }
        _ => None,
    }
}

fn until_next_day(now: SystemTime) -> Duration {
    // A clock before 1970 is wrong anyway; then a whole day is as good.
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default() + CHINA;
    DAY - Duration::from_secs(since_epoch.as_secs() % DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vendor(code: i64) -> Error {
        Error::vendor(code, "x", None)
    }

    #[test]
    fn a_day_ends_at_midnight_in_china() {
        for (utc, left) in [
            ("16:00:00", Duration::from_hours(24)),
            ("15:59:59", Duration::from_secs(1)),
            ("00:00:00", Duration::from_hours(16)),
            ("18:30:00", Duration::from_mins(21 * 60 + 30)),
        ] {
            let part = |at: usize| utc[at..at + 2].parse::<u64>().unwrap();
            let seconds = part(0) * 3600 + part(3) * 60 + part(6);
            let now = UNIX_EPOCH + DAY * 20_000 + Duration::from_secs(seconds);
            assert_eq!(until_next_day(now), left, "{utc}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_rests_one_operation_and_wrong_keys_the_credential() {
        use Operation::{Add, Delete, Search, Update};
        for (code, resting) in [
            (17, &[Add][..]),
            (19, &[Add]),
            (6, &[Add]),
            (14, &[Add, Search, Update, Delete]),
            (15, &[Add, Search, Update, Delete]),
            (4, &[]),
            (18, &[]),
            (110, &[]),
            (3, &[]),
            (216_017, &[]),
            (216_201, &[]),
        ] {
            let cooling = Cooling::default();

            assert_eq!(cooling.note(Add, &vendor(code)), !resting.is_empty());

            for operation in Operation::ALL {
                let rejection = cooling.rejection(operation, Instant::now());
                let expected = resting.contains(&operation).then_some(code);
                let found = rejection.map(|error| error.vendor_code().unwrap().code);
                assert_eq!(found, expected, "{code} {operation:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_ends() {
        for (code, longest) in [(17, DAY), (19, TOTAL_QUOTA_REST), (14, SET_UP_REST)] {
            let cooling = Cooling::default();
            cooling.note(Operation::Add, &vendor(code));
            let now = Instant::now();
            assert!(cooling.is_any(now));

            let later = now + longest;

            assert!(cooling.rejection(Operation::Add, later).is_none(), "{code}");
            assert!(!cooling.is_any(later));
        }
    }
}
