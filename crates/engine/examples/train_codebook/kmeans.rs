//! Lloyd's k-means with seeded random starts and empty clusters started again.

use same_image::features::codebook::{CENTROIDS, HALF};

use crate::random::Random;

/// Rounds; later ones move the error by less than 0.1 %.
const ROUNDS: usize = 25;

type Centroids = Vec<[f32; HALF]>;

/// Returns the centroids and the nearest of them for every point.
pub fn cluster(points: &[[f32; HALF]], random: &mut Random) -> (Centroids, Vec<usize>) {
    let mut centroids: Centroids = (0..CENTROIDS)
        .map(|_| points[random.below(points.len())])
        .collect();
    let mut nearest = Vec::new();
    for round in 0..ROUNDS {
        let error;
        (nearest, error) = assign(points, &centroids);
        println!(
            "round {round}: mean squared error {:.5}",
            error / points.len() as f64
        );
        if round + 1 < ROUNDS {
            recentre(points, &nearest, &mut centroids, random);
        }
    }
    (centroids, nearest)
}

fn assign(points: &[[f32; HALF]], centroids: &[[f32; HALF]]) -> (Vec<usize>, f64) {
    // Dimension by dimension, so that all centroids are measured side by side.
    let dimensions: Vec<Vec<f32>> = (0..HALF)
        .map(|at| centroids.iter().map(|centroid| centroid[at]).collect())
        .collect();
    let mut distances = [0.0f32; CENTROIDS];
    let mut error = 0.0;
    let mut nearest = Vec::with_capacity(points.len());
    for point in points {
        distances.fill(0.0);
        for (value, dimension) in point.iter().zip(&dimensions) {
            distances
                .iter_mut()
                .zip(dimension)
                .for_each(|(sum, centroid)| *sum += (value - centroid).powi(2));
        }
        let best = (0..CENTROIDS).fold(0, |best, at| {
            if distances[at] < distances[best] {
                at
            } else {
                best
            }
        });
        error += f64::from(distances[best]);
        nearest.push(best);
    }
    (nearest, error)
}

fn recentre(
    points: &[[f32; HALF]],
    nearest: &[usize],
    centroids: &mut [[f32; HALF]],
    random: &mut Random,
) {
    let mut sums = vec![[0.0f64; HALF]; CENTROIDS];
    let mut counts = vec![0usize; CENTROIDS];
    for (point, &centroid) in points.iter().zip(nearest) {
        counts[centroid] += 1;
        sums[centroid]
            .iter_mut()
            .zip(point)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    for (centroid, &count) in counts.iter().enumerate() {
        centroids[centroid] = if count == 0 {
            points[random.below(points.len())]
        } else {
            sums[centroid].map(|sum| (sum / count as f64) as f32)
        };
    }
}
