//! The composition root: the only file that knows every part.
//!
//! Parts are built in order of dependency, each from its own piece of the
//! configuration: libraries, tenants, doors with their layers, listeners. The
//! reverse happens at the end: not ready, GOAWAY, drain, engines closed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::LayerExt;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::{self, Config};
use crate::domain::Tenant;
use crate::error::{Error, Kind, Result};
use crate::library::embedded::Embedded;
use crate::library::rest::Rest;
use crate::library::{Libraries, Library, Observed};
use crate::middleware::{self, ApiKeys, Authenticate, Deadlines};
use crate::{admin, grpc, rest, server};

/// A gateway that is ready to run: libraries open, ports bound.
#[derive(Debug)]
pub struct App {
    doors: [Door; 2],
    admin: Door,
    addresses: Addresses,
    embedded: Vec<Embedded>,
    health: HealthReporter,
    draining: CancellationToken,
    drain: Duration,
}

/// Where a running gateway listens; ports that were 0 have their number.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// gRPC door.
    pub grpc: SocketAddr,
    /// REST door.
    pub rest: SocketAddr,
    /// Probes.
    pub admin: SocketAddr,
}

/// A bound port and what it serves.
type Door = (TcpListener, Router);

// === impl App ===

impl App {
    /// Opens the libraries and binds the ports.
    ///
    /// # Errors
    ///
    /// `Storage` for a library that cannot be opened, `Internal` for a port
    /// that cannot be bound; the message names it.
    pub async fn bind(config: &Config) -> Result<Self> {
        let (libraries, embedded) = open(&config.libraries)?;
        let tenants = tenants(&config.tenants);
        let draining = CancellationToken::new();
        let health = HealthReporter::new();

        let grpc_door = grpc_door(config, &libraries, &tenants, &health, &draining)?;
        let rest_door = rest_door(config, &libraries, &tenants);
        let admin_door = admin::router(draining.clone());

        let listen = &config.listen;
        let (grpc, grpc_address) = bind("grpc", listen.grpc).await?;
        let (rest, rest_address) = bind("rest", listen.rest).await?;
        let (admin, admin_address) = bind("admin", listen.admin).await?;
        Ok(App {
            doors: [(grpc, grpc_door), (rest, rest_door)],
            admin: (admin, admin_door),
            addresses: Addresses {
                grpc: grpc_address,
                rest: rest_address,
                admin: admin_address,
            },
            embedded,
            health,
            draining,
            drain: config.limits.drain,
        })
    }

    /// Where the gateway listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `shutdown`, then drains and closes the libraries.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        // Probes are answered to the very end.
        let drained = CancellationToken::new();
        let (listener, router) = self.admin;
        let probes = server::serve(
            listener,
            router,
            self.drain,
            drained.clone().cancelled_owned(),
        );
        let probes = tokio::spawn(probes);
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in self.doors {
            let draining = self.draining.clone().cancelled_owned();
            serving.spawn(server::serve(listener, router, self.drain, draining));
        }
        announce(&self.health, ServingStatus::Serving).await;

        shutdown.await;
        tracing::info!("shutting down: no new calls are taken");
        announce(&self.health, ServingStatus::NotServing).await;
        self.draining.cancel();
        // Ends the streams of those who watch, after they were told.
        self.health.clear_service_status("").await;
        self.health.clear_service_status(grpc::NAME).await;
        serving.join_all().await;
        drained.cancel();
        if probes.await.is_err() {
            tracing::error!("the probes ended by a panic");
        }
        self.embedded.iter().for_each(Embedded::close);
    }
}

/// Tells health checks of the whole server and of the service.
async fn announce(health: &HealthReporter, status: ServingStatus) {
    health.set_service_status("", status).await;
    health.set_service_status(grpc::NAME, status).await;
}

type Tenants = BTreeMap<String, Arc<Tenant>>;

