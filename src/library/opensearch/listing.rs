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
use super::response::{self, Found, Hit, Version};
use super::writer::{Change, Outcome};
use super::{OpenSearchBackend, query};
use crate::call::{Call, new_log_id};
use crate::domain::{
    ContSign, DeleteByFilter, DeletedByFilter, ImageFilter, List, ListOrder, Listing, Record,
    TagCount,
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
        if let Some(Position { added_at_ms, sign }) = page.after {
            body["search_after"] = json!([added_at_ms, sign.to_string()]);
        }
        let request = self.post("list", "_search", body.to_string());
        let response = self
            .client
            .send(call.deadline, Some(call), &request)
            .await?;
        response::search(&response)
    }

    /// Returns the number of documents that a filter admits.
    pub(super) async fn count(&self, call: &Call, filter: &ImageFilter) -> Result<u64> {
        let body = json!({ "query": query::filter(filter) });
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
        let request = self.post("list", "_search", body.to_string());
        let response = self
            .client
            .send(call.deadline, Some(call), &request)
            .await?;
        let found = response::search(&response)?;
        let buckets = found.aggregations["tags"]["buckets"].as_array();
        let count = |bucket: &Value| {
            let tag = u16::try_from(bucket["key"].as_u64()?).ok()?;
            let images = bucket["doc_count"].as_u64()?;
            Some(TagCount { tag, images })
        };
        Ok(buckets.into_iter().flatten().filter_map(count).collect())
    }

    /// Deletes every image that a filter admits, or counts them only. An image that changes meanwhile
    /// is left.
    pub(super) async fn delete_admitted(
        &self,
        call: &Call,
        request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
        let matched = self.count(call, &request.filter).await?;
        if let Some(expected) = request.expected_count.filter(|count| *count != matched) {
            let message = format!(
                "nothing was deleted: the filter admits {matched} images, and `expected_count` is \
                 {expected}"
            );
            return Err(Error::new(Kind::CountMismatch, message));
        }
        let (mut cont_signs, mut deleted) = (Vec::<ContSign>::new(), 0);
        let (mut after, mut seen) = (None, 0);
        while seen < matched {
            let page = PageQuery {
                filter: &request.filter,
                order: ListOrder::OldestFirst,
                after,
                size: if request.dry_run {
                    MAX_SIGNS
                } else {
                    DELETE_STEP
                },
                fields: &[],
            };
            let hits = self.documents(call, &page).await?.into_hits();
            let versions: Vec<_> = hits
                .iter()
                .map(Hit::id_and_version)
                .collect::<Result<_>>()?;
            let (Some(last), count) = (hits.last(), hits.len() as u64) else {
                break;
            };
            after = Some(last.position()?);
            if request.dry_run {
                let signs = versions.iter().map(|(sign, _)| cont_sign(*sign));
                cont_signs = signs.collect::<Result<_>>()?;
                break;
            }
            deleted += self.delete_versions(call, versions).await?;
            seen += count;
        }
        Ok(DeletedByFilter {
            matched,
            deleted,
            cont_signs,
            log_id: new_log_id(),
        })
    }

    /// Deletes documents unless they have changed; returns how many.
    async fn delete_versions(
        &self,
        call: &Call,
        versions: Vec<(engine::Sign, Version)>,
    ) -> Result<u64> {
        let writes = versions.into_iter().map(|(sign, version)| {
            let change = Change::Delete(Some(version));
            self.writer.write(call.deadline, sign, change)
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
