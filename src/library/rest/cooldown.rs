//! Cool-downs of one credential: time in which the vendor would reject its calls again.
//!
//! A used-up quota or a wrong set-up fails every next call as well. The credential is then in
//! cool-down: calls use the next credential, or are rejected at once with the vendor's own error
//! where there is none. The vendor counts quotas per interface, so a cool-down usually concerns one
//! operation. After the cool-down the next call is sent again: it probes whether the cause is gone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::error::{Error, Kind};
use crate::wire::Operation;

const DAY: Duration = Duration::from_hours(24);
/// The vendor's day begins at midnight in China (UTC+8). Its documentation names no zone; this is
/// where it is.
const CHINA: Duration = Duration::from_hours(8);
/// Maximum cool-down after a quota is used up: the operator can buy more at any time, and a probe
/// costs one rejected request.
const QUOTA_COOLDOWN: Duration = Duration::from_mins(5);
/// Cool-down after a rejection that the operator has to correct in the vendor's console: short
/// enough to notice the correction soon.
const SET_UP_COOLDOWN: Duration = Duration::from_mins(5);

/// The cool-downs of one credential, by operation.
#[derive(Debug, Default)]
pub(super) struct Cooldowns(Mutex<[Option<Cooldown>; Operation::ALL.len()]>);

#[derive(Debug)]
struct Cooldown {
    until: Instant,
    rejection: Error,
}

/// What a rejection applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Operation,
    Credential,
}

// === impl Cooldowns ===

impl Cooldowns {
    /// Returns the rejection that still applies to this operation.
    pub(super) fn rejection(&self, operation: Operation, now: Instant) -> Option<Error> {
        let cooldowns = self.lock();
        let cooldown = cooldowns[operation.index()].as_ref()?;
        (now < cooldown.until).then(|| cooldown.rejection.without_source())
    }

    /// Returns whether any operation is in cool-down.
    pub(super) fn is_any(&self, now: Instant) -> bool {
        self.lock()
            .iter()
            .flatten()
            .any(|cooldown| now < cooldown.until)
    }

    /// Records a rejection; returns whether it starts a cool-down.
    pub(super) fn record(&self, operation: Operation, rejection: &Error) -> bool {
        let Some((time, scope)) = cooldown_after(rejection, SystemTime::now()) else {
            return false;
        };
        let until = Instant::now() + time;
        let mut cooldowns = self.lock();
        for affected in Operation::ALL {
            if scope == Scope::Credential || affected == operation {
                cooldowns[affected.index()] = Some(Cooldown {
                    until,
                    rejection: rejection.without_source(),
                });
            }
        }
        tracing::warn!(
            reason = rejection.kind().reason(),
            operation = operation.name(),
            retry_after_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            "credential in cool-down"
        );
        true
    }

    /// Ends every cool-down; returns whether there was one.
    pub(super) fn reset(&self, now: Instant) -> bool {
        let was_any = self.is_any(now);
        *self.lock() = Default::default();
        was_any
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Cooldown>; Operation::ALL.len()]> {
        // Cool-downs are only ever replaced as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns time and scope of the cool-down after a rejection, if it causes one.
fn cooldown_after(rejection: &Error, now: SystemTime) -> Option<(Duration, Scope)> {
    let code = rejection.vendor_code().map(|vendor| vendor.code);
    match (rejection.kind(), code) {
        (Kind::DailyQuotaExceeded, _) => {
            let cooldown = until_next_day(now).min(QUOTA_COOLDOWN);
            Some((cooldown, Scope::Operation))
        }
        (Kind::TotalQuotaExceeded, _) => Some((QUOTA_COOLDOWN, Scope::Operation)),
        // An interface that is not enabled for the application.
        (Kind::VendorSetup, Some(6)) => Some((SET_UP_COOLDOWN, Scope::Operation)),
        // Wrong keys, missing application; no code: the token endpoint.
        (Kind::VendorSetup, Some(14 | 15 | 216_110) | None) => {
            Some((SET_UP_COOLDOWN, Scope::Credential))
        }
        _ => None,
    }
}

fn until_next_day(now: SystemTime) -> Duration {
    // A clock before 1970 is wrong; a whole day is as good as anything then.
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
    async fn a_quota_affects_one_operation_and_wrong_keys_the_whole_credential() {
        use Operation::{Add, Delete, Search, Update};
        for (code, affected) in [
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
            let cooldowns = Cooldowns::default();

            assert_eq!(cooldowns.record(Add, &vendor(code)), !affected.is_empty());

            for operation in Operation::ALL {
                let rejection = cooldowns.rejection(operation, Instant::now());
                let expected = affected.contains(&operation).then_some(code);
                let found = rejection.map(|error| error.vendor_code().unwrap().code);
                assert_eq!(found, expected, "{code} {operation:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cooldown_ends() {
        for (code, max) in [
            (17, QUOTA_COOLDOWN),
            (19, QUOTA_COOLDOWN),
            (14, SET_UP_COOLDOWN),
        ] {
            let cooldowns = Cooldowns::default();
            cooldowns.record(Operation::Add, &vendor(code));
            let now = Instant::now();
            assert!(cooldowns.is_any(now));

            let later = now + max;

            assert!(
                cooldowns.rejection(Operation::Add, later).is_none(),
                "{code}"
            );
            assert!(!cooldowns.is_any(later));
        }
    }
    #[tokio::test(start_paused = true)]
    async fn a_reset_ends_every_cooldown() {
        let cooldowns = Cooldowns::default();
        cooldowns.record(Operation::Add, &vendor(19));
        cooldowns.record(Operation::Search, &vendor(17));

        assert!(cooldowns.reset(Instant::now()));

        assert!(!cooldowns.is_any(Instant::now()));
        assert!(!cooldowns.reset(Instant::now()));
    }

    #[test]
    fn a_daily_quota_is_probed_after_midnight_if_that_is_sooner() {
        let midnight = UNIX_EPOCH + DAY * 20_000 - CHINA;
        let before = |seconds| {
            let now = midnight - Duration::from_secs(seconds);
            cooldown_after(&vendor(17), now).unwrap().0
        };

        assert_eq!(before(30), Duration::from_secs(30));
        assert_eq!(before(3600), QUOTA_COOLDOWN);
    }
}
