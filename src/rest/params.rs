//! Fields of a form to checked requests.
//!
//! Only the spelling is this module's business: which field wins, how numbers
//! and lists are written, what the same_hq format demands beyond the domain's
//! rules. As in the vendor's responses, the first violation found is the response.

use super::form::Fields;
use crate::domain::{Add, Delete, RawSource, RawTarget, Search, TagLogic, Update};
use crate::error::{Error, Kind, Result, Violation};
use crate::wire::{MAX_SIGNS_PER_CALL, SIGN_SEPARATOR};

/// Reads an addition. The documentation calls `brief` optional; the service
/// demands it.
pub(super) fn add(form: &Fields) -> Result<Add> {
    let Some(brief) = form.text("brief")? else {
        return Err(violation("brief", Kind::MissingParameter, "required"));
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
        Some(_) => return Err(violation("tag_logic", Kind::InvalidParameter, "0 or 1")),
    };
    let offset = number(form, "pn")?.unwrap_or(0);
    // The domain takes 0 for "not said"; here it is out of range.
    let limit = match number(form, "rn")? {
        Some(0) => return Err(violation("rn", Kind::InvalidParameter, "1 to 1000")),
        limit => limit.unwrap_or(0),
    };
    Search::new(source(form)?, &tags, tag_logic, (offset, limit), 0.0)
}

/// Reads an update; a field that is sent empty empties what is stored.
pub(super) fn update(form: &Fields) -> Result<Update> {
    let tags = tags(form)?;
    Update::new(target(form)?, form.text("brief")?, tags.as_deref())
}

/// Reads a deletion.
pub(super) fn delete(form: &Fields) -> Result<Delete> {
    Delete::new(target(form)?)
}

/// Reads which of the caller's libraries is meant, from the query or the body:
/// our own field, for callers with several. Empty means the first.
pub(super) fn library(query: &Fields, form: &Fields) -> Result<String> {
    let name = match query.text("library")? {
        Some(name) => Some(name),
        None => form.text("library")?,
    };
    Ok(name.unwrap_or_default())
}

/// Reads the image: `image` before `url`. An empty field counts only when
/// nothing else names the image, since SDKs send unset options empty.
fn source(form: &Fields) -> Result<RawSource> {
    if form.is_filled("image") || (form.is_sent("image") && !form.is_filled("url")) {
        return Ok(form.image("image"));
    }
    let url = form.text("url")?;
    Ok(url.map_or(RawSource::Missing, RawSource::Url))
}

/// Reads the stored image that is meant: `image` before `url` before signs.
fn target(form: &Fields) -> Result<RawTarget> {
    let shown = form.is_filled("image") || form.is_filled("url");
    let signs = form.text("cont_sign")?.unwrap_or_default();
    // A list joined with one separator too many is still the same list.
    let signs = signs.split(SIGN_SEPARATOR).map(str::trim);
    let signs: Vec<_> = signs.filter(|sign| !sign.is_empty()).collect();
    if shown || signs.is_empty() {
        return Ok(RawTarget::Source(source(form)?));
    }
    if signs.len() > MAX_SIGNS_PER_CALL {
        let message = format!("{} signs; at most {MAX_SIGNS_PER_CALL}", signs.len());
        return Err(Error::new(Kind::BatchRejected, message));
    }
    let signs = signs.into_iter().map(str::to_owned).collect();
    Ok(RawTarget::Signs(signs))
}

/// Reads numbers joined by commas; an empty field is an empty list.
fn tags(form: &Fields) -> Result<Option<Vec<u32>>> {
    let Some(text) = form.text("tags")? else {
        return Ok(None);
    };
    if text.trim().is_empty() {
        return Ok(Some(Vec::new()));
    }
    let tags: Result<_> = text.split(',').map(|tag| parse("tags", tag)).collect();
    tags.map(Some)
}

/// Reads one number; an empty field counts as not sent.
fn number(form: &Fields, name: &str) -> Result<Option<u32>> {
    match form.text(name)? {
        Some(text) if !text.trim().is_empty() => parse(name, &text).map(Some),
        Some(_) | None => Ok(None),
    }
}

fn parse(name: &str, text: &str) -> Result<u32> {
    let number = text.trim().parse();
    number.map_err(|_| violation(name, Kind::InvalidParameter, "not a whole number"))
}

fn violation(field: &str, kind: Kind, message: &str) -> Error {
    Error::invalid(vec![Violation::new(field, kind, message)])
}
