//! Many clients for minutes: every response is correct, and memory does not grow.
//!
//! Each client has its own images, which it adds, searches, updates and deletes at random, and
//! knows the correct response for each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use samegate::proto::v1;
use samegate::proto::v1::delete_images_request::Target as DeleteTarget;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use samegate::proto::v1::update_image_request::Target as ImageRef;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::support::by_hand::variable;
use crate::support::chance::Chance;
use crate::support::images::small_png;
use crate::support::process::Process;

const CLIENTS: u64 = 24;
/// Images of a client; about half of them are stored at any time.
const IMAGES: u64 = 20;
/// Default duration in seconds.
const SECONDS: u64 = 600;
/// Interval of memory samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum ratio of the memory in the second half to that in the first.
const MAX_GROWTH: f64 = 1.1;
/// Number of additions from which the halves are comparable: in each half, the memtable of 8192
/// images fills and is flushed to a segment.
const MIN_ADDS: u64 = 4 * 8192;

struct Client {
    service: SameImageServiceClient<Channel>,
    /// Files by number.
    images: BTreeMap<u64, Bytes>,
    /// Stored images: number, sign and brief.
    stored: BTreeMap<u64, (String, String)>,
    chance: Chance,
    counts: Counts,
}

/// What a client has done.
#[derive(Default)]
struct Counts {
    calls: u64,
    /// Additions of images that were not stored before.
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

    let (mut counts, mut memory) = (Counts::default(), Vec::new());
    loop {
        tokio::select! {
            () = tokio::time::sleep(SAMPLE_INTERVAL) => {
                memory.push(process.anonymous_memory_kib());
                if memory.len() % 60 == 0 {
                    println!("{:>5} s: {} MiB", memory.len(), memory[memory.len() - 1] / 1024);
                }
            }
            // A client with a wrong response ends the test.
            client = clients.join_next() => match client {
                Some(client) => counts.add(&client.unwrap()),
                None => break,
            },
        }
    }
    let (first, second) = memory.split_at(memory.len() / 2);
    let peak = |half: &[u64]| *half.iter().max().unwrap() as f64 / 1024.0;
    let (first, second) = (peak(first), peak(second));
    let Counts { calls, adds } = counts;
    println!("{calls} calls, {adds} images added, in {seconds} s");
    println!("peak: {first:.0} MiB in the first half, {second:.0} MiB in the second");
    assert!(
        adds < MIN_ADDS || second <= first * MAX_GROWTH,
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
            counts: Counts::default(),
        }
    }

    async fn run(mut self, end: Instant) -> Counts {
        while Instant::now() < end {
            let image = self.chance.below(IMAGES);
            match self.chance.below(10) {
                0..=3 => self.add(image).await,
                4..=7 => self.delete(image).await,
                8 => self.update(image).await,
                _ => self.search(image).await,
            }
            self.counts.calls += 1;
        }
        self.counts
    }

    async fn add(&mut self, image: u64) {
        let brief = format!("brief {}", self.counts.calls);
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
                self.counts.adds += 1;
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
        let brief = format!("brief {}", self.counts.calls);
        let request = v1::UpdateImageRequest {
            target: Some(ImageRef::Content(self.images[&image].clone())),
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

// === impl Counts ===

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.calls += other.calls;
        self.adds += other.adds;
    }
}
