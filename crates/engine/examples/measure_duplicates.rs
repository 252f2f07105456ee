//! Measures which pairs of copies a join finds, against one search for each image.
//!
//! ```text
//! measure_duplicates --attacks MANIFEST --data DIR [--library DIR] [--sources N] [--skip N]
//! ```
//!
//! Adds N sources of the manifest that `attacks.py` wrote, all their copies and the other images of
//! the library. Every two images of one source are a true pair. `DIR` keeps the library and what the
//! searches found, for the next run with the same arguments. CPU times are of the thread.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for developers"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use same_image::{DuplicateQuery, Engine, NewRecord, Options, Query};

/// Two images by their names, in order.
type Pair = (String, String);

/// An image: what was done to which source.
struct Entry {
    attack: String,
    source: String,
    path: PathBuf,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut options = HashMap::new();
    while let Some(name) = arguments.next() {
        options.insert(name, arguments.next().unwrap());
    }
    let number = |name: &str, default| {
        options
            .get(name)
            .map_or(default, |text| text.parse().unwrap())
    };
    let entries = entries(
        &options["--attacks"],
        number("--skip", 0),
        number("--sources", 20),
        options.get("--library").map(Path::new),
    );
    let data = Path::new(&options["--data"]);
    fs::create_dir_all(data).unwrap();
    let by_path: HashMap<String, &Entry> = entries
        .iter()
        .map(|entry| (entry.path.display().to_string(), entry))
        .collect();
    let engine = Engine::open(&data.join("library"), Options::default()).unwrap();
    if engine.stats().unwrap().images == 0 {
        add(&engine, &entries);
    }
    let found = data.join("searches.txt");
    if !found.exists() {
        fs::write(&found, search_all(&engine, &entries)).unwrap();
    }
    let searched: BTreeSet<Pair> = fs::read_to_string(found)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect();
    let (joined, groups) = join(&engine);
    report(&by_path, &searched, &joined, &groups);
}

fn entries(manifest: &str, skip: usize, sources: usize, library: Option<&Path>) -> Vec<Entry> {
    let text = fs::read_to_string(manifest).unwrap();
    let strings: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    let all: BTreeSet<&str> = strings.chunks_exact(3).map(|three| three[2]).collect();
    let chosen: BTreeSet<&str> = all.into_iter().skip(skip).take(sources).collect();
    let mut entries: Vec<Entry> = chosen
        .iter()
        .map(|source| Entry {
            attack: "original".to_owned(),
            source: (*source).to_owned(),
            path: PathBuf::from(source),
        })
        .collect();
    for three in strings.chunks_exact(3) {
        if chosen.contains(three[2]) && three[0] != "identical" {
            entries.push(Entry {
                attack: three[0].to_owned(),
                source: three[2].to_owned(),
                path: PathBuf::from(three[1]),
            });
        }
    }
    if let Some(folder) = library {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.display().to_string();
            if !chosen.contains(name.as_str()) && !strings.contains(&name.as_str()) {
                entries.push(Entry {
                    attack: "other".to_owned(),
                    source: name,
                    path,
                });
            }
        }
    }
    entries
}

/// Adds all images, half of them on another thread.
fn add(engine: &Engine, entries: &[Entry]) {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for half in entries.chunks(entries.len().div_ceil(2)) {
            scope.spawn(move || {
                for entry in half {
                    let Ok(image) = engine.prepare(&fs::read(&entry.path).unwrap()) else {
                        continue;
                    };
                    let record = NewRecord {
                        brief: entry.path.display().to_string(),
                        tags: Vec::new(),
                    };
                    let (done, added) = mpsc::channel();
                    engine.add(image, record, move |added| done.send(added).unwrap());
                    added.recv().unwrap().unwrap();
                }
            });
        }
    });
    println!(
        "added {} in {:.0} s",
        entries.len(),
        begin.elapsed().as_secs_f64()
    );
}

fn search_all(engine: &Engine, entries: &[Entry]) -> String {
    let begin = Instant::now();
    let mut lines = String::new();
    std::thread::scope(|scope| {
        let halves = entries.chunks(entries.len().div_ceil(2));
        let halves: Vec<_> = halves
            .map(|half| {
                scope.spawn(move || {
                    let found = half.iter().map(|entry| search(engine, entry));
                    found.collect::<String>()
                })
            })
            .collect();
        for half in halves {
            lines += &half.join().unwrap();
        }
    });
    println!("searched in {:.0} s", begin.elapsed().as_secs_f64());
    lines
}

