//! Trains the codebook of the engine from a folder of images.
//!
//! usage: `cargo run --release -p same-image --example train_codebook -- IMAGES OUT`
//!
//! Order: extract the descriptors of every image with the profile of a query, also mirrored →
//! principal components, distributed alternately to two halves, each rotated at random → 1024
//! centroids per half → medians of the residuals → fraction of features per centroid. The same
//! images give the same file, byte by byte. 180 images take about three minutes on one core.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command for developers"
)]

mod kmeans;
mod linear;
mod random;

use std::path::PathBuf;

use same_image::features::codebook::{
    CELL_COUNT, CENTROIDS, Codebook, HALF, HalfCodebook, PROJECTED,
};
use same_image::features::{
    DESCRIPTOR, Descriptor, ExtractionProfile, GreyView, extract_descriptors, mirrored,
};

use random::Random;

const SEED: u64 = 20_240_607;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train_codebook IMAGES OUT".into());
    };
    let descriptors = descriptors(&folder)?;
    println!("{} descriptors", descriptors.len());
    let codebook = train(&descriptors);
    std::fs::write(&out, codebook.to_bytes())?;
    println!("codebook {:08x} written", codebook.id());
    Ok(())
}

fn descriptors(folder: &str) -> Result<Vec<Descriptor>> {
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::result::Result<Vec<PathBuf>, _>>()?;
    paths.sort();
    let mut descriptors = Vec::new();
    for path in paths {
        let grey = image::open(&path)?.into_luma8();
        let view =
            GreyView::new(grey.as_raw(), grey.width(), grey.height()).ok_or("an empty image")?;
        for feature in extract_descriptors(&view, ExtractionProfile::Query) {
            descriptors.push(feature.descriptor);
            descriptors.push(mirrored(&feature.descriptor));
        }
    }
    Ok(descriptors)
}

fn train(descriptors: &[Descriptor]) -> Codebook {
    let mut random = Random(SEED);
    let (offset, projection) = projection(descriptors, &mut random);
    let projected = project(descriptors, &offset, &projection);
    let halves = std::array::from_fn(|half| {
        let points: Vec<[f32; HALF]> = projected
            .iter()
            .map(|point| std::array::from_fn(|at| point[half * HALF + at]))
            .collect();
        train_half(&points, &mut random)
    });
    Codebook::new(offset, projection, halves)
}

/// Computes the principal components, distributes them alternately to two halves and rotates each
/// half.
fn projection(
    descriptors: &[Descriptor],
    random: &mut Random,
) -> ([f32; PROJECTED], Vec<[f32; PROJECTED]>) {
    let (mean, covariance) = linear::moments(descriptors);
    let components = linear::principal_components(covariance, PROJECTED);
    let rotations = [
        linear::random_rotation(HALF, random),
        linear::random_rotation(HALF, random),
    ];
    let mut projection = vec![[0.0; PROJECTED]; DESCRIPTOR];
    for (input, row) in projection.iter_mut().enumerate() {
        for (output, weight) in row.iter_mut().enumerate() {
            let (half, at) = (output / HALF, output % HALF);
            let dealt = (0..HALF)
                .map(|source| rotations[half][at][source] * components[2 * source + half][input]);
            *weight = dealt.sum::<f64>() as f32;
        }
    }
    let offset = std::array::from_fn(|output| {
        let products = mean
            .iter()
            .zip(&projection)
            .map(|(mean, row)| mean * f64::from(row[output]));
        products.sum::<f64>() as f32
    });
    (offset, projection)
}

fn project(
    descriptors: &[Descriptor],
    offset: &[f32; PROJECTED],
    projection: &[[f32; PROJECTED]],
) -> Vec<[f32; PROJECTED]> {
    let project_one = |descriptor: &Descriptor| {
        let mut point = offset.map(|offset| -offset);
        for (value, row) in descriptor.iter().zip(projection) {
            point
                .iter_mut()
                .zip(row)
                .for_each(|(sum, weight)| *sum += value * weight);
        }
        point
    };
    descriptors.iter().map(project_one).collect()
}

fn train_half(points: &[[f32; HALF]], random: &mut Random) -> HalfCodebook {
    let (centroids, nearest) = kmeans::cluster(points, random);
    let mut medians = [0.0; HALF];
    for (dimension, median) in medians.iter_mut().enumerate() {
        let residual = |(point, &centroid): (&[f32; HALF], &usize)| {
            point[dimension] - centroids[centroid][dimension]
        };
        let mut residuals: Vec<f32> = points.iter().zip(&nearest).map(residual).collect();
        let middle = residuals.len() / 2;
        *median = *residuals.select_nth_unstable_by(middle, f32::total_cmp).1;
    }
    let mut counts = vec![1.0f32; CENTROIDS];
    nearest.iter().for_each(|&centroid| counts[centroid] += 1.0);
    let total: f32 = counts.iter().sum();
    let idf = counts
        .iter()
        .map(|count| -(count / total).ln() / (CELL_COUNT as f32).ln())
        .collect();
    HalfCodebook::new(centroids, medians, idf)
}
