//! The whole engine on a disk that loses power or fails, at each operation in turn.
//!
//! A script adds, updates and deletes images, merges segments, closes and opens the library. After
//! each cut the library is opened from what the disk kept. It must have every acknowledged write;
//! the write in progress may be done or not; nothing is doubled, and a search finds what the
//! listing has.
//!
//! A normal run cuts at some operations; `POWER_CUTS=all` at every one, with each way in which
//! writes can be lost.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::sync::mpsc;

use super::*;
use crate::draw::Chance;
use crate::features::{Feature, Features, PackedKeypoint, Word};
use crate::measuring::synthetic_image;
use crate::store::power_cut::{Failure, Survival, VolatileDisk};

/// Images in use, by number.
const IMAGES: u64 = 8;
/// Writes of a script.
const WRITES: u64 = 24;
/// Operations between two cuts of a normal run: a prime, so that runs meet all steps of a commit.
const STRIDE: usize = 7;

const SURVIVALS: [Survival; 4] = [
    Survival::Nothing,
    Survival::Everything,
    Survival::Writes,
    Survival::Sectors,
];

/// The briefs of the stored images.
type Model = BTreeMap<u64, String>;

#[derive(Clone, Debug)]
enum Op {
    Add(u64, String),
    Update(u64, String),
    Delete(u64),
    Reopen,
}

fn script(seed: u64) -> Vec<Op> {
    let mut chance = Chance::new(seed);
    let op = |number| {
        let image = chance.next() % IMAGES;
        match chance.below(10) {
            0..5 => Op::Add(image, format!("added by {number}")),
            5..7 => Op::Update(image, format!("updated by {number}")),
            7..9 => Op::Delete(image),
            _ => Op::Reopen,
        }
    };
    (0..WRITES).map(op).collect()
}

fn options() -> Options {
    Options {
        segment_images: 3,
        ..Options::default()
    }
}

/// A synthetic image with features of its own and a distant PDQ hash.
fn prepared(image: u64) -> PreparedImage {
    let mut content = [0; 32];
    content[..8].copy_from_slice(&(image + 1).to_be_bytes());
    let mut chance = Chance::new(image);
    let feature = |_| Feature {
        word: Word {
            cell: chance.below(1000),
            signature: chance.next(),
        },
        keypoint: PackedKeypoint(chance.below(1 << 20)),
    };
    let features = Features {
        width: 50,
        height: 50,
        working_side: 640,
        features: (0..8).map(feature).collect(),
    };
    let mut chance = Chance::new(image + 100);
    let pdq = [0; 4].map(|_| chance.next());
    synthetic_image(content, pdq, &features, vec![7; 700])
}

fn content(image: u64) -> ContentHash {
    prepared(image).content
}

fn wait<T: Send + 'static>(
    queue: impl FnOnce(Box<dyn FnOnce(Result<T, WriteError>) + Send>),
) -> Result<T, WriteError> {
    let (done, result) = mpsc::channel();
    queue(Box::new(move |outcome| done.send(outcome).unwrap()));
    result.recv().unwrap()
}

/// A library on the disk; `None` while it cannot be opened.
struct Run<'a> {
    disk: &'a VolatileDisk,
    dir: &'a Path,
    engine: Option<Engine>,
    /// Every state that the library may have: more than one after a write that failed.
    possible: Vec<Model>,
}

// === impl Run ===

impl<'a> Run<'a> {
    fn new(disk: &'a VolatileDisk, dir: &'a Path, possible: Vec<Model>) -> Self {
        Self {
            disk,
            dir,
            engine: None,
            possible,
        }
    }

    fn open(&mut self) -> Result<&Engine, OpenError> {
        if self.engine.is_none() {
            let store = self.disk.store(self.dir)?;
            self.engine = Some(Engine::with_store(store, self.dir, options())?);
        }
        Ok(self.engine.as_ref().unwrap())
    }

    fn close(&mut self) {
        self.engine = None;
    }

