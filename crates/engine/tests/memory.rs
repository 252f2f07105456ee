//! The memory of preparing an image stays within what its header announces.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]
#![allow(
    clippy::print_stdout,
    reason = "the figures are a measurement: --nocapture shows them"
)]
#![allow(
    unsafe_code,
    reason = "an allocator that counts cannot be written without"
)]

#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use image::{DynamicImage, ImageFormat};
use library::Library;
use same_image::{Header, MAX_PREVIEW_SIDE, prepare_memory};

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let allocated = ALLOCATED.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(allocated, Relaxed);
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Held by a test while it counts: the counters are those of the process.
static COUNTED: Mutex<()> = Mutex::new(());

/// Returns the peak of what `work` allocates.
fn peak<T>(work: impl FnOnce() -> T) -> u64 {
    let before = ALLOCATED.load(Relaxed);
    PEAK.store(before, Relaxed);
    drop(work());
    (PEAK.load(Relaxed) - before) as u64
}

const WIDTH: u32 = 2400;
const HEIGHT: u32 = 1800;

/// An EXIF block with nothing but the orientation "rotate by 90 degrees".
const ROTATED: [u8; 26] = *b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Adds the rotation to a PNG, in a chunk after the header.
fn rotated_png(png: &[u8]) -> Vec<u8> {
    let (head, rest) = png.split_at(33);
    let mut chunk = b"eXIf".to_vec();
    chunk.extend(ROTATED);
    let length = u32::try_from(ROTATED.len()).unwrap().to_be_bytes();
    [head, &length, &chunk, &crc(&chunk).to_be_bytes(), rest].concat()
}

