//! Unusual files that viewers show: each shows the same quarters here.

use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, RgbaImage};

use super::error::broken;
use super::writer::{Jpeg, bmp, segment};
use super::*;

const JFIF: &[u8] = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
const ADOBE_WITHOUT_TRANSFORM: &[u8] = b"Adobe\0\x64\0\0\0\0\0";

fn reason(file: &[u8]) -> String {
    DecodedImage::decode(file, MAX_SIDE)
        .err()
        .expect("it is rejected")
        .to_string()
}

#[test]
fn a_jpeg_may_have_any_sampling_and_any_scans() {
    let whole = [(1, 1), (1, 1), (1, 1)];
    let quarter = [(2, 2), (1, 1), (1, 1)];
    let samplings = [
        whole,
        quarter,
        [(2, 1), (1, 1), (1, 1)],
        [(1, 2), (1, 1), (1, 1)],
        [(4, 1), (1, 1), (1, 1)],
        [(4, 2), (1, 1), (1, 1)],
        [(3, 1), (1, 1), (1, 1)],
        // Luma has fewer samples than chroma.
        [(1, 1), (2, 2), (2, 2)],
        [(2, 2), (2, 1), (1, 2)],
    ];
    let scans = [
        vec![vec![0, 1, 2]],
        vec![vec![0], vec![1], vec![2]],
        vec![vec![2, 1], vec![0]],
    ];
    for sampling in samplings {
        for scans in &scans {
            let scans = scans.clone();
            assert_quarters(
                &Jpeg {
                    sampling,
                    scans,
                    ..Jpeg::default()
                }
                .file(),
                3,
            );
        }
    }
    let fraction = [(3, 1), (2, 1), (1, 1)];
    let file = Jpeg {
        sampling: fraction,
        ..Jpeg::default()
    }
    .file();
    assert!(reason(&file).contains("does not cover whole pixels"));
}

#[test]
fn bytes_between_the_segments_of_a_jpeg_are_skipped() {
    for stray in [
        b"\xff\xff\xff".to_vec(),
        b"stray \0".to_vec(),
        vec![0xff, 0],
    ] {
        assert_quarters(
            &Jpeg {
                stray,
                ..Jpeg::default()
            }
            .file(),
            3,
        );
    }
    // The number of lines, repeated after the scan.
    let mut file = Jpeg::default().file();
    let end = file.len() - 2;
    file.splice(end..end, segment(0xdc, &[0, 64]));
    assert_quarters(&file, 3);
    let file = Jpeg {
        height: 0,
        ..Jpeg::default()
    }
    .file();
    assert!(reason(&file).contains("its header has no height"));
}

#[test]
fn a_jpeg_without_its_end_is_accepted_only_with_all_of_its_rows() {
    for scans in [vec![vec![0, 1, 2]], vec![vec![0], vec![1], vec![2]]] {
        let file = Jpeg {
            scans,
            ..Jpeg::default()
        }
        .file();
        let complete = &file[..file.len() - 2];
        assert_quarters(complete, 3);

        for cut in [4, 20, 60] {
            let mut file = complete[..complete.len() - cut].to_vec();
            assert_eq!(
                DecodedImage::decode(&file, MAX_SIDE).err(),
                Some(DecodeError::Truncated)
            );
            file.extend([0xff, 0xd9]);
            assert_eq!(
                DecodedImage::decode(&file, MAX_SIDE).err(),
                Some(DecodeError::Truncated)
            );
        }
    }
}

#[test]
fn a_damaged_interval_of_a_jpeg_costs_only_itself() {
    let jpeg = Jpeg {
        interval: 2,
        ..Jpeg::default()
    };
    let mut file = jpeg.file();
    assert_quarters(&file, 3);
    let second = file
        .windows(2)
        .position(|pair| pair == [0xff, 0xd0])
        .unwrap();
    file.splice(second + 4..second + 4, [0xff, 0x9a]);
    let image = DecodedImage::decode(&file, MAX_SIDE).unwrap();
    // The blocks of the next interval.
    assert!(
        image.pixels.get_pixel(72, 8).0[1] > 170,
        "{:?}",
        image.pixels.get_pixel(72, 8)
    );

    // Without restart markers everything after it is lost.
    let mut file = Jpeg::default().file();
    let middle = file.len() - 60;
    file.splice(middle..middle, [0xff, 0x9a]);
    assert_eq!(
        DecodedImage::decode(&file, MAX_SIDE).err(),
        Some(DecodeError::Truncated)
    );
}

