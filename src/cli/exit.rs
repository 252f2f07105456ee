//! The exit status of a client command.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The operation failed, or one of its items did.
    Failed = 1,
    /// Some of the checked files are stored already, or copies of each other.
    Found = 3,
    /// The user interrupted it: 128 + SIGINT, as shells report it.
    Interrupted = 130,
}
