//! Reads checked requests from the fields of a form.
//!
//! Only the format is defined here: which field has priority, how numbers and lists are written,
//! what same_hq requires beyond the rules of `domain`. Like the vendor, it reports only the first
//! violation.

use super::form::Fields;
use crate::domain::{Add, Delete, RawSource, RawTarget, Search, TagLogic, Update};
use crate::error::{Error, Kind, Result};
use crate::wire::{MAX_SIGNS_PER_CALL, SIGN_SEPARATOR};

/// Reads an addition. The vendor's documentation calls `brief` optional, its service requires it.
pub(super) fn add(form: &Fields) -> Result<Add> {
    let Some(brief) = form.text("brief")? else {
        return Err(Error::violation(
            "brief",
            Kind::MissingParameter,
            "required",
        ));
    };
    let tags = tags(form)?.unwrap_or_default();
    Add::new(source(form)?, brief, &tags)
}

/// Reads a search.
pub(super) fn search(form: &Fields) -> Result<Search> {
    let tags = tags(form)?.unwrap_or_default();
    let tag_logic = match number(form, "tag_logic")? {
        None | Some(0) => TagLogic::And,
        Some(1) => TagLogic::Or,
        Some(_) => {
            return Err(Error::violation(
                "tag_logic",
                Kind::InvalidParameter,
                "0 or 1",
            ));
        }
    };
    let offset = number(form, "pn")?.unwrap_or(0);
    // In `domain`, 0 means the default; in this format it is out of range.
    let limit = match number(form, "rn")? {
        Some(0) => return Err(Error::violation("rn", Kind::InvalidParameter, "1 to 1000")),
        limit => limit.unwrap_or(0),
    };
    Search::new(source(form)?, &tags, tag_logic, (offset, limit), 0.0)
}

/// Reads an update; a field that is sent empty clears the stored value. Without brief and tags, as in
/// the vendor's samples, it changes nothing.
pub(super) fn update(form: &Fields) -> Result<Update> {
    let tags = tags(form)?;
    Update::new(target(form)?, form.text("brief")?, tags.as_deref())
}

/// Reads a deletion.
pub(super) fn delete(form: &Fields) -> Result<Delete> {
    Delete::new(target(form)?)
}

/// Reads the name of the library from the query or the body; empty means the caller's first
/// library. The field is our addition to the format.
pub(super) fn library(query: &Fields, form: &Fields) -> Result<String> {
    let name = match query.text("library")? {
        None => form.text("library")?,
        sent => sent,
    };
    Ok(name.unwrap_or_default())
}

/// Reads the image: `image` has priority over `url`. An empty field is ignored when the other one
/// is set, because SDKs send options without a value as empty fields.
fn source(form: &Fields) -> Result<RawSource> {
    if form.is_filled("image") || (form.is_sent("image") && !form.is_filled("url")) {
        return Ok(form.image("image"));
    }
    Ok(form.text("url")?.map_or(RawSource::Missing, RawSource::Url))
}

/// Reads the target: `image` has priority over `url`, and `url` over `cont_sign`.
fn target(form: &Fields) -> Result<RawTarget> {
    let signs = form.text("cont_sign")?.unwrap_or_default();
    // A superfluous separator is accepted.
    let signs: Vec<_> = signs
        .split(SIGN_SEPARATOR)
        .map(str::trim)
        .filter(|sign| !sign.is_empty())
        .map(str::to_owned)
        .collect();
    if form.is_filled("image") || form.is_filled("url") || signs.is_empty() {
        return Ok(RawTarget::Source(source(form)?));
    }
    if signs.len() > MAX_SIGNS_PER_CALL {
        let message = format!("{} signs; max {MAX_SIGNS_PER_CALL}", signs.len());
        return Err(Error::new(Kind::BatchRejected, message));
    }
    Ok(RawTarget::Signs(signs))
}

/// Reads numbers separated by commas; an empty field is an empty list.
fn tags(form: &Fields) -> Result<Option<Vec<u32>>> {
    let Some(text) = form.text("tags")? else {
        return Ok(None);
    };
    if text.trim().is_empty() {
        return Ok(Some(Vec::new()));
    }
    text.split(',')
        .map(|tag| parse("tags", tag))
        .collect::<Result<_>>()
        .map(Some)
}

/// Reads one number; an empty field has the same meaning as a missing one.
fn number(form: &Fields, name: &str) -> Result<Option<u32>> {
    match form.text(name)? {
        Some(text) if !text.trim().is_empty() => parse(name, &text).map(Some),
        Some(_) | None => Ok(None),
    }
}

fn parse(name: &str, text: &str) -> Result<u32> {
    text.trim()
        .parse()
        .map_err(|_| Error::violation(name, Kind::InvalidParameter, "not a whole number"))
}
