//! Measures what the whole engine finds: recall, false queries, calibration of the score, cost.
//!
//! ```text
//! measure_matches [--library DIR --attacks MANIFEST [--negative DIR]] [--hard DIR]
//!                 [--distractors N --donors DIR]
//!                 [--templates yes] [--profile loose|balanced|strict] [--list yes]
//! ```
//!
//! The library is searched with every copy of the manifest that `attacks.py` wrote and with every
//! negative. A hit: the best match is the copy's source, with a score of 0.5 or more. The images of
//! `--hard` are in sets, named by the part of the file name before the first `-`; each set is a
//! library of its own, which is searched with each of its images. A false query returns any image
//! beside itself and, of copies, beside the source. `--templates yes` does the same with drawn
//! images that share a template. Distractors, synthetic images with thumbnails of their donors, are
//! added to the library. The calibration table has the share of right
//! matches per band of the score. Times are CPU times of the thread, which other programs on the
//! machine hardly affect. `--list yes` prints each false match and each copy that was lost.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for developers"
)]

#[path = "../../tests/support/attack.rs"]
mod attack;
#[path = "../evaluate/distractors.rs"]
mod distractors;
#[path = "../../tests/support/draw.rs"]
mod draw;
#[path = "../../tests/support/poster.rs"]
mod poster;
mod results;
#[path = "../../tests/support/template.rs"]
mod template;
mod templates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use same_image::features::GreyView;
use same_image::measuring::synthetic_image;
use same_image::{Engine, NewRecord, Options, Profile, Query};
use tempfile::TempDir;

use distractors::{Distractors, Donor};
use draw::Chance;
use results::{Found, Results};

/// An image: its label in the table, its name, where it is, and the name of the stored image that
/// a query is a copy of.
struct Case {
    label: String,
    name: String,
    file: File,
    source: Option<String>,
}

enum File {
    Path(PathBuf),
    Bytes(Vec<u8>),
}

fn main() {
    let options = options();
    let folder = |name: &str| options.get(name).map(PathBuf::from);
    let query = Query {
        profile: profile(options.get("--profile").map_or("balanced", String::as_str)),
        ..Query::default()
    };
    let run = |title: &str, stored: &[Case], queries: &[Case]| {
        let (engine, _dir) = library_of(stored);
        if let (Some(count), Some(donors)) = (options.get("--distractors"), folder("--donors")) {
            add_distractors(&engine, count.parse().unwrap(), &images(&donors));
        }
        search_all(&engine, queries, &query).print(title, options.contains_key("--list"));
    };
    if let Some(library) = folder("--library") {
        let attacks = options.get("--attacks");
        let mut queries = attacks.map_or(Vec::new(), |path| manifest(path));
        if let Some(negative) = folder("--negative") {
            let negatives = images(&negative).into_iter();
            queries.extend(negatives.map(|path| Case::of("negative", path, None)));
        }
        let stored = images(&library).into_iter();
        let stored: Vec<Case> = stored.map(|path| Case::of("", path, None)).collect();
        run("attacks and negatives", &stored, &queries);
    }
    for (set, paths) in folder("--hard").map_or(BTreeMap::new(), |folder| sets(&folder)) {
        let itself = |path: PathBuf| {
            let source = name(&path);
            Case::of(&set, path, Some(source))
        };
        let cases: Vec<Case> = paths.into_iter().map(itself).collect();
        run(&set, &cases, &cases);
    }
    if options.contains_key("--templates") {
        run("templates", &templates::stored(), &templates::queries());
    }
}

// === impl Case ===

impl Case {
    fn of(label: &str, path: PathBuf, source: Option<String>) -> Self {
        Self {
            label: label.into(),
            name: name(&path),
            file: File::Path(path),
            source,
        }
    }

    fn read(&self) -> Vec<u8> {
        match &self.file {
            File::Path(path) => std::fs::read(path).unwrap(),
            File::Bytes(bytes) => bytes.clone(),
        }
    }
}

fn profile(name: &str) -> Profile {
    match name {
        "loose" => Profile::Loose,
        "strict" => Profile::Strict,
        _ => Profile::Balanced,
    }
}

/// Reads `--name value` pairs.
fn options() -> BTreeMap<String, String> {
    let mut arguments = std::env::args().skip(1);
    let mut options = BTreeMap::new();
    while let Some(name) = arguments.next() {
        options.insert(name, arguments.next().unwrap());
    }
    options
}

