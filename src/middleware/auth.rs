//! Finds out which tenant a call comes from, or rejects it.
//!
//! Each door proves identity in its own way and hands in an [`Authenticate`];
//! this layer runs it before anything reads the body, and notes the tenant.
//! [`Credentials`] is the gRPC API's way, and the REST API's for callers
//! without an access token: an API key, else a JWT, else the certificate of
//! the connection, else nobody. Whoever shows a credential is judged by it:
//! one that is not good is never taken for none.

mod jwks;
mod jwt;
mod keys;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt, ready};
use http::request::Parts;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::call::{CallStats, Peer, Tenant};
use crate::error::{Error, Kind};

pub use jwt::Tokens;
pub use keys::ApiKeys;

/// Finds the tenant from the head of a request.
pub type Authenticate = Arc<dyn Fn(&Parts) -> Identified + Send + Sync>;

/// The tenant of a request, once it is known.
pub type Identified = BoxFuture<'static, Result<Arc<Tenant>, Error>>;

/// Adds the `Arc<Tenant>` to the extensions of each request.
#[derive(Clone)]
pub struct AuthLayer<R> {
    authenticate: Authenticate,
    reject: R,
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub struct Authenticated<S, R> {
    inner: S,
    layer: AuthLayer<R>,
}

/// Everything by which callers can prove who they are.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Keys in headers.
    pub keys: ApiKeys,
    /// Signed tokens of an issuer.
    pub tokens: Option<Tokens>,
    /// Identities in client certificates, as the configuration writes them.
    pub identities: BTreeMap<String, Arc<Tenant>>,
    /// Takes calls without any of these.
    pub anonymous: Option<Arc<Tenant>>,
}

// === impl Credentials ===

impl Credentials {
    /// Finds the tenant of a request.
    ///
    /// # Errors
    ///
    /// `CredentialsMissing` without credentials where none may call
    /// anonymously, `CredentialsInvalid` for a key or token that is not good,
    /// `CredentialsExpired` for a token that was, `IdentityUnknown` for a good
    /// token or certificate of nobody, `IssuerUnavailable` when the keys of
    /// the tokens' issuer cannot be fetched.
    pub fn identify(&self, head: &Parts) -> Identified {
        let Some(presented) = keys::presented(&head.headers) else {
            return ready(self.of_connection(head)).boxed();
        };
        if let Some(tenant) = self.keys.tenant(presented) {
            return ready(Ok(Arc::clone(tenant))).boxed();
        }
        match (&self.tokens, std::str::from_utf8(presented)) {
            (Some(tokens), Ok(token)) if jwt::is_one(token) => {
                tokens.clone().tenant(token.to_owned()).boxed()
            }
            _ => {
                let error = Error::new(Kind::CredentialsInvalid, "the API key is not known");
                ready(Err(error)).boxed()
            }
        }
    }

    /// Whether a request carries a credential of this kind.
    pub fn are_in(head: &Parts) -> bool {
        keys::presented(&head.headers).is_some() || head.extensions.get::<Peer>().is_some()
    }

    fn of_connection(&self, head: &Parts) -> Result<Arc<Tenant>, Error> {
        let Some(peer) = head.extensions.get::<Peer>() else {
            return self.anonymous.clone().ok_or_else(missing);
        };
        let known = |identity: &String| self.identities.get(identity);
        let tenant = peer.identities.iter().find_map(known);
        tenant.cloned().ok_or_else(|| {
            let message = "no identity of the client certificate is known";
            Error::new(Kind::IdentityUnknown, message)
        })
    }
}

/// Tells the span and the access log who calls.
fn note(head: &Parts, tenant: &Tenant) {
    tracing::Span::current().record("tenant", tenant.name.as_str());
    if let Some(stats) = head.extensions.get::<CallStats>() {
        stats.set_tenant(&tenant.name);
    }
}

fn missing() -> Error {
    let message = "send an API key as `authorization: Bearer KEY` or `x-api-key: KEY`, or use \
                   another credential that the gateway is configured for";
    Error::new(Kind::CredentialsMissing, message)
}

// === impl AuthLayer ===

impl<R> AuthLayer<R> {
    pub(super) fn new(authenticate: Authenticate, reject: R) -> Self {
        AuthLayer {
            authenticate,
            reject,
        }
    }
}

impl<R> fmt::Debug for AuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Authenticated<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticated").field(&self.inner).finish()
    }
}

impl<S, R: Clone> Layer<S> for AuthLayer<R> {
    type Service = Authenticated<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S, A, B, R> Service<Request<A>> for Authenticated<S, R>
where
    R: Fn(&Error) -> Response<B> + Copy + Send + 'static,
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    A: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let reject = self.layer.reject;
        let identified = (self.layer.authenticate)(&head);
        // The service that is ready goes with the call; its copy stays.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        async move {
            match identified.await {
                Ok(tenant) => {
                    note(&head, &tenant);
                    head.extensions.insert(tenant);
                    inner.call(Request::from_parts(head, body)).await
                }
                Err(error) => Ok(reject(&error)),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
