//! The bulk stream over real sockets: every item gets a result, whatever happens to the other items
//! or to the stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use samegate::proto::v1;
use samegate::proto::v1::add_images_item::Source;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::v1::add_images_response::Event;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::vendor::{API_KEY, Fault, Gate, Operation, SECRET_KEY, Vendor};

/// An open stream: the sender of items and the receiver of events.
struct Stream {
    items: mpsc::Sender<v1::AddImagesRequest>,
    events: Streaming<v1::AddImagesResponse>,
}

impl Stream {
    async fn open(gateway: &Gateway, options: v1::AddImagesOptions) -> Self {
        let (items, receiver) = mpsc::channel(4);
        items
            .send(v1::AddImagesRequest {
                payload: Some(Payload::Options(options)),
            })
            .await
            .unwrap();
        let response = gateway
            .client()
            .await
            .add_images(ReceiverStream::new(receiver))
            .await;
        Stream {
            items,
            events: response.unwrap().into_inner(),
        }
    }

    async fn send(&self, key: &str, image: bytes::Bytes) {
        self.items.send(item(key, image)).await.unwrap();
    }

    async fn event(&mut self) -> Event {
        self.events
            .message()
            .await
            .unwrap()
            .expect("the stream is still open")
            .event
            .unwrap()
    }
}

fn item(key: &str, image: bytes::Bytes) -> v1::AddImagesRequest {
    let item = v1::AddImagesItem {
        key: key.to_owned(),
        source: Some(Source::Content(image)),
        brief: key.to_owned(),
        ..Default::default()
    };
    v1::AddImagesRequest {
        payload: Some(Payload::Item(item)),
    }
}

/// Returns the code of each key, and the counts of the summary.
async fn outcome(
    mut events: Streaming<v1::AddImagesResponse>,
) -> (BTreeMap<String, i32>, v1::AddImagesCounts) {
    let (mut codes, mut summary) = (BTreeMap::new(), None);
    while let Some(response) = events.message().await.unwrap() {
        match response.event.unwrap() {
            Event::Result(result) => {
                let previous = codes.insert(result.key, result.status.unwrap().code);
                assert_eq!(previous, None, "one result per item");
            }
            Event::Summary(counts) => summary = Some(counts),
            Event::Progress(_) | Event::Drain(_) => {}
        }
    }
    (codes, summary.expect("the summary comes last"))
}

async fn rejection(gateway: &Gateway, messages: Vec<v1::AddImagesRequest>) -> Status {
    match gateway
        .client()
        .await
        .add_images(tokio_stream::iter(messages))
        .await
    {
        Err(status) => status,
        Ok(response) => {
            let mut events = response.into_inner();
            loop {
                if let Err(status) = events
                    .message()
                    .await
                    .map(|event| assert!(event.is_some(), "ended without an error"))
                {
                    break status;
                }
            }
        }
    }
}

#[tokio::test]
async fn three_invalid_items_of_a_hundred_fail_alone() {
    let gateway = Gateway::start().await;
    let stream = Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    let Stream { items, events } = stream;

    let sending = tokio::spawn(async move {
        for number in 0..100_u64 {
            let image = if number % 40 == 9 {
                "bad".into()
            } else {
                png(number)
            };
            items.send(item(&number.to_string(), image)).await.unwrap();
        }
    });
    let (codes, counts) = outcome(events).await;
    sending.await.unwrap();

    let failed: Vec<_> = codes
        .iter()
        .filter(|(_, code)| **code != 0)
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(codes.len(), 100);
    assert_eq!(failed, ["49", "89", "9"]);
    assert_eq!(
        counts,
        v1::AddImagesCounts {
            received: 100,
            added: 97,
            existed: 0,
            failed: 3
        }
    );
    let library = gateway
        .client()
        .await
        .get_library(v1::GetLibraryRequest::default())
        .await
        .unwrap();
    assert_eq!(library.into_inner().image_count, 97);
}

#[tokio::test]
async fn items_that_were_sent_before_are_rejected_or_accepted_as_requested() {
    let gateway = Gateway::start().await;
    for (on_duplicate, code, counts) in [
        (v1::OnDuplicate::Accept, 0, (1, 1, 0)),
        (v1::OnDuplicate::Accept, 0, (0, 2, 0)),
        (
            v1::OnDuplicate::Reject,
            Code::AlreadyExists as i32,
            (0, 0, 2),
        ),
    ] {
        let options = v1::AddImagesOptions {
            on_duplicate: on_duplicate.into(),
            max_in_flight: 1,
            ..Default::default()
        };
        let stream = Stream::open(&gateway, options).await;
        stream.send("a", png(1)).await;
        stream.send("b", png(1)).await;
        drop(stream.items);

        let (codes, summary) = outcome(stream.events).await;

        assert_eq!(codes["b"], code);
        assert_eq!((summary.added, summary.existed, summary.failed), counts);
    }
}

