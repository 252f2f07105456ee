//! Deletions: batches of 100, and the outcome of each sign.

use samegate::domain::{Delete, Deleted, RawTarget};

use super::*;
use crate::support::vendor::BatchDelete;

/// Adds this many images and returns their signs.
async fn filled(library: &RestBackend, images: u8) -> Vec<String> {
    let mut signs = Vec::new();
    let file = png(1);
    for number in 0..images {
        // Readers stop at a PNG's end, so this is another file with a valid image.
        let image = [&file[..], &[number]].concat();
        let added = add(library, image.into(), "a").await.unwrap();
        signs.push(added.cont_sign.to_string());
    }
    signs
}

async fn delete(library: &RestBackend, signs: &[String]) -> Deleted {
    let request = Delete::new(RawTarget::Signs(signs.to_vec())).unwrap();
    library.delete(&call(), request).await.unwrap()
}

fn kinds(deleted: Deleted) -> Vec<Option<Kind>> {
    let kind = |outcome: Result<()>| outcome.err().map(|error| error.kind());
    deleted.outcomes.into_iter().map(kind).collect()
}

#[tokio::test]
async fn signs_are_deleted_a_hundred_a_call() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    let signs = filled(&library, 201).await;

    let deleted = delete(&library, &signs).await;

    assert_eq!(vendor.calls_of(Operation::Delete).len(), 3);
    assert_eq!(deleted.log_ids.len(), 3);
    assert_eq!(
        vendor.calls_of(Operation::Delete).pop().unwrap().fields["cont_sign"],
        signs[200]
    );
    assert_eq!(kinds(deleted), vec![None; 201]);
    assert!(vendor.stored().is_empty());
}

#[tokio::test]
async fn missing_signs_are_found_and_the_others_deleted() {
    let vendor = Vendor::start().await;
    vendor.set_batch_delete(BatchDelete::AllOrNothing);
    let library = library(&vendor);
    let mut signs = filled(&library, 110).await;
    let missing = [0, 1, 57, 99, 100, 109];
    for at in missing {
        signs[at] = format!("{at},4");
    }

    let outcomes = kinds(delete(&library, &signs).await);

    for (at, outcome) in outcomes.iter().enumerate() {
        let expected = missing.contains(&at).then_some(Kind::ImageNotFound);
        assert_eq!(*outcome, expected, "sign {at}");
    }
    assert_eq!(outcomes.len(), 110);
    assert_eq!(
        vendor.stored().len(),
        missing.len(),
        "the others are still stored"
    );
}

#[tokio::test]
async fn a_failed_batch_fails_its_signs_and_the_next_is_sent() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    let signs = filled(&library, 120).await;
    vendor.script(Operation::Delete, Fault::code(282_000));

    let deleted = delete(&library, &signs).await;

    let codes = deleted.outcomes[..100]
        .iter()
        .map(|outcome| outcome.as_ref().unwrap_err().vendor_code());
    assert!(
        codes
            .into_iter()
            .all(|vendor| vendor.unwrap().code == 282_000)
    );
    assert!(deleted.outcomes[100..].iter().all(Result::is_ok));
    assert_eq!(vendor.stored().len(), 100);
}

#[tokio::test]
async fn a_used_up_quota_ends_the_deletion_with_its_first_call() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    let signs: Vec<_> = (0..250).map(|number| format!("{number},1")).collect();
    vendor.always(Operation::Delete, Fault::code(17));

    let outcomes = kinds(delete(&library, &signs).await);

    assert_eq!(outcomes, vec![Some(Kind::DailyQuotaExceeded); 250]);
    assert_eq!(vendor.calls_of(Operation::Delete).len(), 1);
}

#[tokio::test]
async fn an_image_that_is_missing_is_an_outcome_and_any_other_failure_an_error() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    let request = || Delete::new(RawTarget::Source(RawSource::Content(png(1)))).unwrap();

    let deleted = library.delete(&call(), request()).await.unwrap();
    assert_eq!(kinds(deleted), [Some(Kind::ImageNotFound)]);

    vendor.always(Operation::Delete, Fault::code(4));
    let error = library.delete(&call(), request()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::VendorBusy);
}
