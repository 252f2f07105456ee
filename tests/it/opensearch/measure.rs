//! Measures a library in OpenSearch beside an embedded one with the same images, by hand:
//!
//! ```text
//! make measure-cluster [IMAGES=10000] [NODES=1] [DONORS=DIR] [QUERIES=DIR] [SOURCES=40]
//! ```
//!
//! Most images are synthetic, made of the features of the donors; the originals of the queries are
//! files, and are added as callers add them. Without folders, donors and originals are drawn. The gateway
//! is a release build. Prints
//! time and CPU of adds and searches, bytes between gateway and cluster, and which share of changed
//! copies finds its original among 200 and 1000 candidates.

#[path = "../../../crates/engine/examples/evaluate/distractors.rs"]
#[allow(
    clippy::cast_possible_truncation,
    clippy::as_conversions,
    reason = "numbers of features and pixels"
)]
mod distractors;

use std::io::Cursor;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use image::{DynamicImage, ImageFormat};
use same_image::features::GreyView;
use same_image::measuring::synthetic_image;
use same_image::{LibraryId, WholeImage, write_images};
use samegate::config::OpenSearch;
use samegate::library::opensearch::OpenSearchBackend;
use samegate::proto::v1;

use self::distractors::{Distractors, Donor};
use crate::support::by_hand::variable;
use crate::support::chance::Chance;
use crate::support::images::png;
use crate::support::opensearch::{CLAUSES, Node, library};
use crate::support::probe::metric;
use crate::support::process::Process;

/// Images of one request, as `samegate library copy` sends them.
const PAGE: u64 = 256;
/// Size of a thumbnail.
const THUMBNAIL_BYTES: usize = 8000;
const JAVA: [&str; 2] = ["-Xms1g", "-Xmx1g"];

/// The processes, and what they had used before.
struct Scene {
    nodes: Vec<Node>,
    gateway: Process,
}

/// What all processes have used.
struct Used {
    at: Instant,
    gateway: Duration,
    nodes: Duration,
    bytes: [f64; 2],
    candidates: f64,
}

#[tokio::test]
#[ignore = "a measurement, by hand: make measure-cluster"]
async fn measures_a_library_in_opensearch() {
    let number =
        |name: &str, default: u64| variable(name).map_or(default, |number| number.parse().unwrap());
    let (images, nodes) = (number("IMAGES", 10_000), number("NODES", 1));
    let sources = usize::try_from(number("SOURCES", 40)).unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!(
        "{images} synthetic images, {nodes} nodes, load {}",
        load.trim()
    );
    let scene = Scene::start(nodes).await;
    scene.fill(images).await;

    let originals = files("QUERIES", sources, 5000);
    let before = scene.used("posters").await;
    for (number, original) in originals.iter().enumerate() {
        scene.add("posters", original, number).await;
    }
    let added = scene.used("posters").await;
    added.print("add of a file", &before, originals.len());
    for (number, original) in originals.iter().enumerate() {
        scene.add("embedded", original, number).await;
    }
    scene.print_size(images + originals.len() as u64).await;
    let copies: Vec<(usize, Bytes)> = originals
        .iter()
        .enumerate()
        .flat_map(|(number, original)| copies(original).map(|copy| (number, copy)))
        .collect();
    for name in ["posters", "posters1000", "embedded"] {
        // Compiles what searches run, and reads what they need.
        scene.search(name, &copies[..copies.len().min(20)]).await;
        let before = scene.used(name).await;
        let (found, times) = scene.search(name, &copies).await;
        let after = scene.used(name).await;
        println!(
            "{name}: {found} of {} copies find their original",
            copies.len()
        );
        print_times("  search", times);
        after.print("  search", &before, copies.len());
    }
}

// === impl Scene ===

