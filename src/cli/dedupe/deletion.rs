//! Deletes copies of images that are kept.
//!
//! The join and the question take time, in which somebody else may delete what was to be kept: so
//! before each call it is checked that the kept images are still there, and a copy of one that is
//! gone is kept.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use samegate_client::{Client, retry_delay};

use super::groups::Surplus;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::records;

/// Images of one call.
const IMAGES_PER_CALL: usize = 1000;
/// Kept images that are looked up at once.
const LOOK_UPS: usize = 16;
/// Maximum number of times that one is looked up.
const MAX_ATTEMPTS: u32 = 8;

/// Deletes the copies; returns whether all are gone.
pub(super) async fn run(
    copies: &[Surplus<'_>],
    client: &Client,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut deleted = 0;
    let ended = delete_all(copies, client, output, &mut deleted).await;
    // Also of a deletion that failed in the middle.
    output.note(&format!("deleted {deleted} images"));
    ended?;
    Ok(if deleted == copies.len() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn delete_all(
    copies: &[Surplus<'_>],
    client: &Client,
    output: &mut Output,
    deleted: &mut usize,
) -> Result<(), Failure> {
    for copies in copies.chunks(IMAGES_PER_CALL) {
        let missing = missing(copies, client).await?;
        let mut signs = Vec::new();
        for Surplus { sign, original } in copies {
            if missing.contains(original) {
                output.note(&format!(
                    "`{sign}` was not deleted: it is a copy of `{original}`, which is gone"
                ));
            } else {
                signs.push((*sign).to_owned());
            }
        }
        if !signs.is_empty() {
            *deleted += delete(signs, client, output).await?;
        }
    }
    Ok(())
}

/// Returns the kept images that are not stored any more.
async fn missing<'a>(copies: &[Surplus<'a>], client: &Client) -> Result<HashSet<&'a str>, Failure> {
    let originals: HashSet<&str> = copies.iter().map(|copy| copy.original).collect();
    let look_up = |sign: &'a str| {
        let client = client.clone();
        async move {
            let mut attempts = 0;
            loop {
                let failure = match records::find(sign, &client).await {
                    Ok(image) => return Ok::<_, Failure>(image.is_none().then_some(sign)),
                    Err(failure) => failure,
                };
                attempts += 1;
                if attempts == MAX_ATTEMPTS || !failure.is_transient() {
                    return Err(failure);
                }
                // Look-ups count for the tenant's quota.
                tokio::time::sleep(retry_delay(attempts, failure.retry_after())).await;
            }
        }
    };
    let found = stream::iter(originals).map(look_up);
    let missing = found.buffer_unordered(LOOK_UPS).try_collect::<Vec<_>>();
    Ok(missing.await?.into_iter().flatten().collect())
}

/// Deletes images by their signs; returns the number of those that are gone.
async fn delete(
    signs: Vec<String>,
    client: &Client,
    output: &mut Output,
) -> Result<usize, Failure> {
    let mut deleted = 0;
    for result in client.delete(signs).await?.results {
        let status = result.status.unwrap_or_default();
        if status.code == 0 {
            deleted += 1;
        } else {
            let failure = Failure::from(status);
            output.note(&format!("error: `{}`: {failure}", result.cont_sign));
        }
    }
    Ok(deleted)
}
