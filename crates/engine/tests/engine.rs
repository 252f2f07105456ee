//! The engine through its public API.

#[path = "support/draw.rs"]
mod draw;
#[path = "support/library.rs"]
mod library;

use library::Library;
use same_image::{
    ContentHash, DecodeError, Geometry, MAX_RESULTS, NewRecord, OpenError, Query, RecordUpdate,
    SearchError, Sign, StoreError, TagLogic, Target, WriteError,
};

#[test]
fn an_added_image_is_found_by_its_bytes_and_by_a_re_encoded_copy() {
    let library = Library::new();
    let image = draw::image(1, 320, 240);
    let added = library.add(&draw::png(&image), "first", &[7]).unwrap();

    let exact = library.search(&draw::png(&image));
    let copy = library.search(&draw::jpeg(&image, 60));

    assert!(!added.existed);
    assert_eq!(exact.matches.len(), 1);
    assert_eq!(exact.matches[0].sign, added.sign);
    assert_eq!(exact.matches[0].score, 1.0);
    assert_eq!(exact.matches[0].brief, "first");
    assert_eq!(exact.matches[0].tags, [7]);
    assert_eq!(exact.matches[0].geometry, Some(Geometry::WHOLE));
    assert_eq!(copy.matches.len(), 1);
    assert_eq!(copy.matches[0].sign, added.sign);
    assert!((0.75..=1.0).contains(&copy.matches[0].score));
}

#[test]
fn rotated_and_mirrored_copies_are_found_and_other_images_are_not() {
    let library = Library::new();
    let image = draw::image(2, 400, 300);
    let sign = library.add(&draw::png(&image), "", &[]).unwrap().sign;

    let copies = [
        image::imageops::rotate90(&image),
        image::imageops::rotate180(&image),
        image::imageops::flip_horizontal(&image),
        image::imageops::resize(&image, 137, 211, image::imageops::FilterType::Triangle),
    ];

    for copy in &copies {
        assert_eq!(library.signs(&draw::jpeg(copy, 80)), [sign]);
    }
    assert!(
        library
            .signs(&draw::png(&draw::image(3, 400, 300)))
            .is_empty()
    );
}

#[test]
fn a_duplicate_keeps_the_stored_record_and_reports_existed() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(4, 90, 90));
    let first = library.add(&bytes, "first", &[1]).unwrap();

    let second = library.add(&bytes, "second", &[2]).unwrap();

    assert!(second.existed);
    assert_eq!(second.sign, first.sign);
    let stored = library.engine.get(first.sign).unwrap().unwrap();
    assert_eq!(stored.record.brief, "first");
    assert_eq!(stored.record.tags, [1]);
    assert_eq!(library.engine.stats().unwrap().images, 1);
}

#[test]
fn exact_lookup_needs_no_decoding() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(5, 90, 90));
    assert_eq!(library.engine.find_exact(&bytes).unwrap(), None);
    let sign = library.add(&bytes, "", &[]).unwrap().sign;

    assert_eq!(library.engine.find_exact(&bytes).unwrap(), Some(sign));
    assert_eq!(library.engine.find_exact(b"no image at all").unwrap(), None);
}

#[test]
fn an_update_is_visible_at_once_and_keeps_absent_fields() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(6, 90, 90));
    let sign = library.add(&bytes, "old", &[1, 2]).unwrap().sign;

    let by_sign = RecordUpdate {
        brief: Some("new".to_owned()),
        tags: None,
    };
    assert_eq!(library.update(Target::Sign(sign), by_sign).unwrap(), sign);
    let hit = &library.search(&bytes).matches[0];
    assert_eq!(
        (hit.brief.as_str(), hit.tags.as_slice()),
        ("new", &[1, 2][..])
    );

    let by_bytes = RecordUpdate {
        brief: None,
        tags: Some(vec![9]),
    };
    library
        .update(Target::Content(ContentHash::of(&bytes)), by_bytes)
        .unwrap();
    let hit = &library.search(&bytes).matches[0];
    assert_eq!((hit.brief.as_str(), hit.tags.as_slice()), ("new", &[9][..]));
    assert!(library.signs_with(&bytes, &[1], TagLogic::Or).is_empty());
    assert_eq!(library.signs_with(&bytes, &[9], TagLogic::And), [sign]);
}

#[test]
fn an_update_of_an_unknown_image_is_not_found() {
    let library = Library::new();
    let unknown = Target::Sign(Sign::parse("1,2").unwrap());

    let result = library.update(unknown, RecordUpdate::default());

    assert!(matches!(result, Err(WriteError::NotFound)));
}

