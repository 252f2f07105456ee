use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, imageops};
use proptest::prelude::*;

use super::*;
use crate::draw;

mod kinds;
mod writer;

/// The colours of the four quarters of the test image, from the top left, row by row.
const QUARTERS: [[u8; 3]; 4] = [[200, 40, 40], [40, 180, 40], [40, 40, 200], [240, 240, 240]];

fn quarters() -> RgbImage {
    RgbImage::from_fn(96, 64, |x, y| {
        Rgb(QUARTERS[usize::from(x >= 48) + 2 * usize::from(y >= 32)])
    })
}

/// Checks that a file decodes to the upright test image, within the tolerance of its compression, also
/// where half of its sides are enough.
fn assert_quarters(file: &[u8], tolerance: u8) {
    for needed_side in [u32::MAX, 1] {
        let image = DecodedImage::decode_for(needed_side, file, MAX_SIDE).unwrap();
        assert_decoded_quarters(&image, tolerance);
    }
}

fn assert_decoded_quarters(image: &DecodedImage, tolerance: u8) {
    assert_eq!((image.width(), image.height()), (96, 64));
    let width = image.pixels.width();
    for (position, expected) in [(24, 16), (72, 16), (24, 48), (72, 48)]
        .into_iter()
        .zip(QUARTERS)
    {
        let at = |along: u32| along * width / 96;
        let shown = image.pixels.get_pixel(at(position.0), at(position.1)).0;
        for (value, expected) in shown.into_iter().zip(expected) {
            assert!(
                value.abs_diff(expected) <= tolerance,
                "{position:?}: {shown:?}"
            );
        }
    }
}

#[test]
fn a_large_jpeg_is_halved_as_a_box_filter_halves_it() {
    // The odd sides are rounded up.
    let drawn = draw::image(1, 301, 203);
    let turned = with_orientation(&draw::jpeg(&drawn, 95), 6);
    let whole = DecodedImage::decode(&turned, MAX_SIDE).unwrap();
    let side = |needed_side| {
        let image = DecodedImage::decode_for(needed_side, &turned, MAX_SIDE).unwrap();
        assert_eq!((image.width(), image.height()), (203, 301));
        image.pixels.dimensions()
    };
    assert_eq!(side(151), (203, 301));
    assert_eq!(side(150), (102, 151));

    let halved = DecodedImage::decode_for(150, &turned, MAX_SIDE).unwrap();

    let expected = imageops::thumbnail(whole.grey(), 102, 151);
    let difference = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b));
    let sum: u64 = halved
        .grey
        .iter()
        .zip(expected.iter())
        .map(difference)
        .sum();
    assert!(sum < 4 * 102 * 151, "{sum}");
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn the_pixels_of_a_halved_jpeg_are_those_of_libjpeg() {
    // 97 x 67 pixels, written by Pillow; the checksums are of what its `Image.draft` reads.
    let files: [(&[u8], u64); 4] = [
        (
            include_bytes!("../../tests/data/half-420.jpg"),
            0x8de9_ed0c_b70b_ee12,
        ),
        (
            include_bytes!("../../tests/data/half-422.jpg"),
            0x24e5_0083_2f8b_4da4,
        ),
        (
            include_bytes!("../../tests/data/half-444-progressive.jpg"),
            0xe1f5_a81b_e5a1_4129,
        ),
        (
            include_bytes!("../../tests/data/half-420-progressive.jpg"),
            0x0cec_7561_d5b5_6d97,
        ),
    ];
    for (number, (file, expected)) in files.into_iter().enumerate() {
        let image = DecodedImage::decode_for(1, file, MAX_SIDE).unwrap();

        assert_eq!(image.pixels.dimensions(), (49, 34));
        assert_eq!(checksum(&image.pixels), expected, "{number}");
    }
}

/// Inserts an EXIF block with only an orientation after the start marker of a JPEG.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut file = jpeg[..2].to_vec();
    file.extend([0xff, 0xe1]);
    file.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    file.extend(exif);
    file.extend(&jpeg[2..]);
    file
}

#[test]
fn every_allowed_kind_of_file_decodes_to_the_same_image() {
    let plain = DynamicImage::ImageRgb8(quarters());

    assert_quarters(&draw::encode(&plain, ImageFormat::Png), 0);
    assert_quarters(&draw::encode(&plain, ImageFormat::Bmp), 0);
    assert_quarters(&draw::jpeg(&quarters(), 90), 12);
    assert_quarters(&draw::encode(&plain.to_rgb16().into(), ImageFormat::Png), 0);
    assert_quarters(&draw::encode(&plain.to_rgba8().into(), ImageFormat::Png), 0);
    // Drawn with Pillow, since the `image` crate cannot write these kinds.
    assert_quarters(include_bytes!("../../tests/data/progressive.jpg"), 12);
    assert_quarters(include_bytes!("../../tests/data/cmyk.jpg"), 12);
    assert_quarters(include_bytes!("../../tests/data/palette.png"), 4);
    assert_quarters(include_bytes!("../../tests/data/palette.bmp"), 4);
    // The first frame shows the quarters, the others are black.
    assert_quarters(include_bytes!("../../tests/data/animated.png"), 0);
}

