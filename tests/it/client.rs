//! The crate `samegate-client` over real sockets: calls, errors, credentials, retries.

mod bulk;
mod duplicates;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use samegate_client::v1::{self, OnMatch};
use samegate_client::{Client, Code, Error, Image};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Double, error_status};
use crate::support::images::{jpeg, png};

async fn client(gateway: &Gateway) -> Client {
    let builder = Client::builder(gateway.addresses.grpc.to_string());
    builder.connect().await.unwrap()
}

async fn client_of(double: &Double) -> Client {
    let builder = Client::builder(double.endpoint());
    builder.connect().await.unwrap()
}

/// Makes a client of a proxy that answers each call itself.
async fn client_of_proxy(status: StatusCode, body: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let respond = service_fn(move |_| async move {
                let response = http::Response::builder().status(status);
                response.body(axum::body::Body::from(body))
            });
            let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http2.serve_connection(TokioIo::new(stream), respond));
        }
    });
    Client::builder(target)
        .call_attempts(1)
        .connect()
        .await
        .unwrap()
}

fn brief(text: &str) -> v1::AddImageRequest {
    v1::AddImageRequest {
        brief: text.to_owned(),
        ..Default::default()
    }
}

fn image(seed: u64) -> Image {
    Image::from(png(seed))
}

#[tokio::test]
async fn an_image_is_added_found_changed_and_deleted() {
    let gateway = Gateway::start().await;
    let samegate = client(&gateway).await;
    assert!(samegate.is_serving().await.unwrap());

    let sign = samegate
        .add(image(1), brief("one"))
        .await
        .unwrap()
        .cont_sign;
    samegate.add(image(2), brief("two")).await.unwrap();
    let copy = gateway.folder.path().join("one.jpg");
    std::fs::write(&copy, jpeg(1)).unwrap();
    let found = samegate.search(copy, Default::default()).await.unwrap();
    let stored = Image::sign(&sign);
    let same = samegate.compare(image(1), stored.clone(), Default::default());
    let same = same.await.unwrap();
    let options = v1::UpdateImageRequest {
        brief: Some("new".to_owned()),
        ..Default::default()
    };
    samegate.update(stored, options).await.unwrap();
    let changed = samegate.get(&sign).await.unwrap();
    let mut listed = samegate.images(v1::ListImagesRequest {
        page_size: 1,
        ..Default::default()
    });
    let mut briefs = Vec::new();
    while let Some(image) = listed.next().await.unwrap() {
        briefs.push(image.brief);
    }
    let deleted = samegate.delete([&sign, "1,1"]).await.unwrap();

    assert_eq!(found.matches.len(), 1);
    assert_eq!(found.matches[0].cont_sign, sign);
    assert!(same.score > 0.9, "{same:?}");
    assert_eq!(changed.brief, "new");
    assert_eq!(briefs, ["new", "two"]);
    let codes = deleted.results.iter().map(|result| {
        let status = result.status.as_ref();
        status.map_or(0, |status| status.code)
    });
    assert_eq!(codes.collect::<Vec<_>>(), [0, Code::NotFound as i32]);
    assert_eq!(samegate.info().await.unwrap().image_count, 1);
    assert_eq!(samegate.libraries().await.unwrap().libraries.len(), 1);
    assert!(samegate.tags().await.unwrap().tags.is_empty());
    assert!(!samegate.state().await.unwrap().tenant.is_empty());
}

#[tokio::test]
async fn an_error_names_reason_fields_and_the_stored_image() {
    let gateway = Gateway::start().await;
    let samegate = client(&gateway).await;
    let sign = samegate.add(image(1), brief("")).await.unwrap().cont_sign;
    let mut rejecting = brief("");
    rejecting.set_on_match(OnMatch::Reject);

    let same = samegate.add(image(1), brief("")).await.unwrap_err();
    let matched = samegate.add(jpeg(1), rejecting).await.unwrap_err();
    let invalid = v1::AddImageRequest {
        tags: vec![1, 2, 3],
        ..brief(&"b".repeat(257))
    };
    let invalid = samegate.add(image(2), invalid).await.unwrap_err();
    let missing = gateway.folder.path().join("none.jpg");
    let missing = samegate.search(missing, Default::default()).await;
    let missing = missing.unwrap_err();
    let stored = samegate.add(Image::sign(&sign), brief("")).await;

    assert_eq!(same.reason(), "IMAGE_ALREADY_EXISTS");
    assert_eq!(same.cont_sign(), Some(&*sign));
    assert!(!same.is_transient());
    assert_eq!(matched.reason(), "SAME_IMAGE_EXISTS");
    assert_eq!(matched.matches()[0].cont_sign, sign);
    let fields: Vec<&str> = invalid.violations().iter().map(|v| &*v.field).collect();
    assert_eq!(fields, ["brief", "tags"]);
    assert_eq!(
        (missing.code(), missing.reason()),
        (None, "FILE_UNREADABLE")
    );
    assert_eq!(stored.unwrap_err().reason(), "INVALID_ITEM");
}

