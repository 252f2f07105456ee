//! A recorded history of concurrent adds, updates, deletes and searches, checked against a model.
//!
//! Workers call the real process, while it is killed, paused, and restarted with a disk that counts
//! as full. Every call is recorded with its begin and its result. The history must be linearizable:
//! each image is a register, an acknowledged write is durable, one without a result is done or not.
//!
//! `FAULTS=500 SEED=7 cargo test --test it history` runs longer, with other random choices.

mod model;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use samegate::proto::v1;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use self::model::{Event, Op, Outcome, check};
use crate::support::by_hand::variable;
use crate::support::chance::Chance;
use crate::support::images::small_png;
use crate::support::probe::until;
use crate::support::process::Process;

/// Kills, pauses and restarts of a normal run.
const FAULTS: u64 = 12;
/// Images in use: few, so that calls meet.
const IMAGES: usize = 4;
const WORKERS: usize = 4;
/// Calls with a result between two faults, at most.
const MAX_CALLS: u64 = 40;
/// Deadline of a call: longer than a pause.
const DEADLINE: Duration = Duration::from_secs(20);

type Client = SameImageServiceClient<Channel>;

/// The configuration of a gateway whose disk has enough space, or too little.
fn config(has_space: bool) -> String {
    let reserve = if has_space { "0" } else { "1000000GiB" };
    format!(
        "[libraries.default]\n\
         backend = \"embedded\"\n\
         data_dir = \"./samegate-data\"\n\
         min_free_disk = \"{reserve}\"\n"
    )
}

/// What the workers share.
struct History {
    files: Vec<Bytes>,
    /// The events of each image.
    events: Mutex<Vec<Vec<Event>>>,
    calls: AtomicUsize,
    results: AtomicUsize,
    in_flight: AtomicUsize,
    is_over: AtomicBool,
}

