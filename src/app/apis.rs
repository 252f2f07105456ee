//! Builds both APIs, each with its layers, from a configuration, and puts the layer around all
//! three listeners that rejects web pages of other origins.

use std::sync::Arc;

use axum::Router;
use tonic::service::LayerExt;
use tonic_web::GrpcWebLayer;

use super::components::Components;
use super::listener::Addresses;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::middleware::{self, ApiInfo, CallLimits, Credentials, Deadlines, Tenants};
use crate::quota::Quotas;
use crate::telemetry::Metrics;
use crate::{grpc, rest};

/// What the listeners serve.
pub(super) struct Routers {
    pub(super) grpc: Router,
    pub(super) rest: Router,
    pub(super) admin: Router,
}

// === impl Routers ===

impl Routers {
    /// Builds both APIs and applies the configured limits on what is in flight.
    pub(super) fn build(
        config: &Config,
        components: &Components,
        admin_routes: &Router,
        addresses: &Addresses,
    ) -> Result<Self> {
        let limits = &config.limits;
        components
            .budget
            .resize(limits.max_requests_in_flight, limits.max_bytes_in_flight);
        components.cpu.resize(limits.max_decoded_bytes);
        let call_limits = call_limits(config, components);
        let tenants = middleware::tenants(&config.tenants);
        let credentials = Credentials::new(&config.auth, &config.tenants, &tenants)?;
        let credentials = Arc::new(credentials);
        let keys = rest_keys(config, &tenants);
        let grpc = grpc_api(credentials.clone(), &call_limits, components)?;
        let rest = rest_api(keys, credentials, call_limits, components);
        // Outermost: nothing is spent on what a foreign page sends.
        let around = |router: Router, address| {
            router.layer(middleware::same_origin(&config.listen, address))
        };
        Ok(Routers {
            grpc: around(grpc, addresses.grpc),
            rest: around(rest, addresses.rest),
            admin: around(admin_routes.clone(), addresses.admin),
        })
    }
}

fn call_limits(config: &Config, components: &Components) -> CallLimits {
    let limits = &config.limits;
    let quotas = config
        .tenants
        .iter()
        .map(|(name, tenant)| (name.clone(), tenant.quota.clone()))
        .collect();
    CallLimits {
        quotas: Quotas::of(
            components.quotas.clone(),
            quotas,
            config.quota.shadow_mode,
            components.rejections.clone(),
        ),
        budget: components.budget.clone(),
        max_message_bytes: limits.max_message_bytes,
        deadlines: Deadlines {
            default: limits.default_deadline,
            max: limits.max_deadline,
        },
    }
}

fn rest_keys(config: &Config, tenants: &Tenants) -> rest::Keys {
    rest::Keys::new(config.tenants.iter().flat_map(|(name, config)| {
        let pairs = config.rest_keys.iter();
        pairs.filter_map(|pair| Some(rest::KeyPair::new(pair, tenants.get(name).cloned()?)))
    }))
}

fn grpc_api(
    credentials: Arc<Credentials>,
    limits: &CallLimits,
    components: &Components,
) -> Result<Router> {
    let service = grpc::Service::new(
        components.libraries.clone(),
        limits.quotas.clone(),
        limits.budget.clone(),
    );
    let authenticate = middleware::by_credentials(credentials);
    let service = middleware::api(authenticate, limits.clone(), grpc::reject)
        .named_layer(grpc::server(service, limits.max_message_bytes));
    let broken = "the compiled-in protobuf descriptors are broken";
    let methods =
        grpc::methods().map_err(|error| Error::new(Kind::Internal, broken).with_source(error))?;
    let routes = grpc::routes(service, components.health.clone())
        .map_err(|error| Error::new(Kind::Internal, broken).with_source(error))?;
    let info = api_info("grpc", methods, &components.metrics);
    Ok(routes
        .into_axum_router()
        .layer(middleware::outer(info, grpc::reject))
        // Everything inside sees gRPC, also for a call from a browser.
        .layer(GrpcWebLayer::new()))
}

fn rest_api(
    keys: rest::Keys,
    credentials: Arc<Credentials>,
    limits: CallLimits,
    components: &Components,
) -> Router {
    let tokens = keys.clone();
    let authenticate = middleware::by_access_token(
        rest::Keys::are_in,
        move |head| tokens.authenticate(head),
        credentials,
    );
    let calls = rest::calls(components.libraries.clone(), limits.max_message_bytes)
        .layer(middleware::api(authenticate, limits, rest::reject));
    let info = api_info("same_hq", rest::methods(), &components.metrics);
    rest::routes(calls, keys).layer(middleware::outer(info, rest::reject))
}

fn api_info(system: &'static str, methods: Vec<String>, metrics: &Metrics) -> ApiInfo {
    ApiInfo {
        system,
        methods: Arc::new(methods.into_iter().map(Arc::from).collect()),
        metrics: metrics.clone(),
    }
}
