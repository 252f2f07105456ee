//! Deletions: any number of signs in calls of 100, with an outcome for each.
//!
//! The vendor returns no outcome per sign. A call that succeeds has deleted all of its signs. A
//! batch that fails with "not found" is split in halves until the missing signs are alone. Any
//! other failure is the outcome of every sign of the batch; where the next batch would fail as
//! well, nothing more is sent.

use super::encode::Form;
use super::upstream::Upstream;
use crate::call::Call;
use crate::domain::{ContSign, DeleteTarget, Deleted};
use crate::error::{Error, Kind, Origin, Result, Retry};
use crate::wire::{LogResponse, MAX_SIGNS_PER_CALL, Operation, SIGN_SEPARATOR};

/// Deletes one image, or any number of signs.
///
/// # Errors
///
/// Of an image: every error but its absence, which is its outcome.
pub(super) async fn delete(
    upstream: &Upstream,
    call: &Call,
    target: DeleteTarget,
) -> Result<Deleted> {
    let source = match target {
        DeleteTarget::Signs(signs) => return Ok(delete_signs(upstream, call, &signs).await),
        DeleteTarget::Source(source) => source,
    };
    let form = Form::of(&source, Vec::new())?;
    match upstream
        .call::<LogResponse>(call, Operation::Delete, form)
        .await
    {
        Ok(response) => Ok(Deleted {
            outcomes: vec![Ok(())],
            log_ids: vec![response.log_id],
        }),
        Err(error) if error.kind() == Kind::ImageNotFound => Ok(Deleted {
            log_ids: log_id(&error).into_iter().collect(),
            outcomes: vec![Err(error)],
        }),
        Err(error) => Err(error),
    }
}

async fn delete_signs(upstream: &Upstream, call: &Call, signs: &[ContSign]) -> Deleted {
    let mut deleted = Deleted {
        outcomes: Vec::with_capacity(signs.len()),
        log_ids: Vec::new(),
    };
    // A stack of the batches that are still to be sent, the next one on top.
    let mut batches: Vec<_> = signs.chunks(MAX_SIGNS_PER_CALL).rev().collect();
    while let Some(batch) = batches.pop() {
        match delete_batch(upstream, call, batch).await {
            Ok(response) => {
                deleted.log_ids.push(response.log_id);
                deleted.outcomes.extend(batch.iter().map(|_| Ok(())));
            }
            Err(error) if error.kind() == Kind::ImageNotFound && batch.len() > 1 => {
                deleted.log_ids.extend(log_id(&error));
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second, first]);
            }
            Err(error) => {
                deleted.log_ids.extend(log_id(&error));
                if fails_every_batch(&error) {
                    let remaining = signs.len() - deleted.outcomes.len();
                    fail(&mut deleted, error, remaining);
                    break;
                }
                fail(&mut deleted, error, batch.len());
            }
        }
    }
    deleted
}

async fn delete_batch(upstream: &Upstream, call: &Call, batch: &[ContSign]) -> Result<LogResponse> {
    let mut joined = String::new();
    for sign in batch {
        if !joined.is_empty() {
            joined.push(SIGN_SEPARATOR);
        }
        joined.push_str(sign.as_str());
    }
    let form = Form::new(None, &[("cont_sign", joined)])?;
    upstream.call(call, Operation::Delete, form).await
}

/// Records the failure as the outcome of the next `count` signs.
fn fail(deleted: &mut Deleted, error: Error, count: usize) {
    let copies = (1..count).map(|_| Err(error.without_source()));
    deleted.outcomes.extend(copies);
    deleted.outcomes.push(Err(error));
}

/// Returns whether the failure is not about these signs but would fail any other batch: the
/// deadline has passed, a quota is used up, the set-up is wrong.
fn fails_every_batch(error: &Error) -> bool {
    matches!(error.kind().origin(), Origin::Gateway | Origin::Vendor)
        && error.kind().retry() == Retry::Never
        && error.kind() != Kind::VendorProtocol
}

fn log_id(error: &Error) -> Option<u64> {
    error.vendor_code().and_then(|vendor| vendor.log_id)
}
