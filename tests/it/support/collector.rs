//! A collector that receives spans over OTLP/gRPC and keeps them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A running collector; it stops when dropped.
pub struct Collector {
    address: SocketAddr,
    exports: Exports,
    serving: JoinHandle<()>,
}

type Exports = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

struct Service(Exports);

impl Collector {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let exports = Exports::default();
        let service = TraceServiceServer::new(Service(exports.clone()));
        let serving = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            let incoming = TcpListenerStream::new(listener);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Collector {
            address,
            exports,
            serving,
        }
    }

    /// Returns the configuration that exports to it.
    pub fn config(&self) -> String {
        format!("[telemetry]\notlp_endpoint = \"http://{}\"\n", self.address)
    }

    /// Returns every received span.
    pub fn spans(&self) -> Vec<Span> {
        let exports = self.exports.lock().unwrap();
        let resources = exports.iter().flat_map(|export| &export.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// Returns the attributes of the process that has sent the spans.
    pub fn resource(&self) -> Vec<KeyValue> {
        let exports = self.exports.lock().unwrap();
        let resource = exports[0].resource_spans[0].resource.clone();
        resource.unwrap().attributes
    }

    /// Returns everything received, encoded.
    pub fn raw(&self) -> Vec<u8> {
        let exports = self.exports.lock().unwrap();
        exports.iter().flat_map(Message::encode_to_vec).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Returns an attribute as text.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    let value = pair.value.as_ref()?.value.as_ref()?;
    Some(if let any_value::Value::StringValue(text) = value {
        text.clone()
    } else if let any_value::Value::IntValue(number) = value {
        number.to_string()
    } else {
        format!("{value:?}")
    })
}

/// Returns the spans of one kind, by start time.
pub fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    let mut spans: Vec<_> = spans.iter().filter(|span| span.kind() == kind).collect();
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans
}

/// Returns whether a span is marked as failed.
pub fn has_failed(span: &Span) -> bool {
    let status = span.status.as_ref();
    status.is_some_and(|status| status.code() == StatusCode::Error)
}

/// Returns bytes as hexadecimal digits, as `traceparent` spells ids.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
