//! Names of callers' choice whose servers do not respond.

use std::sync::Condvar;

use tokio::task::JoinSet;

use super::*;
use crate::library::embedded::fetch::lookups::{MAX_LOOKUPS, MAX_LOOKUPS_PER_TENANT};

/// Servers of names: `slow.test` gets its response when they are released.
#[derive(Default)]
struct Servers {
    is_released: Mutex<bool>,
    released: Condvar,
    /// Lookups of `slow.test` that run.
    waiting: Mutex<usize>,
}

/// Releases the servers also when a test fails: the runtime waits for its threads.
struct Releasing(Arc<Servers>);

impl Servers {
    fn lookups(self: &Arc<Self>) -> Lookups {
        let servers = Arc::clone(self);
        Lookups::new(move |name| {
            if name == "slow.test" {
                *servers.waiting.lock().unwrap() += 1;
                let released = servers.is_released.lock().unwrap();
                let wait = servers.released.wait_while(released, |released| !*released);
                drop(wait.unwrap());
                *servers.waiting.lock().unwrap() -= 1;
            }
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
        })
    }

    async fn until_waiting(&self, count: usize) {
        while *self.waiting.lock().unwrap() != count {
            tokio::task::yield_now().await;
        }
    }

    fn release(&self) {
        *self.is_released.lock().unwrap() = true;
        self.released.notify_all();
    }
}

impl Drop for Releasing {
    fn drop(&mut self) {
        self.0.release();
    }
}

fn servers() -> (Releasing, Lookups) {
    let servers = Arc::<Servers>::default();
    let lookups = servers.lookups();
    (Releasing(servers), lookups)
}

fn slow_lookups(lookups: &Lookups, tenant: &'static str) -> JoinSet<()> {
    (0..600)
        .map(|_| {
            let lookups = lookups.clone();
            async move {
                lookups.lookup(tenant, "slow.test").await.unwrap();
            }
        })
        .collect()
}

#[tokio::test]
async fn slow_names_of_one_tenant_delay_neither_other_tenants_nor_other_work() {
    let (servers, lookups) = servers();
    let slow = slow_lookups(&lookups, "a");
    servers.0.until_waiting(MAX_LOOKUPS_PER_TENANT).await;

    let found = lookups.lookup("b", "fast.test").await.unwrap();

    assert_eq!(found.len(), 1);
    #[expect(clippy::disallowed_methods, reason = "the work that must not wait")]
    tokio::task::spawn_blocking(|| ()).await.unwrap();
    servers.0.until_waiting(MAX_LOOKUPS_PER_TENANT).await;
    servers.0.release();
    slow.join_all().await;
}

#[tokio::test]
async fn slow_names_of_many_tenants_use_a_small_part_of_the_threads() {
    let (servers, lookups) = servers();
    let tenants = ["a", "b", "c", "d"];
    let slow: Vec<_> = tenants.map(|name| slow_lookups(&lookups, name)).into();
    servers.0.until_waiting(MAX_LOOKUPS).await;

    #[expect(clippy::disallowed_methods, reason = "the work that must not wait")]
    tokio::task::spawn_blocking(|| ()).await.unwrap();

    assert_eq!(*servers.0.waiting.lock().unwrap(), MAX_LOOKUPS);
    servers.0.release();
    for lookups in slow {
        lookups.join_all().await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_frees_no_permit_of_a_running_lookup() {
    let (servers, lookups) = servers();
    let mut slow = slow_lookups(&lookups, "a");
    servers.0.until_waiting(MAX_LOOKUPS_PER_TENANT).await;

    slow.shutdown().await;

    assert_eq!(lookups.available(), MAX_LOOKUPS - MAX_LOOKUPS_PER_TENANT);
    servers.0.release();
    lookups.lookup("a", "fast.test").await.unwrap();
}

#[tokio::test]
async fn urls_with_slow_names_delay_no_url_of_another_tenant() {
    let (servers, lookups) = servers();
    let web = Web::redirecting_to(|_| "/none".to_owned()).await;
    let resolver = Resolver::new(AddressScope::Any, lookups);
    let fetcher = Fetcher::with_resolver(AddressScope::Any, Arc::new(resolver)).unwrap();
    let mut slow = JoinSet::new();
    for _ in 0..600 {
        let fetcher = fetcher.clone();
        slow.spawn(async move { rejected(&fetcher, "a", "http://slow.test/").await });
    }
    servers.0.until_waiting(MAX_LOOKUPS_PER_TENANT).await;

    let url = format!("http://fast.test:{}/to", web.port);
    let error = rejected(&fetcher, "b", &url).await;

    assert!(error.message().contains("404"), "{error:?}");
    assert_eq!(web.requests(), ["/to", "/none"]);
}
