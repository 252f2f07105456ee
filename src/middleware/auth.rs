//! Finds out which tenant a call comes from, or refuses it.
//!
//! Each door proves identity in its own way and hands in an [`Authenticate`];
//! this layer runs it before anything reads the body, and notes the tenant.
//! [`ApiKeys`] is the gRPC door's way.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use http::request::Parts;
use http::{HeaderMap, Request, Response, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower::{Layer, Service};

use crate::domain::Tenant;
use crate::error::{Error, Kind};

/// Finds the tenant from the head of a request.
pub type Authenticate = Arc<dyn Fn(&Parts) -> Result<Arc<Tenant>, Error> + Send + Sync>;

/// Adds the `Arc<Tenant>` to the extensions of each request.
#[derive(Clone)]
pub struct AuthLayer<R> {
    authenticate: Authenticate,
    refuse: R,
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub struct Authenticated<S, R> {
    inner: S,
    layer: AuthLayer<R>,
}

/// API keys of all tenants: known by their SHA-256 only.
#[derive(Clone, Default)]
pub struct ApiKeys {
    keys: Vec<([u8; 32], Arc<Tenant>)>,
    anonymous: Option<Arc<Tenant>>,
}

// === impl ApiKeys ===

impl ApiKeys {
    /// Knows the keys by their digests; `anonymous` takes calls without one.
    pub fn new(keys: Vec<([u8; 32], Arc<Tenant>)>, anonymous: Option<Arc<Tenant>>) -> Self {
        ApiKeys { keys, anonymous }
    }

    /// Finds the tenant by `authorization: Bearer KEY` or `x-api-key: KEY`.
    ///
    /// # Errors
    ///
    /// `CredentialsMissing` without a key where none may call anonymously,
    /// `CredentialsInvalid` for a key that nobody has.
    pub fn tenant(&self, headers: &HeaderMap) -> Result<Arc<Tenant>, Error> {
        let Some(key) = presented(headers) else {
            let missing = || {
                let message = "send an API key as `authorization: Bearer KEY` or `x-api-key: KEY`";
                Error::new(Kind::CredentialsMissing, message)
            };
            return self.anonymous.clone().ok_or_else(missing);
        };
        let digest: [u8; 32] = Sha256::digest(key).into();
        // All digests are compared, in constant time, whichever fits.
        let mut found = None;
        for (known, tenant) in &self.keys {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(tenant);
            }
        }
        found
            .cloned()
            .ok_or_else(|| Error::new(Kind::CredentialsInvalid, "the API key is not known"))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({} keys)", self.keys.len())
    }
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}

// === impl AuthLayer ===

impl<R> AuthLayer<R> {
    pub(super) fn new(authenticate: Authenticate, refuse: R) -> Self {
        AuthLayer {
            authenticate,
            refuse,
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
    R: Fn(&Error) -> Response<B>,
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
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
        match (self.layer.authenticate)(&head) {
            Ok(tenant) => {
                tracing::Span::current().record("tenant", tenant.name.as_str());
                head.extensions.insert(tenant);
                self.inner.call(Request::from_parts(head, body)).boxed()
            }
            Err(error) => std::future::ready(Ok((self.layer.refuse)(&error))).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(anonymous: bool) -> ApiKeys {
        let tenant = |name: &str| {
            Arc::new(Tenant {
                name: name.to_owned(),
                libraries: Vec::new(),
                weight: 1,
            })
        };
        let keys = [("key-a", "a"), ("key-a2", "a"), ("key-b", "b")];
        let keys = keys.map(|(key, name)| (Sha256::digest(key).into(), tenant(name)));
        ApiKeys::new(keys.into(), anonymous.then(|| tenant("anyone")))
    }

    fn caller(keys: &ApiKeys, header: &'static str, value: &str) -> Result<String, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(header, value.parse().unwrap());
        keys.tenant(&headers)
            .map(|tenant| tenant.name.clone())
            .map_err(|error| error.kind())
    }

    #[test]
    fn each_of_several_valid_keys_names_its_tenant_in_both_headers() {
        assert_eq!(
            caller(&keys(false), "authorization", "Bearer key-a"),
            Ok("a".to_owned())
        );
        assert_eq!(
            caller(&keys(false), "authorization", "bearer key-a2"),
            Ok("a".to_owned())
        );
        assert_eq!(
            caller(&keys(false), "x-api-key", "key-b"),
            Ok("b".to_owned())
        );
    }

    #[test]
    fn an_unknown_key_is_refused_also_where_anonymous_calls_are_taken() {
        assert_eq!(
            caller(&keys(true), "x-api-key", "key-c"),
            Err(Kind::CredentialsInvalid)
        );
        assert_eq!(
            caller(&keys(true), "authorization", "Bearer "),
            Err(Kind::CredentialsInvalid)
        );
    }

    #[test]
    fn a_call_without_a_key_is_taken_only_where_anonymous_calls_are() {
        assert_eq!(
            caller(&keys(true), "accept", "*/*"),
            Ok("anyone".to_owned())
        );
        assert_eq!(
            caller(&keys(false), "authorization", "Basic eA=="),
            Err(Kind::CredentialsMissing)
        );
    }
}
