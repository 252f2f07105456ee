//! Searches: candidates from the cluster, compared and judged by the engine.
//!
//! Order of events: terms of the query (CPU pool) → one request for the documents that share the
//! most terms, those with near hashes and that of the same file → compared (CPU pool) → the same with
//! inverted colours if nothing was found → one request for the thumbnails of likely matches → judged
//! (CPU pool) → again with another look, if there is no match. A page that ends beyond the first
//! candidates is of all that can be returned, if most of the first are matches. A search holds a slot:
//! its query and its documents need up to 25 MB.

use std::collections::HashMap;

use bytes::Bytes;
use http::Method;
use same_image as engine;
use serde_json::{Value, json};
use tokio::time::timeout_at;

use super::client::Request;
use super::document::Document;
use super::response::{self, Hit};
use super::{OpenSearchBackend, failure, query};
use crate::call::{Call, new_log_id};
use crate::domain::{Match, SearchResults};
use crate::error::Result;
use crate::library::embedded::convert::{cont_sign, geometry};
use crate::library::embedded::cpu::Demand;
use crate::library::embedded::demand;
use crate::library::embedded::errors::storage;

/// Cost of a step of a search beyond that of its documents, such as quantising a query: 10 ms.
const STEP: u64 = 160;
/// Cost of reading and comparing a document of 9 kB: about 60 µs.
const COMPARE: u64 = 1;
/// Cost of comparing the pixels of a likely match: 2 to 3 ms.
const JUDGE: u64 = 40;
/// Cost of another look at the pixels of a query: 40 to 150 ms.
const LOOK: u64 = 1024;
/// Maximum number of images that a search compares: as many as it can return.
const MAX_CANDIDATES: usize = engine::MAX_RESULTS;

/// A search between two requests, and what its candidates are returned with.
struct Running {
    search: engine::DocumentSearch,
    texts: HashMap<engine::Sign, (String, Vec<u16>)>,
}

// === impl OpenSearchBackend ===

impl OpenSearchBackend {
    /// Finds the images that are the same as the query and that the filter admits.
    pub(super) async fn find(
        &self,
        call: &Call,
        query: engine::PreparedQuery,
        options: engine::Query,
        filter: Vec<Value>,
    ) -> Result<SearchResults> {
        let slots = &self.search_slots[usize::from(call.bulk)];
        let slot = timeout_at(call.deadline, slots.acquire()).await;
        let _slot = slot.map_err(|_| failure::deadline_passed())?;
        let mut running = self
            .step(call, move || Running {
                search: engine::DocumentSearch::new(query),
                texts: HashMap::new(),
            })
            .await?;
        let mut looks = 0;
        loop {
            running = self
                .compare_candidates(call, running, &options, &filter)
                .await?;
            let likely = running.search.needs_thumbnails();
            let cost = STEP + JUDGE * likely.len() as u64;
            running = self.fetch_thumbnails(call, running, &likely).await?;
            let wanted = options.clone();
            let rank = move || (running.search.rank(&wanted), running);
            let (ranking, ranked) = self.step_of(call, cost, rank).await?;
            let ranking = ranking.map_err(|error| storage(&error))?;
            let effort = options.effort;
            if !ranking.is_empty || effort == engine::Effort::Fast {
                return ranked.page(&ranking);
            }
            let look = move || (ranked.search.look_again(effort, looks), ranked);
            let (next, ranked) = self.step_of(call, LOOK, look).await?;
            match next {
                Some(search) => {
                    running = Running {
                        search,
                        texts: HashMap::new(),
                    };
                    looks += 1;
                }
                None => return ranked.page(&ranking),
            }
        }
    }

