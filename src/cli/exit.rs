//! The exit status of a client command.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The operation failed, or one of its items did.
    Failed = 1,
    /// The user interrupted it: 128 + SIGINT, as shells report it.
    Interrupted = 130,
}
