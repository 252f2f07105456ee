//! Deletions: many signs in calls of 100, and the truth about each sign.
//!
//! The vendor tells nothing per sign. A call that succeeds has deleted all of
//! its signs. One of several signs that responses "not there" is cut in halves
//! until the missing ones stand alone. Any other failure is that of every sign
//! of the call; where it would meet the next call too, nothing more is sent.

use super::Rest;
use super::call::Operation;
use super::encode::Form;
use crate::call::Call;
use crate::domain::{ContSign, DeleteTarget, Deleted};
use crate::error::{Error, Kind, Origin, Result, Retry};
use crate::wire::{LogResponse, MAX_SIGNS_PER_CALL, SIGN_SEPARATOR};

impl Rest {
    /// Deletes one image, or any number of signs.
    ///
    /// # Errors
    ///
    /// Of an image: everything but its absence, which is its outcome.
    pub(super) async fn delete_all(&self, call: &Call, target: DeleteTarget) -> Result<Deleted> {
        match target {
            DeleteTarget::Signs(signs) => Ok(self.delete_signs(call, &signs).await),
            DeleteTarget::Source(source) => {
                let form = super::form(&source, Vec::new())?;
                match self
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
        }
    }

    async fn delete_signs(&self, call: &Call, signs: &[ContSign]) -> Deleted {
        let mut deleted = Deleted {
            outcomes: Vec::with_capacity(signs.len()),
            log_ids: Vec::new(),
        };
        // Signs that are still to be sent together, the next ones on top.
        let mut batches: Vec<_> = signs.chunks(MAX_SIGNS_PER_CALL).rev().collect();
        while let Some(batch) = batches.pop() {
            match self.delete_batch(call, batch).await {
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
                    if meets_everyone(&error) {
                        let left = signs.len() - deleted.outcomes.len();
                        fail(&mut deleted, error, left);
                        break;
                    }
                    fail(&mut deleted, error, batch.len());
                }
            }
        }
        deleted
    }

    async fn delete_batch(&self, call: &Call, batch: &[ContSign]) -> Result<LogResponse> {
        let mut joined = String::new();
        for sign in batch {
            if !joined.is_empty() {
                joined.push(SIGN_SEPARATOR);
            }
            joined.push_str(sign.as_str());
        }
        let form = Form::new(None, &[("cont_sign", joined)])?;
        self.call(call, Operation::Delete, form).await
    }
}

/// Gives the failure to the next `count` signs.
fn fail(deleted: &mut Deleted, error: Error, count: usize) {
    let copies = (1..count).map(|_| Err(error.without_source()));
    deleted.outcomes.extend(copies);
    deleted.outcomes.push(Err(error));
}

/// Whether the failure is not about these signs but would meet any others: the
/// time is up, a quota is used up, the set-up is wrong.
fn meets_everyone(error: &Error) -> bool {
    let set_up = matches!(error.kind().origin(), Origin::Gateway | Origin::Vendor);
    set_up && error.kind().retry() == Retry::Never && error.kind() != Kind::VendorProtocol
}

fn log_id(error: &Error) -> Option<u64> {
    error.vendor_code().and_then(|vendor| vendor.log_id)
}
