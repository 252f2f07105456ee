//! Measures libraries of up to a million images: adds, searches, merges, joins, memory, opening.
//!
//! ```text
//! make measure [IMAGES="50000 500000 1000000"] [DONORS=DIR] [QUERIES=DIR]
//! ```
//!
//! The images are synthetic (`examples/evaluate/distractors.rs`), made from the features of the
//! donors. Without folders, donors and queries are drawn. Features are added as if they had just
//! been extracted, with thumbnails of 1 kB, so that the library is measured and not the decoder.
//! One library grows from size to size, in the system's folder for temporary files: 9 kB of disk
//! per image for the library and 6 kB for the index, twice that during a merge.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for developers"
)]

#[path = "evaluate/distractors.rs"]
mod distractors;
#[path = "../tests/support/draw.rs"]
mod draw;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use same_image::features::{Features, GreyView};
use same_image::measuring::{index_bytes, is_merging, synthetic_image};
use same_image::{
    DuplicateQuery, Effort, Engine, NewRecord, Options, PreparedImage, PreparedQuery, Query,
};

use distractors::{Distractors, Donor};
use draw::Chance;

/// Adds in flight at once, as in a bulk load.
const GROUP: u64 = 256;
const SEED: u64 = 7;

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement is configured by variables"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn main() {
    let sizes = setting("IMAGES").unwrap_or_else(|| "50000 500000 1000000".to_owned());
    let sizes = sizes.split_whitespace().map(|size| size.parse().unwrap());
    let donors = files("DONORS", 1000..1060);
    let donors = donors.iter().map(|file| {
        let grey = image::load_from_memory(file).unwrap().into_luma8();
        Donor::new(&GreyView::new(grey.as_raw(), grey.width(), grey.height()).unwrap())
    });
    let distractors = Distractors::new(donors.collect(), SEED);
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        capacity: u64::MAX,
        ..Options::default()
    };
    let mut engine = Engine::open(dir.path(), options).unwrap();
    let queries: Vec<PreparedQuery> = files("QUERIES", 0..40)
        .iter()
        .map(|file| engine.prepare_query(file).unwrap())
        .collect();

    for size in sizes {
        let before = Instant::now();
        let added = fill(&engine, &distractors, size, &queries[0]);
        let filled = before.elapsed();
        wait_for_merges(&engine);
        println!(
            "{size} images: {} added in {:.0} s, merged {:.0} s later",
            added.images,
            filled.as_secs_f64(),
            (before.elapsed() - filled).as_secs_f64()
        );
        print_times("  group of 256 adds", added.groups);
        print_times("  search while adding and merging", added.searches);
        search_all(&engine, &queries);
        let (index, all) = (index_bytes(&engine), engine.stats().unwrap().disk_bytes);
        println!(
            "  disk: {:.2} GB, of it index {:.2}",
            giga(all),
            giga(index)
        );
        engine.close();
        drop(engine);
        let before = Instant::now();
        engine = Engine::open(dir.path(), options).unwrap();
        println!("  opened in {:.1} s", before.elapsed().as_secs_f64());
        search_all(&engine, &queries);
        join_all(&engine);
        println!("  memory: {}", memory());
    }
}

struct Filled {
    images: u64,
    groups: Vec<Duration>,
    searches: Vec<Duration>,
}

/// Adds images until the library has `size` images, with a search after every few groups.
fn fill(engine: &Engine, distractors: &Distractors, size: u64, query: &PreparedQuery) -> Filled {
    let mut filled = Filled {
        images: 0,
        groups: Vec::new(),
        searches: Vec::new(),
    };
    let mut chance = Chance::new(SEED + size);
    let mut remaining = size - engine.stats().unwrap().images;
    while remaining > 0 {
        let count = remaining.min(GROUP);
        let numbers = size - remaining..size - remaining + count;
        let images: Vec<PreparedImage> = numbers
            .map(|number| prepared(&mut chance, &distractors.make(number)))
            .collect();
        let before = Instant::now();
        let (done, responses) = mpsc::channel();
        for image in images {
            let done = done.clone();
            engine.add(image, NewRecord::default(), move |added| {
                done.send(added.unwrap().existed).unwrap();
            });
        }
        drop(done);
        assert!(responses.iter().all(|existed| !existed));
        filled.groups.push(before.elapsed());
        if filled.groups.len().is_multiple_of(16) {
            let before = Instant::now();
            engine.search(query, &one_look()).unwrap();
            filled.searches.push(before.elapsed());
        }
        filled.images += count;
        remaining -= count;
    }
    filled
}

