//! The index of a library: its mapping, and the check that it is the right one.
//!
//! Two aliases lead to it: `index` of the configuration, and one with the identity of the library
//! behind that; the index itself is named after alias, codebook and version of the mapping, and the
//! mapping says which codebook the terms belong to and which library it is. Requests name the second
//! alias once the index was checked: an alias that is moved meanwhile does not lead them to an index
//! that was not. Writes demand an alias, so that the cluster does not make an index by itself where
//! one is missing.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use same_image as engine;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::client::{Client, Request};
use super::failure::{MAX_CLAUSES, unreadable};
use super::response::{self, SEARCH};
use crate::config;
use crate::error::{Error, Kind, Result};

/// Version of the mapping: another one needs another index.
const MAPPING: u32 = 1;

/// A library's index, once it was checked.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// Identity of the library.
    pub(super) library: engine::LibraryId,
    /// The alias with its identity.
    alias: String,
}

/// Where the requests of a library go.
pub(super) struct Target {
    configured: String,
    index: OnceCell<Index>,
}

/// What the mapping says about the library.
#[derive(Debug, Deserialize, Serialize)]
struct Marker {
    mapping: u32,
    codebook: String,
    library: String,
}

#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    aliases: BTreeMap<String, IgnoredAny>,
    mappings: Mappings,
}

#[derive(Deserialize)]
struct Mappings {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    samegate: Option<Marker>,
}

// === impl Target ===

impl Target {
    pub(super) fn new(configured: String) -> Self {
        Target {
            configured,
            index: OnceCell::new(),
        }
    }

    /// Returns the checked index; checks it if no call has done so.
    ///
    /// # Errors
    ///
    /// Those of [`Index::open`].
    pub(super) async fn opened(&self, client: &Client, deadline: Instant) -> Result<&Index> {
        let open = || Index::open(client, &self.configured, deadline);
        self.index.get_or_try_init(open).await
    }

    /// Returns the index, if it was checked.
    pub(super) fn index(&self) -> Option<&Index> {
        self.index.get()
    }

    /// Returns the alias that requests name.
    pub(super) fn alias(&self) -> &str {
        let index = self.index.get();
        index.map_or(self.configured.as_str(), |index| index.alias.as_str())
    }
}

// === impl Index ===

impl Index {
    /// Checks that the alias leads to an index with the terms of this version, and that the cluster
    /// accepts the longest query.
    ///
    /// # Errors
    ///
    /// `ClusterSetup` says what is wrong; those of [`Client::send`].
    pub(super) async fn open(client: &Client, alias: &str, deadline: Instant) -> Result<Self> {
        let request = Request {
            operation: "open",
            method: Method::GET,
            path: alias.to_owned(),
            body: Bytes::new(),
            is_idempotent: true,
            needs_all_shards: false,
        };
        let found = client.send(deadline, None, &request).await?;
        let found: BTreeMap<String, Described> =
            serde_json::from_slice(&found).map_err(unreadable)?;
        let index = Index::check(alias, found)?;
        index.check_clauses(client, alias, deadline).await?;
        Ok(index)
    }

    /// Makes the index and its alias.
    ///
    /// # Errors
    ///
    /// `ClusterSetup` when there is one; those of [`Client::send`].
    pub(super) async fn create(
        client: &Client,
        config: &config::OpenSearch,
        library: engine::LibraryId,
        deadline: Instant,
    ) -> Result<()> {
        let alias = &config.index;
        let existing = Request {
            operation: "create",
            method: Method::GET,
            path: format!("_cat/aliases/{alias}?format=json"),
            body: Bytes::new(),
            is_idempotent: true,
            needs_all_shards: false,
        };
        let existing = client.send(deadline, None, &existing).await?;
        if !response::parse::<Vec<Value>>(&existing)?.is_empty() {
            let message = format!("the library exists: `{alias}` leads to an index already");
            return Err(Error::new(Kind::ClusterSetup, message));
        }
        let request = Request {
            operation: "create",
            method: Method::PUT,
            path: format!("{}-{}-{MAPPING}", config.index, codebook()),
            body: body(config, library).to_string().into(),
            is_idempotent: false,
            needs_all_shards: false,
        };
        client.send(deadline, None, &request).await.map(drop)
    }

