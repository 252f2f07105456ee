//! The gRPC API over real sockets: responses, errors and their details.

mod compressed;
mod connect;
mod duplicates;
mod errors;
mod images;
mod listing;
mod on_match;
mod serving;
mod sources;

use samegate::proto::v1;
use samegate::proto::v1::add_image_request::Source;
use tonic::Status;
use tonic_types::StatusExt;

fn add(image: impl Into<bytes::Bytes>) -> v1::AddImageRequest {
    v1::AddImageRequest {
        source: Some(Source::Content(image.into())),
        ..Default::default()
    }
}

fn search(image: impl Into<bytes::Bytes>) -> v1::SearchImagesRequest {
    v1::SearchImagesRequest {
        source: Some(v1::search_images_request::Source::Content(image.into())),
        ..Default::default()
    }
}

fn search_stored(sign: &str) -> v1::SearchImagesRequest {
    v1::SearchImagesRequest {
        source: Some(v1::search_images_request::Source::ContSign(sign.to_owned())),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .expect("every error has a reason")
        .reason
}