#[test]
fn grey_files_of_both_depths_keep_their_brightness() {
    let bright = GrayImage::from_pixel(60, 60, Luma([180]));
    let deep = ImageBuffer::from_pixel(60, 60, Luma([180_u16 * 257]));

    for image in [
        DynamicImage::ImageLuma8(bright),
        DynamicImage::ImageLuma16(deep),
    ] {
        let image =
            DecodedImage::decode(&draw::encode(&image, ImageFormat::Png), MAX_SIDE).unwrap();
        assert!(image.grey().iter().all(|value| *value == 180));
    }
}

#[test]
fn transparency_is_blended_with_white() {
    let glass = ImageBuffer::from_fn(60, 60, |x, _| LumaA([0_u8, if x < 30 { 0 } else { 128 }]));

    let file = draw::encode(&DynamicImage::ImageLumaA8(glass), ImageFormat::Png);
    let image = DecodedImage::decode(&file, MAX_SIDE).unwrap();

    assert_eq!(image.pixels.get_pixel(10, 10).0, [255; 3]);
    assert_eq!(image.pixels.get_pixel(50, 10).0, [127; 3]);
}

#[test]
fn each_exif_orientation_is_applied() {
    let upright = quarters();
    // The stored image for each orientation, which gives the upright image when it is applied.
    let stored: [(u8, RgbImage); 8] = [
        (1, upright.clone()),
        (2, imageops::flip_horizontal(&upright)),
        (3, imageops::rotate180(&upright)),
        (4, imageops::flip_vertical(&upright)),
        (5, imageops::rotate270(&imageops::flip_horizontal(&upright))),
        (6, imageops::rotate270(&upright)),
        (7, imageops::rotate90(&imageops::flip_horizontal(&upright))),
        (8, imageops::rotate90(&upright)),
    ];

    for (orientation, image) in stored {
        assert_quarters(&with_orientation(&draw::jpeg(&image, 90), orientation), 12);
    }
}

#[test]
fn an_invalid_orientation_is_ignored() {
    assert_quarters(&with_orientation(&draw::jpeg(&quarters(), 90), 77), 12);
}

#[test]
fn sides_are_accepted_from_50_to_4096_pixels() {
    let sides = |width, height| {
        let file = draw::png(&RgbImage::new(width, height));
        DecodedImage::decode(&file, MAX_SIDE).map(|image| (image.width(), image.height()))
    };

    assert_eq!(sides(50, 4096), Ok((50, 4096)));
    assert_eq!(
        sides(49, 60),
        Err(DecodeError::Sides {
            width: 49,
            height: 60,
            max: 4096
        })
    );
    assert_eq!(
        sides(60, 49),
        Err(DecodeError::Sides {
            width: 60,
            height: 49,
            max: 4096
        })
    );
    assert_eq!(
        sides(4097, 60),
        Err(DecodeError::Sides {
            width: 4097,
            height: 60,
            max: 4096
        })
    );
}

#[test]
fn huge_sides_are_rejected_by_the_header_alone() {
    let mut jpeg = draw::jpeg(&quarters(), 90);
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);

    let rejected = DecodedImage::decode(&jpeg, MAX_SIDE).err();

    assert_eq!(
        rejected,
        Some(DecodeError::Sides {
            width: 65535,
            height: 65535,
            max: 4096
        })
    );
}

#[test]
fn a_file_of_another_format_is_rejected() {
    assert_eq!(
        DecodedImage::decode(b"", MAX_SIDE).err(),
        Some(DecodeError::Empty)
    );
    for bytes in [&b"hello"[..], b"RIFF....WAVEfmt ", b"%PDF-1.4", &[0; 100]] {
        assert_eq!(
            DecodedImage::decode(bytes, MAX_SIDE).err(),
            Some(DecodeError::UnknownFormat)
        );
    }
}

#[test]
fn a_file_above_the_size_limit_is_rejected_without_decoding() {
    let mut file = draw::png(&quarters());
    file.resize(MAX_FILE_BYTES, 0);
    assert!(DecodedImage::decode(&file, MAX_SIDE).is_ok());

    file.push(0);

    let bytes = MAX_FILE_BYTES + 1;
    assert_eq!(
        DecodedImage::decode(&file, MAX_SIDE).err(),
        Some(DecodeError::FileTooLarge { bytes })
    );
}

