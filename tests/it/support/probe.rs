//! Polls a gateway at its admin port until it is in the expected state.

use std::net::SocketAddr;
use std::time::Duration;

/// Maximum wait for a condition; far longer than a loaded machine needs.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until a condition holds.
///
/// # Panics
///
/// When it does not hold after a minute.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let waited = tokio::time::timeout(MAX_WAIT, wait).await;
    waited.unwrap_or_else(|_| panic!("not seen within {MAX_WAIT:?}: {what}"));
}

/// Returns status and body of an admin page.
pub async fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://{admin}{path}")).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Returns content type and text of the metrics, as a client with this `Accept` gets them.
pub async fn metrics(admin: SocketAddr, accept: &str) -> (String, String) {
    let request = reqwest::Client::new().get(format!("http://{admin}/metrics"));
    let response = request.header("accept", accept).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    (content_type.to_owned(), response.text().await.unwrap())
}

/// Returns the value of a metric; `name` includes its labels.
pub async fn metric(admin: SocketAddr, name: &str) -> Option<f64> {
    let (_, text) = get(admin, "/metrics").await;
    let lines = text.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map(|value| value.parse().unwrap())
}

/// Waits until a metric has a value.
pub async fn until_metric(admin: SocketAddr, name: &str, value: f64) {
    let what = format!("{name} {value}");
    until(&what, async || metric(admin, name).await == Some(value)).await;
}
