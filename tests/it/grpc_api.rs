//! The gRPC API through real sockets: answers, errors and their details.

use std::time::Duration;

use samegate::proto::v1;
use samegate::proto::v1::add_image_request::Source;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::gateway::Gateway;
use crate::support::images::{jpeg, png};

fn add(image: impl Into<bytes::Bytes>) -> v1::AddImageRequest {
    v1::AddImageRequest {
        source: Some(Source::Content(image.into())),
        ..Default::default()
    }
}

fn search(image: impl Into<bytes::Bytes>) -> v1::SearchImagesRequest {
    let source = v1::search_images_request::Source::Content(image.into());
    v1::SearchImagesRequest {
        source: Some(source),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .expect("every error names its reason")
        .reason
}

#[tokio::test]
async fn an_image_is_added_found_and_shown() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    let request = v1::AddImageRequest {
        brief: "poster".to_owned(),
        tags: vec![7],
        ..add(png(1))
    };
    let sign = client
        .add_image(request)
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let found = client
        .search_images(search(jpeg(1)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.matches[0].cont_sign, sign);
    assert_eq!(found.matches[0].tags, [7]);

    let image = v1::GetImageRequest {
        cont_sign: sign.clone(),
        ..Default::default()
    };
    let image = client
        .get_image(image)
        .await
        .unwrap()
        .into_inner()
        .image
        .unwrap();
    assert_eq!((image.width, image.height), (320, 240));
    assert!(image.thumbnail_jpeg.starts_with(b"\xff\xd8\xff"), "a JPEG");
}

#[tokio::test]
async fn an_image_is_updated_and_deleted_by_its_sign() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let added = client.add_image(add(png(1))).await.unwrap();
    let sign = added.into_inner().cont_sign;

    let target = Some(v1::update_image_request::Target::ContSign(sign.clone()));
    let update = v1::UpdateImageRequest {
        target,
        brief: Some("new".to_owned()),
        ..Default::default()
    };
    client.update_image(update).await.unwrap();
    let listed = client
        .list_images(v1::ListImagesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.images[0].brief, "new");

    let signs = v1::ContSignList { values: vec![sign] };
    let target = Some(v1::delete_images_request::Target::ContSigns(signs));
    let deleted = client
        .delete_images(v1::DeleteImagesRequest {
            target,
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(
        deleted.into_inner().results[0]
            .status
            .as_ref()
            .unwrap()
            .code,
        0
    );
    let library = client
        .get_library(v1::GetLibraryRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (library.library.as_str(), library.image_count),
        ("default", 0)
    );
}

#[tokio::test]
async fn a_listing_is_read_page_by_page_in_the_order_of_adding() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    for seed in 0..5 {
        let request = v1::AddImageRequest {
            brief: seed.to_string(),
            ..add(png(seed))
        };
        client.add_image(request).await.unwrap();
    }

    let (mut briefs, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListImagesRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = client.list_images(request).await.unwrap().into_inner();
        briefs.extend(page.images.into_iter().map(|image| image.brief));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }

    assert_eq!(briefs, ["0", "1", "2", "3", "4"]);
    let request = v1::ListImagesRequest {
        page_token: "nonsense".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        client.list_images(request).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_duplicate_is_rejected_with_its_sign_or_accepted_on_wish() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let sign = client
        .add_image(add(png(1)))
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let rejected = client.add_image(add(png(1))).await.unwrap_err();
    assert_eq!(rejected.code(), Code::AlreadyExists);
    assert_eq!(
        rejected.get_details_error_info().unwrap().metadata["cont_sign"],
        sign
    );

    let wish = v1::OnDuplicate::Accept.into();
    let accepted = client
        .add_image(v1::AddImageRequest {
            on_duplicate: wish,
            ..add(png(1))
        })
        .await
        .unwrap();
    let accepted = accepted.into_inner();
    assert_eq!((accepted.cont_sign, accepted.existed), (sign, true));
}

#[tokio::test]
async fn three_bad_fields_are_named_together() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    let request = v1::AddImageRequest {
        brief: "x".repeat(257),
        tags: vec![1, 2, 3],
        ..add("not an image")
    };
    let rejected = client.add_image(request).await.unwrap_err();

    assert_eq!(rejected.code(), Code::InvalidArgument);
    let violations = rejected.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["content", "brief", "tags"]);
}

