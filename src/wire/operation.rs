//! The operations of the contract and the last part of their paths.

/// An operation of the same_hq API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Stores an image.
    Add,
    /// Finds the stored images that are the same as the query image.
    Search,
    /// Changes brief or tags of a stored image.
    Update,
    /// Deletes stored images.
    Delete,
}

// === impl Operation ===

impl Operation {
    /// Every operation, in the order of [`Operation::index`].
    pub const ALL: [Operation; 4] = [
        Operation::Add,
        Operation::Search,
        Operation::Update,
        Operation::Delete,
    ];

    /// Returns the index in [`Operation::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the last part of the operation's path.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Add => "add",
            Operation::Search => "search",
            Operation::Update => "update",
            Operation::Delete => "delete",
        }
    }
}