impl Scene {
    async fn start(count: u64) -> Self {
        let name = "cluster.name=measure";
        let managers = "cluster.initial_cluster_manager_nodes=0";
        let mut nodes = vec![Node::launch(
            &JAVA,
            &[name, CLAUSES, "node.name=0", managers],
        )];
        let seeds = format!("discovery.seed_hosts={}", nodes[0].transport);
        for _ in 1..count {
            let data = "node.roles=data";
            nodes.push(Node::launch(&JAVA, &[name, CLAUSES, data, &seeds]));
        }
        let config = OpenSearch {
            index: "measured".to_owned(),
            shards: 2,
            replicas: u32::from(count > 1),
            ..library(&nodes[0])
        };
        OpenSearchBackend::create(&config).await.unwrap();
        nodes[0].until_green().await;
        let urls: Vec<_> = nodes
            .iter()
            .map(|node| format!("\"{}\"", node.url))
            .collect();
        let cluster = format!(
            "backend = \"opensearch\"\nurls = [{}]\nindex = \"measured\"\ncapacity = 10000000\n",
            urls.join(", ")
        );
        let config = format!(
            "[libraries.posters]\n{cluster}\
             [libraries.posters1000]\n{cluster}candidates = 1000\n\
             [libraries.embedded]\nbackend = \"embedded\"\ndata_dir = \"./data\"\n\
             capacity = 10000000\n\
             [tenants.local]\nlibraries = [\"posters\", \"posters1000\", \"embedded\"]\n\
             [auth]\nanonymous = true\n"
        );
        let gateway = Process::start(&config).await.ready().await;
        Scene { nodes, gateway }
    }

    /// Adds synthetic images to both libraries.
    async fn fill(&self, images: u64) {
        let donors = files("DONORS", 60, 1000);
        let donors = donors.iter().map(|file| {
            let grey = image::load_from_memory(file).unwrap().into_luma8();
            Donor::new(&GreyView::new(grey.as_raw(), grey.width(), grey.height()).unwrap())
        });
        let distractors = Distractors::new(donors.collect(), 7);
        let library = LibraryId::parse("0000000000000001").unwrap();
        for name in ["posters", "embedded"] {
            let mut chance = Chance::new(7);
            let mut before = self.used(name).await;
            let url = format!("http://{}/libraries/{name}/images", self.gateway.admin);
            let client = reqwest::Client::new();
            for first in (0..images).step_by(usize::try_from(PAGE).unwrap()) {
                // Made when it is sent: all of them may need more memory than there is.
                let begin = Instant::now();
                let page = first..images.min(first + PAGE);
                let page = page.map(|number| whole(&distractors, &mut chance, number));
                let page = write_images(library, page.collect()).unwrap();
                before.at += begin.elapsed();
                let request = client.post(&url).body(page);
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
            }
            let after = self.used(name).await;
            after.print(
                &format!("{name}: copied image"),
                &before,
                usize::try_from(images).unwrap(),
            );
        }
    }

    async fn add(&self, library: &str, file: &Bytes, number: usize) {
        let request = v1::AddImageRequest {
            library: library.to_owned(),
            source: Some(v1::add_image_request::Source::Content(file.clone())),
            brief: number.to_string(),
            ..Default::default()
        };
        let mut client = self.gateway.client().await;
        client.add_image(request).await.unwrap();
    }

    /// Searches one copy after the other; returns how many find their original.
    async fn search(&self, library: &str, copies: &[(usize, Bytes)]) -> (usize, Vec<Duration>) {
        let mut client = self.gateway.client().await;
        let (mut found, mut times) = (0, Vec::new());
        for (number, copy) in copies {
            let request = v1::SearchImagesRequest {
                library: library.to_owned(),
                source: Some(v1::search_images_request::Source::Content(copy.clone())),
                ..Default::default()
            };
            let begin = Instant::now();
            let response = client.search_images(request).await.unwrap().into_inner();
            times.push(begin.elapsed());
            let mut matches = response.matches.iter();
            found += usize::from(matches.any(|found| found.brief == number.to_string()));
        }
        (found, times)
    }

    async fn used(&self, library: &str) -> Used {
        let value = async |name: &str| {
            let name = format!("samegate_cluster_{name}_total{{library=\"{library}\"}}");
            metric(self.gateway.admin, &name).await.unwrap_or_default()
        };
        Used {
            at: Instant::now(),
            gateway: self.gateway.cpu_time(),
            nodes: self.nodes.iter().map(Node::cpu_time).sum(),
            bytes: [value("sent_bytes").await, value("received_bytes").await],
            candidates: value("candidates").await,
        }
    }