/// Computes the checksum of a chunk (PNG specification, annex D).
fn crc(chunk: &[u8]) -> u32 {
    !chunk.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

/// Adds the rotation to a JPEG, in a segment after the first marker.
fn rotated_jpeg(jpeg: &[u8]) -> Vec<u8> {
    let exif = [b"Exif\0\0".as_slice(), &ROTATED].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// A chunk of a WebP that announces a length, which need not be that of its data.
fn riff(kind: &[u8; 4], announced: usize, data: &[u8]) -> Vec<u8> {
    let announced = u32::try_from(announced).unwrap().to_le_bytes();
    let padding = [0].repeat(data.len() % 2);
    [&kind[..], &announced, data, &padding].concat()
}

/// An extended WebP with these flags and chunks, 100 pixels wide and high.
fn webp(flags: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let canvas = riff(b"VP8X", 10, &[flags, 0, 0, 0, 99, 0, 0, 99, 0, 0]);
    let body = [&b"WEBP"[..], &canvas, &chunks.concat()].concat();
    riff(b"RIFF", body.len(), &body)
}

/// The pixels of a lossless WebP of 100 pixels width and height.
fn webp_pixels() -> Vec<u8> {
    let image = DynamicImage::ImageRgb8(draw::image(1, 100, 100));
    encoded(&image, ImageFormat::WebP)[12..].to_vec()
}

/// WebP files whose chunks announce more than they have, or more than the canvas needs.
fn hostile_webp() -> Vec<(&'static str, Vec<u8>)> {
    const MAX: usize = u32::MAX as usize - 1;
    let (pixels, lossy) = (webp_pixels(), b"\0\0\0\x9d\x01\x2a\x64\0\x64\0".to_vec());
    // Position, sides less 1, duration and flags of a frame.
    let frame = |chunks: &[u8]| {
        let head = [0, 0, 0, 0, 0, 0, 99, 0, 0, 99, 0, 0, 0, 0, 0, 0];
        let data = [&head[..], chunks].concat();
        riff(b"ANMF", data.len(), &data)
    };
    let animation = riff(b"ANIM", 6, &[0; 6]);
    let alpha = |announced| riff(b"ALPH", announced, &[0; 50]);
    let lossy = riff(b"VP8 ", lossy.len(), &lossy);
    vec![
        (
            "WebP, profile of 4 GB",
            webp(0x20, &[riff(b"ICCP", MAX, b"profile"), pixels.clone()]),
        ),
        (
            "WebP, profile of 4 GB behind the pixels",
            webp(0x20, &[pixels.clone(), riff(b"ICCP", MAX, b"profile")]),
        ),
        (
            "WebP, EXIF of 4 GB",
            webp(0x08, &[pixels.clone(), riff(b"EXIF", MAX, b"II")]),
        ),
        (
            "WebP, pixels of 4 GB",
            webp(0, &[riff(b"VP8L", MAX, &pixels[8..40])]),
        ),
        (
            "WebP, animation",
            webp(0x02, &[animation.clone(), frame(&pixels)]),
        ),
        (
            "WebP, animation with alpha of 4 GB",
            webp(
                0x12,
                &[
                    animation.clone(),
                    frame(&[alpha(MAX), lossy.clone()].concat()),
                ],
            ),
        ),
        (
            "WebP, animation with alpha",
            webp(
                0x12,
                &[animation, frame(&[alpha(50), lossy.clone()].concat())],
            ),
        ),
        ("WebP, alpha", webp(0x10, &[alpha(50), lossy])),
    ]
}

/// A TIFF of 100 pixels width and height whose directory has these fields: tag, type, count, value.
fn tiff(fields: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let sides = [(256, 4, 1, 100), (257, 4, 1, 100)];
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    let count = u16::try_from(sides.len() + fields.len()).unwrap();
    file.extend(count.to_le_bytes());
    for (tag, kind, count, value) in sides.iter().chain(fields) {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 30_000]);
    file
}

/// TIFF files whose fields announce more than the file has.
fn hostile_tiff() -> Vec<(&'static str, Vec<u8>)> {
    const MAX: u32 = u32::MAX - 1;
    let rgb = [(258, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, 3)];
    let with = |fields: &[(u16, u16, u32, u32)]| tiff(&[&rgb[..], fields].concat());
    vec![
        (
            "TIFF, strip of 4 GB",
            with(&[(273, 4, 1, 200), (278, 4, 1, 100), (279, 4, 1, MAX)]),
        ),
        (
            "TIFF, 4 billion strips",
            with(&[(273, 4, MAX, 8), (278, 4, 1, 1), (279, 4, MAX, 8)]),
        ),
        (
            "TIFF, rows of 4 billion",
            with(&[(273, 4, 1, 200), (278, 4, 1, MAX), (279, 4, 1, 30_000)]),
        ),
        (
            "TIFF, profile of 4 GB",
            with(&[
                (273, 4, 1, 200),
                (278, 4, 1, 100),
                (279, 4, 1, 30_000),
                (34_675, 7, MAX, 8),
            ]),
        ),
        (
            "TIFF, 4 billion bit depths",
            tiff(&[(258, 3, MAX, 8), (277, 3, 1, 3)]),
        ),
    ]
}

/// A GIF with a logical screen and one frame of these sides, and no colours.
fn gif(screen: u16, frame: u16) -> Vec<u8> {
    let side = screen.to_le_bytes();
    let mut file = [
        &b"GIF89a"[..],
        &side,
        &side,
        &[0x80, 0, 0, 0, 0, 0, 255, 255, 255],
    ]
    .concat();
    let side = frame.to_le_bytes();
    file.extend(
        [
            &b"\x2c\0\0\0\0"[..],
            &side,
            &side,
            &[0, 2, 2, 0x44, 1, 0, 0x3b],
        ]
        .concat(),
    );
    file
}

#[test]
fn a_hostile_file_needs_no_more_memory_than_its_header_announces() {
    let _counted = COUNTED.lock().unwrap();
    let library = Library::with_previews(MAX_PREVIEW_SIDE);
    let rgba = DynamicImage::ImageRgb8(draw::image(1, 100, 100)).to_rgba8();
    let mut large_bmp = encoded(&rgba.into(), ImageFormat::Bmp);
    // Two planes: the file is repaired in a copy.
    large_bmp[26] = 2;
    large_bmp.extend(vec![0; 50 << 20]);
    let image = DynamicImage::ImageRgb8(draw::image(1, WIDTH, HEIGHT));
    let png = encoded(&image, ImageFormat::Png);
    let mut files = vec![
        ("GIF, frame of 65,535", gif(100, u16::MAX)),
        (
            "GIF, frame of 65,535 on its screen",
            gif(u16::MAX, u16::MAX),
        ),
        ("BMP, repaired, 50 MB behind it", large_bmp),
        ("PNG without its end", png[..png.len() - 12].to_vec()),
    ];
    files.extend(hostile_webp());
    files.extend(hostile_tiff());
    let mut failures = Vec::new();
    for (name, file) in files {
        let header = Header::read(&file);
        let announced = header.as_ref().map_or(1 << 20, prepare_memory);

        let add = peak(|| library.engine.prepare(&file));

        println!(
            "{name}: {announced} announced, {add} for an add, {:?}",
            header.err()
        );
        if add > announced {
            failures.push(format!("{name}: {add} of {announced}"));
        }
    }
    assert_eq!(failures, [""; 0]);
}

#[test]
fn no_image_needs_more_memory_than_its_header_announces() {
    let _counted = COUNTED.lock().unwrap();
    let image = DynamicImage::ImageRgb8(draw::image(1, WIDTH, HEIGHT));
    let png = |image: DynamicImage| encoded(&image, ImageFormat::Png);
    let deep = png(image.to_rgba16().into());
    let jpeg = draw::jpeg(&image.to_rgb8(), 90);
    let library = Library::with_previews(MAX_PREVIEW_SIDE);

    for (name, file) in [
        ("16-bit RGBA, rotated", rotated_png(&deep)),
        ("16-bit RGBA", deep),
        ("16-bit RGB", png(image.to_rgb16().into())),
        ("16-bit grey", png(image.to_luma16().into())),
        ("RGBA, rotated", rotated_png(&png(image.to_rgba8().into()))),
        ("RGB", png(image.clone())),
        ("grey", png(image.to_luma8().into())),
        ("BMP", encoded(&image.to_rgba8().into(), ImageFormat::Bmp)),
        ("GIF", encoded(&image, ImageFormat::Gif)),
        ("WebP", encoded(&image, ImageFormat::WebP)),
        (
            "WebP, RGBA",
            encoded(&image.to_rgba8().into(), ImageFormat::WebP),
        ),
        ("TIFF", encoded(&image, ImageFormat::Tiff)),
        (
            "16-bit TIFF",
            encoded(&image.to_rgba16().into(), ImageFormat::Tiff),
        ),
        ("JPEG, rotated", rotated_jpeg(&jpeg)),
        ("JPEG", jpeg),
    ] {
        let announced = prepare_memory(&Header::read(&file).unwrap());

        let add = peak(|| library.engine.prepare(&file));
        let query = peak(|| library.engine.prepare_query(&file));

        println!("{name}: {announced} announced, {add} for an add, {query} for a query");
        assert!(
            add.max(query) <= announced,
            "{name}: {add}, {query} of {announced}"
        );
        assert!(announced <= 3 * add.max(query), "{name}: too careful");
    }
}