/// Reads the list of [attack, copy, source]; the names in it contain no quotes and no escapes.
fn manifest(path: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let strings: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    let case = |three: &[&str]| {
        let source = name(Path::new(three[2]));
        Case::of(three[0], three[1].into(), Some(source))
    };
    strings.chunks_exact(3).map(case).collect()
}

fn images(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let endings = ["jpg", "jpeg", "png", "bmp"];
    paths.retain(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    });
    paths.sort();
    paths
}

fn sets(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut sets: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in images(folder) {
        let set = name(&path).split('-').next().unwrap_or_default().to_owned();
        sets.entry(set).or_default().push(path);
    }
    sets
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Adds the images to an engine; prints the cost of an add without its write.
fn library_of(images: &[Case]) -> (Engine, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), Options::default()).unwrap();
    let (done, added) = mpsc::channel();
    let spent = Mutex::new(Duration::ZERO);
    on_all_cores(images, |stored| {
        let file = stored.read();
        let started = cpu_time();
        let image = engine.prepare(&file).unwrap();
        *spent.lock().unwrap() += cpu_time() - started;
        let (brief, tags) = (stored.name.clone(), Vec::new());
        let done = done.clone();
        engine.add(image, NewRecord { brief, tags }, move |added| {
            done.send(added.is_ok()).unwrap();
        });
    });
    drop(done);
    assert!(added.iter().all(|added| added));
    println!(
        "library: {} images, {:.1} ms of CPU to prepare each",
        images.len(),
        spent.lock().unwrap().as_secs_f64() * 1e3 / images.len() as f64
    );
    (engine, dir)
}

/// Adds synthetic images. Each has the thumbnail of one donor, so that its pixels agree with a query
/// as far as those of a real image that shares features with it.
fn add_distractors(engine: &Engine, count: u64, donors: &[PathBuf]) {
    let files: Vec<Vec<u8>> = donors
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let features = files.iter().map(|file| {
        let grey = image::load_from_memory(file).unwrap().into_luma8();
        Donor::new(&GreyView::new(grey.as_raw(), grey.width(), grey.height()).unwrap())
    });
    let distractors = Distractors::new(features.collect(), 7);
    let thumbnails: Vec<Vec<u8>> = files
        .iter()
        .map(|file| {
            draw::jpeg(
                &image::load_from_memory(file)
                    .unwrap()
                    .thumbnail(256, 256)
                    .into_rgb8(),
                80,
            )
        })
        .collect();
    let mut chance = Chance::new(7);
    let mut remaining = count;
    while remaining > 0 {
        let group = remaining.min(256);
        let (done, added) = mpsc::channel();
        for _ in 0..group {
            let mut content = [0; 32];
            content
                .as_chunks_mut::<8>()
                .0
                .iter_mut()
                .for_each(|word| *word = chance.next().to_le_bytes());
            let pdq = [0; 4].map(|_: u64| chance.next());
            let thumbnail = thumbnails[chance.below(thumbnails.len() as u32) as usize].clone();
            let image = synthetic_image(content, pdq, &distractors.make(chance.next()), thumbnail);
            let done = done.clone();
            engine.add(image, NewRecord::default(), move |added| {
                done.send(added.is_ok()).unwrap();
            });
        }
        drop(done);
        assert!(added.iter().all(|added| added));
        remaining -= group;
    }
}

fn search_all(engine: &Engine, queries: &[Case], query: &Query) -> Results {
    let results = Mutex::new(Results::default());
    on_all_cores(queries, |case| {
        let file = case.read();
        let started = cpu_time();
        let image = engine.prepare_query(&file).unwrap();
        let prepared = cpu_time();
        let found = engine.search(&image, query).unwrap();
        let searched = cpu_time();
        let found: Vec<Found> = found
            .matches
            .into_iter()
            .map(|hit| Found {
                is_right: case.source.as_ref() == Some(&hit.brief),
                name: hit.brief,
                score: hit.score,
            })
            .collect();
        let mut results = results.lock().unwrap();
        results.add_times(prepared - started, searched - prepared, !found.is_empty());
        results.add(&case.label, &case.name, case.source.is_some(), found);
    });
    results.into_inner().unwrap()
}

fn on_all_cores<T: Sync>(items: &[T], each: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(item);
                }
            });
        }
    });
}

/// Returns the CPU time of this thread (`/proc/thread-self/schedstat`, first number, nanoseconds).
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
