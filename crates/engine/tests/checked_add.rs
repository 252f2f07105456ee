//! Adds after a search: what the search sees, and what it may not miss.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/attack.rs"]
mod attack;
#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;
#[path = "support/poster.rs"]
mod poster;

use std::sync::{Barrier, mpsc};
use std::thread;

use library::Library;
use same_image::{CheckedAdd, CheckedImage, NewRecord, Query, Target, WriteError};

fn check(library: &Library, file: &[u8]) -> CheckedImage {
    library.engine.check(file, Query::default()).unwrap()
}

fn add(
    library: &Library,
    image: CheckedImage,
    brief: &str,
    rejects: bool,
) -> Result<CheckedAdd, WriteError> {
    let (done, response) = mpsc::channel();
    let record = NewRecord {
        brief: brief.to_owned(),
        tags: Vec::new(),
    };
    let done = move |added| done.send(added).unwrap();
    library.engine.add_checked(image, record, rejects, done);
    response.recv().unwrap()
}

/// An original and a copy of it, as files.
fn pair(number: u64) -> [Vec<u8>; 2] {
    let image = poster::poster(number, 640, 480);
    let copy = match number % 3 {
        0 => attack::jpeg(&attack::scale(&image, 0.6, 0.6), 40),
        1 => attack::rotate(&image, 90.0),
        _ => image::imageops::flip_horizontal(&image),
    };
    [draw::jpeg(&image, 92), draw::jpeg(&copy, 92)]
}

fn briefs(added: &CheckedAdd) -> Vec<&str> {
    let matches = added.matches.iter();
    matches.map(|hit| hit.brief.as_str()).collect()
}

#[test]
fn an_image_whose_copy_is_stored_is_rejected_or_added_with_the_match() {
    let library = Library::new();
    let [original, copy] = pair(0);
    library.add(&original, "original", &[]).unwrap();

    let rejected = add(&library, check(&library, &copy), "copy", true).unwrap();
    let reported = add(&library, check(&library, &copy), "copy", false).unwrap();

    assert_eq!(
        (rejected.added, briefs(&rejected)),
        (None, vec!["original"])
    );
    assert!(!reported.added.unwrap().existed);
    assert_eq!(briefs(&reported), ["original"]);
    assert!(reported.matches[0].score >= 0.5);
    assert_eq!(library.engine.stats().unwrap().images, 2);
}

#[test]
fn the_same_bytes_exist_and_have_no_matches() {
    let library = Library::new();
    let [original, copy] = pair(0);
    let image = check(&library, &original);
    library.add(&copy, "copy", &[]).unwrap();
    library.add(&original, "original", &[]).unwrap();

    let added = add(&library, image, "again", true).unwrap();

    assert!(added.added.unwrap().existed);
    assert!(added.matches.is_empty());
}

#[test]
fn an_image_that_was_added_after_the_search_is_seen() {
    let library = Library::new();
    let [original, copy] = pair(1);
    library.add(&pair(7)[0], "other", &[]).unwrap();
    let image = check(&library, &copy);
    library.add(&original, "original", &[]).unwrap();

    let added = add(&library, image, "copy", true).unwrap();

    assert_eq!((added.added, briefs(&added)), (None, vec!["original"]));
}

#[test]
fn an_image_that_was_deleted_after_the_search_is_no_match() {
    let library = Library::new();
    let [original, copy] = pair(2);
    let sign = library.add(&original, "original", &[]).unwrap().sign;
    let image = check(&library, &copy);
    library.delete(vec![Target::Sign(sign)]).unwrap();

    let added = add(&library, image, "copy", true).unwrap();

    assert!(added.added.is_some());
    assert!(added.matches.is_empty());
}

#[test]
fn of_two_copies_in_one_transaction_one_is_added() {
    let library = Library::new();
    let images = pair(0).map(|file| check(&library, &file));
    let (done, response) = mpsc::channel();

    // The queue fills while the first write waits for the disk.
    for image in images {
        let done = done.clone();
        library
            .engine
            .add_checked(image, NewRecord::default(), true, move |added| {
                done.send(added.unwrap().added.is_some()).unwrap();
            });
    }

    let added: Vec<bool> = response.iter().take(2).collect();
    assert_eq!(added, [true, false]);
    assert_eq!(library.engine.stats().unwrap().images, 1);
}

#[test]
fn of_each_pair_that_two_threads_add_at_the_same_time_one_is_stored() {
    const PAIRS: u64 = 12;
    let library = Library::new();
    let pairs: Vec<[Vec<u8>; 2]> = (0..PAIRS).map(pair).collect();
    let barrier = Barrier::new(2);

    let counts: Vec<usize> = thread::scope(|scope| {
        let threads = [0, 1].map(|side: usize| {
            let (library, pairs, barrier) = (&library, &pairs, &barrier);
            scope.spawn(move || {
                let mut added = 0;
                for pair in pairs {
                    barrier.wait();
                    let image = check(library, &pair[side]);
                    added += usize::from(add(library, image, "", true).unwrap().added.is_some());
                }
                added
            })
        });
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });

    assert_eq!(counts.iter().sum::<usize>() as u64, PAIRS);
    assert_eq!(library.engine.stats().unwrap().images, PAIRS);
}