fn search(engine: &Engine, entry: &Entry) -> String {
    let Ok(query) = engine.prepare_query(&fs::read(&entry.path).unwrap()) else {
        return String::new();
    };
    let options = Query {
        limit: 1000,
        ..Query::default()
    };
    let found = engine.search(&query, &options).unwrap();
    let own = entry.path.display().to_string();
    let others = found.matches.into_iter().filter(|hit| hit.brief != own);
    others
        .map(|hit| {
            let (a, b) = ordered(&own, &hit.brief);
            format!("{a}\t{b}\n")
        })
        .collect()
}

fn join(engine: &Engine) -> (BTreeMap<Pair, f32>, Vec<Vec<String>>) {
    let (begin, cpu) = (Instant::now(), cpu_time());
    let mut join = engine.join(&DuplicateQuery::default()).unwrap();
    let (mut pairs, mut groups, mut direct) = (BTreeMap::new(), Vec::new(), 0);
    while let Some(round) = join.next_round(same_image::MAX_ROUND) {
        let mut blocks = round.blocks();
        for block in &mut blocks {
            while engine.step_join(block).unwrap() {}
        }
        println!("blocks: {:.1} s of CPU", (cpu_time() - cpu).as_secs_f64());
        for mut group in round.groups(blocks) {
            direct += group.pairs();
            while engine.step_group(&mut group).unwrap() {}
            let Some(group) = engine.close_group(group).unwrap() else {
                continue;
            };
            for pair in &group.pairs {
                let (a, b) = (&group.images[pair.a].brief, &group.images[pair.b].brief);
                pairs.insert(ordered(a, b), pair.score);
            }
            groups.push(group.images.into_iter().map(|image| image.brief).collect());
        }
    }
    println!(
        "joined {} images in {:.1} s, {:.1} s of CPU: {direct} pairs, {} after comparing within {} groups",
        join.images(),
        begin.elapsed().as_secs_f64(),
        (cpu_time() - cpu).as_secs_f64(),
        pairs.len(),
        groups.len()
    );
    (pairs, groups)
}

fn report(
    entries: &HashMap<String, &Entry>,
    searched: &BTreeSet<Pair>,
    joined: &BTreeMap<Pair, f32>,
    groups: &[Vec<String>],
) {
    let is_true = |(a, b): &Pair| entries[a].source == entries[b].source;
    let mut by_source: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, entry) in entries {
        by_source.entry(&entry.source).or_default().push(path);
    }
    let mut by_attack: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let (mut all, mut both, mut by_search, mut by_join) = (0, 0, 0, 0);
    for images in by_source.values() {
        for (at, a) in images.iter().enumerate() {
            for b in &images[..at] {
                let pair = ordered(a, b);
                let (in_search, in_join) = (searched.contains(&pair), joined.contains_key(&pair));
                all += 1;
                by_search += usize::from(in_search);
                by_join += usize::from(in_join);
                both += usize::from(in_search && in_join);
                for attack in [&entries[&pair.0].attack, &entries[&pair.1].attack] {
                    let counts = by_attack.entry(attack).or_default();
                    counts[0] += 1;
                    counts[1] += usize::from(in_search);
                    counts[2] += usize::from(in_join);
                }
            }
        }
    }
    println!("attack               pairs  search    join");
    for (attack, [pairs, search, join]) in by_attack {
        let share = |count: usize| 100.0 * count as f64 / pairs as f64;
        println!(
            "{attack:<16} {pairs:>9}  {:5.1} %  {:5.1} %",
            share(search),
            share(join)
        );
    }
    let wrong: Vec<_> = joined.iter().filter(|(pair, _)| !is_true(pair)).collect();
    let wrong_by_search = searched.iter().filter(|pair| !is_true(pair)).count();
    for ((a, b), score) in wrong.iter().take(20) {
        println!("wrong: {score:.2} {a} {b}");
    }
    let in_groups: usize = groups
        .iter()
        .map(|group| {
            let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
            for image in group {
                *sizes.entry(&entries[image].source).or_default() += 1;
            }
            sizes
                .values()
                .map(|size| size * (size - 1) / 2)
                .sum::<usize>()
        })
        .sum();
    println!(
        "{all} true pairs: search {by_search}, join {by_join}, both {both}: {:.2} % of the search's; \
         in one group {in_groups}; wrong: search {wrong_by_search}, join {}",
        100.0 * both as f64 / by_search as f64,
        wrong.len()
    );
}

fn ordered(a: &str, b: &str) -> Pair {
    (a.min(b).to_owned(), a.max(b).to_owned())
}

/// Returns the CPU time of this thread (`/proc/thread-self/schedstat`, first number, nanoseconds).
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
