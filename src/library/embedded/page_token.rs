//! Page tokens: a cursor of the library, bound to the listing that it belongs to.
//!
//! A cursor means another position in another library, filter or order; with its token a caller
//! gets an error instead of wrong pages. The binding protects from mistakes, not from forgery: a
//! forged token leads to some page of the caller's own library.

use std::fmt::Display;
use std::str::FromStr;

use same_image as engine;

use crate::domain::{ImageFilter, List, ListOrder, TagLogic};
use crate::error::{Error, Kind, Result};

/// Identifies a listing: 64 bits of the BLAKE3 hash of library, filter and order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::library) struct ListingId([u8; 8]);

// === impl ListingId ===

impl ListingId {
    pub(in crate::library) fn new(library: engine::LibraryId, request: &List) -> Self {
        let ImageFilter {
            tags,
            tag_logic,
            brief_contains,
            added_since_ms,
            added_before_ms,
        } = &request.filter;
        let mut hasher = blake3::Hasher::new();
        hasher.update(library.to_string().as_bytes());
        hasher.update(&[
            u8::from(request.order == ListOrder::NewestFirst),
            u8::from(*tag_logic == TagLogic::Or),
            u8::from(added_before_ms.is_some()),
        ]);
        hasher.update(&added_since_ms.to_le_bytes());
        hasher.update(&added_before_ms.unwrap_or_default().to_le_bytes());
        hasher.update(&tags.as_slice().len().to_le_bytes());
        for tag in tags.as_slice() {
            hasher.update(&tag.to_le_bytes());
        }
        hasher.update(brief_contains.as_bytes());
        let mut id = [0; 8];
        hasher.finalize_xof().fill(&mut id);
        ListingId(id)
    }

    /// Writes the token of the page after a cursor.
    pub(in crate::library) fn token(self, cursor: impl Display) -> String {
        format!("{cursor}.{:016x}", u64::from_be_bytes(self.0))
    }

    /// Reads a token; an empty one is that of the first page.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a text that is no token, and for the token of another listing.
    pub(in crate::library) fn cursor<C: Display + FromStr>(self, token: &str) -> Result<Option<C>> {
        if token.is_empty() {
            return Ok(None);
        }
        let cursor = token
            .split_once('.')
            .and_then(|(cursor, _)| cursor.parse().ok())
            .filter(|cursor: &C| self.token(cursor) == token);
        if cursor.is_some() {
            return Ok(cursor);
        }
        let message = "no `next_page_token` of this library with this filter and order";
        Err(Error::violation(
            "page_token",
            Kind::InvalidParameter,
            message,
        ))
    }
}
