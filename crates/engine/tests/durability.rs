//! Kills a writing process and checks what it left behind.
//!
//! The parent starts this test binary again as a child (the ignored test `child_process`), which
//! sends writes to the engine and prints each response. The parent kills it with SIGKILL after some
//! answers, opens the library itself and compares it with a model. Writes are done in the order they
//! are queued, so the library must hold exactly the first `k` of them, `k` being at least the number
//! of responses: then no answered write is lost, and no deleted image returns. The next child goes
//! on with the same library.
//!
//! Meanwhile the child searches, and writes a segment of the index for every few images, so that
//! kills fall into the writing of segments, too. Between two children the parent damages one.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(
    clippy::print_stdout,
    reason = "the child answers on it, the parent tells its seeds"
)]

#[path = "support/draw.rs"]
mod draw;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;

use draw::Chance;
use same_image::{
    ContentHash, Engine, NewRecord, Options, Query, RecordUpdate, TagFilter, Target, WriteError,
};

/// How often a child is killed.
const ROUNDS: u64 = 30;

/// The images that writes are about.
const IMAGES: u32 = 12;

/// Writes of one child; more than it lives to do.
const WRITES: u64 = 5000;

/// Writes a child has queued and not yet printed the response of, at most: enough to form groups.
const IN_FLIGHT: usize = 24;

/// The most answers to wait for before a kill.
const ANSWERS: u32 = 120;

/// One write, about images by their index.
#[derive(Clone, Debug)]
enum Op {
    Add(u32, String, u16),
    Update(u32, String),
    Delete(Vec<u32>),
}

/// What the library should hold: brief and tag by image.
type Model = BTreeMap<u32, (String, u16)>;

#[test]
fn no_answered_write_is_lost_and_nothing_deleted_returns_after_sigkill() {
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros();
    let seed = u64::try_from(seed).unwrap();
    println!("seed {seed}");
    let dir = tempfile::tempdir().unwrap();
    let images = images();
    let mut chance = Chance::new(seed);
    let mut model = Model::new();

    for round in 0..ROUNDS {
        let seed = chance.next();
        let responses = run_and_kill(dir.path(), seed, chance.below(ANSWERS));

        damage_a_segment(dir.path(), &mut chance);
        let engine = Engine::open(dir.path(), options()).unwrap();
        let done = surviving_writes(&engine, &images, &mut model, seed, &responses);

        println!(
            "round {round} seed {seed}: {} answered, {done} done",
            responses.len()
        );
    }
}

/// Segments of very few images, so that they are written all the time.
fn options() -> Options {
    Options {
        segment_images: 3,
        ..Options::default()
    }
}

