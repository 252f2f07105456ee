//! The composition root: the only file that knows every part.
//!
//! Parts are built in order of dependency, each from its own piece of the
//! configuration: libraries, tenants, doors with their layers, listeners. The
//! reverse happens at the end: not ready, GOAWAY, drain, engines closed.

mod reload;
mod start;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::LayerExt;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;

pub use self::reload::Reloader;
use self::reload::Replaceable;
use crate::admin::{Phase, Readiness, Sources};
use crate::admission::Budget;
use crate::call::Tenant;
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::EmbeddedBackend;
use crate::library::instrumented::InstrumentedLibrary;
use crate::library::rest::RestBackend;
use crate::library::{Libraries, Library};
use crate::middleware::{self, ApiKeys, Authenticate, Bounds, Credentials, Deadlines, Tokens};
use crate::quota::{self, Quotas, Rejections};
use crate::replicas::Redis;
use crate::server::Tls;
use crate::telemetry::Metrics;
use crate::{admin, grpc, rest, server};

/// A gateway that is ready to run: libraries open, ports bound.
#[derive(Debug)]
pub struct App {
    doors: [Door; 2],
    admin: (TcpListener, Router),
    addresses: Addresses,
    embedded: Vec<EmbeddedBackend>,
    parts: Parts,
    readiness: Readiness,
    tls: Option<Tls>,
    current: Config,
}

/// What doors are made around, whatever the configuration.
#[derive(Clone, Debug)]
struct Parts {
    libraries: Libraries,
    quotas: Arc<dyn quota::Store>,
    rejections: Rejections,
    budget: Budget,
    health: HealthReporter,
    metrics: Metrics,
}

/// Where a running gateway listens; ports that were 0 have their number.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// gRPC API.
    pub grpc: SocketAddr,
    /// REST API.
    pub rest: SocketAddr,
    /// Probes.
    pub admin: SocketAddr,
}

/// A bound port and what it serves.
#[derive(Debug)]
struct Door {
    name: &'static str,
    listener: TcpListener,
    service: Replaceable,
}

// === impl App ===

impl App {
    /// Opens the libraries and binds the ports.
    ///
    /// # Errors
    ///
    /// `Storage` for a library that cannot be opened, `Internal` for a port
    /// that cannot be bound; the message names it.
    pub async fn bind(config: &Config) -> Result<Self> {
        let metrics = Metrics::new();
        let tls = config.listen.tls.as_ref();
        let tls = tls.map(|tls| Tls::read(tls, &metrics)).transpose()?;
        let redis = config.redis.as_ref().map(Redis::connect).transpose()?;
        let (libraries, embedded) = open(config, redis.as_ref(), &metrics)?;
        let readiness = Readiness::new(metrics.clone());
        let limits = &config.limits;
        let parts = Parts {
            libraries,
            // No call runs longer than its deadline.
            quotas: quota::open(&config.quota, redis.as_ref(), limits.max_deadline),
            rejections: Rejections::default(),
            budget: Budget::new(limits.requests_in_flight, limits.bytes_in_flight),
            health: HealthReporter::new(),
            metrics,
        };
        let admin_door = admin::router(readiness.clone(), parts.sources(), parts.metrics.clone());
        let [grpc_api, rest_api] = parts.doors(config)?;

        let listen = &config.listen;
        let (grpc, grpc_address) = bind("grpc", listen.grpc).await?;
        let (rest, rest_address) = bind("rest", listen.rest).await?;
        let (admin, admin_address) = bind("admin", listen.admin).await?;
        let door = |name, listener, router| Door {
            name,
            listener,
            service: Replaceable::new(router),
        };
        parts.metrics.config().succeeded();
        Ok(App {
            doors: [door("grpc", grpc, grpc_api), door("rest", rest, rest_api)],
            admin: (admin, admin_door),
            addresses: Addresses {
                grpc: grpc_address,
                rest: rest_address,
                admin: admin_address,
            },
            embedded,
            parts,
            readiness,
            tls,
            current: config.clone(),
        })
    }

