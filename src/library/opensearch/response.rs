//! Reads the responses of a cluster. A response that is not whole is an error: a timeout, a shard
//! that failed, or one that has no copy. The client checks that ([`whole`]), so that it can send the
//! request again; the other functions read what was checked.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{Document, Source};
use super::failure::{self, Cause};
use crate::error::{Kind, Result};

/// Path of a search below the alias. One that is not whole is an error in the cluster already.
pub(super) const SEARCH: &str = "_search?allow_partial_search_results=false";

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
    hits: Hits,
    #[serde(default)]
    pub(super) aggregations: Value,
}

/// What a response says about its completeness, and those of several requests in one; the documents
/// are skipped.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Option<Shards>,
    error: Option<Value>,
    status: u16,
    responses: Vec<Head>,
    docs: Vec<Head>,
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

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Shards {
    total: u32,
    /// Less than `total - failed` when shards have no copy.
    successful: u32,
    failed: u32,
    failures: Vec<ShardFailure>,
}

#[derive(Deserialize)]
struct ShardFailure {
    #[serde(default)]
    reason: Value,
}

#[derive(Deserialize)]
struct Searches {
    responses: Vec<Found>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
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
}

#[derive(Deserialize)]
struct Reads {
    docs: Vec<Read>,
}

/// Parses a response.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(failure::unreadable)
}

/// Checks that every shard has contributed to a response, to one request or to several.
///
/// Cost: about a millisecond for 1 MB.
pub(super) fn whole(body: &[u8]) -> Result<()> {
    parse::<Head>(body)?.check()
}

/// Reads the response to several searches, in their order.
pub(super) fn searches(body: &[u8]) -> Result<Vec<Found>> {
    parse::<Searches>(body).map(|searches| searches.responses)
}

/// Reads a number of documents.
pub(super) fn count(body: &[u8]) -> Result<u64> {
    parse::<Count>(body).map(|count| count.count)
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
    /// Returns the number of documents that the query admits.
    pub(super) fn total(&self) -> u64 {
        self.hits.total.value
    }

    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.hits.hits
    }
}

// === impl Head ===

impl Head {
    fn check(self) -> Result<()> {
        if let Some(error) = self.error {
            // A read of several documents has no status.
            let status = if self.status == 0 { 503 } else { self.status };
            return Err(failure::of_cause(status, &Cause::of(error)));
        }
        if self.timed_out {
            return Err(failure::timed_out());
        }
        if let Some(shards) = self.shards {
            shards.all_contributed()?;
        }
        let mut parts = self.responses.into_iter().chain(self.docs);
        parts.try_for_each(Head::check)
    }
}

// === impl Read ===

impl Read {
    /// Returns the document with its version; `None` when there is none.
    pub(super) fn document(self) -> Result<Option<(Document, Option<Version>)>> {
        let version = Version::of(self.number, self.term);
        let source = self.source.filter(|_| self.found);
        let document = source.map(Document::from_source).transpose()?;
        Ok(document.map(|document| (document, version)))
    }
}

// === impl Shards ===

impl Shards {
    /// Checks that no copy failed; one that no node has is no failure.
    pub(super) fn none_failed(&self) -> Result<()> {
        match self.failed {
            0 => Ok(()),
            failed => Err(failure::incomplete(failed, self.total)),
        }
    }

    fn all_contributed(self) -> Result<()> {
        let missing = self.total.saturating_sub(self.successful).max(self.failed);
        if missing == 0 {
            return Ok(());
        }
        let mut failures = self.failures.into_iter();
        let busy = failures.find_map(|failed| {
            let error = failure::of_cause(503, &Cause::of(failed.reason));
            (error.kind() == Kind::ClusterBusy).then_some(error)
        });
        Err(busy.unwrap_or_else(|| failure::incomplete(missing, self.total)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_is_not_whole_is_an_error() {
        let kind = |body: &str| whole(body.as_bytes()).unwrap_err().kind();
        let found = r#"{"_shards":{"total":2,"successful":2,"failed":0},"hits":{"hits":[]}}"#;
        whole(found.as_bytes()).unwrap();

        let late = r#"{"timed_out":true,"_shards":{"total":1,"successful":1,"failed":0}}"#;
        assert_eq!(kind(late), Kind::DeadlineExceeded);
        let failed = r#"{"timed_out":false,"_shards":{"total":3,"successful":2,"failed":1}}"#;
        assert_eq!(kind(failed), Kind::ClusterUnavailable);
        let without_copy = r#"{"count":1,"_shards":{"total":2,"successful":1,"failed":0}}"#;
        assert_eq!(kind(without_copy), Kind::ClusterUnavailable);
        assert_eq!(kind("<html>"), Kind::ClusterSetup);
    }

    #[test]
    fn one_search_of_several_that_is_not_whole_is_an_error() {
        let kind = |part: &str| {
            let whole = r#"{"_shards":{"total":1,"successful":1,"failed":0},"status":200}"#;
            let body = format!(r#"{{"responses":[{whole},{part}]}}"#);
            super::whole(body.as_bytes()).unwrap_err().kind()
        };

        let missing = r#"{"error":{"type":"index_not_found_exception"},"status":404}"#;
        assert_eq!(kind(missing), Kind::ClusterSetup);
        let busy = r#"{"error":{"type":"x"},"status":429}"#;
        assert_eq!(kind(busy), Kind::ClusterBusy);
        let failures = r#"[{"reason":{"type":"rejected_execution_exception"}}]"#;
        let shards = format!(r#"{{"total":2,"successful":1,"failed":1,"failures":{failures}}}"#);
        assert_eq!(
            kind(&format!(r#"{{"_shards":{shards}}}"#)),
            Kind::ClusterBusy
        );
    }

    #[test]
    fn a_document_that_does_not_exist_is_left_out_and_an_error_is_not() {
        let missing = r#"{"docs":[{"_id":"1,2","found":false}]}"#;
        assert!(reads(missing.as_bytes()).unwrap().is_empty());

        let failed = r#"{"docs":[{"_id":"1,2","error":{"type":"shard_not_available"}}]}"#;
        let error = whole(failed.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::ClusterUnavailable);
    }
}