#[test]
fn jfif_means_ycbcr_whatever_else_a_jpeg_says() {
    let jfif = segment(0xe0, JFIF);
    let adobe = segment(0xee, ADOBE_WITHOUT_TRANSFORM);
    let both = [&jfif[..], &adobe].concat();
    for (ids, head, is_rgb) in [
        (*b"RGB", jfif.clone(), false),
        ([1, 2, 3], both, false),
        ([1, 2, 3], adobe, true),
        (*b"RGB", Vec::new(), true),
        ([7, 8, 9], Vec::new(), false),
    ] {
        let sampling = [(1, 1); 3];
        assert_quarters(
            &Jpeg {
                ids,
                head,
                is_rgb,
                sampling,
                ..Jpeg::default()
            }
            .file(),
            3,
        );
    }
}

#[test]
fn the_first_exif_block_counts_and_its_orientation_may_be_long() {
    let stored = draw::jpeg(&imageops::rotate270(&quarters()), 90);
    assert_quarters(&with_orientation(&with_orientation(&stored, 1), 6), 12);

    let mut long = with_orientation(&stored, 6);
    let entry = long
        .windows(4)
        .position(|bytes| bytes == [0x01, 0x12, 0, 3])
        .unwrap();
    long[entry + 3] = 4;
    long[entry + 8..entry + 12].copy_from_slice(&[0, 0, 0, 6]);
    assert_quarters(&long, 12);
}

/// A progressive grey JPEG of empty blocks: a scan of the DC coefficients, and further ones with one
/// AC coefficient each, of which a code of 15 bits is 16,384 blocks.
fn progressive(side: u16, scans: usize) -> Vec<u8> {
    let blocks = usize::from(side.div_ceil(8)).pow(2);
    // The only code of each table is a 0: no difference of DC, and a run of empty blocks.
    let table = |class: u8, symbol: u8| {
        let mut table = vec![class, 1];
        table.extend([0; 15]);
        table.push(symbol);
        segment(0xc4, &table)
    };
    let [high, low] = side.to_be_bytes();
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xdb, &[&[0][..], &[8; 64]].concat()));
    file.extend([table(0, 0), table(0x10, 0xe0)].concat());
    file.extend(segment(0xc2, &[8, high, low, high, low, 1, 1, 0x11, 0]));
    file.extend(segment(0xda, &[1, 1, 0, 0, 0, 0]));
    file.extend(vec![0; blocks.div_ceil(8)]);
    for scan in 1..scans {
        let band = u8::try_from(1 + scan % 63).unwrap();
        file.extend(segment(0xda, &[1, 1, 0, band, band, 0]));
        file.extend(vec![0; (15 * blocks.div_ceil(1 << 14)).div_ceil(8)]);
    }
    file.extend([0xff, 0xd9]);
    file
}

#[test]
fn a_large_progressive_jpeg_may_have_fewer_scans_than_a_small_one() {
    for (side, scans) in [(64, 100), (2048, 96), (4096, 24)] {
        DecodedImage::decode(&progressive(side, scans), MAX_SIDE).unwrap();

        let rejected = reason(&progressive(side, scans + 1));
        assert!(
            rejected.contains(&format!("more than {scans} scans")),
            "{rejected}"
        );
    }
}

#[test]
fn the_header_of_a_jpeg_is_not_searched_behind_thousands_of_segments() {
    let with = |segments: usize| Jpeg {
        head: segment(0xfe, b"comment").repeat(segments),
        ..Jpeg::default()
    };
    assert_quarters(&with(4000).file(), 12);

    let file = with(4096).file();
    assert!(reason(&file).contains("more than 4096 segments"));
    assert_eq!(
        Header::read(&file).unwrap_err(),
        broken("it has more than 4096 segments")
    );
}

/// A chunk of a PNG with its checksum (PNG specification, annex D).
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let crc = !body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    });
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], &body, &crc.to_be_bytes()].concat()
}

#[test]
fn a_png_without_its_end_is_accepted_only_with_all_of_its_rows() {
    let file = draw::png(&quarters());
    let complete = &file[..file.len() - 12];
    assert_quarters(complete, 0);
    assert_quarters(&[complete, b"\0\0\0\x05tEXtcut"].concat(), 0);

    // Half of the compressed rows, in a chunk of their own.
    let data = file.windows(4).position(|bytes| bytes == b"IDAT").unwrap();
    let rows = &file[data + 4..file.len() - 16];
    let half = chunk(b"IDAT", &rows[..rows.len() / 2]);
    for end in [&[][..], &file[file.len() - 12..]] {
        let file = [&file[..data - 4], &half, end].concat();
        assert!(DecodedImage::decode(&file, MAX_SIDE).is_err());
    }
}

