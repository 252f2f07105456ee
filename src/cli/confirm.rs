//! The question before images are deleted.

use std::io::{self, BufRead, IsTerminal};

use super::failure::Failure;
use super::output::Output;

/// Returns whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks on the terminal whether to delete that many images of a library; says so if they stay.
pub(super) fn deletion(count: u64, library: &str, output: &mut Output) -> Result<bool, Failure> {
    let of = if library.is_empty() {
        "the default library".to_owned()
    } else {
        format!("library `{library}`")
    };
    let images = images(count);
    output.note(&format!("Delete {images} of {of}? Type `yes`:"));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::local(format!("cannot read the answer: {error}")))?;
    let is_confirmed = answer.trim() == "yes";
    if !is_confirmed {
        output.note("nothing was deleted");
    }
    Ok(is_confirmed)
}

/// Formats a number of images.
pub(super) fn images(count: u64) -> String {
    if count == 1 {
        "1 image".to_owned()
    } else {
        format!("{count} images")
    }
}
