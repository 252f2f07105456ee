//! Reads the responses of a cluster. A response that is not whole is an error: a timeout, a shard
//! that failed, or one that has no copy.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{Document, Source};
use super::failure::{self, Cause};
use crate::error::Result;

/// A document that was found.
#[derive(Deserialize)]
pub(super) struct Hit {
    #[serde(rename = "_id")]
    pub(super) id: String,
    #[serde(rename = "_source")]
    pub(super) source: Option<Source>,
    /// Where it stands in a listing.
    #[serde(default)]
    pub(super) sort: Vec<Value>,
    #[serde(rename = "_seq_no")]
    number: Option<u64>,
    #[serde(rename = "_primary_term")]
    term: Option<u64>,
}

/// The version of a document, for writes that only replace this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) term: u64,
}

/// The response to a search.
#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards", default)]
    shards: Shards,
    #[serde(default)]
    hits: Hits,
    #[serde(default)]
    pub(super) aggregations: Value,
    error: Option<Value>,
    #[serde(default)]
    status: u16,
}

#[derive(Default, Deserialize)]
struct Hits {
    #[serde(default)]
    total: Total,
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Default, Deserialize)]
struct Total {
    value: u64,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct Shards {
    total: u32,
    failed: u32,
}

#[derive(Deserialize)]
struct Searches {
    responses: Vec<Found>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
    #[serde(rename = "_shards")]
    shards: Shards,
}

/// The response to a read of a document by its id.
#[derive(Deserialize)]
pub(super) struct Read {
    #[serde(default)]
    found: bool,
    #[serde(rename = "_source")]
    source: Option<Source>,
    #[serde(rename = "_seq_no")]
    number: Option<u64>,
    #[serde(rename = "_primary_term")]
    term: Option<u64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Reads {
    docs: Vec<Read>,
}

/// Parses a response.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(failure::unreadable)
}

/// Reads the response to one search.
pub(super) fn search(body: &[u8]) -> Result<Found> {
    parse::<Found>(body)?.checked()
}

/// Reads the response to several searches, in their order.
pub(super) fn searches(body: &[u8]) -> Result<Vec<Found>> {
    let responses = parse::<Searches>(body)?.responses.into_iter();
    responses.map(Found::checked).collect()
}

/// Reads a number of documents.
pub(super) fn count(body: &[u8]) -> Result<u64> {
    let count: Count = parse(body)?;
    count.shards.check()?;
    Ok(count.count)
}

/// Reads the response to a read of several documents; those that do not exist are left out.
pub(super) fn reads(body: &[u8]) -> Result<Vec<Document>> {
    let docs = parse::<Reads>(body)?.docs.into_iter();
    let documents = docs.map(Read::document).filter_map(Result::transpose);
    documents
        .map(|read| read.map(|(document, _)| document))
        .collect()
}

// === impl Hit ===

impl Hit {
    /// Returns the version of the document, if it was asked for.
    pub(super) fn version(&self) -> Option<Version> {
        Version::of(self.number, self.term)
    }
}

// === impl Version ===

impl Version {
    fn of(number: Option<u64>, term: Option<u64>) -> Option<Self> {
        Some(Version {
            number: number?,
            term: term?,
        })
    }
}

// === impl Found ===

impl Found {
    fn checked(self) -> Result<Self> {
        if let Some(error) = self.error {
            return Err(failure::of_cause(self.status, &Cause::of(error)));
        }
        if self.timed_out {
            return Err(failure::timed_out());
        }
        self.shards.check()?;
        Ok(self)
    }

    /// Returns the number of documents that the query admits.
    pub(super) fn total(&self) -> u64 {
        self.hits.total.value
    }

    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.hits.hits
    }
}

// === impl Read ===

impl Read {
    /// Returns the document with its version; `None` when there is none.
    pub(super) fn document(self) -> Result<Option<(Document, Option<Version>)>> {
        if let Some(error) = self.error {
            return Err(failure::of_cause(503, &Cause::of(error)));
        }
        let version = Version::of(self.number, self.term);
        let source = self.source.filter(|_| self.found);
        let document = source.map(Document::from_source).transpose()?;
        Ok(document.map(|document| (document, version)))
    }
}

// === impl Shards ===

impl Shards {
    pub(super) fn check(self) -> Result<()> {
        match self.failed {
            0 => Ok(()),
            failed => Err(failure::incomplete(failed, self.total)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Kind;

    use super::*;

    #[test]
    fn a_search_that_is_not_whole_is_an_error() {
        let kind = |body: &str| search(body.as_bytes()).map(drop).unwrap_err().kind();

        let late = r#"{"timed_out":true,"_shards":{"total":1,"failed":0},"hits":{"hits":[]}}"#;
        assert_eq!(kind(late), Kind::DeadlineExceeded);
        let part = r#"{"timed_out":false,"_shards":{"total":3,"failed":1},"hits":{"hits":[]}}"#;
        assert_eq!(kind(part), Kind::ClusterUnavailable);
        let missing = r#"{"error":{"type":"index_not_found_exception"},"status":404}"#;
        assert_eq!(kind(missing), Kind::ClusterSetup);
        assert_eq!(kind("<html>"), Kind::ClusterSetup);
    }

    #[test]
    fn a_document_that_does_not_exist_is_left_out_and_an_error_is_not() {
        let missing = r#"{"docs":[{"_id":"1,2","found":false}]}"#;
        assert!(reads(missing.as_bytes()).unwrap().is_empty());

        let failed = r#"{"docs":[{"_id":"1,2","error":{"type":"shard_not_available"}}]}"#;
        let error = reads(failed.as_bytes()).map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::ClusterUnavailable);
    }
}
