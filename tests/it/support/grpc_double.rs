//! A test double of the gateway: it keeps its images in memory and fails on demand.
//!
//! It runs in a runtime of its own, so that [`Double::kill`] breaks every connection like a crash.
//! Its [`Store`] outlives it and can be passed to the next double.

mod bulk;
mod bulk_search;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use samegate::proto::v1;
use samegate::proto::v1::same_image_service_server::{SameImageService, SameImageServiceServer};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

/// What a bulk stream does besides storing items.
#[derive(Clone, Debug)]
pub enum Act {
    /// Breaks the stream after this many acknowledgements; the next item is stored without one.
    BreakAfter(usize),
    /// Announces a drain after this many acknowledgements, and reads no further item.
    DrainAfter(usize),
    /// Cancels the token after this many acknowledgements, and continues.
    SignalAfter(usize, CancellationToken),
    /// Cancels the token after this many acknowledgements, and hangs.
    HangAfter(usize, CancellationToken),
    /// Breaks the stream after this many acknowledgements, as a gateway does whose library is
    /// replaced by an empty one.
    ReplaceAfter(usize),
    /// Fails at once with this status.
    Reject(Status),
}

/// The settings of the double, and what it has received.
#[derive(Debug, Default)]
pub struct State {
    /// Stored images, oldest first.
    pub stored: Vec<v1::Image>,
    /// What the next streams do; a stream without an entry only stores.
    pub acts: VecDeque<Act>,
    /// Errors of the item or image with this brief, before it is stored, and of queries by their keys.
    pub errors: HashMap<String, VecDeque<v1::Status>>,
    /// The `authorization` that a call must have.
    pub authorization: Option<String>,
    /// Options of the streams so far.
    pub options: Vec<v1::AddImagesOptions>,
    /// Number of items read from streams.
    pub items_read: usize,
    /// Whether the library is one at a vendor, without identity and list.
    pub is_rest: bool,
    /// Number of times that the library was replaced by another.
    pub replaced: u64,
    /// What the next joins of the library send.
    pub joins: VecDeque<Vec<JoinMessage>>,
    /// Cursors of the joins so far.
    pub cursors: Vec<String>,
    /// Error of the next question about the library.
    pub library_error: Option<Status>,
    /// The next search cancels the token, and hangs.
    pub search_hangs: Option<CancellationToken>,
}

/// A message of a join, or its end.
pub type JoinMessage = Result<v1::FindDuplicatesResponse, Status>;

/// The state of the double, shared with the test.
pub type Store = Arc<Mutex<State>>;

/// A running double.
#[derive(Debug)]
pub struct Double {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Its state.
    pub store: Store,
    runtime: Option<Runtime>,
}

// === impl Double ===

impl Double {
    /// Starts a double on a free port with an empty store.
    pub fn start() -> Self {
        Double::start_at((Ipv4Addr::LOCALHOST, 0).into(), Store::default())
    }

    /// Starts a double at an address with the store of another one.
    pub fn start_at(address: SocketAddr, store: Store) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service(store.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (health, health_service) = tonic_health::server::health_reporter();
            health
                .set_serving::<SameImageServiceServer<Service>>()
                .await;
            health
                .set_service_status("stopping", tonic_health::ServingStatus::NotServing)
                .await;
            tonic::transport::Server::builder()
                .add_service(health_service)
                .add_service(SameImageServiceServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
        });
        Double {
            address,
            store,
            runtime: Some(runtime),
        }
    }

    /// Returns the URL for the command line.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection and frees the port.
    pub fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        // A runtime must not be shut down on a thread of another runtime.
        let ended = std::thread::spawn(|| runtime.shutdown_timeout(Duration::from_secs(10)));
        ended.join().unwrap();
    }

    /// Returns the briefs of the stored images, sorted.
    pub fn briefs(&self) -> Vec<String> {
        let state = self.store.lock().unwrap();
        let mut briefs: Vec<String> = state.stored.iter().map(|i| i.brief.clone()).collect();
        briefs.sort();
        briefs
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes the status of a failed item.
pub fn error_status(code: Code, reason: &str) -> v1::Status {
    v1::Status {
        code: code as i32,
        message: format!("the double says {reason}"),
        reason: reason.to_owned(),
        metadata: HashMap::new(),
    }
}

struct Service(Store);

// === impl State ===

impl State {
    /// Stores an image unless it is stored already; returns its sign and `existed`.
    fn add(&mut self, content: &Bytes, brief: String, tags: Vec<u32>) -> (String, bool) {
        let sign = format!("{},{}", content.len(), blake3::hash(content).to_hex());
        if self.stored.iter().any(|image| image.cont_sign == sign) {
            return (sign, true);
        }
        self.stored.push(v1::Image {
            cont_sign: sign.clone(),
            brief,
            tags,
            width: 64,
            height: 48,
            size_bytes: content.len() as u64,
            add_time: None,
            thumbnail_jpeg: Bytes::from_static(b"thumbnail"),
            preview_jpeg: Bytes::from_static(b"preview"),
        });
        (sign, false)
    }

    fn replace(&mut self) {
        self.stored.clear();
        self.replaced += 1;
    }

    fn next_error(&mut self, brief: &str) -> Option<v1::Status> {
        self.errors.get_mut(brief)?.pop_front()
    }

    fn add_item(&mut self, item: v1::AddImagesItem) -> v1::AddImagesResult {
        use v1::add_images_item::Source;

        self.items_read += 1;
        let mut result = v1::AddImagesResult {
            key: item.key,
            ..v1::AddImagesResult::default()
        };
        if let Some(status) = self.next_error(&item.brief) {
            result.status = Some(status);
            return result;
        }
        let content = match item.source {
            Some(Source::Content(content)) => content,
            Some(Source::Url(url)) => url.into(),
            None => Bytes::new(),
        };
        (result.cont_sign, result.existed) = self.add(&content, item.brief, item.tags);
        result
    }
}

// === impl Service ===

impl Service {
    fn authorize<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let expected = self.0.lock().unwrap().authorization.clone();
        let given = request.metadata().get("authorization");
        let given = given.and_then(|value| value.to_str().ok());
        if expected.is_none() || given == expected.as_deref() {
            return Ok(());
        }
        let details = ErrorDetails::with_error_info("CREDENTIALS_MISSING", "samegate", []);
        let code = Code::Unauthenticated;
        Err(Status::with_error_details(code, "no API key", details))
    }

    fn check_embedded(&self) -> Result<(), Status> {
        if !self.0.lock().unwrap().is_rest {
            return Ok(());
        }
        let details = ErrorDetails::with_error_info("OPERATION_UNSUPPORTED", "samegate", []);
        let code = Code::Unimplemented;
        Err(Status::with_error_details(code, "not supported", details))
    }
}

