use std::convert::Infallible;
use std::sync::{Mutex, Weak};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

/// More than HTTP/1 takes before it sends anything.
const LENGTH: usize = 2 << 20;

/// The body of a response of gRPC.
struct GrpcBody {
    data: Option<Bytes>,
    _charged: Arc<()>,
}

impl http_body::Body for GrpcBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }
}

/// Begins a call over HTTP/1 whose response has this length; the returned pointer is what the call
/// is charged for.
async fn call(length: usize) -> (DuplexStream, JoinHandle<()>, Weak<()>) {
    let charged = Arc::new(());
    let pointer = Arc::downgrade(&charged);
    let charged = Mutex::new(Some(charged));
    let service = service_fn(move |_: Request<Incoming>| {
        let charged = charged.lock().unwrap().take();
        async move { Ok::<_, Infallible>(respond(length, charged.unwrap()).await) }
    });
    let (mut client, server) = duplex(1024);
    let serving = tokio::spawn(async move {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        connection.await.unwrap();
    });
    let request = b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    client.write_all(request).await.unwrap();
    (client, serving, pointer)
}

async fn respond(length: usize, charged: Arc<()>) -> Response<Body> {
    let message = [&prefix(0, length)[..], &vec![7; length]].concat();
    let mut response = Response::new(Body::new(GrpcBody {
        data: Some(message.into()),
        _charged: charged,
    }));
    let ok = HeaderValue::from_static("0");
    response.headers_mut().insert("grpc-status", ok);
    let translation = Translation {
        contract: Arc::new(Contract::compiled_in().unwrap()),
        content_type: HeaderValue::from_static("application/proto"),
        is_bare: true,
        is_suitable: true,
        may_compress: false,
    };
    translation.translate(response).await
}

#[tokio::test]
async fn a_response_is_charged_until_its_client_has_read_it() {
    let (mut client, serving, charged) = call(LENGTH).await;

    // The server has written what it can by now.
    client.read_exact(&mut [0; 512]).await.unwrap();
    assert_eq!(charged.strong_count(), 1);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();

    assert!(rest.len() > LENGTH - 512, "{}", rest.len());
    assert!(rest.ends_with(&[7; STEP_BYTES]));
    serving.await.unwrap();
    assert_eq!(charged.strong_count(), 0);
}

#[tokio::test]
async fn an_empty_response_has_a_length() {
    let (mut client, serving, _) = call(0).await;

    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();

    assert!(response.contains("content-length: 0\r\n"), "{response}");
    serving.await.unwrap();
}
