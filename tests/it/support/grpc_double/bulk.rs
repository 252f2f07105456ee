//! The stream of a bulk load at the double.

use samegate::proto::v1;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::v1::add_images_response::Event;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{Act, Store};

/// Adds items and sends a result for each, until the client disconnects.
pub(super) async fn serve(
    store: Store,
    mut requests: Streaming<v1::AddImagesRequest>,
    act: Option<Act>,
    events: mpsc::Sender<Result<v1::AddImagesResponse, Status>>,
) {
    let mut acknowledged = 0;
    let mut counts = v1::AddImagesCounts::default();
    loop {
        match &act {
            Some(Act::SignalAfter(after, token)) if acknowledged == *after => token.cancel(),
            Some(Act::HangAfter(after, token)) if acknowledged == *after => {
                token.cancel();
                // Keeps the stream open until the client or the double ends.
                events.closed().await;
                return;
            }
            Some(Act::DrainAfter(after)) if acknowledged == *after => {
                let message = "shutting down".to_owned();
                let drain = v1::AddImagesDrain { message };
                let _ = events.send(Ok(response(Event::Drain(drain)))).await;
                break;
            }
            Some(Act::ReplaceAfter(after)) if acknowledged == *after => {
                store.lock().unwrap().replace();
                let _ = events.send(Err(Status::unavailable("broken"))).await;
                return;
            }
            _ => {}
        }
        let payload = match requests.message().await {
            Ok(Some(request)) => request.payload,
            Ok(None) => break,
            Err(_) => return,
        };
        let result = match payload {
            Some(Payload::Options(options)) => {
                store.lock().unwrap().options.push(options);
                continue;
            }
            Some(Payload::Item(item)) => store.lock().unwrap().add_item(item),
            None => continue,
        };
        if matches!(&act, Some(Act::BreakAfter(after)) if acknowledged == *after) {
            let _ = events.send(Err(Status::unavailable("broken"))).await;
            return;
        }
        counts.received += 1;
        let _ = events.send(Ok(response(Event::Result(result)))).await;
        acknowledged += 1;
    }
    let _ = events.send(Ok(response(Event::Summary(counts)))).await;
}

fn response(event: Event) -> v1::AddImagesResponse {
    v1::AddImagesResponse { event: Some(event) }
}