#[tokio::test]
async fn the_key_of_a_function_is_asked_for_with_every_call() {
    let double = Double::start();
    double.store.lock().unwrap().authorization = Some("Bearer second".to_owned());
    let calls = AtomicUsize::new(0);
    let key = move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => "first".to_owned(),
        _ => "second".to_owned(),
    };
    let samegate = Client::builder(double.endpoint()).api_key_with(key);
    let samegate = samegate.connect().await.unwrap();

    let first = samegate.add(image(1), brief("a")).await.unwrap_err();
    let second = samegate.add(image(1), brief("a")).await;

    assert_eq!(first.code(), Some(Code::Unauthenticated));
    assert!(second.is_ok(), "{second:?}");
    let invalid = Client::builder(double.endpoint()).api_key("a\nb").connect();
    assert_eq!(invalid.await.unwrap_err().reason(), "INVALID_KEY");
    let invalid = Client::builder(double.endpoint()).api_key_with(|| "a\nb".to_owned());
    let invalid = invalid.connect().await.unwrap().info().await.unwrap_err();
    assert_eq!((invalid.code(), invalid.reason()), (None, "INVALID_KEY"));
}

#[tokio::test]
async fn a_busy_gateway_is_asked_again_and_the_hook_hears_of_it() {
    let double = Double::start();
    let busy = Status::resource_exhausted("busy");
    double.store.lock().unwrap().library_error = Some(busy);
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let hears = heard.clone();
    let hook = move |error: &Error, _| hears.lock().unwrap().push(error.message().to_owned());
    let samegate = Client::builder(double.endpoint()).on_retry(hook);
    let samegate = samegate.connect().await.unwrap();

    samegate.info().await.unwrap();

    assert_eq!(*heard.lock().unwrap(), ["busy"]);
}

#[tokio::test]
async fn an_addition_that_may_have_been_carried_out_is_not_sent_again() {
    let double = Double::start();
    let lost = [0, 1].map(|_| error_status(Code::Unavailable, "BACKEND_UNAVAILABLE"));
    let mut errors = [("a".to_owned(), lost.into())].into();
    std::mem::swap(&mut double.store.lock().unwrap().errors, &mut errors);
    let samegate = client_of(&double).await;

    let error = samegate.add(image(1), brief("a")).await.unwrap_err();

    assert_eq!(error.code(), Some(Code::Unavailable));
    assert_eq!(double.store.lock().unwrap().errors["a"].len(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_one_transient_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    drop(listener);

    let eager = Client::builder(&target).connect().await.unwrap_err();
    let lazy = Client::builder(&target).connect_lazy().unwrap();
    let call = lazy.add(image(1), brief("")).await.unwrap_err();

    for error in [eager, call] {
        assert_eq!(error.code(), Some(Code::Unavailable), "{error}");
        assert!(error.is_transient(), "{error}");
    }
    assert!(!lazy.is_serving().await.unwrap());
}

#[tokio::test]
async fn a_port_that_is_not_grpc_is_called_so_and_not_asked_again() {
    let gateway = Gateway::start().await;
    let target = gateway.addresses.rest.to_string();
    let samegate = Client::builder(target).connect().await.unwrap();

    let error = samegate.info().await.unwrap_err();

    assert!(error.is_not_grpc() && !error.is_transient(), "{error}");
    assert!(samegate.is_serving().await.is_err());
}

#[tokio::test]
async fn a_proxy_without_a_gateway_is_a_transient_error() {
    for status in [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE] {
        for body in ["", "<html>no healthy upstream</html>"] {
            let samegate = client_of_proxy(status, body).await;

            let error = samegate.info().await.unwrap_err();

            assert_eq!(error.code(), Some(Code::Unavailable), "{error}");
            assert!(error.is_transient() && !error.is_not_grpc(), "{error}");
            assert!(!samegate.is_serving().await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_proxy_that_denies_access_is_not_asked_again() {
    for body in ["", "<html>log in</html>"] {
        let samegate = client_of_proxy(StatusCode::UNAUTHORIZED, body).await;

        let error = samegate.info().await.unwrap_err();

        assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
        assert!(!error.is_transient() && !error.is_not_grpc(), "{error}");
    }
}

#[tokio::test]
async fn a_search_is_sent_again_when_its_gateway_is_killed() {
    let double = Double::start();
    let hangs = CancellationToken::new();
    double.store.lock().unwrap().search_hangs = Some(hangs.clone());
    let heard = Arc::<Mutex<Vec<Option<Code>>>>::default();
    let hears = heard.clone();
    let hook = move |error: &Error, _| hears.lock().unwrap().push(error.code());
    let samegate = Client::builder(double.endpoint()).on_retry(hook);
    let samegate = samegate.connect().await.unwrap();

    let restart = async {
        hangs.cancelled().await;
        let (address, store) = (double.address, double.store.clone());
        double.kill();
        Double::start_at(address, store)
    };
    let search = samegate.search(image(1), Default::default());
    let (found, _double) = tokio::join!(search, restart);

    assert!(found.is_ok(), "{found:?}");
    assert_eq!(heard.lock().unwrap()[0], Some(Code::Unavailable));
}

#[tokio::test]
async fn a_client_of_another_library_uses_the_same_connection() {
    let gateway = Gateway::start().await;
    let samegate = client(&gateway).await;

    let other = samegate.with_library("dogs").info().await.unwrap_err();

    assert_eq!(other.reason(), "LIBRARY_NOT_FOUND");
    assert!(samegate.info().await.is_ok());
}

#[tokio::test]
async fn a_gateway_that_does_not_respond_is_an_error_at_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = silent.local_addr().unwrap().to_string();
    let timeout = Duration::from_millis(200);
    let samegate = Client::builder(target).timeout(timeout).connect_lazy();

    let error = samegate.unwrap().info().await.unwrap_err();

    assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
    assert!(error.is_transient());
}
