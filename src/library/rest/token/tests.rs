//! Behaviour of the token cell, on paused clocks.

use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use super::*;

const LIFE: Duration = Duration::from_secs(1000);

/// A token endpoint that numbers its grants and takes 1 s for each.
#[derive(Default)]
struct Endpoint {
    calls: AtomicUsize,
    down: AtomicBool,
}

fn credential(secret: &str) -> Credential {
    Credential {
        api_key: "the-api-key".to_owned(),
        secret_key: secret.to_owned().into(),
    }
}

fn cell(endpoint: &Arc<Endpoint>) -> Tokens {
    let endpoint = endpoint.clone();
    let fetch = move || {
        let endpoint = endpoint.clone();
        async move {
            let number = endpoint.calls.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_secs(1)).await;
            if endpoint.down.load(Ordering::SeqCst) {
                return Err(Error::new(Kind::VendorUnavailable, "down"));
            }
            Ok(TokenGrant {
                access_token: format!("token-{number}"),
                expires_in: LIFE.as_secs(),
                refresh_token: String::new(),
                scope: String::new(),
                session_key: String::new(),
                session_secret: String::new(),
            })
        }
        .boxed()
    };
    Tokens::new(&credential("the-secret"), Box::new(fetch))
}

impl Endpoint {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

async fn text(tokens: &Tokens) -> String {
    tokens.usable().await.unwrap().expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_callers_share_one_fetch() {
    let endpoint = Arc::default();
    let tokens = cell(&endpoint);

    let texts = join_all((0..1000).map(|_| text(&tokens))).await;

    assert!(texts.iter().all(|text| text == "token-1"));
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_survives_the_caller_that_began_it() {
    let endpoint = Arc::default();
    let tokens = cell(&endpoint);
    let first = tokio::time::timeout(Duration::from_millis(10), tokens.usable());
    assert!(first.await.is_err(), "the first caller gives up");

    assert_eq!(text(&tokens).await, "token-1");
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_in_the_background_at_70_to_85_percent_of_its_life() {
    for _ in 0..50 {
        let endpoint = Arc::default();
        let tokens = cell(&endpoint);
        let begin = Instant::now();
        text(&tokens).await;

        advance(begin + LIFE.mul_f64(0.70) - Instant::now() - Duration::from_millis(1)).await;
        assert_eq!(text(&tokens).await, "token-1");
        yield_now().await;
        assert_eq!(endpoint.calls(), 1, "too early");

        advance(begin + LIFE.mul_f64(0.85) - Instant::now()).await;
        let asked = Instant::now();
        assert_eq!(text(&tokens).await, "token-1");
        assert_eq!(asked, Instant::now(), "the caller does not wait");

        sleep(Duration::from_secs(2)).await;
        assert_eq!(text(&tokens).await, "token-2");
        assert_eq!(endpoint.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_endpoint_down_the_old_token_serves_until_it_expires_and_not_longer() {
    let endpoint: Arc<Endpoint> = Arc::default();
    let tokens = cell(&endpoint);
    let begin = Instant::now();
    text(&tokens).await;
    endpoint.set_down(true);

    while Instant::now() < begin + LIFE - Duration::from_secs(3) {
        assert_eq!(text(&tokens).await, "token-1");
        advance(Duration::from_secs(1)).await;
    }
    // 150-300 s of calls every second, with waits of 6-8 s and 1 s per fetch.
    let failed = endpoint.calls() - 1;
    assert!((10..70).contains(&failed), "{failed} attempts");

    sleep(Duration::from_secs(4)).await;
    let error = tokens.usable().await.unwrap_err();
    assert_eq!(error.kind(), Kind::VendorUnavailable);

    let (calls, now) = (endpoint.calls(), Instant::now());
    for _ in 0..100 {
        let error = tokens.usable().await.unwrap_err();
        assert_eq!(error.kind(), Kind::VendorUnavailable);
    }
    assert_eq!(
        endpoint.calls(),
        calls,
        "a fresh failure is not asked for again"
    );
    assert_eq!(Instant::now(), now, "and answers at once");

    endpoint.set_down(false);
    sleep(MAX_WAIT).await;
    assert_ne!(text(&tokens).await, "token-1");
}

#[tokio::test(start_paused = true)]
async fn callers_whose_token_was_rejected_share_one_renewal() {
    let endpoint = Arc::default();
    let tokens = cell(&endpoint);
    let rejected = tokens.usable().await.unwrap();

    let renewed = join_all((0..100).map(|_| tokens.renew(rejected.clone()))).await;

    for token in renewed {
        assert_eq!(token.unwrap().unwrap().expose(), "token-2");
    }
    assert_eq!(endpoint.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejections_force_at_most_one_renewal_a_second() {
    let endpoint = Arc::default();
    let tokens = cell(&endpoint);
    let mut token = tokens.usable().await.unwrap();
    let begin = Instant::now();

    while begin.elapsed() < Duration::from_secs(60) {
        if let Some(renewed) = tokens.renew(token.clone()).await.unwrap() {
            token = renewed;
        }
        advance(Duration::from_millis(50)).await;
    }

    assert!(
        (30..=61).contains(&endpoint.calls()),
        "{}",
        endpoint.calls()
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_leaves_the_token_to_others_and_says_why() {
    let endpoint: Arc<Endpoint> = Arc::default();
    let tokens = cell(&endpoint);
    let token = tokens.usable().await.unwrap();
    endpoint.set_down(true);

    let error = tokens.renew(token).await.unwrap_err();

    assert_eq!(error.kind(), Kind::VendorUnavailable);
    assert_eq!(text(&tokens).await, "token-1");
}

#[test]
fn a_changed_secret_is_another_credential() {
    assert_eq!(key(&credential("a")), key(&credential("a")));
    assert_ne!(key(&credential("a")), key(&credential("b")));
}

#[tokio::test(start_paused = true)]
async fn debug_output_holds_neither_token_nor_secret() {
    let endpoint = Arc::default();
    let tokens = cell(&endpoint);
    let token = tokens.usable().await.unwrap();

    let shown = format!("{tokens:?} {token:?}");

    assert_eq!(shown, "Tokens(..) Token(..)");
}
