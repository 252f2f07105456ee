//! The writer on a failing disk.

use super::*;
use crate::engine::merger::Merger;
use crate::features::Features;
use crate::identity::ImageId;
use crate::measuring::synthetic_image;
use crate::prepare::PreparedImage;
use crate::store::NewRecord;
use crate::store::failing_disk::Disk;
use crate::tags::TagFilter;

const CAPACITY: u64 = 1000;

fn prepared(number: u64) -> PreparedImage {
    let mut content = [1; 32];
    content[..8].copy_from_slice(&number.to_be_bytes());
    let features = Features {
        width: 50,
        height: 50,
        working_side: 640,
        features: Vec::new(),
    };
    synthetic_image(content, [number; 4], &features, vec![1; 3000])
}

fn stored(store: &Store) -> Vec<ImageId> {
    let mut ids = Vec::new();
    store
        .read(|snapshot| snapshot.for_each_record(|id, _| ids.push(id)))
        .unwrap();
    ids
}

#[test]
fn after_a_failed_commit_the_search_state_equals_the_disk() {
    let disk = Disk::new();
    let store = Arc::new(disk.store());
    let folder = tempfile::tempdir().unwrap();
    let state = Arc::new(SearchState::load(&store, folder.path(), 8192).unwrap());
    let (_merger, wake) = Merger::start(Arc::clone(&state)).unwrap();
    let space = DiskSpace::new(folder.path(), 0);
    let writer = Writer::start(
        Arc::clone(&store),
        Arc::clone(&state),
        wake,
        CAPACITY,
        space,
    )
    .unwrap();
    let add = |number| {
        let (done, result) = mpsc::channel();
        let image = prepared(number);
        writer.queue(
            move |batch| batch.add(&image, &NewRecord::default()),
            move |added| done.send(added).unwrap(),
        );
        result.recv().unwrap()
    };

    let mut failures = 0;
    for operation in 0.. {
        disk.fail_after(operation);
        let outcome = add(operation);
        disk.heal();
        if outcome.is_ok() {
            break;
        }
        failures += 1;
        add(u64::MAX / 2 + operation).unwrap();

        let listed = state
            .catalog()
            .page(None, usize::MAX, &TagFilter::default());
        assert_eq!(listed, stored(&store));
        assert_eq!(state.index().unsealed(), listed.len() as u64);
    }
    assert!(failures >= 3);
}
