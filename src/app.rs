//! The composition root: builds every part and runs the gateway.
//!
//! Parts are built in order of dependency, each from its own section of the configuration:
//! libraries, APIs with their layers, listeners. A graceful shutdown runs in reverse: not ready,
//! lame duck, GOAWAY, drain, engines closed.

mod apis;
mod components;
mod descriptors;
mod libraries;
mod listener;
mod readiness;
mod reload;
mod rest_secret;
mod swap;

use std::time::Duration;

use axum::Router;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::apis::Routers;
use self::components::Components;
pub use self::descriptors::raise_descriptor_limit;
pub use self::libraries::check_clusters;
pub use self::listener::Addresses;
use self::listener::BoundListener;
pub use self::reload::Reloader;
use self::swap::SwappableRouter;
use crate::admin::{self, Readiness};
use crate::config::Config;
use crate::error::Result;
use crate::library::embedded::{CpuPool, EmbeddedBackend};
use crate::replicas::Redis;
use crate::server::{self, Tls};
use crate::telemetry::Metrics;

/// A gateway that is ready to run: libraries open, ports bound.
#[derive(Debug)]
pub struct App {
    grpc: (BoundListener, SwappableRouter),
    rest: (BoundListener, SwappableRouter),
    admin: (BoundListener, SwappableRouter),
    /// What the admin port serves, without the layer that depends on the configuration.
    admin_routes: Router,
    embedded: Vec<EmbeddedBackend>,
    components: Components,
    readiness: Readiness,
    tls: Option<Tls>,
    config: Config,
}

// === impl App ===

impl App {
    /// Opens the libraries and binds the ports.
    ///
    /// # Errors
    ///
    /// `Storage` for a library that cannot be opened, `Internal` for a port that cannot be bound;
    /// the message names it.
    pub async fn bind(config: &Config) -> Result<Self> {
        let metrics = Metrics::new();
        let tls = config.listen.tls.as_ref();
        let tls = tls.map(|tls| Tls::read(tls, &metrics)).transpose()?;
        let redis = config.redis.as_ref().map(Redis::connect).transpose()?;
        let cpu = CpuPool::new(config.limits.max_decoded_bytes);
        let (libraries, embedded) = libraries::open(config, &cpu, redis.as_ref(), &metrics)?;
        let components = Components::new(config, libraries, cpu, redis.as_ref(), metrics.clone());
        let readiness = Readiness::new(metrics.clone());
        let admin_routes = admin::router(
            readiness.clone(),
            components.metric_sources(),
            metrics.clone(),
        );
        let listen = &config.listen;
        let grpc = BoundListener::bind("grpc", listen.grpc).await?;
        let rest = BoundListener::bind("rest", listen.rest).await?;
        let admin = BoundListener::bind("admin", listen.admin).await?;
        let addresses = Addresses {
            grpc: grpc.address,
            rest: rest.address,
            admin: admin.address,
        };
        let routers = Routers::build(config, &components, &admin_routes, &addresses)?;
        let app = App {
            grpc: (grpc, SwappableRouter::new(routers.grpc)),
            rest: (rest, SwappableRouter::new(routers.rest)),
            admin: (admin, SwappableRouter::new(routers.admin)),
            admin_routes,
            embedded,
            components,
            readiness,
            tls,
            config: config.clone(),
        };
        metrics.config().succeeded();
        Ok(app)
    }

    /// Returns where the gateway listens.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            grpc: self.grpc.0.address,
            rest: self.rest.0.address,
            admin: self.admin.0.address,
        }
    }

    /// Returns the number of images in a library; none for one at a vendor.
    pub fn image_count(&self, library: &str) -> Option<u64> {
        let mut libraries = self.components.libraries.iter();
        let (_, library) = libraries.find(|(name, _)| *name == library)?;
        library.state().images
    }

    /// Makes what applies other configurations to this gateway.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            components: self.components.clone(),
            grpc: self.grpc.1.clone(),
            rest: self.rest.1.clone(),
            admin: self.admin.1.clone(),
            admin_routes: self.admin_routes.clone(),
            addresses: self.addresses(),
            current: self.config.clone(),
        }
    }

    /// Serves until `shutdown`, then drains and closes the libraries.
    ///
    /// `shutdown` returns the length of the lame duck period: for how long calls are still accepted
    /// while probes already report "not ready".
    pub async fn run(self, shutdown: impl Future<Output = Duration>) {
        let (limits, listen) = (&self.config.limits, &self.config.listen);
        let connections = descriptors::connection_limits(listen);
        let options = |listener: &BoundListener, tls: Option<Tls>| server::Options {
            listener: listener.name,
            tls,
            limits: connections,
            spare_descriptors: 0,
            control_frames_per_second: listen.max_control_frames_per_second,
            max_idle: limits.max_connection_idle,
            max_age: limits.max_connection_age,
            grace: limits.max_connection_age_grace,
            drain: limits.drain_timeout,
            send_timeout: limits.send_timeout,
            metrics: self.components.metrics.clone(),
        };
        let (draining, drained) = (CancellationToken::new(), CancellationToken::new());
        if let Some(tls) = self.tls.clone() {
            tokio::spawn(tls.watch_files(draining.clone()));
        }
        let (admin, router) = self.admin;
        let admin_options = server::Options {
            limits: descriptors::ADMIN,
            spare_descriptors: descriptors::ADMIN_SPARE,
            // A backup may take hours.
            max_age: Duration::ZERO,
            ..options(&admin, None)
        };
        // The admin port serves probes until everything else has drained.
        let admin = server::serve(admin.listener, router, admin_options, drained.clone());
        let admin = tokio::spawn(admin);
        let mut serving = JoinSet::new();
        for (api, router) in [self.grpc, self.rest] {
            let options = options(&api, self.tls.clone());
            serving.spawn(server::serve(
                api.listener,
                router,
                options,
                draining.clone(),
            ));
        }

        readiness::serve_until(shutdown, &self.components, &self.readiness, limits).await;
        draining.cancel();
        readiness::end_health_streams(self.components.health).await;
        serving.join_all().await;
        drained.cancel();
        if admin.await.is_err() {
            tracing::error!("admin listener panicked");
        }
        self.embedded.iter().for_each(EmbeddedBackend::close);
    }
}