#[tokio::test]
async fn each_bad_image_has_its_own_reason() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let truncated = png(1).slice(..400);
    let bomb = bomb();

    for (image, expected) in [
        (bytes::Bytes::new(), "IMAGE_EMPTY"),
        ("just a text".into(), "IMAGE_FORMAT"),
        (truncated, "IMAGE_MALFORMED"),
        (bomb, "IMAGE_SIZE"),
        (vec![0xff; 3_145_729].into(), "IMAGE_SIZE"),
    ] {
        let rejected = client.add_image(add(image)).await.unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::InvalidArgument, expected)
        );
    }
    client
        .add_image(add(png(1)))
        .await
        .expect("the gateway lives on");
}

/// A PNG whose header promises 60,000 x 60,000 pixels.
fn bomb() -> bytes::Bytes {
    let mut file = png(1).to_vec();
    file[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    file.into()
}

#[tokio::test]
async fn a_message_is_taken_up_to_the_limit_and_rejected_past_it() {
    let gateway = Gateway::with_config("limits.max_message_bytes = 65536").await;
    let mut client = gateway.client().await;
    // Field number and length take 4 bytes.
    let of_size = |bytes: usize| add(vec![0; bytes - 4]);

    let at_limit = client.add_image(of_size(65_536)).await.unwrap_err();
    assert_eq!(reason(&at_limit), "IMAGE_FORMAT", "it was read");

    let over = client.add_image(of_size(65_537)).await.unwrap_err();
    assert_eq!(
        (over.code(), reason(&over).as_str()),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
    );
}

#[tokio::test]
async fn an_unknown_library_is_not_found_and_neither_is_another_tenants() {
    let config = r#"
        [libraries.mine]
        backend = "embedded"
        data_dir = "DIR/mine"
        [libraries.theirs]
        backend = "embedded"
        data_dir = "DIR/theirs"
        [tenants.me]
        libraries = ["mine"]
        [tenants.them]
        libraries = ["theirs"]
    "#;
    let folder = tempfile::tempdir().unwrap();
    let config = config.replace("DIR", folder.path().to_str().unwrap());
    let gateway = Gateway::in_folder(folder, &config).await;
    let mut client = gateway.client().await;

    let mut messages = Vec::new();
    for library in ["theirs", "nobodys"] {
        let request = v1::AddImageRequest {
            library: library.to_owned(),
            ..add(png(1))
        };
        let rejected = client.add_image(request).await.unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::NotFound, "LIBRARY_NOT_FOUND")
        );
        messages.push(rejected.message().replace(library, ""));
    }
    assert_eq!(
        messages[0], messages[1],
        "the response does not tell which libraries exist"
    );
}

#[tokio::test]
async fn api_keys_open_the_door_and_wrong_ones_do_not() {
    // printf %s letmein | sha256sum
    let config = r#"
        tenants.app.libraries = ["default"]
        tenants.app.api_keys = ["sha256:1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032"]
    "#;
    let gateway = Gateway::with_config(config).await;
    let mut client = gateway.client().await;
    let mut status = async |header: Option<(&'static str, &str)>| {
        let mut request = Request::new(v1::GetLibraryRequest::default());
        if let Some((name, value)) = header {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        client
            .get_library(request)
            .await
            .map_or_else(|status| reason(&status), |_| "OK".to_owned())
    };

    assert_eq!(
        status(Some(("authorization", "Bearer letmein"))).await,
        "OK"
    );
    assert_eq!(status(Some(("x-api-key", "letmein"))).await, "OK");
    assert_eq!(
        status(Some(("x-api-key", "letmeout"))).await,
        "CREDENTIALS_INVALID"
    );
    assert_eq!(status(None).await, "CREDENTIALS_MISSING");
}

#[tokio::test]
async fn a_deadline_that_has_passed_answers_deadline_exceeded() {
    let gateway = Gateway::start().await;
    // A bare HTTP/2 client: tonic's would end the call by its own timer.
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!(
        "http://{}/samegate.v1.SameImageService/GetLibrary",
        gateway.addresses.grpc
    );
    let call = client
        .post(url)
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "0n");

    let response = call.body(vec![0; 5]).send().await.unwrap();

    assert_eq!(response.headers()["grpc-status"], "4");
}