#[test]
fn a_deleted_image_is_not_found_and_each_target_has_its_result() {
    let library = Library::new();
    let [one, two, three] = [7, 8, 9].map(|seed| draw::png(&draw::image(seed, 90, 90)));
    let [first, second, third] =
        [&one, &two, &three].map(|bytes| library.add(bytes, "", &[]).unwrap().sign);

    let targets = vec![
        Target::Sign(first),
        Target::Sign(Sign::parse("0,0").unwrap()),
        Target::Content(ContentHash::of(&two)),
        Target::Sign(first),
    ];
    let outcome = library.delete(targets).unwrap();

    assert_eq!(outcome, [Some(first), None, Some(second), None]);
    assert!(library.signs(&one).is_empty());
    assert!(library.signs(&two).is_empty());
    assert_eq!(library.signs(&three), [third]);
    assert_eq!(library.engine.get(first).unwrap(), None);
    assert_eq!(library.engine.stats().unwrap().images, 1);
}

#[test]
fn a_deleted_image_can_be_added_again_under_its_sign() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(10, 90, 90));
    let sign = library.add(&bytes, "before", &[]).unwrap().sign;
    library.delete(vec![Target::Sign(sign)]).unwrap();

    let again = library.add(&bytes, "after", &[]).unwrap();

    assert!(!again.existed);
    assert_eq!(again.sign, sign);
    assert_eq!(library.search(&bytes).matches[0].brief, "after");
}

#[test]
fn everything_is_stored_after_reopening() {
    let library = Library::new();
    let kept = draw::png(&draw::image(11, 200, 100));
    let removed = draw::png(&draw::image(12, 200, 100));
    let sign = library.add(&kept, "kept", &[5]).unwrap().sign;
    let deleted = library.add(&removed, "removed", &[]).unwrap().sign;
    library.delete(vec![Target::Sign(deleted)]).unwrap();
    let before = library.engine.get(sign).unwrap().unwrap();

    let library = library.reopen();

    assert_eq!(library.engine.get(sign).unwrap().unwrap(), before);
    assert_eq!((before.record.width, before.record.height), (200, 100));
    assert_eq!(before.record.size_bytes, kept.len() as u64);
    let thumbnail = image::load_from_memory(&before.thumbnail).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (200, 100));
    assert_eq!(library.signs_with(&kept, &[5], TagLogic::And), [sign]);
    assert!(library.signs(&removed).is_empty());
    assert_eq!(library.engine.stats().unwrap().images, 1);
}

#[test]
fn a_library_cannot_be_opened_twice_at_a_time() {
    let library = Library::new();

    let second = same_image::Engine::open(library.path(), same_image::Options::default());

    assert!(matches!(second, Err(OpenError::InUse { .. })));
    library.engine.close();
    assert!(same_image::Engine::open(library.path(), same_image::Options::default()).is_ok());
}

#[test]
fn a_full_library_rejects_new_images_and_still_finds_the_old_ones() {
    let library = Library::with_capacity(1);
    let first = draw::png(&draw::image(13, 90, 90));
    let second = draw::png(&draw::image(14, 90, 90));
    let sign = library.add(&first, "", &[]).unwrap().sign;

    assert!(matches!(
        library.add(&second, "", &[]),
        Err(WriteError::Full { capacity: 1 })
    ));
    assert!(library.add(&first, "", &[]).unwrap().existed);

    library.delete(vec![Target::Sign(sign)]).unwrap();
    assert!(library.add(&second, "", &[]).is_ok());
}

#[test]
fn wrong_tags_and_long_briefs_are_rejected() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(15, 90, 90));
    let long = "x".repeat(same_image::MAX_BRIEF_BYTES);

    assert!(matches!(
        library.add(&bytes, "", &[1, 2, 3]),
        Err(WriteError::InvalidTags)
    ));
    assert!(matches!(
        library.add(&bytes, "", &[0]),
        Err(WriteError::InvalidTags)
    ));
    let too_long = format!("{long}x");
    assert!(matches!(
        library.add(&bytes, &too_long, &[]),
        Err(WriteError::BriefTooLong { .. })
    ));
    assert!(library.add(&bytes, &long, &[65535, 65535]).is_ok());
}

