//! Calls a gateway in a closed loop over one connection, with messages that are framed beforehand.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::proto::{
    AddImageRequest, AddImagesItem, AddImagesOptions, AddImagesRequest, ContSignList,
    DeleteImagesRequest, SearchImagesRequest, add_image_request, add_images_item,
    add_images_request, delete_images_request, search_images_request,
};
use crate::{Result, picture};

const SERVICE: &str = "samegate.v1.SameImageService";
/// The key of the gateway's tenant.
const KEY: &str = "bench";
/// Size of the image of a search.
const QUERY_BYTES: usize = 10_000;
/// Images of one bulk load.
const ITEMS: usize = 500;

/// What is called.
#[derive(Clone, Copy)]
pub enum Kind {
    Delete,
    Add { bytes: usize },
    Search { hits: usize },
    Bulk { bytes: usize },
}

type Sender = http2::SendRequest<BoxBody<Bytes, std::convert::Infallible>>;

impl Kind {
    pub fn parse(kind: &str, size: usize) -> Result<Self> {
        Ok(match kind {
            "delete" => Kind::Delete,
            "add" => Kind::Add { bytes: size },
            "search" => Kind::Search { hits: size },
            "bulk" => Kind::Bulk { bytes: size },
            _ => return Err(format!("unknown kind: {kind}").into()),
        })
    }

    fn method(self) -> &'static str {
        match self {
            Kind::Delete => "DeleteImages",
            Kind::Add { .. } => "AddImage",
            Kind::Search { .. } => "SearchImages",
            Kind::Bulk { .. } => "AddImages",
        }
    }

    /// Returns what one call counts as.
    fn calls(self) -> u64 {
        if matches!(self, Kind::Bulk { .. }) {
            ITEMS as u64
        } else {
            1
        }
    }

    /// Returns the framed messages of a call.
    fn messages(self) -> Vec<Bytes> {
        match self {
            Kind::Delete => {
                let cont_signs = ContSignList {
                    values: vec!["1,2".to_owned()],
                };
                let target = delete_images_request::Target::ContSigns(cont_signs);
                vec![framed(&DeleteImagesRequest {
                    target: Some(target),
                    ..DeleteImagesRequest::default()
                })]
            }
            Kind::Add { bytes } => {
                let image = add_image_request::Source::Content(picture::of_size(bytes).into());
                vec![framed(&AddImageRequest {
                    source: Some(image),
                    ..AddImageRequest::default()
                })]
            }
            Kind::Search { hits } => {
                let content = picture::of_size(QUERY_BYTES).into();
                vec![framed(&SearchImagesRequest {
                    source: Some(search_images_request::Source::Content(content)),
                    limit: hits as u32,
                    ..SearchImagesRequest::default()
                })]
            }
            Kind::Bulk { bytes } => {
                let event = |event| {
                    framed(&AddImagesRequest {
                        payload: Some(event),
                    })
                };
                let options = add_images_request::Payload::Options(AddImagesOptions::default());
                let content = Bytes::from(picture::of_size(bytes));
                let items = (0..ITEMS).map(|key| AddImagesItem {
                    key: key.to_string(),
                    source: Some(add_images_item::Source::Content(content.clone())),
                    ..AddImagesItem::default()
                });
                let items = items.map(add_images_request::Payload::Item);
                std::iter::once(options).chain(items).map(event).collect()
            }
        }
    }
}

/// Calls for a time, and prints how many calls succeeded and failed, and how long they took.
/// `frame` is the maximum of bytes in a frame; 0 leaves it to the server.
pub async fn run(
    address: &str,
    kind: Kind,
    concurrency: usize,
    time: Duration,
    frame: usize,
) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024)
        .max_send_buf_size(1024 * 1024)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(connection);
    let path = format!("http://{address}/{SERVICE}/{}", kind.method());
    let messages = kind.messages();
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        let (mut sender, path, messages) = (sender.clone(), path.clone(), messages.clone());
        callers.spawn(async move {
            let (mut times, mut failed) = (Vec::new(), 0);
            while begin.elapsed() < time {
                let sent = Instant::now();
                match call(&mut sender, &path, body(&messages, frame)).await {
                    Ok(()) => times.push(sent.elapsed().as_secs_f64() * 1e6),
                    Err(error) => {
                        failed += 1;
                        eprintln!("{error}");
                    }
                }
            }
            (times, failed)
        });
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    for (its, failures) in callers.join_all().await {
        times.extend(its);
        failed += failures;
    }
    let seconds = begin.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied();
    let calls = times.len() as u64 * kind.calls();
    println!(
        "{}",
        json!({ "calls": calls, "failed": failed, "seconds": seconds, "p50_us": at(0.5), "p99_us": at(0.99) })
    );
    Ok(())
}

async fn call(
    sender: &mut Sender,
    path: &str,
    body: BoxBody<Bytes, std::convert::Infallible>,
) -> Result<()> {
    sender.ready().await?;
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-api-key", KEY)
        .body(body)?;
    let response = sender.send_request(request).await?;
    let head = response.headers().clone();
    let mut trailers = None;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Ok(last) = frame.into_trailers() {
            trailers = Some(last);
        }
    }
    let trailers = trailers.unwrap_or(head);
    match trailers.get("grpc-status") {
        Some(status) if status == "0" => Ok(()),
        _ => Err(format!("{trailers:?}").into()),
    }
}

fn body(messages: &[Bytes], frame: usize) -> BoxBody<Bytes, std::convert::Infallible> {
    if let ([message], 0) = (messages, frame) {
        return Full::new(message.clone()).boxed();
    }
    let frame = if frame == 0 { usize::MAX } else { frame };
    let frames: Vec<_> = messages
        .iter()
        .flat_map(|message| {
            let starts = (0..message.len()).step_by(frame);
            starts.map(move |start| {
                message.slice(start..message.len().min(start.saturating_add(frame)))
            })
        })
        .map(|part| Ok(Frame::data(part)))
        .collect();
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

/// Puts the length before a message (gRPC over HTTP/2).
fn framed(message: &impl Message) -> Bytes {
    let mut bytes = vec![0; 5];
    bytes[1..].copy_from_slice(&(message.encoded_len() as u32).to_be_bytes());
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.into()
}
