//! Listings: order, filters, thumbnails and totals; tag counts; selections and their deletion.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test fails at the first unexpected result"
)]

#[path = "support/library.rs"]
mod library;

use std::sync::mpsc;

use library::Library;
use same_image::features::Features;
use same_image::measuring::synthetic_image;
use same_image::{
    Engine, ImageFilter, ImageRef, ListQuery, NewRecord, Order, Page, Sign, TagFilter, TagLogic,
    Target,
};

/// Adds an image without features; returns its sign.
fn add(engine: &Engine, number: u64, brief: &str, tags: &[u16]) -> Sign {
    let mut content = [9; 32];
    content[..8].copy_from_slice(&number.to_be_bytes());
    let features = Features {
        width: 50,
        height: 50,
        working_side: 640,
        features: Vec::new(),
    };
    let image = synthetic_image(content, [number; 4], &features, vec![7; 100]);
    let record = NewRecord {
        brief: brief.to_owned(),
        tags: tags.to_vec(),
    };
    library::add(engine, image, record).unwrap().sign
}

/// Seven images with briefs `0` to `6`; even ones have tag 2, the others tags 3 and 2.
fn seven() -> Library {
    let library = Library::new();
    for number in 0..7 {
        let tags = if number % 2 == 0 { &[2][..] } else { &[3, 2] };
        add(&library.engine, number, &format!("Poster {number}"), tags);
    }
    library
}

fn tagged(tags: &[u16], logic: TagLogic) -> ImageFilter {
    let tags = tags.to_vec();
    ImageFilter {
        tags: TagFilter { tags, logic },
        ..ImageFilter::default()
    }
}

fn containing(text: &str) -> ImageFilter {
    ImageFilter {
        brief_contains: text.to_owned(),
        ..ImageFilter::default()
    }
}

fn briefs(page: &Page) -> String {
    let last = |brief: &str| brief.rsplit(' ').next().unwrap().to_owned();
    let briefs = page.images.iter().map(|image| last(&image.record.brief));
    briefs.collect::<Vec<_>>().join(" ")
}

/// Lists page by page, with cursors that were text in between.
fn pages(engine: &Engine, query: &ListQuery) -> Vec<Page> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = engine.list(&query).unwrap();
        let next = page.next.map(|next| next.to_string().parse().unwrap());
        pages.push(page);
        if next.is_none() {
            return pages;
        }
        query.after = next;
    }
}

fn listed(engine: &Engine, filter: &ImageFilter, order: Order) -> String {
    let query = ListQuery {
        filter: filter.clone(),
        order,
        limit: 2,
        ..ListQuery::default()
    };
    let pages = pages(engine, &query);
    assert!(pages.iter().all(|page| page.images.len() <= 2));
    pages.iter().map(briefs).collect::<Vec<_>>().join(" ")
}

fn selected(engine: &Engine, filter: &ImageFilter) -> Vec<ImageRef> {
    engine.select(filter, None).unwrap().images
}

fn delete(engine: &Engine, images: Vec<ImageRef>, filter: ImageFilter) -> usize {
    let (done, deleted) = mpsc::channel();
    engine.delete_selected(images, filter, move |result| done.send(result).unwrap());
    deleted.recv().unwrap().unwrap()
}

#[test]
fn a_listing_has_every_image_once_in_both_orders() {
    let library = seven();
    let everything = ImageFilter::default();
    let sign = add(&library.engine, 50, "deleted", &[]);
    library.delete(vec![Target::Sign(sign)]).unwrap();

    let engine = library.reopen().engine;

    assert_eq!(listed(&engine, &everything, Order::Oldest), "0 1 2 3 4 5 6");
    assert_eq!(listed(&engine, &everything, Order::Newest), "6 5 4 3 2 1 0");
}

#[test]
fn tags_filter_a_listing_by_and_or_or_with_the_total() {
    let Library { engine, .. } = &seven();
    let total = |filter: &ImageFilter| {
        let query = ListQuery {
            filter: filter.clone(),
            limit: 1,
            ..ListQuery::default()
        };
        engine.list(&query).unwrap().total
    };

    for (filter, expected) in [
        (tagged(&[3], TagLogic::And), "5 3 1"),
        (tagged(&[2, 3], TagLogic::And), "5 3 1"),
        (tagged(&[2, 9], TagLogic::And), ""),
        (tagged(&[3, 9], TagLogic::Or), "5 3 1"),
    ] {
        assert_eq!(listed(engine, &filter, Order::Newest), expected);
        assert_eq!(
            total(&filter),
            Some(expected.split_whitespace().count() as u64)
        );
    }
    assert_eq!(total(&ImageFilter::default()), Some(7));
    assert_eq!(total(&containing("poster")), None);
}

#[test]
fn a_text_of_the_brief_filters_a_listing() {
    let Library { engine, .. } = &seven();

    assert_eq!(
        listed(engine, &containing("POSTER"), Order::Oldest),
        "0 1 2 3 4 5 6"
    );
    assert_eq!(listed(engine, &containing("r 4"), Order::Newest), "4");
    assert_eq!(listed(engine, &containing("4 "), Order::Newest), "");
    let both = ImageFilter {
        brief_contains: "poster".to_owned(),
        ..tagged(&[3], TagLogic::And)
    };
    assert_eq!(listed(engine, &both, Order::Newest), "5 3 1");
}