    /// Compares the candidates of the plain colour form and, if it has no match, of the inverted one.
    /// If most of the first have evidence and the page ends beyond them, all that can be returned.
    async fn compare_candidates(
        &self,
        call: &Call,
        mut running: Running,
        options: &engine::Query,
        filter: &[Value],
    ) -> Result<Running> {
        let end = options.offset + options.limit;
        let mut count = self.candidates;
        loop {
            let timeout_ms = call.remaining().min(self.timeout).as_millis();
            let body = query::candidates(&running.search, filter, (count, timeout_ms));
            let request = self.post("search", "_msearch", body);
            let response = self
                .client
                .send(call.deadline, Some(call), &request)
                .await?;
            let may_go_deeper = end >= count && count < MAX_CANDIDATES;
            let cost = STEP + COMPARE * count as u64;
            let (compared, next, fetched) = self
                .step_of(call, cost, move || {
                    let fetched = running.compare(&response)?;
                    let next = if may_go_deeper && 2 * running.search.evident() >= count {
                        Some(MAX_CANDIDATES)
                    } else {
                        running.search.invert().then_some(count)
                    };
                    Ok::<_, crate::error::Error>((running, next, fetched))
                })
                .await??;
            self.client.add_candidates(fetched);
            running = compared;
            match next {
                Some(next) => count = next,
                None => return Ok(running),
            }
        }
    }

    async fn fetch_thumbnails(
        &self,
        call: &Call,
        mut running: Running,
        signs: &[engine::Sign],
    ) -> Result<Running> {
        if signs.is_empty() {
            return Ok(running);
        }
        let fields = ["content", "thumbnail"];
        for document in self.read_all(call, signs, &fields).await? {
            let engine::ImageDocument {
                content, thumbnail, ..
            } = document.image;
            running.search.set_thumbnail(content, thumbnail);
        }
        Ok(running)
    }

    /// Reads several documents; those that do not exist are left out.
    pub(super) async fn read_all(
        &self,
        call: &Call,
        signs: &[engine::Sign],
        fields: &[&str],
    ) -> Result<Vec<Document>> {
        let ids: Vec<String> = signs.iter().map(ToString::to_string).collect();
        let path = format!("_mget?_source_includes={}", fields.join(","));
        let request = self.post("read", &path, json!({ "ids": ids }).to_string());
        let response = self
            .client
            .send(call.deadline, Some(call), &request)
            .await?;
        response::reads(&response)
    }

    /// Makes a request that changes nothing.
    pub(super) fn post(&self, operation: &'static str, path: &str, body: String) -> Request {
        Request {
            operation,
            method: Method::POST,
            path: format!("{}/{path}", self.target.alias()),
            body: Bytes::from(body),
            is_idempotent: true,
            needs_all_shards: true,
        }
    }

    /// Runs a step of a search on the CPU pool.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        call: &Call,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.step_of(call, STEP, job).await
    }

    async fn step_of<T: Send + 'static>(
        &self,
        call: &Call,
        cost: u64,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let demand = Demand {
            cost,
            ..demand::search_with(call, None)
        };
        self.cpu.run(call, demand, job).await
    }
}

// === impl Running ===

impl Running {
    /// Compares the documents of a response, each once, the oldest first; returns their number.
    fn compare(&mut self, response: &[u8]) -> Result<usize> {
        let hits = response::searches(response)?
            .into_iter()
            .flat_map(response::Found::into_hits);
        let mut hits: Vec<(usize, Hit)> = (0..).zip(hits).collect();
        hits.sort_by(|(a_place, a), (b_place, b)| a.id.cmp(&b.id).then(a_place.cmp(b_place)));
        hits.dedup_by(|(_, a), (_, b)| a.id == b.id);
        let mut documents = Vec::with_capacity(hits.len());
        for (place, hit) in hits {
            documents.push((place, hit.document()?));
        }
        documents.sort_by_key(|(_, document)| (document.added_at_ms, document.sign()));
        let mut images = Vec::with_capacity(documents.len());
        for (place, document) in documents {
            let text = (document.brief, document.tags);
            self.texts.insert(document.image.content.first_sign(), text);
            images.push((place, document.image));
        }
        let count = images.len();
        let compared = self.search.compare(images);
        compared.map(|()| count).map_err(|error| storage(&error))
    }

    fn page(mut self, ranking: &engine::DocumentRanking) -> Result<SearchResults> {
        let matches = ranking.matches.iter().map(|found| {
            let (brief, tags) = self.texts.remove(&found.sign).unwrap_or_default();
            Ok(Match {
                cont_sign: cont_sign(found.sign)?,
                score: f64::from(found.score),
                brief,
                tags,
                geometry: found.geometry.map(geometry),
                agreement: found.agreement,
                coverage: found.coverage,
            })
        });
        Ok(SearchResults {
            matches: matches.collect::<Result<_>>()?,
            has_more: ranking.has_more,
            log_id: new_log_id(),
        })
    }
}
