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
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use image::{DynamicImage, ImageFormat};
use library::Library;
use same_image::{Header, prepare_memory};

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

#[test]
fn no_image_needs_more_memory_than_its_header_announces() {
    let image = DynamicImage::ImageRgb8(draw::image(1, WIDTH, HEIGHT));
    let png = |image: DynamicImage| encoded(&image, ImageFormat::Png);
    let deep = png(image.to_rgba16().into());
    let jpeg = draw::jpeg(&image.to_rgb8(), 90);
    let library = Library::new();

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
