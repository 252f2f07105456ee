//! Kills a writing process and checks the library that it leaves.
//!
//! The parent starts this test binary again as a child (the ignored test `child_process`), which
//! queues writes and prints the result of each. The parent kills it with SIGKILL after some
//! results, opens the library itself and compares it with a model. Writes are done in the order of
//! the queue, so the library must contain exactly the first `k` writes, `k` being the number of
//! results or more: then no acknowledged write is lost, and no deleted image returns. The next
//! child continues with the same library.
//!
//! Meanwhile the child searches, and writes a segment of the index for every few images, so that
//! kills interrupt merges too. Between two children the parent damages a segment.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]
#![allow(
    clippy::print_stdout,
    reason = "the child prints results, the parent its seeds"
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
    ContentHash, Engine, ListQuery, NewRecord, Options, Query, RecordUpdate, Target, WriteError,
};

/// Number of children that are killed.
const ROUNDS: u64 = 30;

/// Number of images in use.
const IMAGES: u32 = 12;

/// Writes of one child, more than it can do before it is killed.
const WRITES: u64 = 5000;

/// Maximum number of writes of a child in flight: enough to form groups.
const IN_FLIGHT: usize = 24;

/// Maximum number of results before a kill.
const MAX_RESULTS: u32 = 120;

/// One write; images by their index.
#[derive(Clone, Debug)]
enum Op {
    Add(u32, String, u16),
    Update(u32, String),
    Delete(Vec<u32>),
}

/// The expected library: brief and tag by image.
type Model = BTreeMap<u32, (String, u16)>;

#[test]
fn no_acknowledged_write_is_lost_and_no_deleted_image_returns_after_sigkill() {
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
        let results = run_and_kill(dir.path(), seed, chance.below(MAX_RESULTS));

        damage_a_segment(dir.path(), &mut chance);
        let engine = Engine::open(dir.path(), options()).unwrap();
        let done = surviving_writes(&engine, &images, &mut model, seed, &results);

        println!(
            "round {round} seed {seed}: {} acknowledged, {done} done",
            results.len()
        );
    }
}

/// Segments of very few images, so that merges are frequent.
fn options() -> Options {
    Options {
        segment_images: 3,
        ..Options::default()
    }
}

/// Flips a bit of a file of the index, truncates it, deletes it, or does nothing.
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

/// Starts a child, waits for some results, kills it, and returns all results that it printed.
fn run_and_kill(dir: &Path, seed: u64, until: u32) -> Vec<String> {
    let mut child = spawn(dir, seed);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut results = Vec::new();
    while results.len() <= until as usize {
        let mut line = String::new();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "the child ended without a kill"
        );
        results.extend(
            line.strip_prefix("result ")
                .map(|result| result.trim_end().to_owned()),
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();

    // Complete lines that it printed before it died count too.
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    results.extend(
        whole
            .lines()
            .filter_map(|line| line.strip_prefix("result "))
            .map(str::to_owned),
    );
    results
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

/// Finds the number of writes that are in the library, applies them to the model, and checks that
/// all printed results are among them and correct.
fn surviving_writes(
    engine: &Engine,
    images: &[Vec<u8>],
    model: &mut Model,
    seed: u64,
    results: &[String],
) -> usize {
    let held = read_back(engine, images);
    let mut done = 0;
    for op in ops(seed) {
        if done >= results.len() && *model == held {
            break;
        }
        let outcome = apply(model, &op);
        if let Some(result) = results.get(done) {
            assert_eq!(*result, outcome, "result {done} of seed {seed}: {op:?}");
        }
        done += 1;
        assert!(
            done <= results.len() + 2 * IN_FLIGHT,
            "seed {seed}: no number of writes gives {held:?}"
        );
    }
    done
}

/// Reads the library through every method of the engine; all must agree.
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
    let query = ListQuery {
        limit: usize::MAX,
        ..ListQuery::default()
    };
    assert_eq!(engine.list(&query).unwrap().images.len(), held.len());
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

/// Applies a write to the model and returns the expected result.
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

/// Not a test, but the child that the parent starts and kills. Without a parent its input is empty
/// and it ends.
#[test]
#[ignore = "started by the test above"]
fn child_process() {
    let mut input = io::stdin().lines();
    let (Some(dir), Some(seed)) = (input.next(), input.next()) else {
        return;
    };
    let engine = Arc::new(Engine::open(Path::new(&dir.unwrap()), options()).unwrap());
    let images = images();
    let (sender, results) = mpsc::channel();
    search_forever(Arc::clone(&engine), images.clone());

    let mut in_flight = 0;
    for op in ops(seed.unwrap().parse().unwrap()) {
        if in_flight == IN_FLIGHT {
            println!("result {}", results.recv().unwrap());
            in_flight -= 1;
        }
        queue(&engine, &images, op, sender.clone());
        in_flight += 1;
    }
}

/// Searches during the writes; a wrong result ends the child, which fails the parent.
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

/// Queues one write and sends its result to the channel, in the format of the model.
fn queue(engine: &Engine, images: &[Vec<u8>], op: Op, results: mpsc::Sender<String>) {
    let target = |image: u32| Target::Content(ContentHash::of(&images[image as usize]));
    match op {
        Op::Add(image, brief, tag) => {
            let prepared = engine.prepare(&images[image as usize]).unwrap();
            let record = NewRecord {
                brief,
                tags: vec![tag],
            };
            engine.add(prepared, record, move |added| {
                results
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
                results.send(format!("update {found}")).unwrap();
            });
        }
        Op::Delete(deleted) => {
            let targets = deleted.into_iter().map(target).collect();
            engine.delete(targets, move |deleted| {
                let found: Vec<bool> = deleted.unwrap().iter().map(Option::is_some).collect();
                results.send(format!("delete {found:?}")).unwrap();
            });
        }
    }
}
