//! Builds both APIs, each with its layers, from a configuration, and puts the layer around all
//! three listeners that rejects web pages of other origins.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use tonic::service::LayerExt;
use tonic_web::GrpcWebLayer;

use super::components::Components;
use super::listener::Addresses;
use super::rest_secret;
use crate::config::{Config, Limits};
use crate::error::{Error, Kind, Result};
use crate::middleware::{
    self, ApiInfo, CallLimits, Credentials, Deadlines, MinBodyRate, Port, Tenants,
};
use crate::quota::Quotas;
use crate::telemetry::Metrics;
use crate::{grpc, rest};

const JSON: &str = "application/json";

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
        components.budget.resize(
            limits.max_requests_in_flight,
            limits.max_bytes_in_flight,
            tenant_percent(config),
        );
        components.cpu.resize(limits.max_decoded_bytes);
        let call_limits = call_limits(config, components);
        let tenants = middleware::tenants(&config.tenants);
        let credentials = Credentials::new(&config.auth, &config.tenants, &tenants)?;
        let credentials = Arc::new(credentials);
        let keys = rest_keys(config, &tenants)?;
        let grpc = grpc_api(credentials.clone(), &call_limits, limits, components)?;
        let tokens = rest::TokenEndpoint {
            keys,
            attempts: components.token_attempts.clone(),
            max_failures_per_minute: config.auth.max_token_failures_per_minute,
            metrics: components.metrics.clone(),
        };
        let rest = rest_api(tokens, credentials, call_limits, components);
        // Outermost: nothing is spent on what a foreign page sends.
        let (listen, metrics) = (&config.listen, &components.metrics);
        let around = |router: Router, port, address| {
            router.layer(middleware::same_origin(listen, port, address, metrics))
        };
        Ok(Routers {
            grpc: around(grpc, Port::Grpc, addresses.grpc),
            rest: around(rest, Port::Rest, addresses.rest),
            admin: around(admin_routes.clone(), Port::Admin, addresses.admin),
        })
    }
}

/// Returns the share of one tenant in the budget, in percent; a tenant without neighbours has all.
fn tenant_percent(config: &Config) -> usize {
    if config.tenants.len() > 1 {
        config.limits.max_tenant_percent
    } else {
        100
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
        min_body_rate: MinBodyRate {
            timeout: limits.body_timeout,
            bytes_per_second: limits.min_body_bytes_per_second,
        },
        deadlines: Deadlines {
            default: limits.default_deadline,
            max: limits.max_deadline,
        },
    }
}

fn rest_keys(config: &Config, tenants: &Tenants) -> Result<rest::Keys> {
    let mut pairs = Vec::new();
    for (name, tenant) in tenants {
        let configured = config.tenants.get(name).map(|tenant| &tenant.rest_keys);
        for pair in configured.into_iter().flatten() {
            let secret = rest_secret::of(pair)?;
            let tenant = if pair.read_only {
                middleware::read_only(tenant)
            } else {
                tenant.clone()
            };
            pairs.push(rest::KeyPair::new(&pair.api_key, secret, tenant));
        }
    }
    Ok(rest::Keys::new(pairs))
}

fn grpc_api(
    credentials: Arc<Credentials>,
    call_limits: &CallLimits,
    limits: &Limits,
    components: &Components,
) -> Result<Router> {
    let service = grpc::Service::new(
        components.libraries.clone(),
        call_limits.quotas.clone(),
        limits.bulk_idle_timeout,
        limits.max_image_bytes,
    );
    let broken = "the compiled-in protobuf descriptors are broken";
    let contract = grpc::Contract::compiled_in()
        .map_err(|error| Error::new(Kind::Internal, broken).with_source(error))?;
    let contract = Arc::new(contract);
    let authenticate = middleware::by_credentials(credentials);
    let service = middleware::api(authenticate, call_limits.clone(), grpc::reject)
        .named_layer(grpc::server(service, limits.max_message_bytes, &contract));
    let routes = grpc::routes(service, components.health.clone(), &contract)
        .map_err(|error| Error::new(Kind::Internal, broken).with_source(error))?;
    let openapi = grpc::openapi(&contract);
    let info = api_info("grpc", contract.method_names(), &components.metrics);
    Ok(routes
        .into_axum_router()
        .layer(middleware::outer(info, grpc::reject))
        // Everything inside sees gRPC, also for a call of Connect or from a browser.
        .layer((
            middleware::unread_body(false),
            grpc::ConnectLayer::new(contract),
            GrpcWebLayer::new(),
        ))
        // No call, and public as the contract is.
        .route(
            "/openapi.json",
            get(async || ([(CONTENT_TYPE, JSON)], openapi)),
        ))
}

fn rest_api(
    tokens: rest::TokenEndpoint,
    credentials: Arc<Credentials>,
    limits: CallLimits,
    components: &Components,
) -> Router {
    let keys = tokens.keys.clone();
    let authenticate = middleware::by_access_token(
        rest::Keys::are_in,
        move |head| keys.authenticate(head),
        credentials,
    );
    let calls = rest::calls(components.libraries.clone(), limits.max_message_bytes)
        .layer(middleware::api(authenticate, limits, rest::reject));
    let info = api_info("same_hq", rest::methods(), &components.metrics);
    // Outside of what may reject a request, and inside of what counts its bytes.
    rest::routes(calls, tokens)
        .layer(middleware::unread_body(true))
        .layer(middleware::outer(info, rest::reject))
}

fn api_info(system: &'static str, methods: Vec<String>, metrics: &Metrics) -> ApiInfo {
    ApiInfo {
        system,
        methods: Arc::new(methods.into_iter().map(Arc::from).collect()),
        metrics: metrics.clone(),
    }
}