    /// Where the gateway listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Makes what puts other configurations into this gateway.
    pub fn reloader(&self) -> Reloader {
        let [grpc, rest] = &self.doors;
        Reloader {
            parts: self.parts.clone(),
            grpc: grpc.service.clone(),
            rest: rest.service.clone(),
            current: self.current.clone(),
        }
    }

    /// Serves until `shutdown`, then drains and closes the libraries.
    ///
    /// `shutdown` tells for how long calls are still taken while probes already
    /// say no.
    pub async fn run(self, shutdown: impl Future<Output = Duration>) {
        let limits = &self.current.limits;
        let (draining, drained) = (CancellationToken::new(), CancellationToken::new());
        if let Some(tls) = self.tls.clone() {
            tokio::spawn(tls.follow(draining.clone()));
        }
        // Probes are answered to the very end.
        let (listener, router) = self.admin;
        let probes = options("admin", limits, None, &self.parts.metrics);
        let probes = server::serve(listener, router, probes, drained.clone());
        let probes = tokio::spawn(probes);
        let mut serving = JoinSet::new();
        for door in self.doors {
            let options = options(door.name, limits, self.tls.clone(), &self.parts.metrics);
            let draining = draining.clone();
            serving.spawn(server::serve(
                door.listener,
                door.service,
                options,
                draining,
            ));
        }

        self.parts
            .serve_until(shutdown, &self.readiness, limits)
            .await;
        draining.cancel();
        // Ends the streams of those who watch, after they were told.
        let mut health = self.parts.health;
        health.clear_service_status("").await;
        health.clear_service_status(grpc::NAME).await;
        serving.join_all().await;
        drained.cancel();
        if probes.await.is_err() {
            tracing::error!("the probes ended by a panic");
        }
        self.embedded.iter().for_each(EmbeddedBackend::close);
    }
}

// === impl Parts ===

impl Parts {
    fn sources(&self) -> Sources {
        Sources {
            libraries: self.libraries.clone(),
            budget: self.budget.clone(),
            quotas: self.quotas.clone(),
            rejections: self.rejections.clone(),
        }
    }

    /// Makes both APIs as a configuration wants them.
    fn doors(&self, config: &Config) -> Result<[Router; 2]> {
        let limits = &config.limits;
        self.budget
            .resize(limits.requests_in_flight, limits.bytes_in_flight);
        let bounds = bounds(config, self);
        let tenants = tenants(&config.tenants);
        let credentials = Arc::new(credentials(config, &tenants)?);
        let keys = rest_keys(config, &tenants);
        Ok([
            grpc_api(credentials.clone(), &bounds, self)?,
            rest_api(keys, credentials, &bounds, self),
        ])
    }

    /// Says when traffic is wanted and when no more, and returns when no call
    /// needs to be taken any longer.
    async fn serve_until(
        &self,
        shutdown: impl Future<Output = Duration>,
        readiness: &Readiness,
        limits: &config::Limits,
    ) {
        let start = async {
            start::prepare(&self.libraries, limits.ready_wait).await;
            readiness.enter(Phase::Ready);
            announce(&self.health, ServingStatus::Serving).await;
            std::future::pending().await
        };
        let lame_duck = tokio::select! {
            lame_duck = shutdown => lame_duck,
            never = start => never,
        };
        let lame_duck_ms = lame_duck.as_millis();
        tracing::info!(lame_duck_ms, "shutting down: no new traffic is wanted");
        readiness.enter(Phase::Draining);
        announce(&self.health, ServingStatus::NotServing).await;
        tokio::time::sleep(lame_duck).await;
    }
}

fn options(
    door: &'static str,
    limits: &config::Limits,
    tls: Option<Tls>,
    metrics: &Metrics,
) -> server::Options {
    server::Options {
        listener: door,
        tls,
        max_age: limits.connection_age,
        grace: limits.connection_grace,
        drain: limits.drain,
        metrics: metrics.clone(),
    }
}

