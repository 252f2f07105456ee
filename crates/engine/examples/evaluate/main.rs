//! Measures recall and false matches of the local features, without a gateway.
//!
//! ```text
//! evaluate --library DIR --attacks MANIFEST [--negative DIR] [--only ATTACK] [--missed yes]
//!          [--donors DIR --segments DIR [--distractors N]]
//! ```
//!
//! Adds every image of the library to an index in memory, searches with every copy of the manifest
//! that `attacks.py` wrote and with every negative, and prints what `recall.py` prints. A hit: the
//! best match is the copy's source. A false match: any other image. Whole-image hashes (PDQ) are
//! not used. Distractors are added to the library as synthetic images in segment files (1.5 GB for
//! 500,000), which a later run without `--distractors` opens again. Times are CPU times of the
//! thread, which other programs on the machine hardly affect.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command for developers"
)]

mod distractors;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use same_image::features::{self, Features, GreyView};
use same_image::index::{
    Images, Index, MergeOptions, MergeScope, SearchOptions, Segment, VerifiedMatch,
};

use distractors::{Distractors, Donor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const FIRST_DISTRACTOR: u64 = 1 << 32;
const SEGMENT: u64 = 50_000;
/// Number of the library.
const LIBRARY: u64 = 1;

/// A copy made by an attack.
struct Copy {
    attack: String,
    path: PathBuf,
    source: PathBuf,
}

/// The features of all images, which the store of a library would have.
#[derive(Default)]
struct Known {
    library: Vec<Features>,
    distractors: Option<Distractors>,
}

/// Time spent in the steps of all calls.
#[derive(Default)]
struct Spent {
    calls: u32,
    extraction: Duration,
    search: Duration,
}

/// The results of all searches.
#[derive(Default)]
struct Results<'a> {
    spent: Spent,
    /// Hits and copies tried, per attack.
    tally: BTreeMap<&'a str, (usize, usize)>,
    false_matches: Vec<(VerifiedMatch, &'a Path)>,
}

fn main() -> Result<()> {
    let options = options()?;
    let only = options.get("--only");
    let library = images(Path::new(
        options.get("--library").ok_or("--library is missing")?,
    ))?;
    let copies = manifest(options.get("--attacks").ok_or("--attacks is missing")?)?;
    let negatives = match options.get("--negative") {
        Some(folder) => images(Path::new(folder))?,
        None => Vec::new(),
    };

    let index = Index::new();
    let mut known = Known::default();
    if let Some(folder) = options.get("--segments") {
        let folder = Path::new(folder);
        let donors = options.get("--donors").ok_or("--donors is missing")?;
        known.distractors = Some(Distractors::new(self::donors(donors)?, 7));
        match options.get("--distractors") {
            Some(count) => add_distractors(&index, count.parse()?, &known, folder)?,
            None => open_segments(&index, folder)?,
        }
    }
    known.library = add_library(&index, &library)?;
    let mut results = Results::default();
    for copy in &copies {
        if only.is_some_and(|only| *only != copy.attack) {
            continue;
        }
        let found = search(&index, &known, &copy.path, &mut results.spent)?;
        let source = library
            .iter()
            .position(|path| path.file_name() == copy.source.file_name());
        let source = source.ok_or("a source is not in the library")? as u64;
        let hit = results.record(copy, source, found);
        if !hit && options.contains_key("--missed") {
            println!("missed: {}", copy.path.display());
        }
    }
    for path in &negatives {
        let found = search(&index, &known, path, &mut results.spent)?;
        results.false_matches(path, found);
    }
    results.print(&library);
    Ok(())
}

impl Images for Known {
    type Error = Infallible;

    fn admits(&self, _id: u64) -> bool {
        true
    }

    fn features(&self, id: u64) -> std::result::Result<Option<Features>, Infallible> {
        let distractor = id.checked_sub(FIRST_DISTRACTOR);
        Ok(match distractor {
            Some(number) => self.distractors.as_ref().map(|all| all.make(number)),
            None => self.library.get(id as usize).cloned(),
        })
    }
}

impl<'a> Results<'a> {
    /// Counts the search with a copy; returns whether it was a hit.
    fn record(&mut self, copy: &'a Copy, source: u64, mut found: Vec<VerifiedMatch>) -> bool {
        let hit = found.first().is_some_and(|best| best.id == source);
        let entry = self.tally.entry(&copy.attack).or_default();
        entry.0 += usize::from(hit);
        entry.1 += 1;
        found.retain(|other| other.id != source);
        self.false_matches(&copy.path, found);
        hit
    }

    fn false_matches(&mut self, query: &'a Path, found: Vec<VerifiedMatch>) {
        self.false_matches
            .extend(found.into_iter().map(|other| (other, query)));
    }

    fn print(&mut self, library: &[PathBuf]) {
        let Spent {
            calls,
            extraction,
            search,
        } = &self.spent;
        println!(
            "queries: {calls}, extraction {:.1} ms, search {:.1} ms each",
            extraction.as_secs_f64() * 1e3 / f64::from(*calls),
            search.as_secs_f64() * 1e3 / f64::from(*calls)
        );
        let mut sum = 0.0;
        for (attack, (hits, tried)) in &self.tally {
            let recall = 100.0 * *hits as f64 / *tried as f64;
            println!("{attack:<16} {recall:6.1} %  of {tried}");
            sum += recall;
        }
        self.false_matches
            .sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        for (other, path) in &self.false_matches {
            let name = library
                .get(other.id as usize)
                .and_then(|path| path.file_name())
                .unwrap_or("a distractor".as_ref());
            println!(
                "false match: {:.2} (evidence {:.1}, {}) {} -> {}",
                other.score,
                other.alignment.evidence,
                other.alignment.inliers.len(),
                path.display(),
                name.display()
            );
        }
        println!(
            "mean recall {:.1} %, {} false matches in {calls} queries",
            sum / self.tally.len() as f64,
            self.false_matches.len()
        );
    }
}

/// Reads `--name value` pairs.
fn options() -> Result<BTreeMap<String, String>> {
    let mut arguments = std::env::args().skip(1);
    let mut options = BTreeMap::new();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        options.insert(name, value);
    }
    Ok(options)
}