    /// Does one operation of the script and applies its result to the possible states.
    fn step(&mut self, op: &Op) {
        if let Op::Reopen = op {
            self.close();
        }
        let Ok(engine) = self.open() else { return };
        let acknowledged = match op.clone() {
            Op::Reopen => return,
            Op::Add(image, brief) => {
                let record = NewRecord {
                    brief,
                    tags: Vec::new(),
                };
                wait(|done| engine.add(prepared(image), record, done)).map(|added| !added.existed)
            }
            Op::Update(image, brief) => {
                let update = RecordUpdate {
                    brief: Some(brief),
                    tags: None,
                };
                let target = Target::Content(content(image));
                match wait(|done| engine.update(target, update, done)) {
                    Ok(_) => Ok(true),
                    Err(WriteError::NotFound) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Op::Delete(image) => {
                let targets = vec![Target::Content(content(image))];
                wait(|done| engine.delete(targets, done)).map(|deleted| deleted[0].is_some())
            }
        };
        self.possible = match acknowledged {
            Ok(outcome) => {
                let done = self.possible.iter().filter_map(|model| {
                    let (after, expected) = applied(model, op);
                    (expected == outcome).then_some(after)
                });
                done.collect()
            }
            // The write may be done or not.
            Err(_) => {
                let after: Vec<Model> = self.possible.iter().map(|m| applied(m, op).0).collect();
                [std::mem::take(&mut self.possible), after].concat()
            }
        };
        self.possible.dedup();
        assert!(
            !self.possible.is_empty(),
            "{op:?} has a result that is not possible"
        );
    }

    /// Reads the library in every way and compares it with the possible states.
    fn check(&mut self) {
        let possible = std::mem::take(&mut self.possible);
        let engine = self.open().unwrap();
        let found = read_back(engine);
        assert!(
            possible.contains(&found),
            "{found:?} is none of {possible:?}"
        );
        self.possible = vec![found];
    }
}

/// Returns the state after an operation, and whether it changes something.
fn applied(model: &Model, op: &Op) -> (Model, bool) {
    let mut after = model.clone();
    let changes = match op {
        Op::Add(image, brief) => {
            let is_new = !after.contains_key(image);
            after.entry(*image).or_insert_with(|| brief.clone());
            is_new
        }
        Op::Update(image, brief) => {
            let stored = after.get_mut(image);
            stored.map(|stored| stored.clone_from(brief)).is_some()
        }
        Op::Delete(image) => after.remove(image).is_some(),
        Op::Reopen => false,
    };
    (after, changes)
}

fn read_back(engine: &Engine) -> Model {
    let listed = engine
        .list(None, usize::MAX, &TagFilter::default())
        .unwrap()
        .records;
    let mut model = Model::new();
    for record in &listed {
        let image = (0..IMAGES).find(|image| content(*image) == record.content);
        let doubled = model.insert(image.unwrap(), record.brief.clone());
        assert_eq!(doubled, None, "image {image:?} is stored twice");
        let stored = engine.get(record.sign).unwrap().unwrap();
        assert_eq!(stored.record, *record);
    }
    let indexed: Vec<u64> = (0..IMAGES)
        .filter(|image| is_searchable(engine, *image))
        .collect();
    assert_eq!(indexed, model.keys().copied().collect::<Vec<_>>());
    model
}

/// Returns whether the catalog finds the image by its PDQ hash.
fn is_searchable(engine: &Engine, image: u64) -> bool {
    let hash = prepared(image).pdq;
    let found = engine
        .state
        .catalog()
        .hash_matches(&[hash; 8], &TagFilter::default());
    !found.is_empty()
}

/// Runs the script on a disk with this content; returns the number of disk operations.
fn run(start: &(Vec<u8>, Model), seed: u64, failure: Failure, survival: Survival) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let disk = VolatileDisk::new(start.0.clone());
    let mut run = Run::new(&disk, dir.path(), vec![start.1.clone()]);
    disk.fail(failure);
    for op in script(seed) {
        run.step(&op);
    }
    run.close();
    let operations = disk.operations();

    disk.restart(survival, &mut Chance::new(seed));
    run.check();
    // The library works on: a second cut without a failure, in the middle of it.
    for op in script(seed + 1).iter().take(6) {
        run.step(op);
    }
    assert_eq!(run.possible.len(), 1, "a write failed on a healthy disk");
    run.close();
    run.check();
    operations
}

/// A library with some images, cleanly closed.
fn filled() -> (Vec<u8>, Model) {
    let dir = tempfile::tempdir().unwrap();
    let disk = VolatileDisk::new(Vec::new());
    let mut run = Run::new(&disk, dir.path(), vec![Model::new()]);
    for image in 0..4 {
        run.step(&Op::Add(image, "kept".to_owned()));
    }
    run.close();
    (disk.file(), run.possible.remove(0))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test that can be made longer by hand"
)]
fn is_exhaustive() -> bool {
    env::var("POWER_CUTS").is_ok_and(|cuts| cuts == "all")
}

/// Runs the script once with each failure, from an empty and from a filled disk.
fn run_with_each(failure: fn(u64) -> Failure, survivals: &[Survival]) {
    let is_exhaustive = is_exhaustive();
    for (seed, start) in [(1, (Vec::new(), Model::new())), (2, filled())] {
        let operations = run(&start, seed, Failure::Never, Survival::Nothing);
        assert!(operations > 50, "a script of {operations} operations");
        let stride = if is_exhaustive { 1 } else { STRIDE };
        for (round, operation) in (0..operations).step_by(stride).enumerate() {
            let all = is_exhaustive.then_some(survivals);
            let one = [survivals[round % survivals.len()]];
            for survival in all.unwrap_or(&one) {
                run(&start, seed, failure(operation), *survival);
            }
        }
    }
}

#[test]
fn after_a_power_cut_every_acknowledged_write_is_there_and_nothing_is_doubled() {
    run_with_each(Failure::Cut, &SURVIVALS);
}

#[test]
fn an_operation_of_the_disk_that_fails_costs_no_acknowledged_write() {
    run_with_each(Failure::One, &[Survival::Everything, Survival::Nothing]);
}

#[test]
#[should_panic(expected = "is none of")]
fn a_disk_that_ignores_syncs_loses_acknowledged_writes_and_this_is_noticed() {
    run(&filled(), 1, Failure::IgnoredSyncs, Survival::Nothing);
}
