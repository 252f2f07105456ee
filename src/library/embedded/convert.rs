//! Requests as parameters of the engine, and its results as responses.

use bytes::Bytes;
use same_image as engine;

use super::choices::Choices;
use crate::call::new_log_id;
use crate::domain::{
    Added, Comparison, ContSign, Geometry, MAX_REPORTED_MATCHES, Match, Record, SearchOptions,
    TagLogic, Tags,
};
use crate::error::{Error, Kind, Result};

/// Returns the parameters of a search.
pub(in crate::library) fn query(options: &SearchOptions, choices: Choices) -> engine::Query {
    engine::Query {
        filter: tag_filter(&options.tags, options.tag_logic),
        offset: options.offset as usize,
        limit: options.limit as usize,
        min_score: score(options.min_score),
        profile: choices.profile(options.profile),
        effort: choices.effort(options.effort),
    }
}

/// Returns the parameters of the search before an addition, which usually finds nothing.
pub(in crate::library) fn best_matches(min_score: f64, choices: Choices) -> engine::Query {
    engine::Query {
        limit: MAX_REPORTED_MATCHES as usize,
        min_score: score(min_score),
        profile: choices.profile(None),
        effort: engine::Effort::Fast,
        ..engine::Query::default()
    }
}

/// Parses a sign; a text that is no sign of the engine means no image.
pub(in crate::library) fn sign(text: &ContSign) -> Option<engine::Sign> {
    engine::Sign::parse(text.as_str())
}

pub(in crate::library) fn cont_sign(sign: engine::Sign) -> Result<ContSign> {
    ContSign::new(&sign.to_string()).map_err(Error::from)
}

pub(super) fn matched(hit: engine::Hit) -> Result<Match> {
    Ok(Match {
        cont_sign: cont_sign(hit.sign)?,
        score: f64::from(hit.score),
        brief: hit.brief,
        tags: hit.tags,
        geometry: hit.geometry.map(geometry),
        agreement: hit.agreement,
        coverage: hit.coverage,
    })
}

/// Writes the result of an addition after a search; one that was rejected has a match.
pub(super) fn checked(result: engine::CheckedAdd) -> Result<Added> {
    let matches = result.matches.into_iter().map(matched);
    let matches: Vec<Match> = matches.collect::<Result<_>>()?;
    let (sign, existed) = match (result.added, matches.first()) {
        (Some(added), _) => (cont_sign(added.sign)?, added.existed),
        (None, Some(best)) => (best.cont_sign.clone(), false),
        (None, None) => return Err(Error::new(Kind::Internal, "a rejection without a match")),
    };
    Ok(Added {
        is_rejected: result.added.is_none(),
        matches,
        ..Added::new(sign, existed, new_log_id())
    })
}

pub(in crate::library) fn comparison(found: &engine::Comparison) -> Comparison {
    Comparison {
        score: f64::from(found.score),
        geometry: found.geometry.map(geometry),
        agreement: found.agreement,
        coverage: found.coverage,
        hash_distance: found.hash_distance,
        log_id: new_log_id(),
    }
}

pub(super) fn tag_filter(tags: &Tags, logic: TagLogic) -> engine::TagFilter {
    engine::TagFilter {
        tags: tags.as_slice().to_vec(),
        logic: match logic {
            TagLogic::And => engine::TagLogic::And,
            TagLogic::Or => engine::TagLogic::Or,
        },
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "scores are single precision"
)]
fn score(score: f64) -> f32 {
    score as f32
}

pub(in crate::library) fn geometry(found: engine::Geometry) -> Geometry {
    Geometry {
        query: found.query,
        stored: found.stored,
        overlap: found.overlap,
    }
}

pub(super) fn record(found: engine::Record, thumbnail: Vec<u8>) -> Result<Record> {
    Ok(Record {
        cont_sign: cont_sign(found.sign)?,
        brief: found.brief,
        tags: found.tags,
        width: found.width,
        height: found.height,
        size_bytes: found.size_bytes,
        added_at_ms: found.added_at_ms,
        thumbnail: thumbnail.into(),
        preview: Bytes::new(),
    })
}
