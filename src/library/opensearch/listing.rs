//! Listings and deletions by a filter.
//!
//! Documents are in the order of the time of their adds, by the clocks of the gateways, and then of
//! their signs. A page follows the last document of the page before it, so documents that are added
//! or deleted meanwhile do not move others.

use std::fmt;
use std::str::FromStr;

use same_image as engine;
use serde_json::{Value, json};

use super::document::{Document, RECORD};
use super::response::{self, Found, Hit, SEARCH, Version};
use super::writer::{Change, Outcome};
use super::{OpenSearchBackend, query};
use crate::call::{Call, new_log_id};
use crate::domain::{
    DeleteByFilter, DeletedByFilter, ImageFilter, List, ListOrder, Listing, Record, TagCount,
};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::convert::cont_sign;
use crate::library::embedded::page_token::ListingId;

/// Maximum size of the thumbnails of a page. With the records of 1000 images it fits into 4 MiB,
/// which clients of gRPC accept by default.
const MAX_THUMBNAIL_BYTES: usize = 3 << 20;
/// Maximum number of images of a page with thumbnails: 200 have 2 MB.
const MAX_THUMBNAILS: usize = 200;
/// Images of one step of a deletion: two bulk requests.
const DELETE_STEP: usize = 1000;
/// Maximum number of images that one call deletes; their signs and versions need 24 MB.
const MAX_DELETED: usize = 1_000_000;
/// Maximum number of signs in the response to a dry run.
const MAX_SIGNS: usize = 100;
/// Maximum number of different tags (their range).
const MAX_TAGS: usize = 65_535;

/// Where a document stands in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    added_at_ms: u64,
    sign: engine::Sign,
}

/// Which documents a page has.
pub(super) struct PageQuery<'a> {
    pub(super) filter: &'a ImageFilter,
    pub(super) order: ListOrder,
    pub(super) after: Option<Position>,
    pub(super) size: usize,
    pub(super) fields: &'a [&'a str],
}

// === impl OpenSearchBackend ===

impl OpenSearchBackend {
    /// Returns one page of the records.
    pub(super) async fn page(&self, call: &Call, request: List) -> Result<Listing> {
        let listing = ListingId::new(self.opened(call.deadline).await?.library, &request);
        let (mut size, mut fields) = (request.page_size as usize, RECORD.to_vec());
        if request.thumbnails {
            size = size.min(MAX_THUMBNAILS);
            fields.push("thumbnail");
        }
        let found = self
            .documents(
                call,
                &PageQuery {
                    filter: &request.filter,
                    order: request.order,
                    after: listing.cursor(&request.page_token)?,
                    // One more tells whether there is another page.
                    size: size + 1,
                    fields: &fields,
                },
            )
            .await?;
        let total = request
            .filter
            .brief_contains
            .is_empty()
            .then(|| found.total());
        let hits = found.into_hits();
        let (mut records, mut thumbnail_bytes, mut last) = (Vec::<Record>::new(), 0, None);
        let count = hits.len();
        for hit in hits.into_iter().take(size) {
            let document = hit.document()?;
            thumbnail_bytes += document.image.thumbnail.len();
            if thumbnail_bytes > MAX_THUMBNAIL_BYTES && !records.is_empty() {
                break;
            }
            last = Some(Position::of(&document));
            records.push(document.into_record()?);
        }
        let next = last.filter(|_| records.len() < count);
        Ok(Listing {
            records,
            next_page_token: next.map(|next| listing.token(next)).unwrap_or_default(),
            total,
        })
    }

    /// Reads the documents of a page.
    pub(super) async fn documents(&self, call: &Call, page: &PageQuery<'_>) -> Result<Found> {
        let order = match page.order {
            ListOrder::OldestFirst => "asc",
            ListOrder::NewestFirst => "desc",
        };
        let mut body = json!({
            "size": page.size,
            "track_total_hits": true,
            "timeout": format!("{}ms", call.remaining().min(self.timeout).as_millis()),
            "seq_no_primary_term": true,
            "_source": page.fields,
            "query": query::filter(page.filter),
            "sort": [{ "added_at_ms": order }, { "sign": order }],
        });
        if page.fields.is_empty() {
            // An empty list would be all fields.
            body["_source"] = false.into();
        }
        if let Some(Position { added_at_ms, sign }) = page.after {
            body["search_after"] = json!([added_at_ms, sign.to_string()]);
        }
        let request = self.post("list", SEARCH, body.to_string());
        let response = self
            .client
            .send(call.deadline, Some(call), &request)
            .await?;
        response::parse(&response)
    }

    /// Returns the number of documents that a filter admits, after a position if there is one.
    pub(super) async fn count(
        &self,
        call: &Call,
        filter: &ImageFilter,
        after: Option<Position>,
    ) -> Result<u64> {
        let conditions: Vec<Value> = [query::filter(filter)]
            .into_iter()
            .chain(after.map(Position::condition_after))
            .collect();
        let body = json!({ "query": { "bool": { "filter": conditions } } });
        let request = self.post("count", "_count", body.to_string());
        response::count(
            &self
                .client
                .send(call.deadline, Some(call), &request)
                .await?,
        )
    }

    /// Returns the tags with the numbers of their images.
    pub(super) async fn tag_counts(&self, call: &Call) -> Result<Vec<TagCount>> {
        let tags = json!({ "field": "tags", "size": MAX_TAGS, "order": { "_key": "asc" } });
        let body = json!({ "size": 0, "aggs": { "tags": { "terms": tags } } });
        let request = self.post("list", SEARCH, body.to_string());
        let response = self
            .client
            .send(call.deadline, Some(call), &request)
            .await?;
        let found: Found = response::parse(&response)?;
        let buckets = found.aggregations["tags"]["buckets"].as_array();
        let count = |bucket: &Value| {
            let tag = u16::try_from(bucket["key"].as_u64()?).ok()?;
            let images = bucket["doc_count"].as_u64()?;
            Some(TagCount { tag, images })
        };
        Ok(buckets.into_iter().flatten().filter_map(count).collect())
    }

