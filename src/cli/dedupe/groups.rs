//! Merges the groups of a stream: those that share an image are one.

use std::collections::{BTreeMap, HashMap};

use crate::proto::v1;

/// Groups while they arrive.
#[derive(Default)]
pub(super) struct Groups {
    images: Vec<v1::Image>,
    by_sign: HashMap<String, usize>,
    /// Disjoint sets over `images`: the parent of each.
    parents: Vec<usize>,
    /// The score of each pair, by the positions of its images.
    pairs: BTreeMap<(usize, usize), v1::DuplicatePair>,
}

/// One whole group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The images, in the order of preference once they are sorted.
    pub(super) images: Vec<v1::Image>,
    pub(super) pairs: Vec<v1::DuplicatePair>,
    /// For each image that need not be kept the sign of a kept one of which it is a copy, by its
    /// position.
    pub(super) copy_of: Vec<Option<String>>,
}

/// A copy that need not be kept, by its sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surplus<'a> {
    pub(super) sign: &'a str,
    /// The kept image of which it is a copy.
    pub(super) original: &'a str,
}

// === impl Groups ===

impl Groups {
    pub(super) fn add(&mut self, group: v1::DuplicateGroup) {
        for image in group.images {
            self.position(image);
        }
        for pair in group.pairs {
            let ends = (self.by_sign.get(&pair.a), self.by_sign.get(&pair.b));
            // A pair names images of its group.
            if let (Some(&a), Some(&b)) = ends {
                let (root_a, root_b) = (self.root(a), self.root(b));
                self.parents[root_a.max(root_b)] = root_a.min(root_b);
                self.pairs.insert((a.min(b), a.max(b)), pair);
            }
        }
    }

    /// Returns the number of images in groups.
    pub(super) fn images(&self) -> usize {
        self.images.len()
    }

    /// Returns the groups of two or more images, in the order in which their first images came.
    pub(super) fn into_groups(mut self) -> Vec<Group> {
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        let roots: Vec<usize> = (0..self.images.len()).map(|at| self.root(at)).collect();
        for (image, root) in self.images.into_iter().zip(&roots) {
            groups.entry(*root).or_default().images.push(image);
        }
        for ((a, _), pair) in self.pairs {
            groups.entry(roots[a]).or_default().pairs.push(pair);
        }
        groups
            .into_values()
            .filter(|group| group.images.len() > 1)
            .collect()
    }

    fn position(&mut self, image: v1::Image) -> usize {
        let next = self.images.len();
        let at = *self.by_sign.entry(image.cont_sign.clone()).or_insert(next);
        if at == next {
            self.images.push(image);
            self.parents.push(next);
        }
        at
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }
}

// === impl Group ===

impl Group {
    pub(super) fn is_kept(&self, position: usize) -> bool {
        self.copy_of.get(position).is_none_or(Option::is_none)
    }

    /// Returns the images that are not kept.
    pub(super) fn to_delete(&self) -> impl Iterator<Item = Surplus<'_>> {
        let images = self.images.iter().zip(&self.copy_of);
        images.filter_map(|(image, original)| {
            Some(Surplus {
                sign: &image.cont_sign,
                original: original.as_deref()?,
            })
        })
    }

    /// Returns the best score of the pairs of each image, by its sign.
    pub(super) fn best_scores(&self) -> HashMap<&str, f64> {
        let mut scores: HashMap<&str, f64> = HashMap::new();
        for pair in &self.pairs {
            for sign in [&pair.a, &pair.b] {
                let best = scores.entry(sign).or_default();
                *best = f64::max(*best, pair.score);
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(signs: &[&str]) -> v1::DuplicateGroup {
        let image = |sign: &&str| v1::Image {
            cont_sign: (*sign).to_owned(),
            ..v1::Image::default()
        };
        let pair = |ends: &[&str]| v1::DuplicatePair {
            a: ends[0].to_owned(),
            b: ends[1].to_owned(),
            score: 0.9,
            geometry: None,
        };
        v1::DuplicateGroup {
            images: signs.iter().map(image).collect(),
            pairs: signs.windows(2).map(pair).collect(),
        }
    }

    fn merged(groups: &[&[&str]]) -> Vec<(String, usize)> {
        let mut all = Groups::default();
        for signs in groups {
            all.add(group(signs));
        }
        let signs = |group: &Group| {
            let signs = group.images.iter().map(|image| image.cont_sign.as_str());
            signs.collect::<String>()
        };
        let groups = all.into_groups();
        groups
            .iter()
            .map(|group| (signs(group), group.pairs.len()))
            .collect()
    }

    #[test]
    fn groups_that_share_an_image_are_one() {
        assert_eq!(
            merged(&[&["a", "b"], &["x", "y"], &["c", "d"], &["b", "c"]]),
            [("abcd".to_owned(), 3), ("xy".to_owned(), 1)]
        );
    }

    #[test]
    fn the_score_of_an_image_is_that_of_its_best_pair() {
        let mut group = Group {
            pairs: group(&["a", "b", "c"]).pairs,
            ..Group::default()
        };
        group.pairs[0].score = 0.5;

        let expected = [("a", 0.5), ("b", 0.9), ("c", 0.9)];
        assert_eq!(group.best_scores(), HashMap::from(expected));
    }

    #[test]
    fn a_group_that_is_sent_twice_counts_once() {
        assert_eq!(merged(&[&["a", "b"], &["a", "b"]]), [("ab".to_owned(), 1)]);
    }
}