#[tokio::test]
async fn progress_is_sent_every_hundred_results() {
    let gateway = Gateway::start().await;
    let Stream { items, mut events } =
        Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    let sending = tokio::spawn(async move {
        for number in 0..250 {
            items
                .send(item(&number.to_string(), "bad".into()))
                .await
                .unwrap();
        }
    });

    let mut progress = Vec::new();
    while let Some(response) = events.message().await.unwrap() {
        if let Some(Event::Progress(counts)) = response.event {
            progress.push(counts.failed);
        }
    }

    sending.await.unwrap();
    assert_eq!(progress, [100, 200]);
}

#[tokio::test]
async fn an_item_over_the_message_limit_fails_alone() {
    let gateway = Gateway::with_config("limits.max_message_bytes = 65536").await;
    let stream = Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    let Stream { items, events } = stream;

    let sending = tokio::spawn(async move {
        let of_size = |bytes: usize| bytes::Bytes::from(vec![7; bytes]);
        for (key, image) in [
            ("first", png(1)),
            ("just too large", of_size(65_536)),
            ("second", png(2)),
            ("far too large", of_size(20 << 20)),
            ("third", png(3)),
        ] {
            items.send(item(key, image)).await.unwrap();
        }
    });
    let (codes, summary) = outcome(events).await;

    sending.await.unwrap();
    let (added, rejected) = (Code::Ok as i32, Code::ResourceExhausted as i32);
    let expected = [
        ("far too large", rejected),
        ("first", added),
        ("just too large", rejected),
        ("second", added),
        ("third", added),
    ];
    let expected = expected.map(|(key, code)| (key.to_owned(), code));
    assert_eq!(codes, BTreeMap::from(expected));
    assert_eq!((summary.received, summary.added, summary.failed), (5, 3, 2));
}

#[tokio::test]
async fn a_stream_that_starts_with_an_item_is_rejected() {
    let gateway = Gateway::start().await;

    let rejected = rejection(&gateway, vec![item("a", png(1))]).await;

    assert_eq!(rejected.code(), Code::InvalidArgument);
    assert!(
        rejected.message().contains("first message"),
        "{}",
        rejected.message()
    );
}

#[tokio::test]
async fn second_options_end_the_stream_after_its_items_are_acknowledged() {
    let gateway = Gateway::start().await;
    let options = || v1::AddImagesRequest {
        payload: Some(Payload::Options(v1::AddImagesOptions::default())),
    };

    let rejected = rejection(&gateway, vec![options(), item("a", png(1)), options()]).await;

    assert_eq!(rejected.code(), Code::InvalidArgument);
    let library = gateway
        .client()
        .await
        .get_library(v1::GetLibraryRequest::default())
        .await
        .unwrap();
    assert_eq!(library.into_inner().image_count, 1);
}

