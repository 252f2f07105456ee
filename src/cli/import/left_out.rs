//! What an import found and does not send, counted by the reason.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Why a file or folder is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Its content is no image.
    NoImage,
    /// Its name begins with a dot; of a hidden folder, the files in it are not counted.
    Hidden,
    /// It is a link to a folder, which may form a cycle.
    LinkedFolder,
    /// It is a pipe, socket or device without the name of an image.
    Special,
    /// It is a link that leads nowhere, without the name of an image.
    BrokenLink,
}

/// The counts.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut(BTreeMap<Reason, u64>);

// === impl LeftOut ===

impl LeftOut {
    pub(super) fn add(&mut self, reason: Reason) {
        *self.0.entry(reason).or_default() += 1;
    }

    /// Adds the counts of another part of the import.
    pub(super) fn merge(&mut self, other: LeftOut) {
        for (reason, count) in other.0 {
            *self.0.entry(reason).or_default() += count;
        }
    }

    pub(super) fn has(&self, reason: Reason) -> bool {
        self.0.contains_key(&reason)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Formats the counts with stable field names; reasons without a file are omitted.
    pub(super) fn to_json(&self) -> Value {
        let counts = self.0.iter();
        counts
            .map(|(reason, count)| (reason.key().to_owned(), Value::from(*count)))
            .collect()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (reason, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{count} {}", reason.text())?;
        }
        Ok(())
    }
}

// === impl Reason ===

impl Reason {
    fn key(self) -> &'static str {
        match self {
            Reason::NoImage => "no_image",
            Reason::Hidden => "hidden",
            Reason::LinkedFolder => "linked_folder",
            Reason::Special => "special",
            Reason::BrokenLink => "broken_link",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Reason::NoImage => "no image",
            Reason::Hidden => "hidden",
            Reason::LinkedFolder => "link to a folder",
            Reason::Special => "pipe or device",
            Reason::BrokenLink => "broken link",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_for_people_and_programs() {
        let mut left_out = LeftOut::default();
        left_out.add(Reason::Hidden);
        left_out.add(Reason::NoImage);
        left_out.add(Reason::NoImage);

        assert_eq!(left_out.to_string(), "2 no image, 1 hidden");
        assert_eq!(
            left_out.to_json().to_string(),
            "{\"hidden\":1,\"no_image\":2}"
        );
    }
}
