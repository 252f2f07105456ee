//! Reloads the configuration while the gateway runs.
//!
//! Both APIs are built anew as a whole and swapped in one step each, so a request sees one
//! configuration from start to end; running requests end with the old one. Libraries and ports stay
//! as they are: changes to them are logged and apply after a restart. A configuration with errors
//! is logged and changes nothing.

use axum::Router;

use super::apis::Routers;
use super::components::Components;
use super::listener::Addresses;
use super::swap::SwappableRouter;
use crate::config::{Config, ConfigErrors};
use crate::error::Result;
use crate::telemetry;

/// Applies configurations to a running gateway.
#[derive(Debug)]
pub struct Reloader {
    pub(super) components: Components,
    pub(super) grpc: SwappableRouter,
    pub(super) rest: SwappableRouter,
    pub(super) admin: SwappableRouter,
    pub(super) admin_routes: Router,
    pub(super) addresses: Addresses,
    pub(super) current: Config,
}

// === impl Reloader ===

impl Reloader {
    /// Applies a configuration as it was read: all of it, or nothing.
    pub fn apply(&mut self, read: std::result::Result<Config, ConfigErrors>) {
        let applied = read
            .map_err(|errors| errors.to_string())
            .and_then(|config| self.replace(config).map_err(|error| error.to_string()));
        let metrics = self.components.metrics.config();
        match applied {
            Ok(()) => {
                metrics.succeeded();
                tracing::info!("configuration reloaded");
            }
            Err(error) => {
                metrics.failed();
                tracing::error!(
                    error,
                    "configuration reload failed, keeping the previous one"
                );
            }
        }
    }

    fn replace(&mut self, config: Config) -> Result<()> {
        let routers = Routers::build(
            &config,
            &self.components,
            &self.admin_routes,
            &self.addresses,
        )?;
        self.grpc.swap(routers.grpc);
        self.rest.swap(routers.rest);
        self.admin.swap(routers.admin);
        if config.telemetry.log_level != self.current.telemetry.log_level
            && let Err(error) = telemetry::set_log_level(&config.telemetry.log_level)
        {
            tracing::warn!(%error, "log level change failed, keeping the previous one");
        }
        let keys = config.needs_restart(&self.current).join(", ");
        if !keys.is_empty() {
            tracing::warn!(keys, "configuration change requires a restart");
        }
        // What requires a restart is reported again at the next reload.
        self.current = config.with_fixed_of(&self.current);
        Ok(())
    }
}
