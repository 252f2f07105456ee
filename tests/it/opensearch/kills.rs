//! An import through three gateways at once, over two nodes, while gateways and a node are killed and
//! replaced: nothing acknowledged is lost, nothing is stored twice, nothing deleted is found again.
//!
//! `IMAGES=3000 cargo test --workspace --test it opensearch::kills` imports more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use samegate::config::OpenSearch;
use samegate::library::opensearch::OpenSearchBackend;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use samegate::proto::v1::{self, add_image_request, delete_images_request, search_images_request};
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::by_hand::variable;
use crate::support::images::small_png;
use crate::support::opensearch::{Node, library};
use crate::support::probe::until;
use crate::support::process::Process;

const IMAGES: u64 = 150;
/// Images in work at once.
const WORKERS: u64 = 6;
/// Every how manyth image is deleted once it is added.
const DELETED: u64 = 5;
/// Every how manyth image is searched for as soon as it is added or deleted.
const SEARCHED: u64 = 3;
/// Timeout of a call; one to a gateway that is being killed ends with its connection.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Timeout of the whole test: to start nodes, and for each image with its part of the kills; generous,
/// for a machine under load.
const START_TIMEOUT: Duration = Duration::from_secs(180);
const TIMEOUT_PER_IMAGE: Duration = Duration::from_secs(3);

/// The gateways, as the workers see them.
struct Gateways {
    addresses: [Mutex<SocketAddr>; 3],
    next: AtomicUsize,
    /// Number of images that are imported.
    done: watch::Sender<u64>,
}

#[tokio::test]
async fn kills_of_gateways_and_a_node_lose_double_and_revive_nothing() {
    let images = variable("IMAGES").map_or(IMAGES, |count| count.parse().unwrap());
    let limit = START_TIMEOUT + TIMEOUT_PER_IMAGE * u32::try_from(images).unwrap();
    let run = tokio::time::timeout(limit, import(images)).await;
    run.unwrap_or_else(|_| panic!("not finished within {limit:?}"));
}

async fn import(images: u64) {
    let (first, mut second) = Node::pair("kills");
    let config = OpenSearch {
        urls: vec![first.url.parse().unwrap(), second.url.parse().unwrap()],
        index: "kills".to_owned(),
        shards: 2,
        replicas: 1,
        ..library(&first)
    };
    OpenSearchBackend::create(&config).await.unwrap();
    first.until_green().await;
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Process::start(&gateway(&config)).await.ready().await);
    }
    let gateways = Gateways {
        addresses: [0, 1, 2].map(|at: usize| Mutex::new(processes[at].grpc)),
        next: AtomicUsize::new(0),
        done: watch::Sender::new(0),
    };
    let workers = (0..WORKERS).map(|worker| gateways.work(worker, images));
    let kills = async {
        // Each at a sixth of the import. The second node is replaced by one without its disk.
        gateways.until_done(images / 6).await;
        kill(&mut processes, &gateways, 0).await;
        gateways.until_done(images / 3).await;
        second.kill();
        gateways.until_done(images / 2).await;
        let third = first.join("kills", "third");
        gateways.until_done(images * 2 / 3).await;
        kill(&mut processes, &gateways, 1).await;
        gateways.until_done(images * 5 / 6).await;
        kill(&mut processes, &gateways, 2).await;
        third
    };
    let (_, _third) = tokio::join!(futures_util::future::join_all(workers), kills);

    first.until_green().await;
    let expected: BTreeSet<String> = (0..images)
        .filter(|seed| !is_deleted(*seed))
        .map(|seed| seed.to_string())
        .collect();
    for process in &processes {
        let stored = listed(process).await;
        assert_eq!(stored, expected);
    }
    for seed in (0..images).step_by(10) {
        let found = gateways.found(seed).await;
        let expected: &[String] = if is_deleted(seed) {
            &[]
        } else {
            &[seed.to_string()]
        };
        assert_eq!(found, expected, "seed {seed}");
    }
}

fn gateway(config: &OpenSearch) -> String {
    format!(
        "[libraries.posters]\nbackend = \"opensearch\"\nurls = [\"{}\", \"{}\"]\n\
         index = \"{}\"\ntimeout = \"10s\"\n\
         [tenants.local]\nlibraries = [\"posters\"]\n[auth]\nanonymous = true\n",
        config.urls[0], config.urls[1], config.index
    )
}

