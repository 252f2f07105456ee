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

use crate::admission::Budget;
use crate::config::{self, Config};
use crate::domain::Tenant;
use crate::error::{Error, Kind, Result};
use crate::library::embedded::Embedded;
use crate::library::rest::Rest;
use crate::library::{Libraries, Library, Observed};
use crate::middleware::{self, ApiKeys, Authenticate, Bounds, Credentials, Deadlines, Tokens};
use crate::quota::Quotas;
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

        let bounds = bounds(config)?;
        let credentials = Arc::new(credentials(config, &tenants)?);

        let grpc_door = grpc_door(&credentials, &libraries, &bounds, &health, &draining)?;
        let keys = rest_keys(config, &tenants);
        let rest_door = rest_door(keys, credentials, &libraries, &bounds);
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
    credentials: &Arc<Credentials>,
    libraries: &Libraries,
    bounds: &Bounds,
    health: &HealthReporter,
    draining: &CancellationToken,
) -> Result<Router> {
    let credentials = Arc::clone(credentials);
    let authenticate: Authenticate = Arc::new(move |head| credentials.identify(head));
    let (quotas, budget) = (bounds.quotas.clone(), bounds.budget.clone());
    let service = grpc::Service::new(libraries.clone(), quotas, budget, draining.clone());
    let service = grpc::server(service, bounds.max_message_bytes);
    let service = middleware::api(authenticate, bounds.clone(), grpc::refuse).named_layer(service);
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

fn rest_keys(config: &Config, tenants: &Tenants) -> rest::Keys {
    let pairs = config.tenants.iter().flat_map(|(name, tenant)| {
        let tenant_of = tenants.get(name).cloned();
        tenant
            .rest_keys
            .iter()
            .filter_map(move |pair| Some(rest::KeyPair::new(pair, tenant_of.clone()?)))
    });
    rest::Keys::new(pairs)
}

/// The door takes its own tokens, and every credential of the other door in
/// their place; calls without any are refused in the words of its API.
fn rest_door(
    keys: rest::Keys,
    credentials: Arc<Credentials>,
    libraries: &Libraries,
    bounds: &Bounds,
) -> Router {
    let authenticate: Authenticate = {
        let keys = keys.clone();
        Arc::new(move |head| {
            if !rest::Keys::are_in(head) && Credentials::are_in(head) {
                return credentials.identify(head);
            }
            Box::pin(std::future::ready(keys.authenticate(head)))
        })
    };
    let calls = rest::calls(libraries.clone(), bounds.max_message_bytes);
    let calls = calls.layer(middleware::api(authenticate, bounds.clone(), rest::refuse));
    rest::routes(calls, keys).layer(middleware::outer(rest::refuse))
}

/// Every credential of every tenant. The first tenant without keys and
/// identities takes the calls without credentials; where tokens are taken, only
/// if the configuration says so, since that tenant has tokens.
fn credentials(config: &Config, tenants: &Tenants) -> Result<Credentials> {
    let mut keys = Vec::new();
    let mut credentials = Credentials::default();
    let may_be_open = config.auth.jwt.is_none() || config.auth.anonymous;
    for (name, configured) in &config.tenants {
        let Some(tenant) = tenants.get(name) else {
            continue;
        };
        let digests = configured.api_keys.iter();
        keys.extend(digests.map(|digest| (*digest, Arc::clone(tenant))));
        let identities = configured.identities.iter().cloned();
        let identities = identities.map(|identity| (identity, Arc::clone(tenant)));
        credentials.identities.extend(identities);
        if may_be_open && !configured.is_closed() {
            credentials
                .anonymous
                .get_or_insert_with(|| Arc::clone(tenant));
        }
    }
    credentials.keys = ApiKeys::new(keys);
    if let Some(jwt) = &config.auth.jwt {
        credentials.tokens = Some(Tokens::new(jwt, tenants.clone())?);
    }
    Ok(credentials)
}

fn bounds(config: &Config) -> Result<Bounds> {
    let limits = &config.limits;
    let quotas = config.tenants.iter();
    let quotas = quotas.map(|(name, tenant)| (name.clone(), tenant.quota.clone()));
    // No call runs longer than its deadline.
    let longest = limits.max_deadline;
    Ok(Bounds {
        quotas: Quotas::open(&config.quota, quotas.collect(), longest)?,
        budget: Budget::new(limits.requests_in_flight, limits.bytes_in_flight),
        max_message_bytes: limits.max_message_bytes,
        deadlines: Deadlines {
            default: limits.default_deadline,
            max: limits.max_deadline,
        },
    })
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
