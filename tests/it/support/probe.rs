//! Looking at a gateway from its admin port, until it is as expected.

use std::net::SocketAddr;
use std::time::Duration;

/// Longest wait for a condition; far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wait between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until a condition holds.
///
/// # Panics
///
/// When it does not hold after a minute.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("not seen within {PATIENCE:?}: {what}"));
}

/// Status and body of an admin page.
pub async fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://{admin}{path}")).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Value of a metric; labels, if any, as they are written.
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