    /// Deletes every image that a filter admits, or counts them only: collects them, compares their
    /// number with the expected one, and deletes those that were collected. An image that changes
    /// meanwhile is left.
    pub(super) async fn delete_admitted(
        &self,
        call: &Call,
        request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
        let mut result = DeletedByFilter {
            matched: 0,
            deleted: 0,
            cont_signs: Vec::new(),
            log_id: new_log_id(),
        };
        if request.dry_run {
            let found = self.versions(call, &request.filter, None, MAX_SIGNS);
            let (versions, _, matched) = found.await?;
            let signs = versions.iter().map(|(sign, _)| cont_sign(*sign));
            result.cont_signs = signs.collect::<Result<_>>()?;
            result.matched = matched;
            return Ok(result);
        }
        let (mut collected, mut after) = (Vec::new(), None);
        loop {
            let found = self.versions(call, &request.filter, after, DELETE_STEP);
            let (versions, last, matched) = found.await?;
            if matched > MAX_DELETED as u64 {
                let message = format!(
                    "admits {matched} images, and one call deletes up to {MAX_DELETED}: narrow it, \
                     for example by `added_before`"
                );
                return Err(Error::violation("filter", Kind::InvalidParameter, message));
            }
            collected.extend(versions);
            if last.is_none() || collected.len() > MAX_DELETED {
                break;
            }
            after = last;
        }
        result.matched = collected.len() as u64;
        let expected = request.expected_count;
        if let Some(expected) = expected.filter(|count| *count != result.matched) {
            let message = format!(
                "nothing was deleted: the filter admits {} images, and `expected_count` is {expected}",
                result.matched
            );
            return Err(Error::new(Kind::CountMismatch, message));
        }
        for versions in collected.chunks(DELETE_STEP) {
            result.deleted += self.delete_versions(call, versions).await?;
        }
        Ok(result)
    }

    /// Returns a page of the versions that a filter admits, where it ends, and the number of all.
    async fn versions(
        &self,
        call: &Call,
        filter: &ImageFilter,
        after: Option<Position>,
        size: usize,
    ) -> Result<(Vec<(engine::Sign, Version)>, Option<Position>, u64)> {
        let page = PageQuery {
            filter,
            order: ListOrder::OldestFirst,
            after,
            size,
            fields: &[],
        };
        let found = self.documents(call, &page).await?;
        let total = found.total();
        let hits = found.into_hits();
        let last = hits.last().map(Hit::position).transpose()?;
        let versions = hits.iter().map(Hit::id_and_version);
        Ok((versions.collect::<Result<_>>()?, last, total))
    }

    /// Deletes documents unless they have changed; returns how many.
    async fn delete_versions(
        &self,
        call: &Call,
        versions: &[(engine::Sign, Version)],
    ) -> Result<u64> {
        let writes = versions.iter().map(|(sign, version)| {
            let change = Change::Delete(Some(*version));
            self.writer.write(call.deadline, *sign, change)
        });
        let outcomes = futures_util::future::try_join_all(writes).await?;
        let done = outcomes.into_iter().filter(|end| *end == Outcome::Done);
        Ok(done.count() as u64)
    }
}

// === impl Hit ===

impl Hit {
    /// Returns the document of a response that has one.
    pub(super) fn document(self) -> Result<Document> {
        Document::from_source(self.source.ok_or_else(|| malformed("_source"))?)
    }

    fn id_and_version(&self) -> Result<(engine::Sign, Version)> {
        let sign = engine::Sign::parse(&self.id).ok_or_else(|| malformed("_id"))?;
        Ok((sign, self.version().ok_or_else(|| malformed("_seq_no"))?))
    }

    fn position(&self) -> Result<Position> {
        let (Some(Value::Number(added)), Some(Value::String(sign))) =
            (self.sort.first(), self.sort.get(1))
        else {
            return Err(malformed("sort"));
        };
        Ok(Position {
            added_at_ms: added.as_u64().ok_or_else(|| malformed("sort"))?,
            sign: engine::Sign::parse(sign).ok_or_else(|| malformed("sort"))?,
        })
    }
}

fn malformed(field: &str) -> Error {
    let message = format!("a document of the cluster has no valid `{field}`");
    Error::new(Kind::ClusterSetup, message)
}

// === impl Position ===

impl Position {
    pub(super) fn of(document: &Document) -> Self {
        Position {
            added_at_ms: document.added_at_ms,
            sign: document.sign(),
        }
    }

    /// Writes a condition on the documents that a listing, the oldest first, has after this one.
    fn condition_after(self) -> Value {
        let Position { added_at_ms, sign } = self;
        let of_same_time = json!([
            { "term": { "added_at_ms": added_at_ms } },
            { "range": { "sign": { "gt": sign.to_string() } } },
        ]);
        json!({ "bool": { "minimum_should_match": 1, "should": [
            { "range": { "added_at_ms": { "gt": added_at_ms } } },
            { "bool": { "filter": of_same_time } },
        ]}})
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.added_at_ms, self.sign)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (added, sign) = text.split_once('-').ok_or(())?;
        Ok(Position {
            added_at_ms: added.parse().map_err(drop)?,
            sign: engine::Sign::parse(sign).ok_or(())?,
        })
    }
}
