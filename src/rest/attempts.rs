//! Limits the failed attempts at the token endpoint, so that secrets cannot be guessed.
//!
//! Failures are counted for a minute: of an address with one API key, of an address with any, and
//! of a key from all addresses. Who is over a limit is rejected before the secret is compared, also
//! with the right one. The owner of a key must not be locked out by others, so the limit of a key
//! itself never rejects an address whose attempts have not failed: while a key is attacked from
//! many addresses, each of them has one attempt a minute instead of several.
//!
//! An unknown key counts only for its address: callers choose it, and memory must not grow.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time for which failures are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// Failures of an address with all keys, and of a key from all addresses, in multiples of those of
/// one address with one key: an address can be a proxy with many clients.
const FACTOR: u32 = 10;
/// Maximum number of addresses, and of pairs of address and key, that are counted: about 1 MiB.
/// Whoever has more addresses has one attempt more for each.
const MAX_ENTRIES: usize = 10_000;

/// Counts failed attempts; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct TokenAttempts(Arc<Mutex<Option<Counts>>>);

/// An attempt to get a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// Address of the caller.
    pub(super) address: IpAddr,
    /// The key that it names, if there is such a key.
    pub(super) app_id: Option<u64>,
    /// Failures that an address may have with one key in a minute.
    pub(super) max_failures: u32,
}

/// Failures since the beginning of a window.
#[derive(Debug)]
struct Counts {
    begin: Instant,
    of_addresses: HashMap<IpAddr, u32>,
    of_keys: HashMap<u64, u32>,
    of_pairs: HashMap<(IpAddr, u64), u32>,
}

// === impl TokenAttempts ===

impl TokenAttempts {
    /// Returns how long to wait, if the attempt is over a limit.
    pub(super) fn wait(&self, attempt: &Attempt) -> Option<Duration> {
        let mut counts = self.counts();
        let counts = current(&mut counts);
        let elapsed = counts.begin.elapsed();
        counts
            .is_over(attempt)
            .then(|| WINDOW.saturating_sub(elapsed))
    }

    /// Counts an attempt that has failed.
    pub(super) fn failed(&self, attempt: &Attempt) {
        let mut counts = self.counts();
        let counts = current(&mut counts);
        count(&mut counts.of_addresses, attempt.address);
        if let Some(app_id) = attempt.app_id {
            count(&mut counts.of_keys, app_id);
            count(&mut counts.of_pairs, (attempt.address, app_id));
        }
    }

    fn counts(&self) -> MutexGuard<'_, Option<Counts>> {
        // Counts are numbers: a panic elsewhere cannot leave them inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the counts of the current window.
fn current(counts: &mut Option<Counts>) -> &mut Counts {
    if counts
        .as_ref()
        .is_some_and(|counts| counts.begin.elapsed() >= WINDOW)
    {
        *counts = None;
    }
    counts.get_or_insert_with(|| Counts {
        begin: Instant::now(),
        of_addresses: HashMap::new(),
        of_keys: HashMap::new(),
        of_pairs: HashMap::new(),
    })
}

fn count<K: Eq + Hash>(failures: &mut HashMap<K, u32>, key: K) {
    if failures.len() >= MAX_ENTRIES && !failures.contains_key(&key) {
        failures.clear();
    }
    *failures.entry(key).or_default() += 1;
}

// === impl Counts ===

impl Counts {
    fn is_over(&self, attempt: &Attempt) -> bool {
        let Attempt {
            address,
            app_id,
            max_failures,
        } = *attempt;
        let max_of_many = max_failures.saturating_mul(FACTOR);
        let of = |failures: Option<&u32>| failures.copied().unwrap_or_default();
        if of(self.of_addresses.get(&address)) >= max_of_many {
            return true;
        }
        app_id.is_some_and(|app_id| {
            let is_attacked = of(self.of_keys.get(&app_id)) >= max_of_many;
            let max = if is_attacked { 1 } else { max_failures };
            of(self.of_pairs.get(&(address, app_id))) >= max
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Option<u64> = Some(7);

    fn attempt(host: u16, app_id: Option<u64>) -> Attempt {
        let [a, b] = host.to_be_bytes();
        Attempt {
            address: IpAddr::from([192, 0, a, b]),
            app_id,
            max_failures: 10,
        }
    }

    /// Fails until the limit; returns the number of attempts that were made.
    fn failures_until_limit(attempts: &TokenAttempts, attempt: &Attempt) -> usize {
        let next = || attempts.wait(attempt).is_none();
        (0..1000)
            .take_while(|_| {
                let is_made = next();
                if is_made {
                    attempts.failed(attempt);
                }
                is_made
            })
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_guesses_few_secrets_of_a_key_until_the_minute_is_over() {
        let attempts = TokenAttempts::default();
        assert_eq!(failures_until_limit(&attempts, &attempt(1, KEY)), 10);

        assert_eq!(attempts.wait(&attempt(1, KEY)), Some(WINDOW));
        assert_eq!(attempts.wait(&attempt(1, Some(8))), None, "another key");
        assert_eq!(attempts.wait(&attempt(2, KEY)), None, "another address");
        tokio::time::advance(WINDOW).await;
        assert_eq!(failures_until_limit(&attempts, &attempt(1, KEY)), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_guesses_a_limited_number_of_keys() {
        let attempts = TokenAttempts::default();

        assert_eq!(failures_until_limit(&attempts, &attempt(1, None)), 100);

        assert!(attempts.wait(&attempt(1, KEY)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_attack_from_many_addresses_gets_one_attempt_each_and_locks_no_owner_out() {
        let attempts = TokenAttempts::default();
        for host in 1..=10 {
            assert_eq!(failures_until_limit(&attempts, &attempt(host, KEY)), 10);
        }

        for host in 11..=200 {
            assert_eq!(failures_until_limit(&attempts, &attempt(host, KEY)), 1);
        }
        let owner = attempt(201, KEY);
        assert_eq!(attempts.wait(&owner), None);
        assert_eq!(attempts.wait(&owner), None, "success is not counted");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_however_many_addresses_there_are() {
        let attempts = TokenAttempts::default();
        for number in 0..=u16::MAX {
            attempts.failed(&attempt(number, KEY));
        }

        let counts = attempts.counts();
        let counts = counts.as_ref().unwrap();
        assert!(counts.of_addresses.len() <= MAX_ENTRIES);
        assert!(counts.of_pairs.len() <= MAX_ENTRIES);
    }
}