#[tokio::test]
async fn a_history_with_kills_pauses_and_full_disks_is_linearizable() {
    let faults = variable("FAULTS").map_or(FAULTS, |faults| faults.parse().unwrap());
    let mut chance = Chance::new(variable("SEED").map_or(0, |seed| seed.parse().unwrap()));
    let mut gateway = Process::start(&config(true)).await.ready().await;
    let (clients, current) = watch::channel(gateway.client().await);
    let history = History::new();

    let work = async {
        let workers = (0..WORKERS).map(|worker| {
            let chance = Chance::new(worker as u64 + (chance.below(1 << 40) << 8));
            history.work(chance, current.clone())
        });
        futures_util::future::join_all(workers).await;
    };
    let mut faults_chance = Chance::new(faults);
    let disturb = async {
        for _ in 0..faults {
            history.wait_for_results(&mut faults_chance).await;
            match faults_chance.below(4) {
                0 => history.pause(&gateway).await,
                kind => {
                    gateway.kill().await;
                    history.record_kill();
                    gateway.configure(&config(kind != 1));
                    gateway.restart().await;
                    clients.send_replace(gateway.client().await);
                }
            }
        }
        history.wait_for_results(&mut faults_chance).await;
        history.is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(work, disturb);

    let mut client = gateway.client().await;
    let mut stored = 0;
    for image in 0..IMAGES {
        let found = history.call(&mut client, image, Op::Read).await;
        stored += usize::from(matches!(found, Ok(Outcome::Found(Some(_)))));
    }
    let list = v1::ListImagesRequest::default();
    let listed = client.list_images(list).await.unwrap().into_inner();
    assert_eq!(listed.images.len(), stored);
    history.check();
}

// === impl History ===

impl History {
    fn new() -> Self {
        Self {
            files: (0..IMAGES as u64).map(small_png).collect(),
            events: Mutex::new(vec![Vec::new(); IMAGES]),
            calls: AtomicUsize::new(0),
            results: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Calls until the end; after a failed call with the client of the next process, if there is
    /// one.
    async fn work(&self, mut chance: Chance, mut clients: watch::Receiver<Client>) {
        while !self.is_over.load(Ordering::SeqCst) {
            let mut client = clients.borrow_and_update().clone();
            let image = usize::try_from(chance.below(IMAGES as u64)).unwrap();
            let brief = format!("{} of {image}", chance.below(1 << 40));
            let op = match chance.below(10) {
                0..4 => Op::Add(brief),
                4..6 => Op::Update(brief),
                6..8 => Op::Delete,
                _ => Op::Read,
            };
            if self.call(&mut client, image, op).await.is_err() {
                // Ends when the process that was killed is back; the last one is not killed.
                let _ = tokio::time::timeout(DEADLINE, clients.changed()).await;
            }
        }
    }

    /// Makes one call and records it.
    async fn call(&self, client: &mut Client, image: usize, op: Op) -> Result<Outcome, Status> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.record(image, Event::Begin(call, op.clone()));
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let result = send(client, self.files[image].clone(), op).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Ok(outcome) = &result {
            self.record(image, Event::End(call, outcome.clone()));
            self.results.fetch_add(1, Ordering::SeqCst);
        }
        result
    }

    fn record(&self, image: usize, event: Event) {
        self.events.lock().unwrap()[image].push(event);
    }

    fn record_kill(&self) {
        for events in self.events.lock().unwrap().iter_mut() {
            events.push(Event::Kill);
        }
    }

    async fn wait_for_results(&self, chance: &mut Chance) {
        let results = usize::try_from(1 + chance.below(MAX_CALLS)).unwrap();
        let end = self.results.load(Ordering::SeqCst) + results;
        let reached = async || self.results.load(Ordering::SeqCst) >= end;
        until("calls have results", reached).await;
    }

    /// Stops the process until every worker waits for it.
    async fn pause(&self, gateway: &Process) {
        gateway.signal("STOP").await;
        let all_wait = async || self.in_flight.load(Ordering::SeqCst) == WORKERS;
        until("every worker waits", all_wait).await;
        gateway.signal("CONT").await;
    }

    fn check(&self) {
        for (image, events) in self.events.lock().unwrap().iter().enumerate() {
            if let Err(error) = check(events) {
                panic!("image {image}: {error}\n{events:#?}");
            }
        }
    }
}

/// Sends a call; an error that does not tell whether it was done is returned as such.
async fn send(client: &mut Client, file: Bytes, op: Op) -> Result<Outcome, Status> {
    let result = match op {
        Op::Add(brief) => {
            let source = v1::add_image_request::Source::Content(file);
            let request = v1::AddImageRequest {
                source: Some(source),
                brief,
                ..Default::default()
            };
            let added = client.add_image(with_deadline(request)).await;
            added.map(|_| Outcome::Done)
        }
        Op::Update(brief) => {
            let target = v1::update_image_request::Target::Content(file);
            let request = v1::UpdateImageRequest {
                target: Some(target),
                brief: Some(brief),
                ..Default::default()
            };
            let updated = client.update_image(with_deadline(request)).await;
            updated.map(|_| Outcome::Done)
        }
        Op::Delete => {
            let target = v1::delete_images_request::Target::Content(file);
            let request = v1::DeleteImagesRequest {
                target: Some(target),
                ..Default::default()
            };
            let deleted = client.delete_images(with_deadline(request)).await;
            deleted.and_then(|response| deletion(&response.into_inner()))
        }
        Op::Read => {
            let source = v1::search_images_request::Source::Content(file);
            let request = v1::SearchImagesRequest {
                source: Some(source),
                min_score: 1.0,
                ..Default::default()
            };
            let found = client.search_images(with_deadline(request)).await;
            found.map(|response| {
                let matches = response.into_inner().matches;
                assert!(matches.len() <= 1, "{matches:?}");
                Outcome::Found(matches.into_iter().next().map(|found| found.brief))
            })
        }
    };
    result.or_else(definite)
}

fn with_deadline<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn deletion(response: &v1::DeleteImagesResponse) -> Result<Outcome, Status> {
    let status = response.results[0].status.clone().unwrap_or_default();
    let code = Code::from(status.code);
    if code == Code::Ok {
        return Ok(Outcome::Done);
    }
    if code == Code::NotFound {
        return Ok(Outcome::NotFound);
    }
    Err(Status::new(code, status.message))
}

/// Reads the outcome from an error that tells that nothing was done.
fn definite(status: Status) -> Result<Outcome, Status> {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    match reason {
        Some("IMAGE_NOT_FOUND") => Ok(Outcome::NotFound),
        Some("IMAGE_ALREADY_EXISTS") => Ok(Outcome::Exists),
        Some("DISK_FULL") => Ok(Outcome::DiskFull),
        _ => Err(status),
    }
}
