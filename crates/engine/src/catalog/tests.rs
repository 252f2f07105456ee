use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::draw::Chance;
use crate::tags::TagLogic;

fn random_hash(chance: &mut Chance) -> PdqHash {
    PdqHash([0; 4].map(|_: u64| chance.next()))
}

/// Flips exactly `bits` different bits.
fn flip(hash: PdqHash, bits: u32, chance: &mut Chance) -> PdqHash {
    let mut flipped = hash;
    while flipped.distance(&hash) < bits {
        let bit = chance.below(256) as usize;
        let mask = 1 << (bit % 64);
        if (flipped.0[bit / 64] ^ hash.0[bit / 64]) & mask == 0 {
            flipped.0[bit / 64] ^= mask;
        }
    }
    flipped
}

fn image(id: ImageId, pdq: PdqHash) -> ImageSummary {
    ImageSummary {
        id,
        pdq,
        pdq_quality: 100,
        tags: Tags::default(),
        added_at_ms: u64::from(id) * 10,
    }
}

fn everything() -> TagFilter {
    TagFilter::default()
}

fn page(catalog: &Catalog, after: Option<ImageId>, limit: usize) -> Vec<ImageId> {
    catalog.page(after, limit, &ImageFilter::default(), Order::Oldest)
}

#[test]
fn a_hash_is_near_up_to_31_bits_of_any_of_the_eight() {
    let mut chance = Chance::new(1);
    let query = [0; 8].map(|_: u8| random_hash(&mut chance));
    let mut catalog = Catalog::default();
    for bits in 0..40 {
        let stored = flip(query[bits as usize % 8], bits, &mut chance);
        catalog.apply(ImageChange::Added(image(bits, stored)));
    }

    let near = catalog.hash_matches(&query, &everything());

    let expected: Vec<HashMatch> = (0..=31)
        .map(|bits| HashMatch {
            id: bits,
            distance: bits,
        })
        .collect();
    assert_eq!(near, expected);
}

#[test]
fn an_image_of_low_quality_is_listed_but_never_matched() {
    let hash = random_hash(&mut Chance::new(2));
    let mut catalog = Catalog::default();
    catalog.apply(ImageChange::Added(ImageSummary {
        pdq_quality: 49,
        ..image(0, hash)
    }));
    catalog.apply(ImageChange::Added(ImageSummary {
        pdq_quality: 50,
        ..image(1, hash)
    }));

    assert_eq!(
        catalog.hash_matches(&[hash; 8], &everything()),
        [HashMatch { id: 1, distance: 0 }]
    );
    assert_eq!(page(&catalog, None, 9), [0, 1]);
}

#[test]
fn deleted_images_are_not_found_after_the_columns_are_compacted() {
    let mut chance = Chance::new(3);
    let hashes: Vec<PdqHash> = (0..4000).map(|_| random_hash(&mut chance)).collect();
    let mut catalog = Catalog::default();
    for (id, hash) in (0..).zip(&hashes) {
        catalog.apply(ImageChange::Added(image(id, *hash)));
    }
    for id in (0..4000).filter(|id| id % 5 != 0) {
        catalog.apply(ImageChange::Deleted(id));
        catalog.apply(ImageChange::Deleted(id));
    }

    assert_eq!(catalog.len(), 800);
    assert!(
        catalog.ids.len() < 4000,
        "the deleted rows are still in memory"
    );
    for (id, hash) in (0..).zip(&hashes) {
        let found: Vec<_> = catalog
            .hash_matches(&[*hash; 8], &everything())
            .iter()
            .map(|found| found.id)
            .collect();
        assert_eq!(found, if id % 5 == 0 { vec![id] } else { vec![] });
        assert_eq!(catalog.tags(id).is_some(), id % 5 == 0);
    }
    assert_eq!(page(&catalog, Some(1990), 3), [1995, 2000, 2005]);
    let since = ImageFilter {
        added_since_ms: 39_900,
        ..ImageFilter::default()
    };
    assert_eq!(catalog.page(None, 9, &since, Order::Newest), [3995, 3990]);
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u16>, u32),
    Tag(prop::sample::Index, Vec<u16>),
    Remove(prop::sample::Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    let tags = || prop::collection::vec(1..4_u16, 0..=2);
    prop_oneof![
        3 => (tags(), 0..50_u32).prop_map(|(tags, bits)| Step::Add(tags, bits)),
        1 => (any::<prop::sample::Index>(), tags()).prop_map(|(index, tags)| Step::Tag(index, tags)),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
    ]
}

/// Lists page by page, in steps of three.
fn pages(catalog: &Catalog, filter: &ImageFilter, order: Order) -> Vec<ImageId> {
    let mut ids: Vec<ImageId> = Vec::new();
    loop {
        let page = catalog.page(ids.last().copied(), 3, filter, order);
        if page.is_empty() {
            return ids;
        }
        ids.extend(page);
    }
}

proptest! {
    #[test]
    fn the_catalog_returns_the_same_as_a_plain_list(
        steps in prop::collection::vec(any_step(), 1..200),
        filter_tags in prop::collection::vec(1..4_u16, 0..=2),
        any_tag: bool,
        seed: u64,
    ) {
        let mut chance = Chance::new(seed);
        let query = random_hash(&mut chance);
        let mut catalog = Catalog::default();
        let mut list: Vec<(ImageId, Tags, u32)> = Vec::new();
        for (id, step) in (0..).zip(steps) {
            match step {
                Step::Add(tags, bits) => {
                    let tags = Tags::new(&tags).unwrap();
                    let hash = flip(query, bits, &mut chance);
                    catalog.apply(ImageChange::Added(ImageSummary { tags, ..image(id, hash) }));
                    list.push((id, tags, bits));
                }
                Step::Tag(index, tags) if !list.is_empty() => {
                    let row = index.index(list.len());
                    list[row].1 = Tags::new(&tags).unwrap();
                    catalog.apply(ImageChange::Retagged(list[row].0, list[row].1));
                }
                Step::Remove(index) if !list.is_empty() => {
                    let (id, ..) = list.remove(index.index(list.len()));
                    catalog.apply(ImageChange::Deleted(id));
                }
                Step::Tag(..) | Step::Remove(_) => {}
            }
        }
        let logic = if any_tag { TagLogic::Or } else { TagLogic::And };
        let filter = TagFilter { tags: filter_tags, logic };
        let all = list.clone();
        list.retain(|(_, tags, _)| filter.admits(*tags));

        let near: Vec<_> = list
            .iter()
            .filter(|(.., bits)| *bits <= pdq::MAX_DISTANCE)
            .map(|(id, _, bits)| HashMatch { id: *id, distance: *bits })
            .collect();
        prop_assert_eq!(catalog.hash_matches(&[query; 8], &filter), near);
        let mut ids: Vec<_> = list.iter().map(|(id, ..)| *id).collect();
        let filter = ImageFilter { tags: filter, ..ImageFilter::default() };
        prop_assert_eq!(catalog.count(&filter), ids.len());
        prop_assert_eq!(&pages(&catalog, &filter, Order::Oldest), &ids);
        ids.reverse();
        prop_assert_eq!(&pages(&catalog, &filter, Order::Newest), &ids);
        let mut tags: BTreeMap<u16, u64> = BTreeMap::new();
        for (_, stored, _) in &all {
            for tag in stored.iter().collect::<BTreeSet<u16>>() {
                *tags.entry(tag).or_default() += 1;
            }
        }
        prop_assert_eq!(catalog.tag_counts(), tags.into_iter().collect::<Vec<_>>());
    }
}
