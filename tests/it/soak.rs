//! Many clients for minutes: every response right, and memory that does not grow.
//!
//! Each client has images of its own, which it adds, searches, updates and
//! deletes at random, and knows what the gateway must say of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use samegate::proto::v1;
use samegate::proto::v1::delete_images_request::Target as DeleteTarget;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use samegate::proto::v1::update_image_request::Target as UpdateTarget;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::support::by_hand::variable;
use crate::support::chance::Chance;
use crate::support::images::small_png;
use crate::support::process::Process;

const CLIENTS: u64 = 24;
/// Images of a client; about half of them are stored at any time.
const IMAGES: u64 = 20;
/// How long it takes by default, in seconds.
const SECONDS: u64 = 600;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(1);
/// What the second half of the time may take more than the first.
const GROWTH: f64 = 1.1;
/// Adds from which the halves can be compared: in either, the table of the
/// newest 8192 images fills and becomes a segment.
const ENOUGH: u64 = 4 * 8192;

struct Client {
    service: SameImageServiceClient<Channel>,
    /// The files by number.
    images: BTreeMap<u64, Bytes>,
    /// What is stored: the image's number, its sign and its brief.
    stored: BTreeMap<u64, (String, String)>,
    chance: Chance,
    made: Made,
}

/// What a client has done.
#[derive(Default)]
struct Made {
    calls: u64,
    /// Images that were not there before.
    adds: u64,
}

/// `make soak`; figures of docs/benchmarks.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
#[expect(clippy::print_stdout, reason = "its purpose")]
async fn memory_stays_flat_under_many_clients_for_minutes() {
    let seconds = variable("SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let process = Process::start("").await.ready().await;
    let mut ready = Vec::new();
    for number in 0..CLIENTS {
        ready.push(Client::new(number, process.client().await));
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut clients: JoinSet<_> = ready.into_iter().map(|client| client.run(end)).collect();

    let (mut made, mut memory) = (Made::default(), Vec::new());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {
                memory.push(process.own_memory_kib());
                if memory.len() % 60 == 0 {
                    println!("{:>5} s: {} MiB", memory.len(), memory[memory.len() - 1] / 1024);
                }
            }
            // A client that got a wrong answer ends everything.
            client = clients.join_next() => match client {
                Some(client) => made.count(&client.unwrap()),
                None => break,
            },
        }
    }
    let (first, second) = memory.split_at(memory.len() / 2);
    let most = |half: &[u64]| *half.iter().max().unwrap() as f64 / 1024.0;
    let (first, second) = (most(first), most(second));
    let Made { calls, adds } = made;
    println!("{calls} calls, {adds} images added, in {seconds} s");
    println!("at most {first:.0} MiB in the first half, {second:.0} MiB in the second");
    assert!(
        adds < ENOUGH || second <= first * GROWTH,
        "KiB at each second: {memory:?}"
    );
}

// === impl Client ===

impl Client {
    fn new(number: u64, service: SameImageServiceClient<Channel>) -> Self {
        let file = |image| small_png(number * IMAGES + image);
        Client {
            service,
            images: (0..IMAGES).map(|image| (image, file(image))).collect(),
            stored: BTreeMap::new(),
            chance: Chance::new(number),
            made: Made::default(),
        }
    }

    async fn run(mut self, end: Instant) -> Made {
        while Instant::now() < end {
            let image = self.chance.below(IMAGES);
            match self.chance.below(10) {
                0..=3 => self.add(image).await,
                4..=7 => self.delete(image).await,
                8 => self.update(image).await,
                _ => self.search(image).await,
            }
            self.made.calls += 1;
        }
        self.made
    }

    async fn add(&mut self, image: u64) {
        let brief = format!("brief {}", self.made.calls);
        let request = v1::AddImageRequest {
            source: Some(v1::add_image_request::Source::Content(
                self.images[&image].clone(),
            )),
            brief: brief.clone(),
            on_duplicate: v1::OnDuplicate::Accept.into(),
            ..Default::default()
        };
        let added = self.service.add_image(request).await.unwrap().into_inner();
        match self.stored.get(&image) {
            Some((sign, _)) => assert_eq!((&added.cont_sign, added.existed), (sign, true)),
            None => {
                assert!(!added.existed, "{image} was deleted");
                self.stored.insert(image, (added.cont_sign, brief));
                self.made.adds += 1;
            }
        }
    }

    async fn search(&mut self, image: u64) {
        let request = v1::SearchImagesRequest {
            source: Some(v1::search_images_request::Source::Content(
                self.images[&image].clone(),
            )),
            ..Default::default()
        };
        let found = self
            .service
            .search_images(request)
            .await
            .unwrap()
            .into_inner();
        let same = found.matches.iter().find(|found| found.score == 1.0);
        let found = same.map(|same| (&same.cont_sign, &same.brief));
        let stored = self.stored.get(&image).map(|(sign, brief)| (sign, brief));
        assert_eq!(found, stored);
    }

    async fn update(&mut self, image: u64) {
        let brief = format!("brief {}", self.made.calls);
        let request = v1::UpdateImageRequest {
            target: Some(UpdateTarget::Content(self.images[&image].clone())),
            brief: Some(brief.clone()),
            ..Default::default()
        };
        let updated = self.service.update_image(request).await;
        match self.stored.get_mut(&image) {
            Some((_, stored)) => *stored = brief,
            None => assert_eq!(updated.as_ref().unwrap_err().code(), tonic::Code::NotFound),
        }
        assert_eq!(updated.is_ok(), self.stored.contains_key(&image));
    }

    async fn delete(&mut self, image: u64) {
        let Some((sign, _)) = self.stored.remove(&image) else {
            return;
        };
        let request = v1::DeleteImagesRequest {
            target: Some(DeleteTarget::ContSigns(v1::ContSignList {
                values: vec![sign],
            })),
            ..Default::default()
        };
        let deleted = self
            .service
            .delete_images(request)
            .await
            .unwrap()
            .into_inner();
        let status = deleted.results[0].status.as_ref().unwrap();
        assert_eq!(status.code, 0, "{status:?}");
    }
}

// === impl Made ===

impl Made {
    fn count(&mut self, other: &Made) {
        self.calls += other.calls;
        self.adds += other.adds;
    }
}
