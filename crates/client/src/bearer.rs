//! The credential of each call and stream: `authorization: Bearer KEY`.
//!
//! The value is marked sensitive, so that no layer below prints it.

use std::fmt;
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

const INVALID: &str = "the API key has characters that are not allowed in a header";

/// Returns the present key or token.
pub(crate) type KeyFunction = dyn Fn() -> String + Send + Sync;

/// Adds the key to each call.
#[derive(Clone, Default)]
pub(crate) enum Bearer {
    /// The certificate names the tenant, or the gateway has none.
    #[default]
    None,
    Key(MetadataValue<Ascii>),
    Function(Arc<KeyFunction>),
}

// === impl Bearer ===

impl Bearer {
    /// Makes the credential of a key; an empty one is none.
    ///
    /// # Errors
    ///
    /// When it has characters that a header must not have.
    pub(crate) fn key(key: &str) -> Result<Self, &'static str> {
        if key.is_empty() {
            return Ok(Bearer::None);
        }
        header(key).map(Bearer::Key)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let authorization = match self {
            Bearer::None => return Ok(request),
            Bearer::Key(header) => header.clone(),
            Bearer::Function(key) => header(&key()).map_err(Status::unauthenticated)?,
        };
        request
            .metadata_mut()
            .insert("authorization", authorization);
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

fn header(key: &str) -> Result<MetadataValue<Ascii>, &'static str> {
    let bearer = format!("Bearer {}", key.trim());
    let mut header = MetadataValue::try_from(bearer).map_err(|_| INVALID)?;
    header.set_sensitive(true);
    Ok(header)
}
