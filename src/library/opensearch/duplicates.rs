//! Finds the groups of same images: each image is searched for by what the index stores of it.
//!
//! In rounds of some hundred images, the oldest first: a page of documents → a search with each of
//! them, some at once → the groups that their pairs connect → a cursor. A group whose images are in
//! several rounds comes in several parts, which share images. A pair is sent once: of two images of
//! different rounds, in the round of the one added last. Searches and single calls go first.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use same_image as engine;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout_at;
use tokio_stream::wrappers::ReceiverStream;

use super::document::{COMPARED, Document, RECORD};
use super::images::now_ms;
use super::listing::{PageQuery, Position};
use super::{OpenSearchBackend, failure};
use crate::call::Call;
use crate::domain::{
    DuplicateEvent, DuplicateGroup, DuplicatePair, FindDuplicates, Geometry, ImageFilter,
    JoinProgress, ListOrder, Record, TagLogic,
};
use crate::error::{Error, Kind, Result};
use crate::library::DuplicateStream;
use crate::library::embedded::convert;
use crate::library::embedded::errors::storage;

/// Images of a round: with their features and thumbnails 2 MB.
const ROUND: usize = 100;
/// Searches at once.
const MAX_SEARCHES: usize = 4;
/// Maximum number of pairs of one image.
const MAX_MATCHES: usize = 64;
/// Maximum number of pairs of a part of a group, so that its message stays below 4 MiB.
const MAX_PAIRS: usize = 2048;

/// Two images that are the same.
struct Pair {
    score: f64,
    geometry: Option<Geometry>,
}

/// The pairs of a round: the first image is the query.
type Pairs = BTreeMap<(engine::Sign, engine::Sign), Pair>;

/// A join that runs.
struct Join {
    backend: OpenSearchBackend,
    call: Call,
    events: mpsc::Sender<Result<DuplicateEvent>>,
    options: engine::Query,
    /// Which images are searched for; none that were added after the begin.
    filter: ImageFilter,
    library: engine::LibraryId,
    _slot: OwnedSemaphorePermit,
}

// === impl OpenSearchBackend ===

impl OpenSearchBackend {
    /// Starts a join; `slot` is held until it has ended.
    pub(super) async fn join(
        &self,
        call: &Call,
        request: FindDuplicates,
        slot: OwnedSemaphorePermit,
    ) -> Result<DuplicateStream> {
        let library = self.opened(call.deadline).await?.library;
        let after = position(&request.cursor, library)?;
        let filter = ImageFilter {
            tags: request.tags,
            tag_logic: request.tag_logic,
            added_since_ms: request.added_since_ms,
            added_before_ms: Some(now_ms() + 1),
            ..ImageFilter::default()
        };
        // One slot: a client that does not read its groups stops the join.
        let (events, stream) = mpsc::channel(1);
        let join = Join {
            options: engine::Query {
                limit: MAX_MATCHES,
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "scores are single precision"
                )]
                min_score: request.min_score as f32,
                profile: self.choices.profile(request.profile),
                effort: engine::Effort::Fast,
                ..engine::Query::default()
            },
            backend: self.clone(),
            call: call.of_stream(),
            events,
            filter,
            library,
            _slot: slot,
        };
        let span = tracing::Span::current();
        tokio::spawn(tracing::Instrument::instrument(join.run(after), span));
        Ok(ReceiverStream::new(stream).boxed())
    }
}

/// Reads a cursor; an empty one is the begin.
fn position(cursor: &str, library: engine::LibraryId) -> Result<Option<Position>> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let invalid = |message| Error::violation("cursor", Kind::InvalidParameter, message);
    let (of, position) = cursor.split_once('.').unwrap_or_default();
    let position: Option<Position> = position.parse().ok();
    match position {
        Some(position) if of == library.to_string() => Ok(Some(position)),
        Some(_) => Err(invalid("a cursor of another library")),
        None => Err(invalid("not a cursor")),
    }
}

// === impl Join ===

