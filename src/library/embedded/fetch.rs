//! Fetches the image of a `url` source, from public addresses only.
//!
//! The caller chooses the address, so the gateway must not give it access to services that only the
//! gateway can reach (server-side request forgery, SSRF, OWASP A10:2021). Addresses are checked
//! where the connection is made: names are resolved by a resolver of our own that returns public
//! addresses only, so a name cannot resolve to another address between check and use (DNS
//! rebinding), and numeric addresses are checked before each request, redirects included. The caller
//! chooses the name as well, so names are looked up within limits (`lookups`).
//!
//! A body that breaks off is fetched once more: hosts close connections for many passing reasons.

mod lookups;
mod resolver;
mod scope;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::Resolve;
use reqwest::redirect::{Attempt, Policy};
use tokio::time::Instant;
use url::Host;

use self::lookups::Lookups;
use self::resolver::{Resolver, on_behalf_of};
pub(in crate::library) use self::scope::AddressScope;
use self::scope::NotPublic;
use crate::call::Call;
use crate::domain::{ImageFile, ImageUrl};
use crate::error::{Error, Kind, Result};

/// Timeout of one image, redirects and the second attempt included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of redirects.
const MAX_REDIRECTS: usize = 3;
/// Header of every request; some hosts reject requests without it.
const USER_AGENT: &str = concat!("samegate/", env!("CARGO_PKG_VERSION"));

/// Fetches images; clones share connections.
#[derive(Clone, Debug)]
pub(in crate::library) struct Fetcher {
    client: reqwest::Client,
    scope: AddressScope,
}

/// A failed attempt.
struct Failure {
    error: Error,
    /// Whether the body broke off, and another attempt may be whole.
    broke_off: bool,
}

// === impl Fetcher ===

impl Fetcher {
    /// Creates the HTTP client.
    ///
    /// # Errors
    ///
    /// `Internal` when the TLS library cannot be set up.
    pub(in crate::library) fn new(scope: AddressScope) -> Result<Self> {
        Fetcher::with_resolver(scope, Arc::new(Resolver::new(scope, Lookups::of_process())))
    }

    fn with_resolver(scope: AddressScope, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let redirects = Policy::custom(move |attempt| redirect(attempt, scope));
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(redirects)
            .dns_resolver(resolver)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| {
                Error::new(Kind::Internal, "the HTTP client could not be set up").with_source(error)
            })?;
        Ok(Fetcher { client, scope })
    }

    /// Fetches and checks an image within the call's deadline.
    ///
    /// # Errors
    ///
    /// `UrlUnreachable` (rejected address, failed connection, status other than 200), `UrlTimeout`,
    /// `Overloaded` when the image does not fit into the budget of bytes in flight, and every violation of the image itself.
    pub(in crate::library) async fn fetch(&self, call: &Call, url: &ImageUrl) -> Result<ImageFile> {
        if !allowed(url.as_url(), self.scope) {
            return Err(Error::new(
                Kind::UrlUnreachable,
                "the address is not public",
            ));
        }
        let deadline = Instant::now() + call.remaining().min(TIMEOUT);
        let mut fetched = self.attempt(call, url, deadline).await;
        if matches!(&fetched, Err(failure) if failure.broke_off) {
            fetched = self.attempt(call, url, deadline).await;
        }
        let body = fetched.map_err(|failure| failure.error)?;
        ImageFile::new(body, url.limits()).map_err(|violation| Error::invalid(vec![violation]))
    }

    async fn attempt(
        &self,
        call: &Call,
        url: &ImageUrl,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        let request = self
            .client
            .get(url.as_url().clone())
            .timeout(deadline.saturating_duration_since(Instant::now()));
        let response = on_behalf_of(call.tenant.clone(), request.send())
            .await
            .map_err(classify)?;
        if response.status() != reqwest::StatusCode::OK {
            let message = format!(
                "the image's host returned HTTP status {}",
                response.status().as_u16()
            );
            return Err(Error::new(Kind::UrlUnreachable, message).into());
        }
        read_body(response, call, url.limits().max_bytes).await
    }
}

/// Reads the body, or just more than the maximum of an image, which rejects it. What arrives is
/// charged to the call, unless the body breaks off; the length that the host declares is not, and
/// uses no memory by itself.
async fn read_body(
    mut response: reqwest::Response,
    call: &Call,
    max_bytes: usize,
) -> Result<Bytes, Failure> {
    let declared = response.content_length().unwrap_or(0);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    // Exact where the host is honest: a buffer that grows has up to twice the size.
    let mut body = BytesMut::with_capacity(declared.min(max_bytes + 1));
    while body.len() <= max_bytes {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => {
                call.permit.discard(body.len());
                return Err(Failure {
                    broke_off: !error.is_timeout(),
                    error: classify(error),
                });
            }
        };
        call.permit.charge(chunk.len()).await?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            error,
            broke_off: false,
        }
    }
}

fn classify(error: reqwest::Error) -> Error {
    let (kind, message) = if error.is_timeout() {
        (Kind::UrlTimeout, "the image's host was too slow")
    } else if error.is_redirect() {
        (
            Kind::UrlUnreachable,
            "the image's host redirects too often, or to an address that is not public",
        )
    } else if error.is_connect() || error.is_request() {
        (Kind::UrlUnreachable, "the image's host cannot be reached")
    } else {
        (
            Kind::UrlUnreachable,
            "the response of the image's host broke off",
        )
    };
    Error::new(kind, message).with_source(error.without_url())
}

fn redirect(attempt: Attempt<'_>, scope: AddressScope) -> reqwest::redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS || !allowed(attempt.url(), scope) {
        return attempt.error(NotPublic);
    }
    attempt.follow()
}

/// Checks what can be checked before a name is resolved.
fn allowed(url: &url::Url, scope: AddressScope) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => scope.includes(address.into()),
        Some(Host::Ipv6(address)) => scope.includes(address.into()),
        Some(Host::Domain(_)) => matches!(url.scheme(), "http" | "https"),
        None => false,
    }
}

#[cfg(test)]
mod tests;
