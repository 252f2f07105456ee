//! The gateway that an average project writes: tonic, reqwest, base64, and nothing to protect it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tonic::{Request, Response, Status};

use crate::Result;
use crate::proto::add_image_request::Source as Image;
use crate::proto::delete_images_request::Target;
use crate::proto::same_image_service_server::{SameImageService, SameImageServiceServer};
use crate::proto::search_images_request::Source as Query;
use crate::proto::{
    AddImageRequest, AddImageResponse, DeleteImagesRequest, DeleteImagesResponse, Match,
    SearchImagesRequest, SearchImagesResponse,
};

const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

struct Naive {
    vendor: String,
    http: reqwest::Client,
}

pub async fn serve(address: &str, vendor: &str) -> Result<()> {
    let naive = Naive {
        vendor: vendor.to_owned(),
        http: reqwest::Client::new(),
    };
    let service = SameImageServiceServer::new(naive).max_decoding_message_size(MAX_MESSAGE_BYTES);
    tonic::transport::Server::builder()
        .add_service(service)
        .serve(address.parse()?)
        .await?;
    Ok(())
}

impl Naive {
    async fn post(&self, operation: &str, form: &[(&str, String)]) -> tonic::Result<Value> {
        let path = "rest/2.0/realtime_search/same_hq";
        let url = format!("{}/{path}/{operation}?access_token=24.bench", self.vendor);
        let unavailable = |error: reqwest::Error| Status::unavailable(error.to_string());
        let response = self
            .http
            .post(url)
            .form(form)
            .send()
            .await
            .map_err(unavailable)?;
        let text = response.text().await.map_err(unavailable)?;
        serde_json::from_str(&text).map_err(|error| Status::internal(error.to_string()))
    }
}

#[tonic::async_trait]
impl SameImageService for Naive {
    async fn add_image(
        &self,
        request: Request<AddImageRequest>,
    ) -> tonic::Result<Response<AddImageResponse>> {
        let request = request.into_inner();
        let Some(Image::Content(content)) = request.source else {
            return Err(Status::invalid_argument("content"));
        };
        let form = [
            ("image", STANDARD.encode(&content)),
            ("brief", request.brief),
        ];
        let added = self.post("add", &form).await?;
        Ok(Response::new(AddImageResponse {
            cont_sign: added["cont_sign"].as_str().unwrap_or_default().to_owned(),
            log_id: added["log_id"].as_u64().unwrap_or_default(),
            ..AddImageResponse::default()
        }))
    }

    async fn search_images(
        &self,
        request: Request<SearchImagesRequest>,
    ) -> tonic::Result<Response<SearchImagesResponse>> {
        let request = request.into_inner();
        let Some(Query::Content(content)) = request.source else {
            return Err(Status::invalid_argument("content"));
        };
        let limit = request.limit.to_string();
        let form = [("image", STANDARD.encode(&content)), ("rn", limit)];
        let found = self.post("search", &form).await?;
        let hits = found["result"].as_array().into_iter().flatten();
        let matches = hits.map(|hit| Match {
            cont_sign: hit["cont_sign"].as_str().unwrap_or_default().to_owned(),
            score: hit["score"].as_f64().unwrap_or_default(),
            brief: hit["brief"].as_str().unwrap_or_default().to_owned(),
            ..Match::default()
        });
        Ok(Response::new(SearchImagesResponse {
            matches: matches.collect(),
            log_id: found["log_id"].as_u64().unwrap_or_default(),
            ..SearchImagesResponse::default()
        }))
    }

    async fn delete_images(
        &self,
        request: Request<DeleteImagesRequest>,
    ) -> tonic::Result<Response<DeleteImagesResponse>> {
        let Some(Target::ContSigns(signs)) = request.into_inner().target else {
            return Err(Status::invalid_argument("cont_signs"));
        };
        let form = [("cont_sign", signs.values.join(";"))];
        self.post("delete", &form).await?;
        Ok(Response::new(DeleteImagesResponse::default()))
    }
}