#[test]
fn exif_of_a_png_may_be_behind_its_pixels() {
    let stored = draw::png(&imageops::rotate270(&quarters()));
    let (pixels, end) = stored.split_at(stored.len() - 12);
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

    assert_quarters(&[pixels, &chunk(b"eXIf", exif), end].concat(), 0);
}

#[test]
fn a_png_of_apple_is_rejected_with_its_name() {
    let file = draw::png(&quarters());
    let file = [
        &file[..8],
        &chunk(b"CgBI", &[0x50, 0, 0x20, 0x02]),
        &file[8..],
    ]
    .concat();

    assert!(reason(&file).contains("CgBI"));
}

#[test]
fn every_header_of_a_bmp_is_read() {
    let windows = |height: i32, planes: u16, length: usize| {
        let mut fields = 96_i32.to_le_bytes().to_vec();
        fields.extend(height.to_le_bytes());
        fields.extend(planes.to_le_bytes());
        fields.extend([24, 0]);
        fields.resize(length - 4, 0);
        fields
    };
    assert_quarters(&bmp(&windows(64, 1, 40), None, false), 0);
    assert_quarters(&bmp(&windows(-64, 1, 40), None, true), 0);
    assert_quarters(&bmp(&windows(64, 0, 40), None, false), 0);
    // OS/2 2.x with all fields and with the fewest; OS/2 1.x.
    assert_quarters(&bmp(&windows(64, 1, 64), None, false), 0);
    assert_quarters(&bmp(&windows(64, 1, 16), None, false), 0);
    assert_quarters(&bmp(&[96, 0, 64, 0, 1, 0, 24, 0], None, false), 0);
}

#[test]
fn a_bmp_whose_alpha_is_zero_everywhere_is_opaque() {
    let mut fields = 96_i32.to_le_bytes().to_vec();
    fields.extend(64_i32.to_le_bytes());
    fields.extend([1, 0, 32, 0, 3, 0, 0, 0]);
    fields.resize(36, 0);
    for mask in [0x00ff_0000_u32, 0xff00, 0xff, 0xff00_0000] {
        fields.extend(mask.to_le_bytes());
    }
    fields.resize(120, 0);

    assert_quarters(&bmp(&fields, Some(0), false), 0);
    assert_quarters(&bmp(&fields, Some(255), false), 0);
}

#[test]
fn webp_tiff_and_the_first_frame_of_a_gif_are_decoded() {
    let plain = DynamicImage::ImageRgb8(quarters());
    assert_quarters(&draw::encode(&plain, ImageFormat::WebP), 0);
    assert_quarters(
        &draw::encode(&plain.to_rgba8().into(), ImageFormat::WebP),
        0,
    );
    assert_quarters(&draw::encode(&plain, ImageFormat::Tiff), 0);
    assert_quarters(
        &draw::encode(&plain.to_rgb16().into(), ImageFormat::Tiff),
        0,
    );

    let mut file = Vec::new();
    let delay = Delay::from_numer_denom_ms(100, 1);
    let mut encoder = GifEncoder::new(&mut file);
    encoder.encode_frame(Frame::new(plain.to_rgba8())).unwrap();
    let black = RgbaImage::from_pixel(20, 20, image::Rgba([0, 0, 0, 255]));
    encoder
        .encode_frame(Frame::from_parts(black, 10, 10, delay))
        .unwrap();
    drop(encoder);
    assert_quarters(&file, 8);
}

/// A disc on a transparent ground.
fn icon(colour: [u8; 3]) -> DecodedImage {
    let [r, g, b] = colour;
    let image = RgbaImage::from_fn(64, 64, |x, y| {
        let is_inside = x.abs_diff(32).pow(2) + y.abs_diff(32).pow(2) < 400;
        image::Rgba([r, g, b, if is_inside { 255 } else { 0 }])
    });
    DecodedImage::decode(&draw::encode(&image.into(), ImageFormat::Png), MAX_SIDE).unwrap()
}

#[test]
fn a_white_icon_is_shown_on_black_and_every_other_one_on_white() {
    for colour in [[255; 3], [250, 250, 245]] {
        let white = icon(colour);
        assert_eq!(white.pixels.get_pixel(0, 0).0, [0; 3]);
        assert_eq!(white.pixels.get_pixel(32, 32).0, colour);
    }
    for colour in [[0; 3], [128; 3], [220, 40, 40], [200, 200, 90]] {
        assert_eq!(icon(colour).pixels.get_pixel(0, 0).0, [255; 3]);
    }
}

