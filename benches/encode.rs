//! Speed of the form encoder against the two steps that it replaces.
//!
//! The images are random bytes; throughput counts bytes of the image.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use samegate::library::rest::encode::Form;

/// A thumbnail, a web image, and the maximum that the vendor accepts.
const IMAGE_BYTES: [usize; 3] = [30_000, 300_000, 2_800_000];

fn encoders(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for size in IMAGE_BYTES {
        let mut image = vec![0; size];
        blake3::Hasher::new().finalize_xof().fill(&mut image);
        let image = Bytes::from(image);

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(
            BenchmarkId::new("one_pass", size),
            &image,
            |bench, image| {
                bench.iter(|| {
                    let form = Form::new(black_box(Some(image.clone())), &[]);
                    form.map(|form| form.pieces().map(black_box).count())
                });
            },
        );
        let id = BenchmarkId::new("base64_then_form_urlencoded", size);
        group.bench_with_input(id, &image, |bench, image| {
            bench.iter(|| {
                form_urlencoded::Serializer::new(String::new())
                    .append_pair("image", &STANDARD.encode(black_box(image)))
                    .finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encoders);
criterion_main!(benches);
