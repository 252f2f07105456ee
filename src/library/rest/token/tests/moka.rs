//! What moka does for tokens, and the three cases that it does not cover.

use super::*;

fn token(text: &str, ttl: Duration) -> Arc<CachedToken> {
    Arc::new(CachedToken::new(grant(text, ttl), Instant::now()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_token_leaves_the_cache_at_the_end_of_its_ttl() {
    let TokenCache(cache) = TokenCache::new();
    let key = key(&credential("the-secret"));
    let expired = token("expired", TTL);
    let valid = token("valid", TTL * 2);
    advance(TTL).await;

    cache.insert(key, expired).await;
    assert!(cache.get(&key).await.is_none());

    cache.insert(key, valid).await;
    assert_eq!(cache.get(&key).await.unwrap().expose(), "valid");
}

#[tokio::test(start_paused = true)]
async fn moka_does_not_see_a_token_expire_by_tokios_clock() {
    let endpoint = Arc::default();
    let tokens = access_token(&endpoint);
    text(&tokens).await;
    let Inner { cache, key, .. } = &*tokens.0;

    advance(TTL).await;

    let expired = cache.get(key).await.expect("moka still has it");
    assert_eq!(expired.expose(), "token-1");
    assert_eq!(text(&tokens).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn moka_drops_a_fetch_with_the_caller_that_started_it() {
    let endpoint: Arc<Endpoint> = Arc::default();
    let tokens = access_token(&endpoint);
    let Inner {
        cache, key, fetch, ..
    } = &*tokens.0;
    let get = || {
        cache.try_get_with(*key, async {
            let grant = fetch().await?;
            CachedToken::new(grant, Instant::now()).map(Arc::new)
        })
    };

    let first = tokio::time::timeout(Duration::from_millis(10), get());
    assert!(first.await.is_err(), "the first caller is cancelled");

    assert_eq!(get().await.unwrap().expose(), "token-2");
    assert_eq!(endpoint.calls(), 2, "its fetch was wasted");
}

#[tokio::test(start_paused = true)]
async fn moka_keeps_no_failures_so_every_call_would_send_a_request() {
    let endpoint: Arc<Endpoint> = Arc::default();
    endpoint.set_down(true);
    let tokens = access_token(&endpoint);
    let Inner {
        cache, key, fetch, ..
    } = &*tokens.0;

    for _ in 0..3 {
        let fetched = cache.try_get_with(*key, async {
            let grant = fetch().await?;
            CachedToken::new(grant, Instant::now()).map(Arc::new)
        });
        fetched.await.unwrap_err();
    }

    assert_eq!(endpoint.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn moka_runs_try_get_with_beside_a_refresh() {
    let endpoint: Arc<Endpoint> = Arc::default();
    let tokens = access_token(&endpoint);
    let Inner {
        cache, key, fetch, ..
    } = &*tokens.0;
    let refresh = tokens.0.refresh(RefreshReason::Missing);
    let get = cache.try_get_with(*key, async {
        let grant = fetch().await?;
        CachedToken::new(grant, Instant::now()).map(Arc::new)
    });

    let (refreshed, got) = tokio::join!(refresh, get);

    assert!(refreshed.is_ok() && got.is_ok());
    assert_eq!(endpoint.calls(), 2, "two requests for one token");
}
