//! The deletion of all images that a filter admits: count, ask, delete exactly that number.

use crate::cli::client::LibraryTarget;
use crate::cli::confirm::{self, images};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::proto::v1;
use crate::proto::v1::delete_images_request::Target;

/// What to delete, and whether to ask before.
pub(super) struct Deletion<'a> {
    pub(super) target: &'a LibraryTarget,
    pub(super) filter: v1::ImageFilter,
    /// Whether a filter without a condition is meant.
    pub(super) is_all: bool,
    pub(super) dry_run: bool,
    pub(super) is_confirmed: bool,
    pub(super) quiet: bool,
}

/// Counts the images, and deletes them unless it is a dry run or the user says no.
pub(super) async fn run(args: Deletion<'_>, output: &mut Output) -> Result<Exit, Failure> {
    check(&args.filter, args.is_all)?;
    let connection = &args.target.connection;
    let client = args.target.client().await?;
    let counting = v1::DeleteImagesRequest {
        target: Some(Target::Filter(args.filter)),
        dry_run: true,
        ..Default::default()
    };
    let counted = client.delete_images(counting.clone()).await?;
    if args.dry_run {
        show_dry_run(connection.json, &counted, output);
        return Ok(Exit::Done);
    }
    let count = counted.matched_count;
    if count > 0 && !args.is_confirmed && !confirm(count, &args.target.library, output)? {
        return Ok(Exit::Failed);
    }
    let deletion = v1::DeleteImagesRequest {
        expected_count: Some(count),
        dry_run: false,
        ..counting
    };
    let deleted = client.delete_images(deletion).await?;

    if connection.json {
        output.json(&serde_json::json!({
            "matched_count": deleted.matched_count,
            "deleted_count": deleted.deleted_count,
        }));
    } else if !args.quiet {
        output.line(&format!("deleted  {}", images(deleted.deleted_count)));
    }
    Ok(Exit::Done)
}

fn show_dry_run(json: bool, counted: &v1::DeleteImagesResponse, output: &mut Output) {
    if json {
        output.json(&serde_json::json!({
            "matched_count": counted.matched_count,
            "deleted_count": 0,
            "cont_signs": counted.matched_cont_signs,
        }));
        return;
    }
    for sign in &counted.matched_cont_signs {
        output.line(sign);
    }
    let shown = counted.matched_cont_signs.len() as u64;
    if counted.matched_count > shown {
        let more = counted.matched_count - shown;
        output.note(&format!("and {more} more"));
    }
    let images = images(counted.matched_count);
    output.note(&format!("{images} would be deleted"));
}

/// Asks whether to delete that many images.
fn confirm(count: u64, library: &str, output: &mut Output) -> Result<bool, Failure> {
    if !confirm::can_ask() {
        let images = images(count);
        let message = format!("{images} would be deleted; nothing was, as nobody can be asked");
        return Err(Failure::local(message).with_advice("give --yes, or --dry-run to see them"));
    }
    confirm::deletion(count, library, output)
}

/// Refuses a filter without a condition, which admits every image, unless all are meant.
fn check(filter: &v1::ImageFilter, is_all: bool) -> Result<(), Failure> {
    let has_condition = !filter.tags.is_empty()
        || !filter.brief_contains.is_empty()
        || filter.added_since.is_some()
        || filter.added_before.is_some();
    if has_condition || is_all {
        return Ok(());
    }
    Err(Failure::local("the filter admits every image")
        .with_advice("give --all to delete every image of the library"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_without_a_condition_needs_all() {
        let none = v1::ImageFilter {
            tag_logic: v1::TagLogic::And.into(),
            ..v1::ImageFilter::default()
        };
        let tag = v1::ImageFilter {
            tags: vec![7],
            ..none.clone()
        };

        assert!(check(&none, false).is_err());
        assert!(check(&none, true).is_ok());
        assert!(check(&tag, false).is_ok());
    }
}