#[tokio::test]
async fn each_sign_of_a_deletion_answers_for_itself() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let sign = client
        .add_image(add(png(1)))
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let values = ["4,4".to_owned(), sign, "no sign".to_owned()].to_vec();
    let target = Some(v1::delete_images_request::Target::ContSigns(
        v1::ContSignList { values },
    ));
    let request = v1::DeleteImagesRequest {
        target,
        ..Default::default()
    };
    let results = client
        .delete_images(request)
        .await
        .unwrap()
        .into_inner()
        .results;

    let codes: Vec<_> = results
        .into_iter()
        .map(|result| result.status.unwrap().code)
        .collect();
    assert_eq!(codes, [Code::NotFound as i32, 0, Code::NotFound as i32]);
}

#[tokio::test]
async fn health_and_reflection_are_served_without_credentials() {
    let config = r#"
        tenants.app.libraries = ["default"]
        tenants.app.api_keys = ["sha256:1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032"]
    "#;
    let gateway = Gateway::with_config(config).await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let channel = tonic::transport::Endpoint::try_from(endpoint)
        .unwrap()
        .connect()
        .await
        .unwrap();

    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    for service in ["", "samegate.v1.SameImageService"] {
        let request = tonic_health::pb::HealthCheckRequest {
            service: service.to_owned(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(
            status,
            tonic_health::pb::health_check_response::ServingStatus::Serving
        );
    }

    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let mut reflection = ServerReflectionClient::new(channel);
    let list = Some(MessageRequest::ListServices(String::new()));
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: list,
    };
    let mut responses = reflection
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(services)) =
        responses.message().await.unwrap().unwrap().message_response
    else {
        panic!("not a list of services");
    };
    assert!(
        services
            .service
            .iter()
            .any(|service| service.name == "samegate.v1.SameImageService")
    );
}

#[tokio::test]
async fn an_image_of_a_url_is_not_fetched_from_inside_the_network() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    for url in [
        format!("{}/a.png", gateway.rest_url()),
        "http://localhost/a.png".to_owned(),
    ] {
        let source = Some(Source::Url(url));
        let rejected = client
            .add_image(v1::AddImageRequest {
                source,
                ..Default::default()
            })
            .await
            .unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::FailedPrecondition, "URL_UNREACHABLE")
        );
    }
}

#[tokio::test]
async fn images_outlive_the_gateway() {
    let gateway = Gateway::start().await;
    let sign = gateway
        .client()
        .await
        .add_image(add(png(1)))
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let gateway = Gateway::in_folder(gateway.stop().await, "").await;

    let found = gateway
        .client()
        .await
        .search_images(search(png(1)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.matches[0].cont_sign, sign);
}

#[tokio::test]
async fn a_client_that_leaves_amid_a_message_leaves_nothing_behind() {
    use tokio::io::AsyncWriteExt;
    let gateway = Gateway::start().await;
    let mut half = tokio::net::TcpStream::connect(gateway.addresses.grpc)
        .await
        .unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x01")
        .await
        .unwrap();
    half.shutdown().await.unwrap();

    let mut client = gateway.client().await;
    client.add_image(add(png(1))).await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(20), gateway.stop()).await;
    assert!(
        stopped.is_ok(),
        "the half-open connection does not hold up the drain"
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_way_out() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let overrides = samegate::config::Overrides {
        data: Some(folder.path().join("data")),
        grpc: Some(gateway.addresses.grpc),
        ..Default::default()
    };
    let config =
        samegate::config::load(None, &std::collections::BTreeMap::new(), &overrides).unwrap();

    let rejected = samegate::app::App::bind(&config)
        .await
        .unwrap_err()
        .to_string();

    assert!(
        rejected.contains(&gateway.addresses.grpc.to_string()),
        "{rejected}"
    );
    assert!(rejected.contains("--grpc"), "{rejected}");
}

#[tokio::test]
async fn readiness_turns_while_calls_are_drained_and_watchers_are_told() {
    use tonic_health::pb::health_check_response::ServingStatus;
    let gateway = Gateway::start().await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let channel = tonic::transport::Endpoint::try_from(endpoint)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let request = tonic_health::pb::HealthCheckRequest {
        service: String::new(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    let stopped = gateway.begin_to_stop();

    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(
        watch.message().await.unwrap().is_none(),
        "the watch ends by itself"
    );
    drop((watch, health));
    stopped.await.unwrap();
}
