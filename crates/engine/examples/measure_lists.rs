//! Measures listings and deletions by filter in a library of a million records.
//!
//! ```text
//! make lists [IMAGES=1000000]
//! ```
//!
//! The records are synthetic, without features and with thumbnails of 200 bytes: neither the decoder
//! nor the index is measured. One image of a thousand has tag 1, one of ten tag 2. The library is in
//! the system's folder for temporary files. Times are of CPU, but for deletions: those of the disk
//! depend on what the system has in memory.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for developers"
)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use same_image::features::Features;
use same_image::measuring::synthetic_image;
use same_image::{Engine, ImageFilter, ListQuery, NewRecord, Options, Order, TagFilter, TagLogic};

/// Adds in flight at once: the size of a group commit.
const GROUP: usize = 256;
/// Pages of a listing that are timed.
const PAGES: usize = 200;

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement is configured by variables"
)]
fn main() {
    let images = std::env::var("IMAGES").unwrap_or_default();
    let images: u64 = images.parse().unwrap_or(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        capacity: u64::MAX,
        ..Options::default()
    };
    let engine = Engine::open(dir.path(), options).unwrap();
    let before = Instant::now();
    fill(&engine, images);
    println!(
        "{images} images, added in {:.0} s",
        before.elapsed().as_secs_f64()
    );

    let everything = ImageFilter::default();
    let rare = tagged(&[1], TagLogic::And);
    let either = tagged(&[1, 2], TagLogic::Or);
    let none = tagged(&[3], TagLogic::And);
    let text = |text: &str| ImageFilter {
        brief_contains: text.to_owned(),
        ..ImageFilter::default()
    };
    for order in [Order::Oldest, Order::Newest] {
        list(&engine, "all", &everything, order, None);
        list(&engine, "one of a thousand, by tag", &rare, order, None);
        list(&engine, "either of two tags", &either, order, None);
        list(&engine, "none, by tag", &none, order, None);
        list(&engine, "text of every brief", &text("POSTER"), order, None);
        list(&engine, "text of no brief", &text("invoice"), order, None);
    }
    list(
        &engine,
        "all with thumbnails",
        &everything,
        Order::Newest,
        Some(3 << 20),
    );
    let before = cpu_time();
    println!(
        "{} tags counted in {:.1} ms",
        engine.tag_counts().len(),
        ms(before)
    );

    let before = cpu_time();
    let selected = engine.select(&either, None).unwrap().images;
    println!("{} images selected in {:.1} ms", selected.len(), ms(before));
    let steps: Vec<Duration> = selected
        .chunks(1000)
        .map(|step| {
            let before = Instant::now();
            let (done, deleted) = mpsc::channel();
            engine.delete_selected(step.to_vec(), either.clone(), move |count| {
                done.send(count.unwrap()).unwrap();
            });
            assert_eq!(deleted.recv().unwrap(), step.len());
            before.elapsed()
        })
        .collect();
    print_times("deletion of 1000", steps);
}

fn fill(engine: &Engine, images: u64) {
    let features = Features {
        width: 640,
        height: 480,
        working_side: 640,
        features: Vec::new(),
    };
    for first in (0..images).step_by(GROUP) {
        let (done, added) = mpsc::channel();
        for number in first..images.min(first + GROUP as u64) {
            let content = *blake3::hash(&number.to_le_bytes()).as_bytes();
            let image = synthetic_image(content, [number; 4], &features, vec![5; 200]);
            let mut tags = Vec::new();
            tags.extend((number % 1000 == 0).then_some(1));
            tags.extend((number % 10 == 0).then_some(2));
            let record = NewRecord {
                brief: format!("Poster of the exhibition, sheet {number}"),
                tags,
            };
            let done = done.clone();
            engine.add(image, record, move |result| {
                done.send(result.is_ok()).unwrap()
            });
        }
        drop(done);
        assert!(added.iter().all(|is_added| is_added));
    }
}

fn tagged(tags: &[u16], logic: TagLogic) -> ImageFilter {
    let tags = tags.to_vec();
    ImageFilter {
        tags: TagFilter { tags, logic },
        ..ImageFilter::default()
    }
}

/// Reads up to [`PAGES`] pages of 100 images and prints their times.
fn list(
    engine: &Engine,
    what: &str,
    filter: &ImageFilter,
    order: Order,
    max_thumbnail_bytes: Option<usize>,
) {
    let mut query = ListQuery {
        filter: filter.clone(),
        order,
        max_thumbnail_bytes,
        ..ListQuery::default()
    };
    let mut times = Vec::new();
    while times.len() < PAGES {
        let before = cpu_time();
        let page = engine.list(&query).unwrap();
        times.push(cpu_time() - before);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    print_times(&format!("page of 100, {order:?} first, {what}"), times);
}

fn ms(before: Duration) -> f64 {
    (cpu_time() - before).as_secs_f64() * 1e3
}

/// Returns the CPU time of this thread (`/proc/thread-self/schedstat`, first number, nanoseconds).
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |rank: usize| times.get(rank).map_or(0.0, Duration::as_secs_f64) * 1e3;
    let (median, worst) = (at(times.len() / 2), at(times.len().saturating_sub(1)));
    println!(
        "{what}: {} times, median {median:.2} ms, worst {worst:.2}",
        times.len()
    );
}