/// Builds a bitmap of 50 x 50 pixels in runs of 8 bits, with so many rows.
fn bmp_in_runs(rows: usize) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.extend([0; 8]);
    file.extend(1078_u32.to_le_bytes());
    for number in [40_u32, 50, 50, 1 | 8 << 16, 1, 0, 0, 0, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend((0..=255_u8).flat_map(|grey| [grey, grey, grey, 0]));
    for row in 0..rows {
        file.extend([50, u8::try_from(row).unwrap(), 0, 0]);
    }
    file.extend([0, 1]);
    file
}

#[test]
fn a_bitmap_in_runs_needs_all_of_its_rows() {
    assert!(DecodedImage::decode(&bmp_in_runs(50), MAX_SIDE).is_ok());
    for rows in [0, 1, 48] {
        let rejected = DecodedImage::decode(&bmp_in_runs(rows), MAX_SIDE).err();
        assert_eq!(rejected, Some(DecodeError::Truncated), "{rows}");
    }
}

/// Builds a TIFF of 50 x 50 pixels whose directory has these numbers besides.
fn tiff(fields: &[(u16, u32)]) -> Vec<u8> {
    let sides = [(256, 50), (257, 50)];
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    let count = u16::try_from(sides.len() + fields.len()).unwrap();
    file.extend(count.to_le_bytes());
    for (tag, number) in sides.iter().chain(fields) {
        file.extend(tag.to_le_bytes());
        file.extend([4, 0, 1, 0, 0, 0]);
        file.extend(number.to_le_bytes());
    }
    file.extend([0; 100]);
    file
}

#[test]
fn what_the_decoder_of_tiff_does_not_limit_is_rejected_by_the_header() {
    assert!(Header::read(&tiff(&[(259, 5), (277, 3), (322, 64), (323, 64)])).is_ok());
    for (fields, reason) in [
        (&[(322, u32::MAX - 15)][..], "tiles are larger"),
        (&[(323, 1_000_000)], "tiles are larger"),
        (&[(277, 65_535)], "too many samples"),
        (&[(259, 7)], "compression is not supported"),
        (&[(258, 8), (258, 64)], "twice"),
    ] {
        let rejected = Header::read(&tiff(fields)).unwrap_err().to_string();
        assert!(rejected.contains(reason), "{rejected}");
    }
}

/// Builds an extended WebP of 50 x 50 pixels with the header of a frame of these sides; `parts` are
/// before the frame.
fn webp(parts: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x31\0\0\x31\0\0".to_vec();
    file.extend(parts);
    file.extend(b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a");
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file
}

#[test]
fn exif_rotates_a_webp_unless_it_is_damaged() {
    let stored = DynamicImage::ImageRgb8(imageops::rotate270(&quarters()));
    let pixels = &draw::encode(&stored, ImageFormat::WebP)[12..];
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let with = |length: u32, exif: &[u8]| {
        let canvas = b"WEBPVP8X\x0a\0\0\0\x08\0\0\0\x3f\0\0\x5f\0\0";
        let body = [canvas, pixels, b"EXIF", &length.to_le_bytes(), exif].concat();
        let size = u32::try_from(body.len()).unwrap().to_le_bytes();
        [b"RIFF", &size[..], &body].concat()
    };

    assert_quarters(&with(26, exif), 0);
    assert_quarters(&with(32, &[b"Exif\0\0", &exif[..]].concat()), 0);
    let upright = DecodedImage::decode(&with(u32::MAX, exif), MAX_SIDE).unwrap();
    assert_eq!((upright.width(), upright.height()), (64, 96));
}

#[test]
fn a_webp_whose_frame_is_larger_than_its_canvas_is_rejected_by_the_header() {
    let animated = |side: u8| {
        let mut part = b"ANMF\0\0\0\0\0\0\0\0\0\0".to_vec();
        part.extend([side - 1, 0, 0, side - 1, 0, 0, 0, 0, 0, 0]);
        part
    };
    let odd = b"ICCP\x03\0\0\0abc\0";

    for file in [
        webp(b"", 50, 50),
        webp(odd, 50, 50),
        webp(&odd.repeat(4000), 50, 50),
        webp(&animated(30), 30, 30),
    ] {
        assert_eq!(Header::read(&file).unwrap().pixels(), 2500);
    }
    for file in [
        webp(b"", 16_383, 16_383),
        webp(odd, 50, 51),
        webp(&odd.repeat(5000), 50, 50),
        webp(&animated(30), 50, 50),
        webp(&animated(51), 51, 51),
    ] {
        assert!(matches!(
            Header::read(&file),
            Err(DecodeError::Broken { .. })
        ));
    }
}