fn prepared(chance: &mut Chance, features: &Features) -> PreparedImage {
    let mut content = [0; 32];
    for word in content.chunks_exact_mut(8) {
        word.copy_from_slice(&chance.next().to_le_bytes());
    }
    let pdq = [0; 4].map(|_: u64| chance.next());
    synthetic_image(content, pdq, features, vec![5; 1000])
}

fn wait_for_merges(engine: &Engine) {
    while is_merging(engine) {
        std::thread::yield_now();
    }
}

/// Further looks take the same time in each library but for their searches.
fn one_look() -> Query {
    Query {
        effort: Effort::Fast,
        ..Query::default()
    }
}

fn search_all(engine: &Engine, queries: &[PreparedQuery]) {
    let started = cpu_time();
    let times = queries.iter().map(|query| {
        let before = Instant::now();
        engine.search(query, &one_look()).unwrap();
        before.elapsed()
    });
    print_times("  search without extraction", times.collect());
    let cpu = (cpu_time() - started).as_secs_f64() * 1e3 / queries.len() as f64;
    println!("  CPU of it: {cpu:.1} ms each");
}

/// Joins the library on two threads.
fn join_all(engine: &Engine) {
    let (before, cpu) = (Instant::now(), process_cpu_time());
    let mut join = engine.join(&DuplicateQuery::default()).unwrap();
    let mut groups = 0;
    while let Some(round) = join.next_round(same_image::MAX_ROUND) {
        let mut blocks = round.blocks();
        let half = blocks.len().div_ceil(2);
        std::thread::scope(|scope| {
            for blocks in blocks.chunks_mut(half) {
                scope.spawn(move || {
                    for block in blocks {
                        while engine.step_join(block).unwrap() {}
                    }
                });
            }
        });
        groups += round.groups(blocks).len();
    }
    println!(
        "  join: {:.0} s, {:.0} s of CPU, {groups} groups",
        before.elapsed().as_secs_f64(),
        (process_cpu_time() - cpu).as_secs_f64()
    );
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: f64| {
        let rank = (times.len() as f64 * part) as usize;
        let time = times.get(rank.min(times.len().saturating_sub(1)));
        time.map_or(0.0, Duration::as_secs_f64) * 1e3
    };
    let (median, late, worst) = (at(0.5), at(0.95), at(1.0));
    println!("{what}: median {median:.1} ms, p95 {late:.1}, worst {worst:.1}");
}

/// Reads the images of the folder that a variable names; draws images without it.
fn files(variable: &str, seeds: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let Some(folder) = setting(variable) else {
        let drawn = seeds.map(|seed| draw::png(&draw::image(seed, 640, 480)));
        return drawn.collect();
    };
    let entries = std::fs::read_dir(Path::new(&folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    paths.into_iter().map(read).collect()
}

fn giga(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// Returns the resident memory of the process, anonymous and of mapped files.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields = ["RssAnon", "RssFile"];
    let lines = status
        .lines()
        .filter(|line| fields.iter().any(|name| line.starts_with(name)));
    lines.collect::<Vec<_>>().join(", ").replace('\t', " ")
}

/// Returns the CPU time of all threads (proc(5), `stat`: user and system, in ticks of 10 ms).
fn process_cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(
        10 * ticks
            .filter_map(|field| field.parse::<u64>().ok())
            .sum::<u64>(),
    )
}

/// Returns the CPU time of this thread (`/proc/thread-self/schedstat`, first number, nanoseconds).
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