impl Join {
    async fn run(self, after: Option<Position>) {
        let ended = tokio::select! {
            biased;
            () = self.events.closed() => return,
            ended = timeout_at(self.call.deadline, self.rounds(after)) => ended,
        };
        let ended = ended.unwrap_or_else(|_| Err(failure::deadline_passed()));
        if let Err(error) = ended {
            // Fails only when the client has disconnected as well.
            let _ = self.events.send(Err(error)).await;
        }
    }

    async fn rounds(&self, mut after: Option<Position>) -> Result<()> {
        let fields = [&COMPARED[..], &["thumbnail"]].concat();
        let total = self.backend.count(&self.call, &self.filter, after).await?;
        let mut compared = 0;
        loop {
            let page = PageQuery {
                filter: &self.filter,
                order: ListOrder::OldestFirst,
                after,
                size: ROUND,
                fields: &fields,
            };
            let found = self.backend.documents(&self.call, &page).await?;
            let hits = found.into_hits().into_iter();
            let documents: Vec<Document> = hits.map(|hit| hit.document()).collect::<Result<_>>()?;
            let Some(last) = documents.last() else {
                self.send_progress(compared, total, String::new()).await;
                return Ok(());
            };
            let last = Position::of(last);
            compared += documents.len() as u64;
            for group in self.groups(documents).await? {
                self.send(DuplicateEvent::Group(group)).await;
            }
            after = Some(last);
            let cursor = format!("{}.{last}", self.library);
            self.send_progress(compared, total.max(compared), cursor)
                .await;
        }
    }

    async fn groups(&self, documents: Vec<Document>) -> Result<Vec<DuplicateGroup>> {
        let mut records: HashMap<engine::Sign, Record> = HashMap::new();
        let round: HashSet<engine::Sign> = documents.iter().map(Document::sign).collect();
        for document in &documents {
            let mut bare = document.clone();
            bare.image.thumbnail = Vec::new();
            records.insert(document.sign(), bare.into_record()?);
        }
        let searches = documents
            .into_iter()
            .map(|document| self.pairs_of(document));
        let found: Vec<Vec<_>> = stream::iter(searches)
            .buffer_unordered(MAX_SEARCHES)
            .try_collect()
            .await?;
        let mut pairs = Pairs::new();
        for ((a, b), pair) in found.into_iter().flatten() {
            if !pairs.contains_key(&(b, a)) {
                pairs.insert((a, b), pair);
            }
        }
        self.read_missing(&pairs, &mut records).await?;
        // One that was deleted meanwhile has no record.
        pairs.retain(|(a, b), _| {
            let (own, other) = (records.get(a), records.get(b));
            let both = own.zip(other);
            both.is_some_and(|(own, other)| {
                round.contains(b) || self.is_of_this_round((*a, own), (*b, other))
            })
        });
        Ok(connected(pairs)
            .into_iter()
            .map(|pairs| group(pairs, &records))
            .collect())
    }

    /// Returns whether a pair with an image of another round is sent in this one: that image is
    /// older, or no image of the join, though it was there at the begin.
    fn is_of_this_round(
        &self,
        (own_sign, own): (engine::Sign, &Record),
        (other_sign, other): (engine::Sign, &Record),
    ) -> bool {
        let filter = &self.filter;
        let begin = filter.added_before_ms.unwrap_or(u64::MAX);
        (other.added_at_ms, other_sign) < (own.added_at_ms, own_sign)
            || (other.added_at_ms < begin && !admits(filter, &other.tags))
    }

    /// Searches for an image.
    async fn pairs_of(
        &self,
        document: Document,
    ) -> Result<Vec<((engine::Sign, engine::Sign), Pair)>> {
        let own = document.sign();
        let query = self
            .backend
            .step(&self.call, move || document.image.query())
            .await?
            .map_err(|error| storage(&error))?;
        let options = self.options.clone();
        let found = self
            .backend
            .find(&self.call, query, options, Vec::new())
            .await?;
        let pair = |found: crate::domain::Match| {
            let other = convert::sign(&found.cont_sign)?;
            let (score, geometry) = (found.score, found.geometry);
            Some(((own, other), Pair { score, geometry }))
        };
        Ok(found.matches.into_iter().filter_map(pair).collect())
    }

