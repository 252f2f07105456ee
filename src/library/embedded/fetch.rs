//! Fetches the image of a `url` source, from public addresses only.
//!
//! The caller chooses the address, so the gateway must not give it access to services that only the
//! gateway can reach (server-side request forgery, SSRF, OWASP A10:2021). Addresses are checked
//! where the connection is made: names are resolved by a resolver of our own that returns public
//! addresses only, so a name cannot resolve to another address between check and use (DNS
//! rebinding), and numeric addresses are checked before each request, redirects included.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use url::Host;

use crate::call::Call;
use crate::domain::{ImageFile, ImageUrl, MAX_IMAGE_BYTES};
use crate::error::{Error, Kind, Result};

/// Timeout of one image, redirects included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of redirects.
const MAX_REDIRECTS: usize = 3;

/// Fetches images; clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    client: reqwest::Client,
    scope: AddressScope,
}

/// Which addresses images may be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressScope {
    /// Public addresses only.
    Public,
    /// Any address: the operator trusts the callers.
    Any,
}

/// The name or address is not in the [`AddressScope`].
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
struct NotPublic;

// === impl Fetcher ===

impl Fetcher {
    /// Creates the HTTP client.
    ///
    /// # Errors
    ///
    /// `Internal` when the TLS library cannot be set up.
    pub(super) fn new(scope: AddressScope) -> Result<Self> {
        Fetcher::with_resolver(scope, Arc::new(Resolver(scope)))
    }

    fn with_resolver(scope: AddressScope, resolver: Arc<dyn Resolve>) -> Result<Self> {
        let redirects = Policy::custom(move |attempt| redirect(attempt, scope));
        let client = reqwest::Client::builder()
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
    pub(super) async fn fetch(&self, call: &Call, url: &ImageUrl) -> Result<ImageFile> {
        if !allowed(url.as_url(), self.scope) {
            return Err(Error::new(
                Kind::UrlUnreachable,
                "the address is not public",
            ));
        }
        let response = self
            .client
            .get(url.as_url().clone())
            .timeout(call.remaining().min(TIMEOUT))
            .send()
            .await
            .map_err(classify)?;
        if response.status() != reqwest::StatusCode::OK {
            let message = format!(
                "the image's host returned HTTP status {}",
                response.status().as_u16()
            );
            return Err(Error::new(Kind::UrlUnreachable, message));
        }
        ImageFile::new(read_body(response, call).await?)
            .map_err(|violation| Error::invalid(vec![violation]))
    }
}

/// Reads the body, or just more than the maximum of an image, which rejects it. What arrives is
/// charged to the call; the length that the host declares is not, and uses no memory by itself.
async fn read_body(mut response: reqwest::Response, call: &Call) -> Result<Bytes> {
    let declared = response.content_length().unwrap_or(0);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    // Exact where the host is honest: a buffer that grows has up to twice the size.
    let mut body = BytesMut::with_capacity(declared.min(MAX_IMAGE_BYTES + 1));
    while body.len() <= MAX_IMAGE_BYTES {
        let Some(chunk) = response.chunk().await.map_err(classify)? else {
            break;
        };
        call.permit.charge(chunk.len()).await?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn classify(error: reqwest::Error) -> Error {
    let (kind, message) = if error.is_timeout() {
        (Kind::UrlTimeout, "the image's host was too slow")
    } else if error.is_redirect() {
        (
            Kind::UrlUnreachable,
            "the image's host redirects too often, or to an address that is not public",
        )
    } else {
        (Kind::UrlUnreachable, "the image's host cannot be reached")
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

// === impl AddressScope ===

impl AddressScope {
    fn includes(self, address: IpAddr) -> bool {
        match (self, address) {
            (AddressScope::Any, _) => true,
            (AddressScope::Public, IpAddr::V4(address)) => is_public_v4(address),
            (AddressScope::Public, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

/// Returns whether an address is globally reachable, by the IANA IPv4 Special-Purpose Address
/// Registry (RFC 6890 and later entries).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            // Azure's internal services at a public address: 168.63.129.16.
            | (168, 63, 129)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _)
    );
    !special
}

/// The same for IPv6. Only `2000::/3` is global unicast; within it, prefixes that embed an IPv4
/// address (6to4, Teredo) could contain a private one and are rejected.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match address.segments() {
        // NAT64 (RFC 6052) carries the IPv4 address in its last 32 bits.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            let [.., a, b, c, d] = address.octets();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..0x1000, ..] => {
            false
        }
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Resolves names with the system's resolver, to the addresses in the scope.
struct Resolver(AddressScope);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let scope = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found
                .filter(|address| scope.includes(address.ip()))
                .collect();
            if addresses.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
