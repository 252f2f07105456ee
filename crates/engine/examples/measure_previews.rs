//! Measures the previews of a folder's images: bytes, error and CPU time by JPEG quality, and what
//! they add to the CPU time of preparing an image.
//!
//! ```text
//! cargo run --release -p same-image --example measure_previews -- FOLDER [SIDE]
//! ```
//!
//! SIDE is 1024 by default. Images that are no longer than it are counted with their own sides. The
//! error is the PSNR of the luminance against the same image of quality 100; over 40 dB no eye sees
//! it, and below 35 dB blocks and rings show.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for developers"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use same_image::measuring::scaled_jpeg;
use same_image::{Engine, Options};

const QUALITIES: [u8; 5] = [70, 75, 80, 85, 90];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder of images");
    let side = arguments.next().map_or(1024, |side| side.parse().unwrap());
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files);
    println!("{} images, side {side}", files.len());

    let best: Vec<Vec<u8>> = files
        .iter()
        .map(|file| luminance(&scaled_jpeg(file, side, 100).unwrap()))
        .collect();
    for quality in QUALITIES {
        let (mut sizes, mut errors) = (Vec::new(), Vec::new());
        for (file, best) in files.iter().zip(&best) {
            let jpeg = scaled_jpeg(file, side, quality).unwrap();
            errors.push(psnr(&luminance(&jpeg), best));
            sizes.push(jpeg.len());
        }
        sizes.sort_unstable();
        errors.sort_unstable_by(f64::total_cmp);
        println!(
            "quality {quality}: mean {} bytes, median {}, 95th percentile {}, largest {}; \
             PSNR median {:.1} dB, 5th percentile {:.1} dB",
            sizes.iter().sum::<usize>() / sizes.len(),
            sizes[sizes.len() / 2],
            sizes[sizes.len() * 95 / 100],
            sizes[sizes.len() - 1],
            errors[errors.len() / 2],
            errors[errors.len() * 5 / 100],
        );
    }

    let dir = tempfile::tempdir().unwrap();
    let engine = |preview_side| {
        let dir = dir.path().join(format!("{preview_side}"));
        let options = Options {
            preview_side,
            ..Options::default()
        };
        Engine::open(&dir, options).unwrap()
    };
    let engines = [0, side].map(engine);
    let mut times = [Duration::ZERO; 2];
    // In turns, so that other load of the machine affects both alike.
    for file in &files {
        for (engine, time) in engines.iter().zip(&mut times) {
            let start = cpu_time();
            drop(engine.prepare(file).unwrap());
            *time += cpu_time() - start;
        }
    }
    let ms = times.map(|time| time.as_secs_f64() * 1000.0 / files.len() as f64);
    println!(
        "preparing an image: {:.1} ms without, {:.1} ms with a preview (CPU time)",
        ms[0], ms[1]
    );
}

/// Returns the CPU time of this thread so far; of Linux.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Reads the images of a folder and its folders that can be decoded and are over 256 pixels.
fn collect(folder: &Path, files: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
            continue;
        }
        let file = fs::read(&path).unwrap();
        let header = same_image::Header::read(&file);
        if header.is_ok_and(|header| header.width().max(header.height()) > 256)
            && scaled_jpeg(&file, 256, 80).is_some()
        {
            files.push(file);
        }
    }
}

fn luminance(jpeg: &[u8]) -> Vec<u8> {
    image::load_from_memory(jpeg)
        .unwrap()
        .into_luma8()
        .into_raw()
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}
