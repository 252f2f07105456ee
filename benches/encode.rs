//! Speed of the upstream body's encoder against the parts it replaces.
//!
//! Random bytes, as picture files are; throughput counts bytes of the picture.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use samegate::library::rest::encode::Form;

/// A thumbnail, a web picture, the greatest picture the vendor takes.
const PICTURE_BYTES: [usize; 3] = [30_000, 300_000, 2_800_000];

fn encoders(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for size in PICTURE_BYTES {
        let mut picture = vec![0; size];
        blake3::Hasher::new().finalize_xof().fill(&mut picture);
        let picture = Bytes::from(picture);

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(
            BenchmarkId::new("one_pass", size),
            &picture,
            |bench, picture| {
                bench.iter(|| {
                    let form = Form::new(black_box(Some(picture.clone())), &[]);
                    form.map(|form| form.pieces().map(black_box).count())
                });
            },
        );
        let id = BenchmarkId::new("base64_then_form_urlencoded", size);
        group.bench_with_input(id, &picture, |bench, picture| {
            bench.iter(|| {
                form_urlencoded::Serializer::new(String::new())
                    .append_pair("image", &STANDARD.encode(black_box(picture)))
                    .finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encoders);
criterion_main!(benches);