    fn check(alias: &str, found: BTreeMap<String, Described>) -> Result<Self> {
        let setup = |message: String| Err(Error::new(Kind::ClusterSetup, message));
        let mut found = found.into_iter();
        let (Some((name, described)), None) = (found.next(), found.next()) else {
            return setup(format!(
                "`{alias}` leads to several indices; it must lead to one"
            ));
        };
        let Some(marker) = described.mappings.meta.and_then(|meta| meta.samegate) else {
            return setup(format!("`{alias}` is no index that samegate has made"));
        };
        if name == alias {
            return setup(format!("`{alias}` is an index and no alias of one"));
        }
        if marker.mapping != MAPPING {
            let other = marker.mapping;
            return setup(format!(
                "the index has mapping {other}, and this version of samegate uses {MAPPING}: make \
                 another index and add the images again"
            ));
        }
        let own = codebook();
        if marker.codebook != own {
            let other = marker.codebook;
            return setup(format!(
                "the index has terms of the codebook {other}, and this version of samegate uses \
                 {own}: terms cannot be converted, so make another index and add the image files \
                 again"
            ));
        }
        let Some(library) = engine::LibraryId::parse(&marker.library) else {
            return setup(format!("`{alias}` has no identity of a library"));
        };
        let own = own_alias(alias, library);
        if !described.aliases.contains_key(&own) {
            return setup(format!(
                "the alias `{own}` does not lead to the index that `{alias}` leads to: add it"
            ));
        }
        Ok(Index {
            library,
            alias: own,
        })
    }

    /// Sends a query with as many terms as a search can have.
    async fn check_clauses(&self, client: &Client, alias: &str, deadline: Instant) -> Result<()> {
        // No term begins with `x`.
        let terms: Vec<String> = (0..MAX_CLAUSES - 8).map(|n| format!("x{n:x}")).collect();
        let body = json!({
            "size": 0,
            "query": { "match": { "terms": { "query": terms.join(" ") } } },
        });
        let request = Request {
            operation: "open",
            method: Method::POST,
            path: format!("{alias}/{SEARCH}"),
            body: body.to_string().into(),
            is_idempotent: true,
            needs_all_shards: true,
        };
        client.send(deadline, None, &request).await.map(drop)
    }
}

/// Returns the codebook of this version.
fn codebook() -> String {
    format!(
        "{:08x}",
        engine::features::codebook::Codebook::embedded().id()
    )
}

/// Returns the alias of a library with its identity.
fn own_alias(alias: &str, library: engine::LibraryId) -> String {
    format!("{alias}-{library}")
}

/// Writes settings, mapping and aliases. Votes are counted, not weighted: similarity `boolean`, no norms, no
/// frequencies.
fn body(config: &config::OpenSearch, library: engine::LibraryId) -> Value {
    let marker = Marker {
        mapping: MAPPING,
        codebook: codebook(),
        library: library.to_string(),
    };
    let terms = json!({
        "type": "text",
        "analyzer": "whitespace",
        "similarity": "boolean",
        "norms": false,
        "index_options": "docs",
    });
    let stored = json!({ "type": "keyword", "index": false, "doc_values": false });
    let number = json!({ "type": "long", "index": false, "doc_values": false });
    let bytes = json!({ "type": "binary" });
    json!({
        "settings": {
            "number_of_shards": config.shards,
            "number_of_replicas": config.replicas,
            // A write makes its changes visible by itself.
            "refresh_interval": "30s",
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": { "samegate": marker },
            "_source": { "excludes": ["sign", "folded_brief", "terms", "hash_terms"] },
            "properties": {
                "terms": terms,
                "hash_terms": terms,
                "content": stored,
                "size_bytes": number,
                "width": number,
                "height": number,
                "hash": bytes,
                "hash_quality": number,
                "features": bytes,
                "thumbnail": bytes,
                "brief": stored,
                "folded_brief": { "type": "keyword" },
                "tags": { "type": "integer" },
                "added_at_ms": { "type": "long" },
                "sign": { "type": "keyword" },
            },
        },
        "aliases": { config.index.as_str(): {}, own_alias(&config.index, library): {} },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(alias: &str, marker: &Value) -> Result<Index> {
        let found = json!({ "posters-1-1": {
            "aliases": { "posters": {}, "posters-0123456789abcdef": {} },
            "mappings": { "_meta": marker },
        }});
        Index::check(alias, serde_json::from_value(found).unwrap())
    }

    fn marker(mapping: u32, codebook: &str) -> Value {
        json!({ "samegate": {
            "mapping": mapping, "codebook": codebook, "library": "0123456789abcdef",
        }})
    }

    #[test]
    fn only_an_index_of_this_mapping_and_codebook_is_opened() {
        assert!(check("posters", &marker(1, &codebook())).is_ok());

        for (alias, marker, message) in [
            ("posters", marker(2, &codebook()), "has mapping 2"),
            ("posters", marker(1, "ffffffff"), "codebook ffffffff"),
            ("posters", json!({}), "no index that samegate has made"),
            ("posters-1-1", marker(1, &codebook()), "no alias"),
            (
                "photos",
                marker(1, &codebook()),
                "`photos-0123456789abcdef`",
            ),
        ] {
            let error = check(alias, &marker).unwrap_err();
            assert_eq!(error.kind(), Kind::ClusterSetup);
            assert!(error.message().contains(message), "{error}");
        }
    }
}
