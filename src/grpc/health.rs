//! The standard health service, `grpc.health.v1`.
//!
//! tonic's fails a watch of a service that it does not know. By the protocol, such a watch stays
//! open with `SERVICE_UNKNOWN`; clients take an error for a server without health checks, and
//! connect again.

use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

use crate::call::Connection;

/// tonic's service, with watches of unknown services.
pub(super) struct HealthChecks(HealthService);

// === impl HealthChecks ===

impl HealthChecks {
    pub(super) fn new(reporter: HealthReporter) -> Self {
        HealthChecks(HealthService::from_health_reporter(reporter))
    }
}

#[tonic::async_trait]
impl Health for HealthChecks {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.0.check(request).await
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let connection = request.extensions().get::<Connection>();
        let closing = connection.map_or_else(CancellationToken::new, |connection| {
            connection.closing.0.clone()
        });
        match self.0.watch(request).await {
            Ok(watch) => Ok(watch.map(StreamExt::boxed)),
            Err(status) if status.code() == Code::NotFound => Ok(Response::new(unknown(closing))),
            Err(status) => Err(status),
        }
    }
}

/// Watches a service that this server will never have, until its connection closes.
fn unknown(closing: CancellationToken) -> BoxStream<'static, Result<HealthCheckResponse, Status>> {
    let status = HealthCheckResponse {
        status: ServingStatus::ServiceUnknown.into(),
    };
    stream::once(ready(Ok(status)))
        .chain(stream::pending())
        .take_until(closing.cancelled_owned())
        .boxed()
}
