//! Verification of correspondences that are made from known maps.

use proptest::prelude::*;

use super::*;

const QUERY: ImageShape = ImageShape {
    width: 1.0,
    height: 0.75,
};
const LIBRARY: ImageShape = ImageShape {
    width: 0.8,
    height: 1.0,
};
const PLAIN: QueryForm = QueryForm {
    mirrored: false,
    inverted: false,
};

/// Distributes keypoints over the query without a grid (golden ratio, R2 sequence).
fn keypoints(count: usize) -> Vec<Keypoint> {
    let part = |at: usize, step: f32| (0.5 + at as f32 * step).fract();
    let keypoint = |at: usize| Keypoint {
        x: part(at, 0.754_877_7) * QUERY.width,
        y: part(at, 0.569_840_3) * QUERY.height,
        sigma: 0.004 * (1.0 + part(at, 0.31)),
        angle: TAU * part(at, 0.17),
    };
    (0..count).map(keypoint).collect()
}

/// Maps keypoints, with scale and angle.
fn moved(keypoints: &[Keypoint], map: &Affine) -> Vec<Correspondence> {
    let pair = |(at, keypoint): (usize, &Keypoint)| {
        let (x, y) = map.apply(keypoint.x, keypoint.y);
        let sigma = keypoint.sigma * map.determinant().abs().sqrt();
        let library = Keypoint {
            x,
            y,
            sigma,
            angle: keypoint.angle + map.rotation(),
        };
        Correspondence {
            feature: at as u16,
            distance: 8,
            query: *keypoint,
            library,
            weight: 0.78,
        }
    };
    keypoints.iter().enumerate().map(pair).collect()
}

/// Correspondences that agree on no map: each query feature with the library keypoint of another.
fn scattered(count: usize) -> Vec<Correspondence> {
    let true_pairs = moved(&keypoints(count), &Affine([0.8, 0.0, 0.0, 0.0, 0.8, 0.1]));
    let pair = |at: usize| {
        let other = true_pairs[(at * 37 + 11) % count].library;
        let library = Keypoint {
            angle: at as f32 * 2.4,
            ..other
        };
        Correspondence {
            feature: (500 + at) as u16,
            library,
            ..true_pairs[at]
        }
    };
    (0..count).map(pair).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_known_map_is_recovered_among_twice_as_many_wrong_correspondences(
        scale in 0.4f32..1.4,
        rotation in 0.0f32..TAU,
        stretch in 0.8f32..1.25,
        x in -0.3f32..0.3,
        y in -0.3f32..0.3,
    ) {
        let (sine, cosine) = rotation.sin_cos();
        let linear = [scale * stretch * cosine, -scale * sine, scale * stretch * sine, scale * cosine];
        let map = Affine([linear[0], linear[1], x, linear[2], linear[3], y]);
        let mut pairs = moved(&keypoints(40), &map);
        pairs.extend(scattered(80));

        let Some(found) = align(&pairs, QUERY, LIBRARY, PLAIN) else {
            // The images do not overlap.
            prop_assert!(Overlap::new(&map, QUERY, LIBRARY).is_none(), "not found");
            return Ok(());
        };

        prop_assert!(found.inliers.len() >= 36, "{} inliers", found.inliers.len());
        for keypoint in keypoints(40) {
            let ((u, v), (x, y)) = (found.affine.apply(keypoint.x, keypoint.y), map.apply(keypoint.x, keypoint.y));
            prop_assert!((u - x).hypot(v - y) < 0.01);
        }
    }

    #[test]
    fn an_inverse_map_undoes_the_map(
        values in prop::array::uniform6(-2.0f32..2.0),
        x in -1.0f32..1.0,
        y in -1.0f32..1.0,
    ) {
        let map = Affine(values);
        prop_assume!(map.determinant().abs() > 0.1);

        let (u, v) = map.apply(x, y);
        let (back_x, back_y) = map.inverse().unwrap().apply(u, v);

        prop_assert!((back_x - x).abs() < 1e-3 && (back_y - y).abs() < 1e-3);
    }
}

#[test]
fn correspondences_that_agree_on_no_map_have_too_little_evidence() {
    let found = align(&scattered(200), QUERY, LIBRARY, PLAIN);

    assert!(found.is_none_or(|found| found.evidence < 5.0));
}

#[test]
fn a_feature_matched_many_times_counts_once() {
    let map = Affine([0.7, 0.0, 0.05, 0.0, 0.7, 0.1]);
    let mut pairs = moved(&keypoints(3), &map);
    pairs = pairs.iter().flat_map(|pair| [*pair; 10]).collect();

    let found = align(&pairs, QUERY, LIBRARY, PLAIN).unwrap();

    assert_eq!(found.inliers.len(), 3);
}

#[test]
fn a_mirrored_query_gives_a_map_that_mirrors() {
    let form = QueryForm {
        mirrored: true,
        inverted: false,
    };
    let map = Affine([0.8, 0.0, 0.0, 0.0, 0.8, 0.2]);
    let mut pairs = moved(&keypoints(30), &map);
    // The query image is the mirror of the compared form.
    let seen: Vec<Keypoint> = pairs
        .iter()
        .map(|pair| form.apply(pair.query, QUERY))
        .collect();
    for (pair, seen) in pairs.iter_mut().zip(&seen) {
        pair.query = form.apply(*seen, QUERY);
    }

    let found = align(&pairs, QUERY, LIBRARY, form).unwrap();

    assert!(found.affine.determinant() < 0.0);
    let (x, y) = found.affine.apply(QUERY.width, 0.0);
    assert!(x.abs() < 0.01 && (y - 0.2).abs() < 0.01);
}

#[test]
fn the_overlap_names_the_same_corners_in_both_images() {
    // The query shows the left half of the library image at the same scale, below a title.
    let library = ImageShape {
        width: 1.0,
        height: 0.5,
    };
    let query = ImageShape {
        width: 0.5,
        height: 1.0,
    };
    let map = Affine([1.0, 0.0, 0.0, 0.0, 1.0, -0.25]);

    let overlap = Overlap::new(&map, query, library).unwrap();

    assert_eq!(
        overlap.in_library,
        [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    );
    assert_eq!(
        overlap.in_query,
        [[0.0, 0.25], [1.0, 0.25], [1.0, 0.75], [0.0, 0.75]]
    );
    assert!((overlap.of_library - 0.5).abs() < 1e-6 && (overlap.of_query - 0.5).abs() < 1e-6);
}