    /// Reads the records of images of other rounds.
    async fn read_missing(
        &self,
        pairs: &Pairs,
        records: &mut HashMap<engine::Sign, Record>,
    ) -> Result<()> {
        let others: HashSet<engine::Sign> = pairs.keys().map(|(_, other)| *other).collect();
        let missing: Vec<_> = others
            .into_iter()
            .filter(|sign| !records.contains_key(sign))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        for document in self.backend.read_all(&self.call, &missing, &RECORD).await? {
            records.insert(document.sign(), document.into_record()?);
        }
        Ok(())
    }

    async fn send_progress(&self, compared: u64, total: u64, cursor: String) {
        let progress = JoinProgress {
            compared,
            total,
            cursor,
        };
        self.send(DuplicateEvent::Progress(progress)).await;
    }

    async fn send(&self, event: DuplicateEvent) {
        // Fails only when the client has disconnected, which ends the join.
        let _ = self.events.send(Ok(event)).await;
    }
}

/// Returns whether tags are those of a filter.
fn admits(filter: &ImageFilter, tags: &[u16]) -> bool {
    let mut wanted = filter.tags.as_slice().iter();
    match filter.tag_logic {
        _ if wanted.len() == 0 => true,
        TagLogic::And => wanted.all(|tag| tags.contains(tag)),
        TagLogic::Or => wanted.any(|tag| tags.contains(tag)),
    }
}

/// Returns the connected components of pairs, in parts of bounded size.
fn connected(pairs: Pairs) -> Vec<Vec<((engine::Sign, engine::Sign), Pair)>> {
    let mut roots: HashMap<engine::Sign, engine::Sign> = HashMap::new();
    for (a, b) in pairs.keys() {
        let (a, b) = (root(&roots, *a), root(&roots, *b));
        if a != b {
            roots.insert(a, b);
        }
    }
    let mut groups: BTreeMap<engine::Sign, Vec<_>> = BTreeMap::new();
    for (signs, pair) in pairs {
        groups
            .entry(root(&roots, signs.0))
            .or_default()
            .push((signs, pair));
    }
    let mut parts = Vec::new();
    for mut pairs in groups.into_values() {
        while pairs.len() > MAX_PAIRS {
            let rest = pairs.split_off(MAX_PAIRS);
            parts.push(std::mem::replace(&mut pairs, rest));
        }
        parts.push(pairs);
    }
    parts
}

fn root(roots: &HashMap<engine::Sign, engine::Sign>, mut sign: engine::Sign) -> engine::Sign {
    while let Some(next) = roots.get(&sign) {
        sign = *next;
    }
    sign
}

/// Makes a group of pairs, the oldest image first.
fn group(
    pairs: Vec<((engine::Sign, engine::Sign), Pair)>,
    records: &HashMap<engine::Sign, Record>,
) -> DuplicateGroup {
    let signs: HashSet<engine::Sign> = pairs.iter().flat_map(|((a, b), _)| [*a, *b]).collect();
    let mut images: Vec<(engine::Sign, &Record)> = signs
        .into_iter()
        .filter_map(|sign| Some((sign, records.get(&sign)?)))
        .collect();
    images.sort_by_key(|(sign, record)| (record.added_at_ms, *sign));
    let places: HashMap<engine::Sign, usize> = images
        .iter()
        .zip(0..)
        .map(|((sign, _), at)| (*sign, at))
        .collect();
    let pairs = pairs.into_iter().filter_map(|((a, b), pair)| {
        Some(DuplicatePair {
            a: *places.get(&a)?,
            b: *places.get(&b)?,
            score: pair.score,
            geometry: pair.geometry,
        })
    });
    DuplicateGroup {
        pairs: pairs.collect(),
        images: images
            .into_iter()
            .map(|(_, record)| record.clone())
            .collect(),
    }
}