/// Reads the list of [attack, copy, source]; the names in it contain no quotes and no escapes.
fn manifest(path: &str) -> Result<Vec<Copy>> {
    let text = std::fs::read_to_string(path)?;
    let strings: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    let copy = |three: &[&str]| Copy {
        attack: three[0].into(),
        path: three[1].into(),
        source: three[2].into(),
    };
    Ok(strings.chunks_exact(3).map(copy).collect())
}

fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::result::Result<Vec<PathBuf>, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|ending| ["jpg", "jpeg", "png", "bmp"].iter().any(|e| ending == *e))
    });
    paths.sort();
    Ok(paths)
}

/// Adds the images of the library; returns their features.
fn add_library(index: &Index, library: &[PathBuf]) -> Result<Vec<Features>> {
    let mut all = Vec::with_capacity(library.len());
    let (mut extraction, mut insertion, mut count) = (Duration::ZERO, Duration::ZERO, 0);
    for (id, path) in library.iter().enumerate() {
        let grey = grey(path)?;
        let started = cpu_time();
        let features = features::extract(&view(&grey)?);
        extraction += cpu_time() - started;
        count += features.features.len();
        let started = cpu_time();
        index.insert(id as u64, &features);
        insertion += cpu_time() - started;
        all.push(features);
    }
    println!(
        "library: {} images, {count} features, extraction {:.1} ms, insertion {:.3} ms each",
        library.len(),
        extraction.as_secs_f64() * 1e3 / library.len() as f64,
        insertion.as_secs_f64() * 1e3 / library.len() as f64
    );
    Ok(all)
}

/// Adds synthetic images with ids from [`FIRST_DISTRACTOR`], and merges after every [`SEGMENT`] of
/// them.
fn add_distractors(index: &Index, count: u64, known: &Known, folder: &Path) -> Result<()> {
    let distractors = known.distractors.as_ref().ok_or("no donors")?;
    for number in 0..count {
        index.insert(FIRST_DISTRACTOR + number, &distractors.make(number));
        if (number + 1) % SEGMENT != 0 && number + 1 != count {
            continue;
        }
        if let Some(merge) = index.plan_merge(MergeScope::Tiered) {
            let started = cpu_time();
            let options = MergeOptions {
                library: LIBRARY,
                keep: &|_| true,
                stop: &AtomicBool::new(false),
            };
            let segment = merge.write(&folder.join(format!("{number}.segment")), options)?;
            println!(
                "{segment:?} written and opened in {:.1} s",
                (cpu_time() - started).as_secs_f64()
            );
            for old in index.replace(&merge, segment) {
                std::fs::remove_file(old)?;
            }
        }
    }
    println!("{index:?}");
    Ok(())
}

fn donors(folder: &str) -> Result<Vec<Donor>> {
    images(Path::new(folder))?
        .iter()
        .map(|path| Ok(Donor::new(&view(&grey(path)?)?)))
        .collect()
}

fn open_segments(index: &Index, folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let started = cpu_time();
        let segment = Segment::open(&entry?.path(), LIBRARY)?;
        println!(
            "{segment:?} opened in {:.1} s",
            (cpu_time() - started).as_secs_f64()
        );
        index.add_segment(segment);
    }
    Ok(())
}

/// Returns the CPU time of this thread (`/proc/thread-self/schedstat`, first number, nanoseconds).
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn search(
    index: &Index,
    known: &Known,
    path: &Path,
    spent: &mut Spent,
) -> Result<Vec<VerifiedMatch>> {
    let grey = grey(path)?;
    let started = cpu_time();
    let query = features::extract_query(&view(&grey)?);
    spent.extraction += cpu_time() - started;
    let started = cpu_time();
    let found = index.search(&query, &SearchOptions::default(), known)?;
    spent.search += cpu_time() - started;
    spent.calls += 1;
    Ok(found)
}

/// Decodes an image and applies its EXIF orientation.
fn grey(path: &Path) -> Result<image::GrayImage> {
    use image::ImageDecoder as _;
    let mut decoder = image::ImageReader::open(path)?
        .with_guessed_format()?
        .into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = image::DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.into_luma8())
}

fn view(grey: &image::GrayImage) -> Result<GreyView<'_>> {
    GreyView::new(grey.as_raw(), grey.width(), grey.height()).ok_or_else(|| "an empty image".into())
}