/// Tells health checks of the whole server and of the service.
async fn announce(health: &HealthReporter, status: ServingStatus) {
    health.set_service_status("", status).await;
    health.set_service_status(grpc::NAME, status).await;
}

type Tenants = BTreeMap<String, Arc<Tenant>>;

/// Opens every library; the embedded ones are also kept to be closed.
fn open(
    config: &Config,
    redis: Option<&Redis>,
    metrics: &Metrics,
) -> Result<(Libraries, Vec<EmbeddedBackend>)> {
    let pace = redis.filter(|_| config.rate_limit == config::Store::Redis);
    let mut libraries: Vec<(String, Arc<dyn Library>)> = Vec::new();
    let mut embedded = Vec::new();
    for (name, config) in &config.libraries {
        let library: Arc<dyn Library> = match config {
            config::Library::Embedded(config) => {
                let library = EmbeddedBackend::open(config)?;
                embedded.push(library.clone());
                Arc::new(InstrumentedLibrary::new(name.as_str(), library))
            }
            config::Library::Rest(config) => {
                let library = RestBackend::new(config, name, metrics, pace)?;
                Arc::new(InstrumentedLibrary::new(name.as_str(), library))
            }
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

fn grpc_api(credentials: Arc<Credentials>, bounds: &Bounds, parts: &Parts) -> Result<Router> {
    let authenticate: Authenticate = Arc::new(move |head| credentials.identify(head));
    let (quotas, budget) = (bounds.quotas.clone(), bounds.budget.clone());
    let service = grpc::Service::new(parts.libraries.clone(), quotas, budget);
    let service = grpc::server(service, bounds.max_message_bytes);
    let service = middleware::api(authenticate, bounds.clone(), grpc::reject).named_layer(service);
    let broken = "the compiled-in protobuf descriptors are broken";
    let methods =
        grpc::methods().map_err(|error| Error::new(Kind::Internal, broken).with_source(error))?;
    let routes = grpc::routes(service, parts.health.clone())
        .map_err(|error| Error::new(Kind::Internal, broken).with_source(error))?;
    let door = door("grpc", methods, &parts.metrics);
    let outer = middleware::outer(&door, Body::new, grpc::reject);
    let routes = routes.into_axum_router().layer(outer);
    // Outermost: everything inside sees gRPC, whatever a browser speaks.
    Ok(routes.layer(GrpcWebLayer::new()))
}

fn door(system: &'static str, methods: Vec<String>, metrics: &Metrics) -> middleware::Door {
    let methods = methods.into_iter().map(Arc::from).collect();
    middleware::Door {
        system,
        methods: Arc::new(methods),
        metrics: metrics.clone(),
    }
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

/// The door takes its own tokens, and every credential of the other API in
/// their place; calls without any are rejected in the words of its API.
fn rest_api(
    keys: rest::Keys,
    credentials: Arc<Credentials>,
    bounds: &Bounds,
    parts: &Parts,
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
    let calls = rest::calls(parts.libraries.clone(), bounds.max_message_bytes);
    let calls = calls.layer(middleware::api(authenticate, bounds.clone(), rest::reject));
    let door = door("same_hq", rest::methods(), &parts.metrics);
    let outer = middleware::outer(&door, Body::new, rest::reject);
    rest::routes(calls, keys).layer(outer)
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

fn bounds(config: &Config, parts: &Parts) -> Bounds {
    let limits = &config.limits;
    let quotas = config.tenants.iter();
    let quotas = quotas.map(|(name, tenant)| (name.clone(), tenant.quota.clone()));
    let (store, rejections) = (parts.quotas.clone(), parts.rejections.clone());
    Bounds {
        quotas: Quotas::of(store, quotas.collect(), config.quota.shadow, rejections),
        budget: parts.budget.clone(),
        max_message_bytes: limits.max_message_bytes,
        deadlines: Deadlines {
            default: limits.default_deadline,
            max: limits.max_deadline,
        },
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
