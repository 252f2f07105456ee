//! The web console: static pages below `/console/` at the gRPC port.
//!
//! The pages call the API of the same origin with the credentials that their user gives them; this
//! module knows no library, no tenant and no key. Everything that it serves is compiled in, so it
//! needs no file and no build step. It must not depend on what a request says beyond its path and
//! `If-None-Match`.

mod assets;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use self::assets::{ASSETS, Asset};

/// What a page may load and do (CSP level 3): its own scripts and styles, calls to its own origin,
/// and images that it holds itself. Trusted Types let no text become markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);
/// The camera, for searches with a photograph, and nothing else.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=()",
);
const SAFETY: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
];
const OFF: &str = "the console is off: set `console.enabled = true` in the configuration, or \
                   SAMEGATE_CONSOLE__ENABLED=true\n";
const NOT_FOUND: &str = "the console has no such file\n";

/// Makes the routes below `/console/`, and `/`, which leads there; where the console is off, routes
/// that say how to switch it on.
pub fn router(is_enabled: bool) -> Router {
    if !is_enabled {
        let off = || async { text(StatusCode::NOT_FOUND, OFF) };
        return Router::new()
            .route("/console", get(off))
            .route("/console/", get(off));
    }
    let to_console = || async { safe(Redirect::temporary("/console/")) };
    Router::new()
        .route("/", get(to_console))
        .route("/console", get(to_console))
        .route(
            "/console/",
            get(|headers: HeaderMap| async move { serve("index.html", &headers) }),
        )
        .route(
            "/console/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move {
                serve(&path, &headers)
            }),
        )
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.path == path) {
        Some(asset) => send(asset, headers),
        None => text(StatusCode::NOT_FOUND, NOT_FOUND),
    }
}

/// Sends a file, or only says that the browser's copy is current.
fn send(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", blake3::hash(asset.content).to_hex());
    let known = headers.get_all(IF_NONE_MATCH).iter();
    let is_current = known
        .filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.contains(&tag));
    let caching = [
        (ETAG, tag),
        // Kept, and asked for again each time: the pages belong to the version of the gateway.
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if is_current {
        return safe((StatusCode::NOT_MODIFIED, caching));
    }
    safe((caching, [(CONTENT_TYPE, asset.content_type)], asset.content))
}

fn text(status: StatusCode, text: &'static str) -> Response {
    safe((status, text))
}

fn safe(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().extend(SAFETY);
    response
}
