//! Taking another configuration while the gateway runs.
//!
//! Doors are made anew as a whole and put in place of the old ones in one
//! step, so a request sees one configuration from begin to end; those that run
//! end with the old one. Libraries and ports stay as they are: what changes
//! about them is told and waits for a restart. A configuration with violations is
//! told and changes nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use tower::Service;

use super::Parts;
use crate::config::{Config, ConfigErrors};
use crate::error::Result;
use crate::telemetry;

/// A service that can be replaced between two requests.
#[derive(Clone, Debug)]
pub(super) struct Replaceable(Arc<ArcSwap<Router>>);

/// Puts configurations into a running gateway.
#[derive(Debug)]
pub struct Reloader {
    pub(super) parts: Parts,
    pub(super) grpc: Replaceable,
    pub(super) rest: Replaceable,
    pub(super) current: Config,
}

// === impl Replaceable ===

impl Replaceable {
    pub(super) fn new(router: Router) -> Self {
        Replaceable(Arc::new(ArcSwap::from_pointee(router)))
    }

    fn replace(&self, router: Router) {
        self.0.store(Arc::new(router));
    }
}

impl Service<Request<Incoming>> for Replaceable {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let mut router = Router::clone(&self.0.load());
        router.call(request)
    }
}

// === impl Reloader ===

impl Reloader {
    /// Takes a configuration as it was read: all of it, or nothing.
    pub fn apply(&mut self, read: std::result::Result<Config, ConfigErrors>) {
        let failed = match read {
            Ok(config) => match self.replace(config) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Err(violations) => violations.to_string(),
        };
        self.parts.metrics.config().failed();
        tracing::error!(
            error = failed,
            "the configuration is broken; the old one stays"
        );
    }

    fn replace(&mut self, config: Config) -> Result<()> {
        let [grpc, rest] = self.parts.doors(&config)?;
        self.grpc.replace(grpc);
        self.rest.replace(rest);
        if config.telemetry.log_level != self.current.telemetry.log_level
            && let Err(error) = telemetry::set_log_level(&config.telemetry.log_level)
        {
            tracing::warn!(%error, "the log level stays as it is");
        }
        let keys = config.needs_restart(&self.current);
        if !keys.is_empty() {
            let keys = keys.join(", ");
            tracing::warn!(
                keys,
                "these parts of the configuration change at the next start only"
            );
        }
        self.parts.metrics.config().succeeded();
        tracing::info!("the configuration was read and is in use");
        // What waits for a restart goes on being told.
        self.current = config.with_fixed_of(&self.current);
        Ok(())
    }
}
