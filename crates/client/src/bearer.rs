//! The credential of each call and stream: `authorization: Bearer KEY`.
//!
//! The value is marked sensitive, so that no layer below prints it.

use std::fmt;
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

pub(crate) const INVALID: &str = "the API key has characters that are not allowed in a header";

/// Returns the present key or token.
pub(crate) type KeyFunction = dyn Fn() -> String + Send + Sync;

/// Adds the key to each call.
#[derive(Clone, Default)]
pub(crate) enum Bearer {
    /// The certificate names the tenant, or the gateway has none.
    #[default]
    None,
    Key(Header),
    Function(Arc<KeyFunction>),
}

type Header = MetadataValue<Ascii>;

// === impl Bearer ===

impl Bearer {
    /// Makes the credential of a key; an empty one is none.
    ///
    /// # Errors
    ///
    /// When it has characters that a header must not have.
    pub(crate) fn key(key: &str) -> Result<Self, &'static str> {
        Ok(header(key)?.map_or(Bearer::None, Bearer::Key))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let authorization = match self {
            Bearer::None => None,
            Bearer::Key(header) => Some(header.clone()),
            Bearer::Function(key) => header(&key()).map_err(Status::unauthenticated)?,
        };
        if let Some(authorization) = authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization);
        }
        Ok(request)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bearer::None => "no key",
            Bearer::Key(_) => "key",
            Bearer::Function(_) => "function",
        })
    }
}

/// Makes the header of a key; none of an empty one.
fn header(key: &str) -> Result<Option<Header>, &'static str> {
    let key = key.trim();
    if key.is_empty() {
        return Ok(None);
    }
    let mut header = Header::try_from(format!("Bearer {key}")).map_err(|_| INVALID)?;
    header.set_sensitive(true);
    Ok(Some(header))
}