/// Opens every library; the embedded ones are also kept to be closed.
fn open(configs: &BTreeMap<String, config::Library>) -> Result<(Libraries, Vec<Embedded>)> {
    let mut libraries: Vec<(String, Arc<dyn Library>)> = Vec::new();
    let mut embedded = Vec::new();
    for (name, config) in configs {
        let library: Arc<dyn Library> = match config {
            config::Library::Embedded(config) => {
                let library = Embedded::open(config)?;
                embedded.push(library.clone());
                Arc::new(Observed::new(name, library))
            }
            config::Library::Rest(config) => Arc::new(Observed::new(name, Rest::connect(config)?)),
        };
        libraries.push((name.clone(), library));
    }
    Ok((Libraries::new(libraries), embedded))
}

fn tenants(configs: &BTreeMap<String, config::Tenant>) -> Tenants {
    let tenant = |(name, config): (&String, &config::Tenant)| {
        let tenant = Tenant {
            name: name.clone(),
            libraries: config.libraries.clone(),
            weight: config.weight,
        };
        (name.clone(), Arc::new(tenant))
    };
    configs.iter().map(tenant).collect()
}

fn grpc_door(
    config: &Config,
    libraries: &Libraries,
    tenants: &Tenants,
    health: &HealthReporter,
    draining: &CancellationToken,
) -> Result<Router> {
    let keys = api_keys(config, tenants);
    let authenticate: Authenticate = Arc::new(move |head| keys.tenant(&head.headers));
    let service = grpc::Service::new(libraries.clone(), draining.clone());
    let service = grpc::server(service, config.limits.max_message_bytes);
    let service =
        middleware::api(authenticate, deadlines(config), grpc::refuse).named_layer(service);
    let routes = grpc::routes(service, health.clone()).map_err(|error| {
        Error::new(
            Kind::Internal,
            "the compiled-in protobuf descriptors are broken",
        )
        .with_source(error)
    })?;
    Ok(routes
        .into_axum_router()
        .layer(middleware::outer(grpc::refuse)))
}

fn rest_door(config: &Config, libraries: &Libraries, tenants: &Tenants) -> Router {
    let pairs = config.tenants.iter().flat_map(|(name, tenant)| {
        let tenant_of = tenants.get(name).cloned();
        tenant
            .rest_keys
            .iter()
            .filter_map(move |pair| Some(rest::KeyPair::new(pair, tenant_of.clone()?)))
    });
    let keys = rest::Keys::new(pairs);
    let authenticate: Authenticate = {
        let keys = keys.clone();
        Arc::new(move |head| keys.authenticate(head))
    };
    let calls = rest::calls(libraries.clone(), config.limits.max_message_bytes);
    let calls = calls.layer(middleware::api(
        authenticate,
        deadlines(config),
        rest::refuse,
    ));
    rest::routes(calls, keys).layer(middleware::outer(rest::refuse))
}

/// Every API key by its digest; the first tenant without any takes the calls
/// that carry no key.
fn api_keys(config: &Config, tenants: &Tenants) -> ApiKeys {
    let mut keys = Vec::new();
    let mut anonymous = None;
    for (name, tenant) in tenants {
        let digests = config
            .tenants
            .get(name)
            .map_or(&[][..], |config| &config.api_keys);
        keys.extend(digests.iter().map(|digest| (*digest, Arc::clone(tenant))));
        if digests.is_empty() {
            anonymous.get_or_insert_with(|| Arc::clone(tenant));
        }
    }
    ApiKeys::new(keys, anonymous)
}

fn deadlines(config: &Config) -> Deadlines {
    Deadlines {
        default: config.limits.default_deadline,
        max: config.limits.max_deadline,
    }
}

async fn bind(door: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        let message = format!(
            "cannot listen on {address} for `listen.{door}`: {error}; is another samegate running? \
             choose another address with --{door}"
        );
        Error::new(Kind::Internal, message)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
