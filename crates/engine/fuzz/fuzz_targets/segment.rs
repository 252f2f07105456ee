//! Changes bytes of a segment file, with or without a correct checksum: it is rejected, or searched
//! and merged without a panic. With the old checksum it is always rejected.
//!
//! The input is a list of changes of four bytes: section of the file, offset in it (16 bits), new
//! value.

#![no_main]

use std::convert::Infallible;
use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use same_image::features::{Features, GreyView, QueryFeatures, extract, extract_query};
use same_image::index::{Images, Index, MergeScope, SearchOptions, Segment, MergeOptions};
use tempfile::TempDir;

const LIBRARY: u64 = 5;
const CHECKSUM: usize = 32;
/// Header and entries of the two images.
const HEAD: usize = 32 + 2 * 10;
static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

struct Fixture {
    folder: TempDir,
    file: Vec<u8>,
    /// Offset of the postings.
    postings: usize,
    features: Features,
    query: QueryFeatures,
}

impl Images for Fixture {
    type Error = Infallible;

    fn admits(&self, _id: u64) -> bool {
        true
    }

    fn features(&self, _id: u64) -> Result<Option<Features>, Infallible> {
        Ok(Some(self.features.clone()))
    }
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let pixels: Vec<u8> = (0..200 * 100).map(|at: u32| (at * at / 7 >> 4) as u8).collect();
    let view = GreyView::new(&pixels, 200, 100).expect("200 × 100 pixels");
    let features = extract(&view);
    let index = Index::new();
    index.insert(1, &features);
    index.insert(2, &features);
    let folder = tempfile::tempdir().expect("a folder for files");
    let path = folder.path().join("0.segment");
    let merge = index.plan_merge(MergeScope::All).expect("two images");
    merge.write(&path, options()).expect("a written segment");
    let file = fs::read(&path).expect("a segment");
    let postings = file.len() - CHECKSUM - 2 * 8 * features.features.len();
    Fixture {
        folder,
        file,
        postings,
        features,
        query: extract_query(&view),
    }
});

fn options() -> MergeOptions<'static> {
    MergeOptions {
        library: LIBRARY,
        keep: &|_| true,
        stop: &NOT_CANCELLED,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((valid_checksum, changes)) = input.split_first() else {
        return;
    };
    let mut file = FIXTURE.file.clone();
    for change in changes.chunks_exact(4) {
        let offset = usize::from(u16::from_le_bytes([change[1], change[2]]));
        let end = file.len() - CHECKSUM;
        let at = match change[0] % 4 {
            0 => offset % HEAD,
            // The first offsets of cells, and below the last ones.
            1 => HEAD + offset,
            2 => FIXTURE.postings - 1 - offset,
            _ => FIXTURE.postings + offset % (end - FIXTURE.postings),
        };
        file[at] = change[3];
    }
    let changed = file != FIXTURE.file;
    let valid_checksum = valid_checksum % 2 == 0;
    if valid_checksum {
        let end = file.len() - CHECKSUM;
        let checksum = blake3::hash(&file[..end]);
        file[end..].copy_from_slice(checksum.as_bytes());
    }
    let path = FIXTURE.folder.path().join("1.segment");
    fs::write(&path, &file).expect("a written file");
    let opened = Segment::open(&path, LIBRARY);
    if changed && !valid_checksum {
        assert!(opened.is_err(), "a wrong checksum was accepted");
    }
    if let Ok(segment) = opened {
        search_and_merge(segment);
    }
    fs::remove_file(&path).expect("the file is there");
});

fn search_and_merge(segment: Segment) {
    let index = Index::new();
    index.add_segment(segment);
    search(&index);
    let merge = index.plan_merge(MergeScope::All).expect("a segment");
    let path = FIXTURE.folder.path().join("2.segment");
    if let Ok(merged) = merge.write(&path, options()) {
        index.replace(&merge, merged);
        search(&index);
    }
    let _ = fs::remove_file(&path);
}

fn search(index: &Index) {
    let Ok(_) = index.search(&FIXTURE.query, &SearchOptions::default(), &*FIXTURE);
}
