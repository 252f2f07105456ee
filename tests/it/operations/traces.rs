//! Exported traces: one trace from the caller to the vendor.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use samegate::proto::v1::add_images_response::Event;
use samegate::telemetry::names::{attribute, event};
use tonic::{Code, Request};

use super::{bulk_within, get_library, item, search, vendor_library};
use crate::support::collector::{Collector, has_failed, hex, of_kind, text};
use crate::support::images::png;
use crate::support::process::Process;
use crate::support::vendor::{Fault, Operation, Vendor};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const STATE: &str = "shop=cart";
const SEARCH: &str = "samegate.v1.SameImageService/SearchImages";
const ADD: &str = "samegate.v1.SameImageService/AddImages";

async fn start(vendor: &Vendor, collector: &Collector) -> Process {
    let limits = "[limits]\nlame_duck = \"0s\"\n";
    let config = [&vendor_library(vendor), limits, &collector.config()].concat();
    Process::start(&config).await.ready().await
}

/// Ends the process; the collector has every span then.
async fn end(process: Process) {
    let ended = process.end().await;
    assert!(ended.status.success(), "{}", ended.err);
}

/// Makes a call with a trace context that is sampled or not.
fn traced<T>(message: T, sampled: bool) -> Request<T> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE}-{CALLER}-0{}", u8::from(sampled));
    let headers = request.metadata_mut();
    headers.insert("traceparent", parent.parse().unwrap());
    headers.insert("tracestate", STATE.parse().unwrap());
    request
}

fn attribute_of(span: &Span, key: &str) -> String {
    let value = text(&span.attributes, key);
    value.unwrap_or_else(|| panic!("{} has no {key}: {:?}", span.name, span.attributes))
}

fn child_of(spans: &[Span], parent: &[u8]) -> Vec<Span> {
    let children = spans.iter().filter(|span| span.parent_span_id == parent);
    children.cloned().collect()
}

#[tokio::test]
async fn a_search_is_one_trace_from_its_caller_to_each_attempt_at_the_vendor() {
    let (vendor, collector) = (Vendor::start().await, Collector::start().await);
    let process = start(&vendor, &collector).await;
    vendor.script(Operation::Search, Fault::html(500));

    let request = traced(search(png(1)), true);
    process.client().await.search_images(request).await.unwrap();
    end(process).await;

    let spans = collector.spans();
    let of_trace = spans.iter().filter(|span| hex(&span.trace_id) == TRACE);
    let spans: Vec<Span> = of_trace.cloned().collect();
    let [server] = of_kind(&spans, SpanKind::Server)[..] else {
        panic!("not one server span: {spans:#?}");
    };
    assert_eq!(hex(&server.parent_span_id), CALLER);
    assert_eq!(server.name, SEARCH);
    assert_eq!(attribute_of(server, attribute::RPC_SYSTEM), "grpc");
    assert_eq!(attribute_of(server, attribute::RPC_METHOD), SEARCH);
    assert_eq!(attribute_of(server, attribute::RPC_STATUS), "OK");
    assert_eq!(attribute_of(server, attribute::TENANT), "local");
    assert_eq!(attribute_of(server, attribute::LIBRARY), "cloud");
    assert!(!has_failed(server));
    let [library] = &child_of(&spans, &server.span_id)[..] else {
        panic!("not one operation: {spans:#?}");
    };
    assert_eq!(library.name, "search");
    assert_eq!(attribute_of(library, attribute::OUTCOME), "OK");

    let [first, second] = of_kind(&spans, SpanKind::Client)[..] else {
        panic!("not one span for each attempt: {spans:#?}");
    };
    for attempt in [first, second] {
        assert_eq!(attempt.parent_span_id, library.span_id);
        assert_eq!(attempt.trace_state, STATE);
        assert_eq!(attribute_of(attempt, attribute::HTTP_METHOD), "POST");
    }
    assert!(has_failed(first) && !has_failed(second));
    assert_eq!(attribute_of(first, attribute::HTTP_STATUS), "500");
    let reason = attribute_of(first, attribute::ERROR_TYPE);
    assert_eq!(reason, "VENDOR_UNAVAILABLE");
    assert_eq!(attribute_of(second, attribute::HTTP_STATUS), "200");

    for span in &spans {
        let keys: Vec<&str> = span
            .attributes
            .iter()
            .map(|pair| pair.key.as_str())
            .collect();
        let named: BTreeSet<&str> = keys.iter().copied().collect();
        assert_eq!(keys.len(), named.len(), "twice: {span:#?}");
        assert!(
            named.is_subset(&BTreeSet::from(attribute::OF_SPANS)),
            "a second name: {span:#?}"
        );
    }

    let seen: Vec<_> = vendor.calls().into_iter().map(|call| call.trace).collect();
    let sent = |span: &Span| {
        let parent = format!("00-{TRACE}-{}-01", hex(&span.span_id));
        [parent, STATE.to_owned()]
    };
    assert_eq!(seen, [sent(first), sent(second)]);
}

