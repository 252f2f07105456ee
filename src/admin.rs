//! The admin port: is the process alive, is it ready for traffic.
//!
//! `/livez` answers as long as the process can answer at all; `/readyz` turns
//! to 503 when a drain begins, so that load balancers look elsewhere before
//! connections are closed. Neither looks at a vendor: an outage there is no
//! reason to restart anything here.

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

/// Makes the admin service; it is ready until `draining` is cancelled.
pub fn router(draining: CancellationToken) -> Router {
    let ready = move || async move {
        if draining.is_cancelled() {
            return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        (StatusCode::OK, "ok\n")
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}
