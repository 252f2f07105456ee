//! Linear algebra of the training: moments, principal components, random rotations.

use same_image::features::{DESCRIPTOR, Descriptor};

use crate::random::Random;

type Matrix = Vec<Vec<f64>>;

/// Sweeps of the eigenvalue iteration; it converges in fewer than ten.
const SWEEPS: usize = 15;

/// Returns the mean and the covariance matrix.
pub fn moments(descriptors: &[Descriptor]) -> (Vec<f64>, Matrix) {
    let count = descriptors.len() as f64;
    let mut mean = vec![0.0; DESCRIPTOR];
    for descriptor in descriptors {
        mean.iter_mut()
            .zip(descriptor)
            .for_each(|(sum, value)| *sum += f64::from(*value) / count);
    }
    let mut covariance = vec![vec![0.0; DESCRIPTOR]; DESCRIPTOR];
    for descriptor in descriptors {
        let centred: Vec<f64> = descriptor
            .iter()
            .zip(&mean)
            .map(|(value, mean)| f64::from(*value) - mean)
            .collect();
        for (row, value) in covariance.iter_mut().zip(&centred) {
            row.iter_mut()
                .zip(&centred)
                .for_each(|(sum, other)| *sum += value * other / count);
        }
    }
    (mean, covariance)
}

/// Returns the eigenvectors of the largest eigenvalues (cyclic Jacobi, Golub & Van Loan 2013,
/// section 8.5).
pub fn principal_components(mut matrix: Matrix, count: usize) -> Matrix {
    let size = matrix.len();
    let mut vectors: Matrix = (0..size)
        .map(|row| (0..size).map(|at| f64::from(row == at)).collect())
        .collect();
    for _ in 0..SWEEPS {
        for p in 0..size {
            for q in p + 1..size {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| matrix[b][b].total_cmp(&matrix[a][a]));
    // The rows of `vectors` are the eigenvectors.
    order
        .into_iter()
        .take(count)
        .map(|at| vectors[at].clone())
        .collect()
}

/// Makes the element (p, q) zero by a rotation of both axes.
fn rotate(matrix: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    if matrix[p][q].abs() < 1e-18 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    for row in matrix.iter_mut() {
        let (a, b) = (row[p], row[q]);
        row[p] = cosine * a - sine * b;
        row[q] = sine * a + cosine * b;
    }
    for rows in [matrix, vectors] {
        #[expect(clippy::needless_range_loop, reason = "two rows change together")]
        for at in 0..rows.len() {
            let (a, b) = (rows[p][at], rows[q][at]);
            rows[p][at] = cosine * a - sine * b;
            rows[q][at] = sine * a + cosine * b;
        }
    }
}

/// Returns a random orthogonal matrix (Gram & Schmidt on normal vectors).
pub fn random_rotation(size: usize, random: &mut Random) -> Matrix {
    let mut rows: Matrix = Vec::new();
    while rows.len() < size {
        let mut row: Vec<f64> = (0..size).map(|_| random.normal()).collect();
        for other in &rows {
            let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            row.iter_mut()
                .zip(other)
                .for_each(|(value, part)| *value -= along * part);
        }
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        rows.push(row.iter().map(|value| value / length).collect());
    }
    rows
}