#[tokio::test]
async fn an_import_is_one_trace_with_a_span_for_each_image() {
    let (vendor, collector) = (Vendor::start().await, Collector::start().await);
    let process = start(&vendor, &collector).await;
    vendor.script(Operation::Add, Fault::code(216_201));

    let (items, mut events) =
        bulk_within(&mut process.client().await, |stream| traced(stream, true)).await;
    for image in 1..=5 {
        let key = image.to_string();
        items.send(item(&key, png(image))).await.unwrap();
    }
    drop(items);
    let mut failed = 0;
    while let Some(response) = events.message().await.unwrap() {
        if let Some(Event::Result(result)) = response.event {
            failed += usize::from(!super::is_ok(&result));
        }
    }
    assert_eq!(failed, 1);
    end(process).await;

    let spans = collector.spans();
    let servers = of_kind(&spans, SpanKind::Server);
    let [server] = servers[..] else {
        panic!("not one server span: {servers:#?}");
    };
    assert_eq!(hex(&server.trace_id), TRACE);
    assert_eq!(attribute_of(server, attribute::RPC_METHOD), ADD);
    let operations = child_of(&spans, &server.span_id);
    assert_eq!(operations.len(), 5, "{operations:#?}");
    let mut traced = BTreeSet::new();
    for operation in &operations {
        let [attempt] = &child_of(&spans, &operation.span_id)[..] else {
            panic!("not one attempt: {operation:#?}");
        };
        assert_eq!(attempt.kind(), SpanKind::Client);
        let outcome = attribute_of(operation, attribute::OUTCOME);
        assert_eq!(has_failed(attempt), outcome == "IMAGE_FORMAT", "{outcome}");
        traced.insert(format!("00-{TRACE}-{}-01", hex(&attempt.span_id)));
    }
    let seen = vendor.calls().into_iter().map(|call| call.trace);
    assert_eq!(
        seen.map(|[parent, _]| parent).collect::<BTreeSet<_>>(),
        traced
    );
}

#[tokio::test]
async fn a_server_span_has_failed_only_for_errors_of_the_server() {
    let (vendor, collector) = (Vendor::start().await, Collector::start().await);
    let process = start(&vendor, &collector).await;
    let mut client = process.client().await;

    let none = search(bytes::Bytes::from_static(b"no image"));
    let callers = client.search_images(none).await.unwrap_err();
    vendor.always(Operation::Search, Fault::html(502));
    let ours = client.search_images(search(png(1))).await.unwrap_err();
    end(process).await;

    assert_eq!(callers.code(), Code::InvalidArgument);
    assert_eq!(ours.code(), Code::Unavailable);
    let spans = collector.spans();
    let [first, second] = of_kind(&spans, SpanKind::Server)[..] else {
        panic!("not one server span for each call: {spans:#?}");
    };
    let status = |span: &Span| {
        let of = |key| attribute_of(span, key);
        (of(attribute::RPC_STATUS), of(attribute::ERROR_TYPE))
    };
    let pair = |code: &str, reason: &str| (code.to_owned(), reason.to_owned());
    assert_eq!(status(first), pair("INVALID_ARGUMENT", "IMAGE_FORMAT"));
    assert_eq!(status(second), pair("UNAVAILABLE", "VENDOR_UNAVAILABLE"));
    // As OpenTelemetry's conventions for gRPC divide the codes.
    assert!(!has_failed(first), "{first:#?}");
    assert!(has_failed(second), "{second:#?}");
}

#[tokio::test]
async fn a_caller_decides_about_sampling_and_its_context_is_always_forwarded() {
    let (vendor, collector) = (Vendor::start().await, Collector::start().await);
    let process = start(&vendor, &collector).await;

    let request = traced(search(png(1)), false);
    process.client().await.search_images(request).await.unwrap();
    // Without a caller's decision, every trace is sampled by default.
    get_library(process.client().await).await.unwrap_err();
    end(process).await;

    let spans = collector.spans();
    assert!(!spans.is_empty());
    let of_trace = spans.iter().filter(|span| hex(&span.trace_id) == TRACE);
    assert_eq!(of_trace.count(), 0);
    let [parent, state] = &vendor.calls()[0].trace;
    assert!(parent.starts_with(&format!("00-{TRACE}-")), "{parent}");
    assert!(parent.ends_with("-00"), "{parent}");
    assert_eq!(state, STATE);
    let service = text(&collector.resource(), "service.name");
    assert_eq!(service.as_deref(), Some("samegate"));
}

#[tokio::test]
async fn waits_for_a_token_are_events_of_the_operation() {
    let (vendor, collector) = (Vendor::start().await, Collector::start().await);
    let process = start(&vendor, &collector).await;
    // A rejected token is refreshed within the call, which waits for it.
    process
        .client()
        .await
        .search_images(search(png(1)))
        .await
        .unwrap();
    vendor.revoke_tokens();
    process
        .client()
        .await
        .search_images(search(png(2)))
        .await
        .unwrap();
    end(process).await;

    let spans = collector.spans();
    let tokens = spans.iter().filter(|span| span.name == "token");
    assert_eq!(tokens.count(), 2, "{spans:#?}");
    let events = spans.iter().flat_map(|span| &span.events);
    let waits: Vec<_> = events
        .filter(|wait| wait.name == event::TOKEN_WAIT)
        .collect();
    assert!(!waits.is_empty(), "{spans:#?}");
    for wait in waits {
        assert!(text(&wait.attributes, attribute::WAIT_MS).is_some());
    }
}