    /// Prints the size of the segments of the primary shards; the statistics of an index are cached.
    async fn print_size(&self, images: u64) {
        for path in ["measured/_flush", "measured/_forcemerge?max_num_segments=1"] {
            let (status, _) = self.nodes[0].request("POST", path, None).await;
            assert_eq!(status, 200);
            let segments = "_cat/segments/measured?format=json&bytes=b&h=prirep,size";
            let (_, segments) = self.nodes[0].request("GET", segments, None).await;
            let segments = segments.as_array().unwrap().iter();
            let primary = segments.filter(|segment| segment["prirep"] == "p");
            let sizes = primary.map(|segment| segment["size"].as_str().unwrap());
            let bytes: u64 = sizes.map(|size| size.parse::<u64>().unwrap()).sum();
            println!("index after {path}: {} bytes per image", bytes / images);
        }
    }
}

// === impl Used ===

impl Used {
    fn print(&self, what: &str, before: &Used, count: usize) {
        let each = 1.0 / f64::from(u32::try_from(count).unwrap());
        let ms = |time: Duration| time.as_secs_f64() * 1e3 * each;
        println!(
            "{what}: {:.1} ms; CPU of the gateway {:.1} ms, of all nodes {:.1} ms; {:.1} kB sent, \
             {:.1} kB received, {:.0} candidates",
            ms(self.at - before.at),
            ms(self.gateway - before.gateway),
            ms(self.nodes - before.nodes),
            (self.bytes[0] - before.bytes[0]) * each / 1e3,
            (self.bytes[1] - before.bytes[1]) * each / 1e3,
            (self.candidates - before.candidates) * each,
        );
    }
}

fn whole(distractors: &Distractors, chance: &mut Chance, number: u64) -> WholeImage {
    let mut random = |length: usize| -> Vec<u8> {
        let words = std::iter::repeat_with(|| chance.below(u64::MAX).to_le_bytes());
        words.flatten().take(length).collect()
    };
    let content = random(32).try_into().unwrap();
    let hash = random(32);
    let hash = [0, 8, 16, 24].map(|at| u64::from_le_bytes(hash[at..at + 8].try_into().unwrap()));
    let image = synthetic_image(
        content,
        hash,
        &distractors.make(number),
        random(THUMBNAIL_BYTES),
    );
    let image = same_image::ImageDocument::from(image);
    WholeImage {
        sign: image.content.first_sign(),
        image,
        preview: Vec::new(),
        brief: String::new(),
        tags: Vec::new(),
        added_at_ms: 1_795_829_790_000 + number,
    }
}

/// Reads up to `count` images of the folder that a variable names; draws them without it.
fn files(folder: &str, count: usize, first_seed: u64) -> Vec<Bytes> {
    let Some(folder) = variable(folder).filter(|folder| !folder.is_empty()) else {
        let seeds = (first_seed..).take(count);
        return seeds.map(png).collect();
    };
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let step = (paths.len() / count).max(1);
    let chosen = paths.iter().step_by(step).take(count);
    chosen
        .map(|path| std::fs::read(path).unwrap().into())
        .collect()
}

/// Returns copies: half as large, the middle of it, and dark with other colours.
fn copies(file: &[u8]) -> [Bytes; 3] {
    let image = image::load_from_memory(file).unwrap();
    let (width, height) = (image.width(), image.height());
    let half = image.thumbnail(width / 2, height / 2);
    let middle = image.crop_imm(width / 4, height / 4, width / 2, height / 2);
    let dark = image.huerotate(40).brighten(-60);
    [half, middle, dark].map(|copy| {
        let mut file = Cursor::new(Vec::new());
        let copy = DynamicImage::from(copy.into_rgb8());
        copy.write_to(&mut file, ImageFormat::Jpeg).unwrap();
        file.into_inner().into()
    })
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    println!("{what}: median {:.0} ms, p95 {:.0} ms", at(50), at(95));
}