type SearchEventStream =
    Pin<Box<dyn Stream<Item = Result<v1::BulkSearchImagesResponse, Status>> + Send>>;
type EventStream = Pin<Box<dyn Stream<Item = Result<v1::AddImagesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl SameImageService for Service {
    type AddImagesStream = EventStream;
    type BulkSearchImagesStream = SearchEventStream;
    type FindDuplicatesStream = Pin<Box<dyn Stream<Item = JoinMessage> + Send>>;

    async fn add_image(
        &self,
        request: Request<v1::AddImageRequest>,
    ) -> Result<Response<v1::AddImageResponse>, Status> {
        self.authorize(&request)?;
        let request = request.into_inner();
        let mut state = self.0.lock().unwrap();
        if let Some(error) = state.next_error(&request.brief) {
            let details = ErrorDetails::with_error_info(error.reason, "samegate", []);
            let code = Code::from_i32(error.code);
            return Err(Status::with_error_details(code, error.message, details));
        }
        let content = match request.source {
            Some(v1::add_image_request::Source::Content(content)) => content,
            Some(v1::add_image_request::Source::Url(url)) => url.into(),
            None => Bytes::new(),
        };
        let (cont_sign, existed) = state.add(&content, request.brief, request.tags);
        Ok(Response::new(v1::AddImageResponse {
            cont_sign,
            existed,
            log_id: 1,
            matches: Vec::new(),
        }))
    }

    async fn add_images(
        &self,
        request: Request<Streaming<v1::AddImagesRequest>>,
    ) -> Result<Response<EventStream>, Status> {
        self.authorize(&request)?;
        let act = self.0.lock().unwrap().acts.pop_front();
        if let Some(Act::Reject(status)) = act {
            return Err(status);
        }
        let (events, receiver) = mpsc::channel(1);
        tokio::spawn(bulk::serve(
            self.0.clone(),
            request.into_inner(),
            act,
            events,
        ));
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }

    async fn search_images(
        &self,
        request: Request<v1::SearchImagesRequest>,
    ) -> Result<Response<v1::SearchImagesResponse>, Status> {
        self.authorize(&request)?;
        let hangs = self.0.lock().unwrap().search_hangs.take();
        if let Some(token) = hangs {
            token.cancel();
            std::future::pending::<()>().await;
        }
        let state = self.0.lock().unwrap();
        let stored = state.stored.iter();
        let matches: Vec<v1::Match> = stored
            .map(|image| v1::Match {
                cont_sign: image.cont_sign.clone(),
                score: 0.987,
                brief: image.brief.clone(),
                tags: image.tags.clone(),
                geometry: None,
                agreement: None,
                coverage: None,
            })
            .collect();
        Ok(Response::new(v1::SearchImagesResponse {
            matches,
            has_more: false,
            log_id: 2,
        }))
    }

    async fn compare_images(
        &self,
        _: Request<v1::CompareImagesRequest>,
    ) -> Result<Response<v1::CompareImagesResponse>, Status> {
        Err(Status::unimplemented("the double compares nothing"))
    }

    async fn bulk_search_images(
        &self,
        request: Request<Streaming<v1::BulkSearchImagesRequest>>,
    ) -> Result<Response<SearchEventStream>, Status> {
        let events = bulk_search::events(self.0.clone(), request.into_inner());
        Ok(Response::new(events))
    }

    async fn update_image(
        &self,
        request: Request<v1::UpdateImageRequest>,
    ) -> Result<Response<v1::UpdateImageResponse>, Status> {
        let request = request.into_inner();
        let Some(v1::update_image_request::Target::ContSign(sign)) = request.target else {
            return Err(Status::invalid_argument("the double updates by sign"));
        };
        let mut state = self.0.lock().unwrap();
        let mut stored = state.stored.iter_mut();
        let Some(image) = stored.find(|image| image.cont_sign == sign) else {
            return Err(Status::not_found("no such image"));
        };
        if let Some(brief) = request.brief {
            image.brief = brief;
        }
        if let Some(tags) = request.tags {
            image.tags = tags.values;
        }
        Ok(Response::new(v1::UpdateImageResponse { log_id: 3 }))
    }

    async fn delete_images(
        &self,
        request: Request<v1::DeleteImagesRequest>,
    ) -> Result<Response<v1::DeleteImagesResponse>, Status> {
        let target = request.into_inner().target;
        let Some(v1::delete_images_request::Target::ContSigns(signs)) = target else {
            return Err(Status::invalid_argument("the double deletes by sign"));
        };
        let mut state = self.0.lock().unwrap();
        let mut results = Vec::new();
        for sign in signs.values {
            let before = state.stored.len();
            state.stored.retain(|image| image.cont_sign != sign);
            let status = if state.stored.len() < before {
                v1::Status::default()
            } else {
                error_status(Code::NotFound, "IMAGE_NOT_FOUND")
            };
            results.push(v1::DeleteImagesResult {
                cont_sign: sign,
                status: Some(status),
            });
        }
        let log_ids = vec![4];
        Ok(Response::new(v1::DeleteImagesResponse {
            results,
            log_ids,
            ..Default::default()
        }))
    }

    async fn get_library(
        &self,
        _: Request<v1::GetLibraryRequest>,
    ) -> Result<Response<v1::GetLibraryResponse>, Status> {
        self.check_embedded()?;
        let mut state = self.0.lock().unwrap();
        if let Some(error) = state.library_error.take() {
            return Err(error);
        }
        Ok(Response::new(v1::GetLibraryResponse {
            library: "default".to_owned(),
            image_count: state.stored.len() as u64,
            image_capacity: 500_000,
            size_bytes: 1_234_567,
            max_image_bytes: 3_145_728,
            max_side: 4096,
            id: format!("{:016x}", 0x00c0_ffee_00c0_ffee + state.replaced),
        }))
    }

    /// Returns up to two images per page, so that a listing has several pages.
    async fn list_images(
        &self,
        request: Request<v1::ListImagesRequest>,
    ) -> Result<Response<v1::ListImagesResponse>, Status> {
        self.check_embedded()?;
        let request = request.into_inner();
        let start: usize = request.page_token.parse().unwrap_or(0);
        let state = self.0.lock().unwrap();
        let end = state
            .stored
            .len()
            .min(start + (request.page_size as usize).min(2));
        let is_last = end == state.stored.len();
        Ok(Response::new(v1::ListImagesResponse {
            images: state.stored[start..end].to_vec(),
            next_page_token: if is_last {
                String::new()
            } else {
                end.to_string()
            },
            total: Some(state.stored.len() as u64),
        }))
    }

    async fn get_image(
        &self,
        request: Request<v1::GetImageRequest>,
    ) -> Result<Response<v1::GetImageResponse>, Status> {
        let sign = request.into_inner().cont_sign;
        let state = self.0.lock().unwrap();
        let image = state.stored.iter().find(|image| image.cont_sign == sign);
        let image = image.cloned();
        if image.is_none() {
            let details = ErrorDetails::with_error_info("IMAGE_NOT_FOUND", "samegate", []);
            let status = Status::with_error_details(Code::NotFound, "no such image", details);
            return Err(status);
        }
        Ok(Response::new(v1::GetImageResponse { image }))
    }

    async fn list_tags(
        &self,
        _: Request<v1::ListTagsRequest>,
    ) -> Result<Response<v1::ListTagsResponse>, Status> {
        Err(Status::unimplemented("the double has no tags"))
    }

    async fn list_libraries(
        &self,
        _: Request<v1::ListLibrariesRequest>,
    ) -> Result<Response<v1::ListLibrariesResponse>, Status> {
        Err(Status::unimplemented("the double has one library"))
    }

    async fn get_state(
        &self,
        _: Request<v1::GetStateRequest>,
    ) -> Result<Response<v1::GetStateResponse>, Status> {
        Err(Status::unimplemented("the double has no state"))
    }

    async fn find_duplicates(
        &self,
        request: Request<v1::FindDuplicatesRequest>,
    ) -> Result<Response<Self::FindDuplicatesStream>, Status> {
        let mut state = self.0.lock().unwrap();
        state.cursors.push(request.into_inner().cursor);
        let messages = state.joins.pop_front().unwrap_or_default();
        Ok(Response::new(futures_util::stream::iter(messages).boxed()))
    }
}
