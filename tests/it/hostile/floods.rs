//! Floods of HTTP/2 frames that carry nothing, and clients that only look similar.

use super::{EMPTY, assert_serves};
use crate::support::gateway::Gateway;
use crate::support::http2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, Http2, PING, PRIORITY, SETTINGS, WINDOW_UPDATE, frame,
    head,
};
use crate::support::probe::until_metric;

const FLOODS: &str = "samegate_connections_closed_total{listener=\"grpc\",reason=\"flood\"}";
/// Frames of a flood: 1.7 MB of pings, which a server without a limit reads in a moment.
const FRAMES: usize = 100_000;

#[tokio::test]
async fn floods_of_frames_without_content_end_their_connection() {
    let gateway = Gateway::start().await;
    let mut floods = 0.0;

    for (case, flood) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("its acknowledgement", frame(PING, 1, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("an unknown type", frame(0xbe, 0, 0, &[])),
    ] {
        let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
        client.send(&flood.repeat(FRAMES)).await;

        let more = client.until(|_| false).await;

        assert!(more.is_none(), "{case}");
        floods += 1.0;
        until_metric(gateway.addresses.admin, FLOODS, floods).await;
    }
    assert_serves(&gateway).await;
}

/// h2 has a limit of its own for small DATA frames.
#[tokio::test]
async fn a_flood_of_empty_data_ends_its_connection() {
    let gateway = Gateway::start().await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
    let head = head("AddImage");
    client.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;

    client.send(&frame(DATA, 0, 1, &[]).repeat(FRAMES)).await;

    assert!(client.until(|_| false).await.is_none());
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn a_client_that_measures_its_bandwidth_with_pings_is_served() {
    let gateway = Gateway::start().await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;

    // As grpc-go does on a connection with one short call after another.
    for number in 0..3000 {
        let stream = 2 * number + 1;
        let call = [
            frame(HEADERS, END_HEADERS, stream, &head("GetLibrary")),
            frame(DATA, 0, stream, &EMPTY),
            frame(DATA, END_STREAM, stream, &[]),
            frame(PING, 0, 0, &[2; 8]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
            frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 5]),
        ];
        assert!(client.send(&call.concat()).await, "call {number}");
        let response = client.until(|frame| frame.kind == DATA && frame.stream == stream);
        assert!(response.await.is_some(), "call {number}");
    }
}
