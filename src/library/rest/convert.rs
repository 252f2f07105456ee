//! The vendor's responses as results of the library.

use crate::domain::{Added, ContSign, Match, SearchResults};
use crate::error::{Error, Kind, Result};
use crate::wire::{AddResponse, SearchHit, SearchResponse};

/// Converts the response to an add; code 216681 is a success, too.
///
/// # Errors
///
/// Any other error of `response`, `VendorProtocol` for an unusable sign.
pub(super) fn added(response: Result<AddResponse>) -> Result<Added> {
    match response {
        Ok(response) => Ok(Added {
            cont_sign: sign(&response.cont_sign)?,
            existed: false,
            log_id: response.log_id,
        }),
        Err(error) if error.kind() == Kind::ImageAlreadyExists => existed(error),
        Err(error) => Err(error),
    }
}

/// Converts the response to a search: at most `limit` matches, none below `min_score`.
///
/// # Errors
///
/// `VendorProtocol` for an unusable sign or score.
pub(super) fn page(
    response: SearchResponse,
    limit: usize,
    min_score: f64,
) -> Result<SearchResults> {
    let received = response.result.len();
    let expected = received.min(limit);
    let mut matches = Vec::with_capacity(expected);
    for hit in response.result.into_iter().take(limit) {
        if hit.score.is_nan() {
            return Err(unusable("score"));
        }
        if hit.score >= min_score {
            matches.push(found(hit)?);
        }
    }
    // Scores fall, so behind a match below `min_score` no other is above it.
    let has_more = (response.has_more || received > limit) && matches.len() == expected;
    Ok(SearchResults {
        matches,
        has_more,
        log_id: response.log_id,
    })
}

fn existed(error: Error) -> Result<Added> {
    let Some(text) = error.cont_sign() else {
        return Err(error);
    };
    Ok(Added {
        cont_sign: sign(text)?,
        existed: true,
        log_id: error
            .vendor_code()
            .and_then(|code| code.log_id)
            .unwrap_or(0),
    })
}

fn found(hit: SearchHit) -> Result<Match> {
    Ok(Match {
        cont_sign: sign(&hit.cont_sign)?,
        score: hit.score.clamp(0.0, 1.0),
        brief: hit.brief,
        tags: Vec::new(),
        geometry: None,
        agreement: None,
        coverage: None,
    })
}

fn sign(text: &str) -> Result<ContSign> {
    ContSign::new(text).map_err(|_| unusable("cont_sign"))
}

fn unusable(field: &str) -> Error {
    let message = format!("the vendor's response holds an unusable `{field}`");
    Error::new(Kind::VendorProtocol, message)
}
