//! Shows every kind of error, and what to do about it.
//!
//! Usage: `errors HOST:PORT PICTURE`
#![allow(clippy::print_stdout, reason = "what the example prints")]

use std::env;

use samegate_client::v1::{AddImageRequest, SearchImagesRequest};
use samegate_client::{Client, Code, Error, Image};

/// Adds a picture; returns its sign, also if it is stored already.
async fn add_once(samegate: &Client, picture: &Image) -> Result<String, Error> {
    match samegate.add(picture.clone(), Default::default()).await {
        Err(error) if error.reason() == "IMAGE_ALREADY_EXISTS" => {
            Ok(error.cont_sign().unwrap_or_default().to_owned())
        }
        added => Ok(added?.cont_sign),
    }
}

/// Says whose turn it is.
fn explain(error: &Error) -> String {
    let violations = error.violations().iter();
    let fields: Vec<String> = violations
        .map(|v| format!("{}: {}", v.field, v.description))
        .collect();
    if !fields.is_empty() {
        return format!("change the request ({})", fields.join(", "));
    }
    match (error.code(), error.retry_after()) {
        (Some(Code::Unauthenticated | Code::PermissionDenied), _) => "check the key".to_owned(),
        (Some(Code::NotFound), _) => "there is no such image or library".to_owned(),
        // The client has tried again already, as often as it may within its timeout.
        (_, Some(wait)) => format!("try again after {wait:?}"),
        _ if error.is_transient() => "try again later".to_owned(),
        _ => "tell the operator of the gateway, with the reason".to_owned(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, picture] = &arguments[..] else {
        panic!("usage: errors HOST:PORT PICTURE");
    };
    #[expect(clippy::disallowed_methods, reason = "the key of this program")]
    let key = env::var("SAMEGATE_API_KEY").unwrap_or_default();
    let samegate = Client::builder(target).api_key(key).connect().await?;
    let picture = Image::file(picture);
    let first = add_once(&samegate, &picture).await?;
    println!("stored as {first} {}", add_once(&samegate, &picture).await?);

    let any = SearchImagesRequest::default;
    let invalid = AddImageRequest {
        brief: "x".repeat(257),
        tags: vec![0],
        ..Default::default()
    };
    let failures = [
        samegate
            .search(b"not a picture".to_vec(), any())
            .await
            .err(),
        samegate.add(picture, invalid).await.err(),
        samegate.get("1,1").await.err(),
        samegate
            .search(Image::file("no such file"), any())
            .await
            .err(),
    ];
    for error in failures.into_iter().flatten() {
        println!(
            "{}: {}: {}",
            error.reason(),
            error.message(),
            explain(&error)
        );
    }
    Ok(())
}