#[test]
fn pages_of_a_search_are_contiguous_and_end_at_the_thousandth_match() {
    let library = Library::new();
    let image = draw::image(16, 120, 90);
    let (done, responses) = std::sync::mpsc::channel();
    // One image in many files: a PNG may have any bytes after its end.
    for copy in 0..MAX_RESULTS + 3 {
        let mut bytes = draw::png(&image);
        bytes.extend(copy.to_le_bytes());
        let prepared = library.engine.prepare(&bytes).unwrap();
        let done = done.clone();
        library
            .engine
            .add(prepared, NewRecord::default(), move |added| {
                done.send(added).unwrap()
            });
    }
    let signs: Vec<Sign> = (0..MAX_RESULTS + 3)
        .map(|_| responses.recv().unwrap().unwrap().sign)
        .collect();
    let query = library.engine.prepare_query(&draw::png(&image)).unwrap();
    let page = |offset, limit| {
        let query_of_page = Query {
            offset,
            limit,
            ..Query::default()
        };
        library.engine.search(&query, &query_of_page).unwrap()
    };

    let whole = page(0, MAX_RESULTS);
    assert_eq!(whole.matches.len(), MAX_RESULTS);
    assert!(!whole.has_more);
    let found: Vec<Sign> = whole.matches.iter().map(|hit| hit.sign).collect();
    assert_eq!(found, signs[..MAX_RESULTS]);
    assert_eq!(page(0, 300).matches, whole.matches[..300]);
    assert!(page(0, 300).has_more);
    assert!(page(0, 999).has_more);
    assert_eq!(page(900, 500).matches, whole.matches[900..]);
    assert!(!page(900, 500).has_more);
    assert_eq!(page(999, 1).matches, whole.matches[999..]);
}

#[test]
fn a_query_out_of_range_is_rejected_by_name() {
    let library = Library::new();
    let image = library
        .engine
        .prepare_query(&draw::png(&draw::image(17, 90, 90)))
        .unwrap();
    let rejected = |query: Query| match library.engine.search(&image, &query) {
        Err(SearchError::InvalidQuery { field }) => field,
        other => panic!("{other:?}"),
    };

    assert_eq!(
        rejected(Query {
            offset: 1000,
            ..Query::default()
        }),
        "offset"
    );
    assert_eq!(
        rejected(Query {
            limit: 0,
            ..Query::default()
        }),
        "limit"
    );
    assert_eq!(
        rejected(Query {
            limit: 1001,
            ..Query::default()
        }),
        "limit"
    );
    assert_eq!(
        rejected(Query {
            min_score: 1.1,
            ..Query::default()
        }),
        "min_score"
    );
    assert_eq!(
        rejected(Query {
            min_score: f32::NAN,
            ..Query::default()
        }),
        "min_score"
    );
}

#[test]
fn min_score_excludes_weaker_matches() {
    let library = Library::new();
    let image = draw::image(18, 200, 150);
    let sign = library.add(&draw::png(&image), "", &[]).unwrap().sign;
    library.add(&draw::jpeg(&image, 30), "", &[]).unwrap();
    let query = library.engine.prepare_query(&draw::png(&image)).unwrap();

    let strict = Query {
        min_score: 1.0,
        ..Query::default()
    };
    let response = library.engine.search(&query, &strict).unwrap();

    assert_eq!(response.matches[0].sign, sign);
    assert!(response.matches.iter().all(|hit| hit.score == 1.0));
}

#[test]
fn a_closed_engine_returns_closed() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(30, 60, 60));
    let sign = library.add(&bytes, "", &[]).unwrap().sign;

    library.engine.close();
    library.engine.close();

    assert!(matches!(
        library.add(&bytes, "", &[]),
        Err(WriteError::Closed)
    ));
    assert!(matches!(library.engine.get(sign), Err(StoreError::Closed)));
    let query = library.engine.prepare_query(&bytes).unwrap();
    let response = library.engine.search(&query, &Query::default());
    assert!(matches!(
        response,
        Err(SearchError::Storage(StoreError::Closed))
    ));
}

#[test]
fn closing_does_the_queued_writes_first() {
    let library = Library::new();
    let (done, responses) = std::sync::mpsc::channel();
    for seed in 40..60 {
        let prepared = library
            .engine
            .prepare(&draw::png(&draw::image(seed, 60, 60)))
            .unwrap();
        let done = done.clone();
        library
            .engine
            .add(prepared, NewRecord::default(), move |added| {
                done.send(added).unwrap()
            });
    }
    drop(done);

    let library = library.reopen();

    assert_eq!(responses.iter().filter(Result::is_ok).count(), 20);
    assert_eq!(library.engine.stats().unwrap().images, 20);
}

#[test]
fn a_rejected_image_changes_nothing() {
    let library = Library::new();
    let bytes = draw::png(&draw::image(61, 90, 90));

    let error = library
        .engine
        .prepare(&bytes[..bytes.len() / 2])
        .unwrap_err();

    assert_eq!(error, DecodeError::Truncated);
    assert_eq!(library.engine.stats().unwrap().images, 0);
}
