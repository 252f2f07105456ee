//! Behaviour of the access token, on paused clocks; `moka` shows why it does not rely on moka
//! alone.

mod moka;

use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use super::refresh_state::MAX_BACKOFF;
use super::*;
use crate::wire::NoErrorCode;

const TTL: Duration = Duration::from_secs(1000);

/// A token endpoint that numbers its grants and needs 1 s for each.
#[derive(Default)]
struct Endpoint {
    calls: AtomicUsize,
    down: AtomicBool,
}

fn credential(secret: &str) -> config::Credential {
    config::Credential {
        api_key: "the-api-key".to_owned(),
        secret_key: secret.to_owned().into(),
    }
}

fn access_token(endpoint: &Arc<Endpoint>) -> AccessToken {
    let endpoint = endpoint.clone();
    let fetch = move || {
        let endpoint = endpoint.clone();
        async move {
            let number = endpoint.calls.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_secs(1)).await;
            if endpoint.down.load(Ordering::SeqCst) {
                return Err(Error::new(Kind::VendorUnavailable, "down"));
            }
            Ok(grant(&format!("token-{number}"), TTL))
        }
        .boxed()
    };
    AccessToken::new(
        &TokenCache::new(),
        &credential("the-secret"),
        Box::new(fetch),
    )
}

impl Endpoint {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

fn grant(text: &str, ttl: Duration) -> TokenGrant {
    TokenGrant {
        access_token: text.to_owned(),
        expires_in: ttl.as_secs(),
        refresh_token: String::new(),
        scope: String::new(),
        session_key: String::new(),
        session_secret: String::new(),
        error_code: NoErrorCode,
    }
}

async fn text(tokens: &AccessToken) -> String {
    tokens.get().await.unwrap().expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_callers_share_one_fetch() {
    let endpoint = Arc::default();
    let tokens = access_token(&endpoint);

    let texts = join_all((0..1000).map(|_| text(&tokens))).await;

    assert!(texts.iter().all(|text| text == "token-1"));
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_survives_the_caller_that_started_it() {
    let endpoint = Arc::default();
    let tokens = access_token(&endpoint);
    let first = tokio::time::timeout(Duration::from_millis(10), tokens.get());
    assert!(first.await.is_err(), "the first caller is cancelled");

    assert_eq!(text(&tokens).await, "token-1");
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_refreshed_in_the_background_at_70_to_85_percent_of_its_ttl() {
    for _ in 0..50 {
        let endpoint = Arc::default();
        let tokens = access_token(&endpoint);
        let begin = Instant::now();
        text(&tokens).await;

        advance(begin + TTL.mul_f64(0.70) - Instant::now() - Duration::from_millis(1)).await;
        assert_eq!(text(&tokens).await, "token-1");
        yield_now().await;
        assert_eq!(endpoint.calls(), 1, "too early");

        advance(begin + TTL.mul_f64(0.85) - Instant::now()).await;
        let begin = Instant::now();
        assert_eq!(text(&tokens).await, "token-1");
        assert_eq!(begin, Instant::now(), "the caller does not wait");

        sleep(Duration::from_secs(2)).await;
        assert_eq!(text(&tokens).await, "token-2");
        assert_eq!(endpoint.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_endpoint_down_the_token_is_used_until_it_expires_and_no_longer() {
    let endpoint: Arc<Endpoint> = Arc::default();
    let tokens = access_token(&endpoint);
    let begin = Instant::now();
    text(&tokens).await;
    endpoint.set_down(true);

    while Instant::now() < begin + TTL - Duration::from_secs(3) {
        assert_eq!(text(&tokens).await, "token-1");
        advance(Duration::from_secs(1)).await;
    }
    // 150-300 s of calls every second, with a backoff of 6-8 s and 1 s per fetch.
    let failed = endpoint.calls() - 1;
    assert!((10..70).contains(&failed), "{failed} attempts");

    sleep(Duration::from_secs(4)).await;
    let error = tokens.get().await.unwrap_err();
    assert_eq!(error.kind(), Kind::VendorUnavailable);

    let (calls, now) = (endpoint.calls(), Instant::now());
    for _ in 0..100 {
        let error = tokens.get().await.unwrap_err();
        assert_eq!(error.kind(), Kind::VendorUnavailable);
    }
    assert_eq!(endpoint.calls(), calls, "no request during the backoff");
    assert_eq!(Instant::now(), now, "and the error comes at once");

    endpoint.set_down(false);
    sleep(MAX_BACKOFF).await;
    assert_ne!(text(&tokens).await, "token-1");
}

#[tokio::test(start_paused = true)]
async fn callers_whose_token_was_rejected_share_one_refresh() {
    let endpoint = Arc::default();
    let tokens = access_token(&endpoint);
    let rejected = tokens.get().await.unwrap();

    let refreshed = join_all((0..100).map(|_| tokens.refresh_rejected(rejected.clone()))).await;

    for token in refreshed {
        assert_eq!(token.unwrap().unwrap().expose(), "token-2");
    }
    assert_eq!(endpoint.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejections_force_one_refresh_a_second_at_most() {
    let endpoint = Arc::default();
    let tokens = access_token(&endpoint);
    let mut token = tokens.get().await.unwrap();
    let begin = Instant::now();

    while begin.elapsed() < Duration::from_secs(60) {
        if let Some(refreshed) = tokens.refresh_rejected(token.clone()).await.unwrap() {
            token = refreshed;
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
async fn a_failed_refresh_returns_the_reason_and_keeps_the_token_for_other_calls() {
    let endpoint: Arc<Endpoint> = Arc::default();
    let tokens = access_token(&endpoint);
    let token = tokens.get().await.unwrap();
    endpoint.set_down(true);

    let error = tokens.refresh_rejected(token).await.unwrap_err();

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
    let tokens = access_token(&endpoint);
    let token = tokens.get().await.unwrap();

    let shown = format!("{tokens:?} {token:?}");

    assert_eq!(shown, "AccessToken(..) CachedToken(..)");
}
