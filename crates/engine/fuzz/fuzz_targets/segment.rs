//! A segment file with any bytes changed, its checksum made right again or not: rejected, or searched
//! and merged without a panic. With the old checksum it is always rejected.
//!
//! The input is a list of changes of four bytes: part of the file, place in it (16 bits), new value.

#![no_main]

use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use same_image::features::{GreyView, QueryFeatures, extract, extract_query};
use same_image::index::{Extent, Index, SearchOptions, Segment, Terms};
use tempfile::TempDir;

const LIBRARY: u64 = 5;
const CHECKSUM: usize = 32;
/// Header and entries of the two images.
const HEAD: usize = 32 + 2 * 16;
static GO_ON: AtomicBool = AtomicBool::new(false);

struct Ground {
    folder: TempDir,
    file: Vec<u8>,
    /// Where the postings start.
    postings: usize,
    query: QueryFeatures,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let pixels: Vec<u8> = (0..200 * 100).map(|at: u32| (at * at / 7 >> 4) as u8).collect();
    let view = GreyView::new(&pixels, 200, 100).expect("200 × 100 pixels");
    let features = extract(&view);
    let index = Index::new();
    index.insert(1, &features);
    index.insert(2, &features);
    let folder = tempfile::tempdir().expect("a folder for files");
    let path = folder.path().join("0.segment");
    let merge = index.plan_merge(Extent::All).expect("two images");
    merge.write(&path, terms()).expect("a written segment");
    let file = fs::read(&path).expect("a segment");
    let postings = file.len() - CHECKSUM - 2 * 16 * features.features.len();
    Ground {
        folder,
        file,
        postings,
        query: extract_query(&view),
    }
});

fn terms() -> Terms<'static> {
    Terms {
        library: LIBRARY,
        keep: &|_| true,
        stop: &GO_ON,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((honest, changes)) = input.split_first() else {
        return;
    };
    let mut file = GROUND.file.clone();
    for change in changes.chunks_exact(4) {
        let place = usize::from(u16::from_le_bytes([change[1], change[2]]));
        let end = file.len() - CHECKSUM;
        let at = match change[0] % 4 {
            0 => place % HEAD,
            // The first, and by another way the last of the cells' starts.
            1 => HEAD + place,
            2 => GROUND.postings - 1 - place,
            _ => GROUND.postings + place % (end - GROUND.postings),
        };
        file[at] = change[3];
    }
    let changed = file != GROUND.file;
    let honest = honest % 2 == 0;
    if honest {
        let end = file.len() - CHECKSUM;
        let checksum = blake3::hash(&file[..end]);
        file[end..].copy_from_slice(checksum.as_bytes());
    }
    let path = GROUND.folder.path().join("1.segment");
    fs::write(&path, &file).expect("a written file");
    let opened = Segment::open(&path, LIBRARY);
    if changed && !honest {
        assert!(opened.is_err(), "a wrong checksum was believed");
    }
    if let Ok(segment) = opened {
        search_and_merge(segment);
    }
    fs::remove_file(&path).expect("the file is there");
});

fn search_and_merge(segment: Segment) {
    let index = Index::new();
    index.add_segment(segment);
    index.search(&GROUND.query, &SearchOptions::default(), &|_| true);
    let merge = index.plan_merge(Extent::All).expect("a segment");
    let path = GROUND.folder.path().join("2.segment");
    if let Ok(merged) = merge.write(&path, terms()) {
        index.replace(&merge, merged);
        index.search(&GROUND.query, &SearchOptions::default(), &|_| true);
    }
    let _ = fs::remove_file(&path);
}