#[test]
fn a_thumbnail_is_a_small_jpeg_of_the_same_shape() {
    let image = DecodedImage::decode(&draw::png(&draw::image(1, 800, 200)), MAX_SIDE).unwrap();

    let thumbnail = image.thumbnail().unwrap();

    assert_eq!(image::guess_format(&thumbnail).unwrap(), ImageFormat::Jpeg);
    let shown = image::load_from_memory(&thumbnail).unwrap();
    assert_eq!((shown.width(), shown.height()), (256, 64));
}

#[test]
fn an_image_smaller_than_a_thumbnail_is_not_enlarged() {
    let image = DecodedImage::decode(&draw::png(&draw::image(1, 60, 50)), MAX_SIDE).unwrap();

    let shown = image::load_from_memory(&image.thumbnail().unwrap()).unwrap();

    assert_eq!((shown.width(), shown.height()), (60, 50));
}

/// Returns the sides of the preview of a drawn image.
fn preview_sides((width, height): (u32, u32), side: u32) -> Option<(u32, u32)> {
    let image = draw::jpeg(&draw::image(1, width, height), 90);
    let image = DecodedImage::decode(&image, MAX_SIDE).unwrap();
    let preview = image.preview(side).unwrap()?;
    assert_eq!(image::guess_format(&preview).unwrap(), ImageFormat::Jpeg);
    let shown = image::load_from_memory(&preview).unwrap();
    Some((shown.width(), shown.height()))
}

#[test]
fn a_preview_has_the_same_shape_and_is_not_enlarged() {
    assert_eq!(preview_sides((1200, 300), 512), Some((512, 128)));
    assert_eq!(preview_sides((300, 400), 512), Some((300, 400)));
}

#[test]
fn there_is_no_preview_where_the_thumbnail_has_all_pixels_and_where_none_is_asked_for() {
    assert_eq!(preview_sides((256, 200), 512), None);
    assert_eq!(preview_sides((257, 200), 512), Some((257, 200)));
    assert_eq!(preview_sides((1200, 300), 0), None);
}

#[test]
fn a_preview_of_noise_is_made_smaller_until_it_is_within_the_limit() {
    let mut chance = draw::Chance::new(1);
    let noise = image::RgbImage::from_fn(1800, 1800, |_, _| {
        let [a, b, c, ..] = chance.next().to_be_bytes();
        image::Rgb([a, b, c])
    });
    let image = DecodedImage::decode(&draw::png(&noise), MAX_SIDE).unwrap();

    let preview = image.preview(MAX_PREVIEW_SIDE).unwrap().unwrap();

    let side = image::load_from_memory(&preview).unwrap().width();
    assert!((500..1800).contains(&side), "{side}");
    assert!(preview.len() <= MAX_PREVIEW_BYTES, "{}", preview.len());
    assert!(preview.len() > MAX_PREVIEW_BYTES / 2, "{}", preview.len());
}

/// One file of each format and internal layout.
fn files() -> Vec<Vec<u8>> {
    let image = draw::image(2, 70, 50);
    vec![
        draw::png(&image),
        draw::jpeg(&image, 85),
        with_orientation(&draw::jpeg(&image, 85), 6),
        draw::encode(&DynamicImage::ImageRgb8(image.clone()), ImageFormat::Bmp),
        draw::encode(&DynamicImage::ImageRgb8(image.clone()), ImageFormat::Gif),
        draw::encode(&DynamicImage::ImageRgb8(image.clone()), ImageFormat::WebP),
        draw::encode(&DynamicImage::ImageRgb8(image), ImageFormat::Tiff),
        include_bytes!("../../tests/data/progressive.jpg").to_vec(),
        include_bytes!("../../tests/data/palette.png").to_vec(),
    ]
}

proptest! {
    #[test]
    fn a_truncated_file_is_never_accepted(file in prop::sample::select(files()), cut: prop::sample::Index) {
        let cut = cut.index(file.len() - 16);

        prop_assert!(DecodedImage::decode(&file[..cut], MAX_SIDE).is_err());
    }

    #[test]
    fn damaged_files_never_panic(
        mut file in prop::sample::select(files()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        for (position, value) in damage {
            let position = position.index(file.len());
            file[position] = value;
        }
        let sides = |image: DecodedImage| (image.width(), image.height());
        let shown = DecodedImage::decode(&file, MAX_SIDE).map(sides);
        prop_assert_eq!(shown.clone(), DecodedImage::decode_for(1, &file, MAX_SIDE).map(sides));
        if let Ok((width, height)) = shown {
            let header = Header::read(&file).unwrap();
            let (stored, shown) = ([header.width(), header.height()], [width, height]);
            prop_assert!(stored == shown || stored == [height, width]);
        }
    }
}