async fn kill(processes: &mut [Process], gateways: &Gateways, at: usize) {
    processes[at].kill().await;
    processes[at].restart().await;
    *gateways.addresses[at].lock().unwrap() = processes[at].grpc;
}

fn is_deleted(seed: u64) -> bool {
    seed.is_multiple_of(DELETED)
}

/// Returns the briefs of all images; each is there once.
async fn listed(process: &Process) -> BTreeSet<String> {
    let mut client = process.client().await;
    let (mut stored, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = v1::ListImagesRequest {
            page_size: 100,
            page_token,
            ..Default::default()
        };
        let page = client.list_images(request).await.unwrap().into_inner();
        for image in page.images {
            assert_eq!(stored.insert(image.brief, image.cont_sign), None);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return stored.into_keys().collect();
        }
    }
}

// === impl Gateways ===

impl Gateways {
    async fn until_done(&self, images: u64) {
        let mut done = self.done.subscribe();
        done.wait_for(|done| *done >= images).await.unwrap();
    }

    async fn work(&self, worker: u64, images: u64) {
        for seed in (worker..images).step_by(usize::try_from(WORKERS).unwrap()) {
            self.import(seed).await;
        }
    }

    /// Adds an image through two gateways at once, and deletes it again through another one, if it is
    /// one of those. Calls that fail are repeated, as clients do.
    async fn import(&self, seed: u64) {
        let (one, two) = tokio::join!(self.add(seed), self.add(seed));
        assert_eq!(one, two);
        if seed.is_multiple_of(SEARCHED) {
            assert_eq!(self.found(seed).await, [seed.to_string()], "acknowledged");
        }
        if is_deleted(seed) {
            self.delete(&one).await;
            if seed.is_multiple_of(SEARCHED) {
                assert_eq!(self.found(seed).await, [""; 0], "deleted");
            }
        }
        self.done.send_modify(|done| *done += 1);
    }

    async fn add(&self, seed: u64) -> String {
        let request = v1::AddImageRequest {
            source: Some(add_image_request::Source::Content(small_png(seed))),
            brief: seed.to_string(),
            on_duplicate: v1::OnDuplicate::Accept.into(),
            ..Default::default()
        };
        let added =
            self.until_done_by_one(async |mut client| client.add_image(request.clone()).await);
        added.await.unwrap().into_inner().cont_sign
    }

    async fn delete(&self, sign: &str) {
        let request = v1::DeleteImagesRequest {
            target: Some(delete_images_request::Target::ContSigns(v1::ContSignList {
                values: vec![sign.to_owned()],
            })),
            ..Default::default()
        };
        let deleted =
            self.until_done_by_one(async |mut client| client.delete_images(request.clone()).await);
        deleted.await.unwrap();
    }

    /// Returns the briefs of the matches of an image.
    async fn found(&self, seed: u64) -> Vec<String> {
        let request = v1::SearchImagesRequest {
            source: Some(search_images_request::Source::Content(small_png(seed))),
            ..Default::default()
        };
        let found =
            self.until_done_by_one(async |mut client| client.search_images(request.clone()).await);
        let matches = found.await.unwrap().into_inner().matches.into_iter();
        matches.map(|found| found.brief).collect()
    }

    /// Calls one gateway after the other until one has done it, or says that it cannot.
    async fn until_done_by_one<T>(
        &self,
        mut call: impl AsyncFnMut(SameImageServiceClient<Channel>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let mut result = Err(Status::unavailable("not called"));
        until("a gateway does it", async || {
            let at = self.next.fetch_add(1, Ordering::SeqCst) % 3;
            let address = *self.addresses[at].lock().unwrap();
            let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
            let Ok(channel) = endpoint.timeout(TIMEOUT).connect().await else {
                return false;
            };
            result = call(SameImageServiceClient::new(channel)).await;
            !matches!(&result, Err(failed) if is_transient(failed.code()))
        })
        .await;
        result
    }
}

/// Returns whether another gateway may do a call that failed; a connection that breaks may be any of
/// these.
fn is_transient(code: Code) -> bool {
    use Code::{Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    let transient = [
        Cancelled,
        DeadlineExceeded,
        Internal,
        ResourceExhausted,
        Unavailable,
        Unknown,
    ];
    transient.contains(&code)
}