#[tokio::test]
async fn too_many_items_in_flight_are_rejected() {
    let gateway = Gateway::start().await;
    let options = v1::AddImagesOptions {
        max_in_flight: 257,
        ..Default::default()
    };
    let options = v1::AddImagesRequest {
        payload: Some(Payload::Options(options)),
    };

    assert_eq!(
        rejection(&gateway, vec![options]).await.code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_drain_is_announced_and_every_received_item_is_acknowledged() {
    let gateway = Gateway::start().await;
    let mut stream = Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    stream.send("a", png(1)).await;
    assert!(matches!(stream.event().await, Event::Result(_)));

    let stopped = gateway.begin_to_stop();

    assert!(matches!(stream.event().await, Event::Drain(_)));
    let Event::Summary(counts) = stream.event().await else {
        panic!("a summary ends the stream")
    };
    assert_eq!(counts.added, 1);
    assert!(
        stream.events.message().await.unwrap().is_none(),
        "and it ends without an error"
    );
    drop(stream);
    stopped.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_drained_and_a_busy_one_is_not() {
    let gateway = Gateway::start().await;
    let mut stream = Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    // One item every four minutes.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_mins(4)).await;
        stream.send("a", "bad".into()).await;
        assert!(matches!(stream.event().await, Event::Result(_)));
    }

    let begin = Instant::now();
    let Event::Drain(drain) = stream.event().await else {
        panic!("a drain event")
    };
    assert!(drain.message.contains("idle"), "{}", drain.message);
    assert_eq!(begin.elapsed().as_secs(), 300);
    let Event::Summary(counts) = stream.event().await else {
        panic!("a summary ends the stream")
    };
    assert_eq!(counts.failed, 3);
    assert!(stream.events.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_at_its_own_deadline() {
    let gateway = Gateway::start().await;
    let options = Payload::Options(v1::AddImagesOptions::default());
    let (items, receiver) = mpsc::channel(1);
    items
        .send(v1::AddImagesRequest {
            payload: Some(options),
        })
        .await
        .unwrap();
    let mut request = tonic::Request::new(ReceiverStream::new(receiver));
    request
        .metadata_mut()
        .insert("grpc-timeout", "50m".parse().unwrap());

    let mut events = gateway
        .client()
        .await
        .add_images(request)
        .await
        .unwrap()
        .into_inner();

    assert_eq!(
        events.message().await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
    drop(items);
}

#[tokio::test]
async fn a_slow_library_stops_the_client_by_backpressure() {
    let (vendor, gate) = (Vendor::start().await, Gate::closed());
    vendor.always(Operation::Add, Fault::Head(gate.clone()));
    let gateway = Gateway::with_config(&in_front_of(&vendor)).await;
    let options = v1::AddImagesOptions {
        max_in_flight: 4,
        ..Default::default()
    };
    let Stream { items, events } = Stream::open(&gateway, options).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let sending = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            for number in 0..60 {
                items
                    .send(item(&number.to_string(), large(number)))
                    .await
                    .unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });

    vendor
        .until("four items are held", || gate.held() == 4)
        .await;
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }

    // 4 in flight, up to 8 MiB of 300 kB items in the windows of the connection, and 4 in the
    // channel of this test.
    assert!(sent.load(Ordering::Relaxed) < 40, "the client is stopped");
    gate.open();
    let (codes, counts) = outcome(events).await;
    sending.await.unwrap();
    assert_eq!((codes.len(), counts.added), (60, 60));
    assert_eq!(vendor.max_concurrent(), 4);
}

#[tokio::test]
async fn a_client_that_drops_a_stream_aborts_its_upstream_call_at_once() {
    let (vendor, gate) = (Vendor::start().await, Gate::closed());
    vendor.always(Operation::Add, Fault::Head(gate.clone()));
    let gateway = Gateway::with_config(&in_front_of(&vendor)).await;
    let stream = Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    stream.send("a", png(1)).await;
    vendor.until("the item is held", || gate.held() == 1).await;

    drop(stream);

    vendor
        .until("its upstream call is aborted", || vendor.aborted() == 1)
        .await;
}

#[tokio::test]
async fn a_client_that_never_reads_its_results_does_not_delay_other_calls() {
    let gateway = Gateway::start().await;
    let Stream { items, events } = Stream::open(&gateway, v1::AddImagesOptions::default()).await;
    let (key, image) = ("k".repeat(1000), png(1));
    let writing = tokio::spawn(async move {
        for number in 0..u64::MAX {
            // Results of 1 kB fill the client's window; images then wait for a CPU permit, which
            // they must not hold.
            let image = if number % 2 == 0 {
                "bad".into()
            } else {
                image.clone()
            };
            if items.send(item(&key, image)).await.is_err() {
                break;
            }
        }
    });

    for seed in 100..110 {
        let source = Some(v1::add_image_request::Source::Content(png(seed)));
        let mut request = tonic::Request::new(v1::AddImageRequest {
            source,
            ..Default::default()
        });
        request.set_timeout(std::time::Duration::from_secs(20));
        gateway.client().await.add_image(request).await.unwrap();
    }

    writing.abort();
    drop(events);
}

/// Configures the fake vendor as the only library.
fn in_front_of(vendor: &Vendor) -> String {
    format!(
        "[libraries.cloud]\nbackend = \"rest\"\nbase_url = \"{}\"\n\
         credentials = [{{ api_key = \"{API_KEY}\", secret_key = \"{SECRET_KEY}\" }}]\nqps = 1000\n\
         [tenants.app]\nlibraries = [\"cloud\"]\n",
        vendor.url()
    )
}

/// Builds an image file of 300 kB: a small image and padding.
fn large(number: u64) -> bytes::Bytes {
    let mut file = png(1).to_vec();
    file.resize(300_000, 0);
    file.extend(number.to_le_bytes());
    file.into()
}
