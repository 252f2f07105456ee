use image::{GrayImage, imageops};

use super::*;
use crate::decode::DecodedImage;
use crate::draw;

/// Hashes of `draw::image(seed, width, height)` by Meta's C++ reference, through the Python package
/// `pdqhash` 0.2.8: `pdqhash.compute(numpy.array(PIL.Image.open(png)))`. All have quality 100.
const REFERENCE: [(u64, u32, u32, &str); 6] = [
    (
        1,
        512,
        512,
        "76c3919c6d87603193c7c68770793999e78e8c2529532b0b6c63cf3439b47cf8",
    ),
    (
        2,
        640,
        480,
        "fec0db34d05d296a76947eb4017cb2aa55b4697692ab6dc87d4492b91136ec46",
    ),
    (
        3,
        300,
        420,
        "cf8ea0a674f05ee21fe401d2a913bc5f3a7ec6b1cf91ce60d678a80b310771d4",
    ),
    (
        4,
        64,
        64,
        "6aadd4b76ab334a45a499b485a4b2266dd1a348d5556cb36acabca35abbc1549",
    ),
    (
        5,
        1500,
        1100,
        "52a29a552a5452a356dc2954d6b356cdb99ac5312c4d5ba3b338ac4e7bb392cd",
    ),
    (
        6,
        50,
        80,
        "2b83fc8f9b0723cb44f69303644f11133a0e24039a3c6fc99034cffbe7e1f0fc",
    ),
];

/// `pdqhash.compute_dihedral` of the third image, in the reference's order: unchanged, rotated by
/// 90, 180, 270 degrees, mirrored on both axes, on both diagonals.
const REFERENCE_DIHEDRAL: [&str; 8] = [
    "cf8ea0a674f05ee21fe401d2a913bc5f3a7ec6b1cf91ce60d678a80b310771d4",
    "c37c4f866307c6f49bb4468798f871dcdc41c26678d8d816818c367cd786fc99",
    "dadb0a0c21a7f6484ab5ab78fc4616f57f2b6c1b9ac464ca832d02a16552db7e",
    "9629652c36526c5ecee1ec2dcdaddb74891468cc2c8d72bcd4d994d682d35633",
    "8f8e5f597470a11d1fe0fe2da91343800a7e394ecf11319fd67857f430078e2b",
    "9adbf5f321250bb74ab15487fc46e90a5f2b93e49a449b35832dfd5e64522481",
    "c37cb0796387398b9bb4b97898f88e23fc613d9978d827e9818cc983d7860366",
    "96299ad336d293a1cee113d2ddad248ba93497332d8d8d43d4d96b29a2d3a9cc",
];

/// How far implementations may differ, in bits: Meta's own bound for a conforming one.
const CONFORMING: u32 = 10;

fn grey(seed: u64, width: u32, height: u32) -> GrayImage {
    DecodedImage::decode(
        &draw::png(&draw::image(seed, width, height)),
        crate::MAX_SIDE,
    )
    .unwrap()
    .grey()
    .clone()
}

fn parse(hex: &str) -> PdqHash {
    let word = |index: usize| u64::from_str_radix(&hex[16 * index..16 * (index + 1)], 16).unwrap();
    PdqHash([word(3), word(2), word(1), word(0)])
}

#[test]
fn hashes_agree_with_the_reference_implementation() {
    for (seed, width, height, reference) in REFERENCE {
        let digest = PdqDigest::of(&grey(seed, width, height));

        let distance = digest.hash().distance(&parse(reference));
        assert!(
            distance <= CONFORMING,
            "{width} x {height}: {distance} bits"
        );
        assert_eq!(digest.quality(), 100);
    }
}

#[test]
fn each_rotated_and_mirrored_hash_agrees_with_the_reference() {
    let ours = PdqDigest::of(&grey(3, 300, 420)).dihedral();

    let order_in_reference = [0, 5, 4, 2, 6, 3, 1, 7];
    for (hash, index) in ours.iter().zip(order_in_reference) {
        assert!(
            hash.distance(&parse(REFERENCE_DIHEDRAL[index])) <= CONFORMING,
            "{index}"
        );
    }
}

#[test]
fn a_rotated_or_mirrored_image_has_one_of_the_eight_hashes() {
    let original = grey(7, 400, 300);
    let hashes = PdqDigest::of(&original).dihedral();

    let rotated = [
        imageops::rotate90(&original),
        imageops::rotate180(&original),
        imageops::rotate270(&original),
        imageops::flip_horizontal(&original),
        imageops::flip_vertical(&original),
    ];

    for image in &rotated {
        let hash = PdqDigest::of(image).hash();
        let nearest = hashes
            .iter()
            .map(|variant| variant.distance(&hash))
            .min()
            .unwrap();
        // Blocks of an uneven number of pixels are sampled off centre, and turning moves the centre
        // to the other side.
        assert!(nearest <= MAX_DISTANCE, "{nearest} bits");
    }
}

#[test]
fn other_images_are_far_apart() {
    let hashes: Vec<_> = (10..40)
        .map(|seed| PdqDigest::of(&grey(seed, 200, 150)))
        .collect();

    for (index, query) in hashes.iter().enumerate() {
        for other in &hashes[..index] {
            let nearest = query
                .dihedral()
                .iter()
                .map(|hash| hash.distance(&other.hash()))
                .min();
            assert!(nearest.unwrap() > 2 * MAX_DISTANCE);
        }
    }
}

#[test]
fn a_flat_image_has_no_quality() {
    assert_eq!(
        PdqDigest::of(&GrayImage::from_pixel(90, 90, image::Luma([77]))).quality(),
        0
    );
}

#[test]
fn the_bytes_of_a_hash_read_back() {
    let hash = parse(REFERENCE[0].3);

    assert_eq!(PdqHash::from_bytes(hash.to_bytes()), hash);
    assert_eq!(format!("{hash:?}"), REFERENCE[0].3);
}

#[test]
fn the_forms_of_a_stored_hash_are_near_those_of_its_image() {
    for seed in 0..10 {
        let digest = PdqDigest::of(&grey(seed, 200, 150));

        let pairs = digest.hash().dihedral().into_iter().zip(digest.dihedral());

        for (form, (of_hash, of_image)) in pairs.enumerate() {
            let distance = of_hash.distance(&of_image);
            assert!(
                distance < MAX_DISTANCE,
                "image {seed}, form {form}: {distance} bits"
            );
        }
    }
}
