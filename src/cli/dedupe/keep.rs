//! Decides which images of a group to keep.
//!
//! Two images of a group need not be the same: a collage connects its parts. So an image is deleted
//! only if it is a copy of one that is kept: each shows the other as a whole. A crop is not deleted
//! for its original, nor a photo for its collage, nor the other way round.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use clap::ValueEnum;

use super::groups::Group;
use crate::proto::v1;

/// The share of an image that its copy shows at least: a border may be cut off or added.
const MIN_SHARE: f64 = 0.9;

/// Which of several copies is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// The one with most pixels; of these the largest file.
    Largest,
    /// The one that was added first.
    Oldest,
    /// The one that was added last.
    Newest,
    /// The one whose brief sorts first.
    First,
}

// === impl Keep ===

impl Keep {
    /// Sorts the images of a group, the preferred one first, and marks those to keep.
    pub(super) fn sort(self, mut group: Group) -> Group {
        // Stable: equal images stay in the order of adding.
        match self {
            Keep::Largest => group.images.sort_by_key(|image| {
                let pixels = u64::from(image.width) * u64::from(image.height);
                Reverse((pixels, image.size_bytes))
            }),
            Keep::Oldest => group.images.sort_by_key(added),
            Keep::Newest => group.images.sort_by_key(|image| Reverse(added(image))),
            Keep::First => group.images.sort_by(|a, b| a.brief.cmp(&b.brief)),
        }
        let mut copies: HashMap<&str, Vec<&str>> = HashMap::new();
        for pair in group.pairs.iter().filter(|pair| are_copies(pair)) {
            copies.entry(&pair.a).or_default().push(&pair.b);
            copies.entry(&pair.b).or_default().push(&pair.a);
        }
        let mut kept = HashSet::new();
        let mut copy_of = Vec::new();
        for image in &group.images {
            let others = copies.get(image.cont_sign.as_str());
            let mut others = others.into_iter().flatten();
            let original = others.find(|sign| kept.contains(**sign));
            if original.is_none() {
                kept.insert(image.cont_sign.as_str());
            }
            copy_of.push(original.map(|sign| (*sign).to_owned()));
        }
        group.copy_of = copy_of;
        group
    }
}

/// Returns whether each image of a pair shows the other one as a whole.
fn are_copies(pair: &v1::DuplicatePair) -> bool {
    // Without a geometry they are the same as a whole.
    let Some(geometry) = &pair.geometry else {
        return true;
    };
    let of_a = geometry.query.as_ref().map_or(0.0, area);
    of_a >= MIN_SHARE && geometry.overlap >= MIN_SHARE
}

/// Returns the area of a quadrilateral (shoelace formula), as a share of its image.
fn area(shape: &v1::Quadrilateral) -> f64 {
    let next = shape.corners.iter().cycle().skip(1);
    let doubled: f64 = shape
        .corners
        .iter()
        .zip(next)
        .map(|(a, b)| a.x * b.y - b.x * a.y)
        .sum();
    0.5 * doubled.abs()
}

fn added(image: &v1::Image) -> (i64, i32) {
    let time = image.add_time.unwrap_or_default();
    (time.seconds, time.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(sign: &str, width: u32, second: i64, brief: &str) -> v1::Image {
        v1::Image {
            cont_sign: sign.to_owned(),
            width,
            height: 100,
            add_time: Some(prost_types::Timestamp {
                seconds: second,
                nanos: 0,
            }),
            brief: brief.to_owned(),
            ..v1::Image::default()
        }
    }

    fn to_delete(keep: Keep, pairs: &[(&str, &str)]) -> Vec<String> {
        let pair = |(a, b): &(&str, &str)| v1::DuplicatePair {
            a: (*a).to_owned(),
            b: (*b).to_owned(),
            score: 0.9,
            geometry: None,
        };
        let group = Group {
            images: vec![
                image("a", 100, 1, "z"),
                image("b", 300, 2, "y"),
                image("c", 200, 3, "x"),
            ],
            pairs: pairs.iter().map(pair).collect(),
            copy_of: Vec::new(),
        };
        let mut signs: Vec<String> = keep
            .sort(group)
            .to_delete()
            .map(|copy| copy.sign.to_owned())
            .collect();
        signs.sort();
        signs
    }

    #[test]
    fn one_image_of_a_group_is_kept() {
        let all = [("a", "b"), ("b", "c"), ("a", "c")];

        assert_eq!(to_delete(Keep::Largest, &all), ["a", "c"]);
        assert_eq!(to_delete(Keep::Oldest, &all), ["b", "c"]);
        assert_eq!(to_delete(Keep::Newest, &all), ["a", "b"]);
        assert_eq!(to_delete(Keep::First, &all), ["a", "b"]);
    }

    /// A pair of which `b` shows the share `of_a` of `a`, and `a` the share `of_b` of `b`.
    fn pair(a: &str, b: &str, of_a: f64, of_b: f64) -> v1::DuplicatePair {
        let part = |share: f64| {
            let corners = [(0.0, 0.0), (share, 0.0), (share, 1.0), (0.0, 1.0)];
            let corners = corners.map(|(x, y)| v1::Point { x, y });
            Some(v1::Quadrilateral {
                corners: corners.into(),
            })
        };
        v1::DuplicatePair {
            a: a.to_owned(),
            b: b.to_owned(),
            score: 0.9,
            geometry: Some(v1::Geometry {
                query: part(of_a),
                stored: part(of_b),
                overlap: of_b,
            }),
        }
    }

    #[test]
    fn copies_show_each_other_as_a_whole() {
        assert!(are_copies(&pair("a", "b", 1.0, 1.0)));
        assert!(are_copies(&pair("a", "b", 0.92, 0.91)));
        // A photo in a collage, and an original with its crop.
        assert!(!are_copies(&pair("a", "b", 1.0, 0.25)));
        assert!(!are_copies(&pair("a", "b", 0.6, 1.0)));
        let unknown = v1::DuplicatePair {
            geometry: Some(v1::Geometry::default()),
            ..v1::DuplicatePair::default()
        };
        assert!(!are_copies(&unknown));
    }

    #[test]
    fn a_collage_and_its_photos_are_kept() {
        let group = Group {
            images: vec![
                image("collage", 900, 1, ""),
                image("photo", 300, 2, ""),
                image("copy", 200, 3, ""),
            ],
            pairs: vec![
                pair("photo", "collage", 1.0, 0.25),
                pair("collage", "copy", 0.25, 1.0),
                pair("copy", "photo", 1.0, 1.0),
            ],
            copy_of: Vec::new(),
        };

        let group = Keep::Largest.sort(group);

        let deleted: Vec<_> = group.to_delete().collect();
        assert_eq!(deleted.len(), 1);
        assert_eq!((deleted[0].sign, deleted[0].original), ("copy", "photo"));
    }

    #[test]
    fn an_image_that_is_the_same_as_no_kept_one_is_kept() {
        assert_eq!(to_delete(Keep::Oldest, &[("a", "b"), ("b", "c")]), ["b"]);
        assert_eq!(
            to_delete(Keep::Largest, &[("a", "b"), ("b", "c")]),
            ["a", "c"]
        );
    }
}
