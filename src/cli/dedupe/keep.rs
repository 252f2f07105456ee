//! Decides which images of a group to keep.
//!
//! Two images of a group need not be the same: a collage connects its parts. So an image is deleted
//! only if it is the same as one that is kept.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use clap::ValueEnum;

use super::groups::Group;
use crate::proto::v1;

/// Which image of a group is kept.
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
        let mut same: HashMap<&str, Vec<&str>> = HashMap::new();
        for v1::DuplicatePair { a, b, .. } in &group.pairs {
            same.entry(a).or_default().push(b);
            same.entry(b).or_default().push(a);
        }
        let mut kept = HashSet::new();
        let mut is_kept = |image: &v1::Image| {
            let others = same.get(image.cont_sign.as_str());
            let is_same =
                others.is_some_and(|others| others.iter().any(|sign| kept.contains(*sign)));
            !is_same && kept.insert(image.cont_sign.clone())
        };
        let marks = group.images.iter().map(&mut is_kept).collect();
        group.kept = marks;
        group
    }
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
            kept: Vec::new(),
        };
        let mut signs: Vec<String> = keep.sort(group).to_delete().map(str::to_owned).collect();
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

    #[test]
    fn an_image_that_is_the_same_as_no_kept_one_is_kept() {
        assert_eq!(to_delete(Keep::Oldest, &[("a", "b"), ("b", "c")]), ["b"]);
        assert_eq!(
            to_delete(Keep::Largest, &[("a", "b"), ("b", "c")]),
            ["a", "c"]
        );
    }
}