#[test]
fn a_listing_is_filtered_by_the_time_of_adding() {
    let Library { engine, .. } = &seven();
    let all = ListQuery::default();
    let times = engine.list(&all).unwrap().images;
    let times: Vec<u64> = times.iter().map(|image| image.record.added_at_ms).collect();
    let expected = |admits: &dyn Fn(u64) -> bool| {
        let images = times.iter().enumerate().filter(|(_, time)| admits(**time));
        let briefs = images.map(|(number, _)| number.to_string());
        briefs.collect::<Vec<_>>().join(" ")
    };

    for time in &times {
        let since = ImageFilter {
            added_since_ms: *time,
            ..ImageFilter::default()
        };
        let before = ImageFilter {
            added_before_ms: Some(*time),
            ..ImageFilter::default()
        };
        let (late, early) = (expected(&|at| at >= *time), expected(&|at| at < *time));
        assert_eq!(listed(engine, &since, Order::Oldest), late);
        assert_eq!(listed(engine, &before, Order::Oldest), early);
    }
}

#[test]
fn a_page_for_a_text_that_few_briefs_have_ends_early_and_says_where_to_continue() {
    let engine = Library::new().engine;
    let (done, added) = mpsc::channel();
    let last = 10_002_u32;
    for number in 0..=last {
        let mut content = [9; 32];
        content[..8].copy_from_slice(&u64::from(number).to_be_bytes());
        let features = Features {
            width: 50,
            height: 50,
            working_side: 640,
            features: Vec::new(),
        };
        let image = synthetic_image(content, [0; 4], &features, vec![7]);
        let record = NewRecord {
            brief: number.to_string(),
            tags: Vec::new(),
        };
        let done = done.clone();
        engine.add(image, record, move |result| {
            done.send(result.is_ok()).unwrap()
        });
    }
    drop(done);
    assert!(added.iter().all(|is_added| is_added));

    let query = ListQuery {
        filter: containing(&last.to_string()),
        ..ListQuery::default()
    };
    let pages = pages(&engine, &query);
    let selection = engine.select(&query.filter, None).unwrap();

    let sizes: Vec<usize> = pages.iter().map(|page| page.images.len()).collect();
    assert_eq!(sizes, [0, 1]);
    assert_eq!((selection.images.len(), selection.next), (0, pages[0].next));
    let rest = engine.select(&query.filter, selection.next).unwrap();
    assert_eq!((rest.images.len(), rest.next), (1, None));
}

#[test]
fn thumbnails_are_listed_on_request_and_bound_the_page() {
    let Library { engine, .. } = &seven();
    let sizes = |max_thumbnail_bytes| {
        let query = ListQuery {
            max_thumbnail_bytes,
            ..ListQuery::default()
        };
        let pages = pages(engine, &query);
        let images = pages.iter().flat_map(|page| &page.images);
        let bytes: usize = images.map(|image| image.thumbnail.len()).sum();
        let sizes: Vec<usize> = pages.iter().map(|page| page.images.len()).collect();
        (sizes, bytes)
    };

    assert_eq!(sizes(None), (vec![7], 0));
    assert_eq!(sizes(Some(1000)), (vec![7], 700));
    assert_eq!(sizes(Some(300)), (vec![3, 3, 1], 700));
    assert_eq!(sizes(Some(10)), (vec![1; 7], 700));
}

#[test]
fn an_image_that_stays_is_listed_once_while_others_come_and_go() {
    let Library { engine, .. } = &seven();
    let mut query = ListQuery {
        order: Order::Newest,
        limit: 3,
        ..ListQuery::default()
    };

    let first = engine.list(&query).unwrap();
    let last = first.images[2].record.sign;
    library::delete(engine, vec![Target::Sign(last)]).unwrap();
    add(engine, 7, "Poster 7", &[]);
    query.after = first.next;
    let second = engine.list(&query).unwrap();

    assert_eq!(
        (briefs(&first), briefs(&second)),
        ("6 5 4".into(), "3 2 1".into())
    );
    assert_eq!((first.total, second.total), (Some(7), Some(7)));
}

#[test]
fn tags_are_counted_per_image() {
    let Library { engine, .. } = &seven();
    let sign = add(engine, 7, "twice", &[65_535, 65_535]);
    add(engine, 8, "none", &[]);

    assert_eq!(engine.tag_counts(), [(2, 7), (3, 3), (65_535, 1)]);
    library::delete(engine, vec![Target::Sign(sign)]).unwrap();
    assert_eq!(engine.tag_counts(), [(2, 7), (3, 3)]);
}

#[test]
fn a_selection_is_deleted_but_for_images_that_the_filter_no_longer_admits() {
    let library = seven();
    let engine = &library.engine;
    let odd = tagged(&[3], TagLogic::And);
    let images = selected(engine, &odd);
    let signs = engine.signs(&images).unwrap();
    assert_eq!(signs.len(), 3);

    let other_tags = same_image::RecordUpdate {
        tags: Some(vec![4]),
        ..Default::default()
    };
    library.update(Target::Sign(signs[0]), other_tags).unwrap();
    library.delete(vec![Target::Sign(signs[1])]).unwrap();
    let deleted = delete(engine, images.clone(), odd.clone());

    assert_eq!(deleted, 1);
    assert_eq!(engine.signs(&images).unwrap(), [signs[0]]);
    assert_eq!(selected(engine, &odd), []);
    assert_eq!(delete(engine, images, containing("poster 1")), 1);
    let left = ImageFilter::default();
    assert_eq!(listed(engine, &left, Order::Oldest), "0 2 4 6");
}