/// Flips a bit of a file of the index, cuts it, or takes it away; or does nothing.
fn damage_a_segment(dir: &Path, chance: &mut Chance) {
    let files = fs::read_dir(dir.join("index")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let Some(file) = files.last() else { return };
    let mut bytes = fs::read(file).unwrap();
    let at = usize::try_from(chance.next() % bytes.len().max(1) as u64).unwrap();
    match chance.below(4) {
        0 => fs::remove_file(file).unwrap(),
        1 => fs::write(file, &bytes[..at]).unwrap(),
        2 if !bytes.is_empty() => {
            bytes[at] ^= 1 << chance.below(8);
            fs::write(file, bytes).unwrap();
        }
        _ => {}
    }
}

/// Starts a child, waits for some answers, kills it, and returns all answers it gave.
fn run_and_kill(dir: &Path, seed: u64, wanted: u32) -> Vec<String> {
    let mut child = spawn(dir, seed);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut responses = Vec::new();
    while responses.len() <= wanted as usize {
        let mut line = String::new();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "the child ended by itself"
        );
        responses.extend(
            line.strip_prefix("answer ")
                .map(|response| response.trim_end().to_owned()),
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();

    // What it printed before it died counts as answered, too; a half line does not.
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    responses.extend(
        whole
            .lines()
            .filter_map(|line| line.strip_prefix("answer "))
            .map(str::to_owned),
    );
    responses
}

fn spawn(dir: &Path, seed: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}\n{seed}", dir.display()).unwrap();
    child
}

/// Finds the number of writes that are in the library, carries the model there, and checks that it
/// covers every response and that the responses were true.
fn surviving_writes(
    engine: &Engine,
    images: &[Vec<u8>],
    model: &mut Model,
    seed: u64,
    responses: &[String],
) -> usize {
    let held = read_back(engine, images);
    let mut done = 0;
    for op in ops(seed) {
        if done >= responses.len() && *model == held {
            break;
        }
        let outcome = apply(model, &op);
        if let Some(response) = responses.get(done) {
            assert_eq!(*response, outcome, "answer {done} of seed {seed}: {op:?}");
        }
        done += 1;
        assert!(
            done <= responses.len() + 2 * IN_FLIGHT,
            "seed {seed}: no number of writes gives {held:?}"
        );
    }
    done
}

/// Reads the library through every way it can be asked, which must agree.
fn read_back(engine: &Engine, images: &[Vec<u8>]) -> Model {
    let mut held = Model::new();
    for (index, bytes) in (0..).zip(images) {
        let sign = engine.find_exact(bytes).unwrap();
        let query = engine.prepare_query(bytes).unwrap();
        let hits = engine.search(&query, &Query::default()).unwrap().matches;
        assert_eq!(
            hits.iter().map(|hit| hit.sign).collect::<Vec<_>>(),
            Vec::from_iter(sign)
        );
        let Some(sign) = sign else { continue };
        let stored = engine.get(sign).unwrap().unwrap();
        assert!(image::load_from_memory(&stored.thumbnail).is_ok());
        held.insert(index, (stored.record.brief, stored.record.tags[0]));
    }
    let listed = engine
        .list(None, usize::MAX, &TagFilter::default())
        .unwrap()
        .records;
    assert_eq!(listed.len(), held.len());
    assert_eq!(engine.stats().unwrap().images, held.len() as u64);
    held
}

/// The writes of one child, the same for parent and child.
fn ops(seed: u64) -> impl Iterator<Item = Op> {
    let mut chance = Chance::new(seed);
    (0..WRITES).map(move |number| {
        let image = chance.below(IMAGES);
        let brief = format!("{seed} {number}");
        match chance.below(10) {
            0..5 => Op::Add(image, brief, 1 + u16::try_from(chance.below(9)).unwrap()),
            5..8 => Op::Update(image, brief),
            _ => Op::Delete(
                (0..=chance.below(3))
                    .map(|_| chance.below(IMAGES))
                    .collect(),
            ),
        }
    })
}

/// Does a write to the model and returns what the engine should answer.
fn apply(model: &mut Model, op: &Op) -> String {
    match op {
        Op::Add(image, brief, tag) => {
            let existed = model.contains_key(image);
            model.entry(*image).or_insert_with(|| (brief.clone(), *tag));
            format!("add {existed}")
        }
        Op::Update(image, brief) => {
            let record = model.get_mut(image);
            let found = record.is_some();
            if let Some(record) = record {
                record.0.clone_from(brief);
            }
            format!("update {found}")
        }
        Op::Delete(images) => {
            let found: Vec<bool> = images
                .iter()
                .map(|image| model.remove(image).is_some())
                .collect();
            format!("delete {found:?}")
        }
    }
}

fn images() -> Vec<Vec<u8>> {
    (0..IMAGES)
        .map(|seed| draw::png(&draw::image(u64::from(seed), 64, 64)))
        .collect()
}

/// Not a test of its own: what the parent starts and kills. Without a parent it has nothing to read
/// and ends.
#[test]
#[ignore = "started by the test above"]
fn child_process() {
    let mut input = io::stdin().lines();
    let (Some(dir), Some(seed)) = (input.next(), input.next()) else {
        return;
    };
    let engine = Arc::new(Engine::open(Path::new(&dir.unwrap()), options()).unwrap());
    let images = images();
    let (answered, responses) = mpsc::channel();
    search_forever(Arc::clone(&engine), images.clone());

    let mut in_flight = 0;
    for op in ops(seed.unwrap().parse().unwrap()) {
        if in_flight == IN_FLIGHT {
            println!("answer {}", responses.recv().unwrap());
            in_flight -= 1;
        }
        queue(&engine, &images, op, answered.clone());
        in_flight += 1;
    }
}

/// Searches beside the writes; a surprise ends the child, which the parent notices.
fn search_forever(engine: Arc<Engine>, images: Vec<Vec<u8>>) {
    let search = move |bytes: &Vec<u8>| {
        let query = engine.prepare_query(bytes).unwrap();
        let found = engine.search(&query, &Query::default()).unwrap().matches;
        assert!(found.len() <= 1, "{found:?}");
    };
    thread::spawn(move || {
        let rounds = || {
            loop {
                images.iter().for_each(&search);
            }
        };
        let _: Result<(), _> = catch_unwind(AssertUnwindSafe(rounds));
        process::exit(1);
    });
}

/// Queues one write whose response goes into the channel, in the model's words.
fn queue(engine: &Engine, images: &[Vec<u8>], op: Op, answered: mpsc::Sender<String>) {
    let target = |image: u32| Target::Content(ContentHash::of(&images[image as usize]));
    match op {
        Op::Add(image, brief, tag) => {
            let prepared = engine.prepare(&images[image as usize]).unwrap();
            let record = NewRecord {
                brief,
                tags: vec![tag],
            };
            engine.add(prepared, record, move |added| {
                answered
                    .send(format!("add {}", added.unwrap().existed))
                    .unwrap();
            });
        }
        Op::Update(image, brief) => {
            let change = RecordUpdate {
                brief: Some(brief),
                tags: None,
            };
            engine.update(target(image), change, move |updated| {
                let found = match updated {
                    Ok(_) => true,
                    Err(WriteError::NotFound) => false,
                    Err(error) => panic!("{error}"),
                };
                answered.send(format!("update {found}")).unwrap();
            });
        }
        Op::Delete(deleted) => {
            let targets = deleted.into_iter().map(target).collect();
            engine.delete(targets, move |deleted| {
                let found: Vec<bool> = deleted.unwrap().iter().map(Option::is_some).collect();
                answered.send(format!("delete {found:?}")).unwrap();
            });
        }
    }
}
