//! The backend of a library in an index of an OpenSearch cluster, which any number of gateways share.
//!
//! The gateway decodes images, finds and judges matches with the engine (`search`); the cluster keeps
//! a document of each image (`document`) and returns those that share the most terms with a query
//! (`query`). Writes of many callers are one bulk request with one refresh (`writer`). `client` sends
//! requests to the nodes, `failure` classifies what goes wrong, `response` rejects responses that are
//! not whole, `index` checks that the index is the right one. No state here is needed after a restart.

mod client;
mod copy;
mod document;
mod duplicates;
mod failure;
mod images;
mod index;
mod listing;
mod query;
mod response;
mod search;
mod stats;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use same_image as engine;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::client::Client;
use self::document::RECORD;
use self::index::{Index, Target};
use self::stats::Size;
use self::writer::Writer;
use crate::call::{Call, new_log_id};
use crate::config;
use crate::domain::{
    Add, Added, Capability, Compare, Comparison, ContSign, Delete, DeleteByFilter, DeleteTarget,
    Deleted, DeletedByFilter, FindDuplicates, Get, ImageLimits, ImageRef, LibraryStats, List,
    Listing, OnMatch, Record, Search, SearchResults, TagCount, Update, Updated,
};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::CpuPool;
use crate::library::embedded::candidate::CheckSlots;
use crate::library::embedded::choices::Choices;
use crate::library::embedded::convert::{self, cont_sign};
use crate::library::embedded::demand;
use crate::library::embedded::errors::{not_found, storage, unusable};
use crate::library::embedded::fetch::{AddressScope, Fetcher};
use crate::library::image_page::{ImagePage, Insertion};
use crate::library::{BackupStream, DuplicateStream, Library, State};
use crate::telemetry::Metrics;

/// Searches at once, up to 25 MB each while they wait for the cluster: of single calls, and of bulk
/// loads and joins, which cannot take the slots of the former.
const MAX_SEARCHES: [usize; 2] = [24, 8];

/// A library in an index of an OpenSearch cluster; clones share it.
#[derive(Clone)]
pub struct OpenSearchBackend {
    client: Arc<Client>,
    target: Arc<Target>,
    writer: Writer,
    size: Arc<Size>,
    cpu: CpuPool,
    fetcher: Fetcher,
    choices: Choices,
    candidates: usize,
    capacity: u64,
    timeout: Duration,
    min_score: f64,
    max_side: u32,
    check_slots: CheckSlots,
    search_slots: Arc<[Semaphore; 2]>,
    /// One permit: a join keeps the cluster busy.
    join_slot: Arc<Semaphore>,
}

// === impl OpenSearchBackend ===

impl OpenSearchBackend {
    /// Sets up the library; the first call, or [`Library::warm_up`], checks its index. Its calls share
    /// `cpu` with those of other libraries. Requests are counted in `metrics` under `name`.
    ///
    /// Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// `ClusterSetup` for certificates and credentials that cannot be used, `Internal` when TLS
    /// cannot be set up.
    pub fn new(
        config: &config::OpenSearch,
        name: &str,
        cpu: CpuPool,
        metrics: &Metrics,
    ) -> Result<Self> {
        let client = Arc::new(Client::new(config, name, metrics)?);
        let target = Arc::new(Target::new(config.index.clone()));
        let scope = if config.allow_private_addresses {
            AddressScope::Any
        } else {
            AddressScope::Public
        };
        Ok(OpenSearchBackend {
            writer: Writer::start(
                Arc::clone(&client),
                Arc::clone(&target),
                config.capacity,
                config.timeout,
            ),
            size: Size::watch(&client, &target, config.timeout),
            client,
            target,
            cpu,
            fetcher: Fetcher::new(scope)?,
            choices: Choices::new(config.profile, config.effort),
            candidates: config.candidates as usize,
            capacity: config.capacity,
            timeout: config.timeout,
            min_score: config.min_score,
            max_side: config.max_side,
            check_slots: CheckSlots::new(),
            search_slots: Arc::new(MAX_SEARCHES.map(Semaphore::new)),
            join_slot: Arc::new(Semaphore::new(1)),
        })
    }

    /// Makes the index of a library that has none, and checks it.
    ///
    /// # Errors
    ///
    /// `ClusterSetup` when it exists or cannot be made; `ClusterUnavailable`.
    pub async fn create(config: &config::OpenSearch) -> Result<()> {
        let client = Client::new(config, "", &Metrics::new())?;
        let deadline = Instant::now() + config.timeout;
        let library = engine::LibraryId::parse(&format!("{:016x}", random_id()));
        let library = library.ok_or_else(|| Error::new(Kind::Internal, "no identity"))?;
        Index::create(&client, config, library, deadline).await?;
        Index::open(&client, &config.index, deadline)
            .await
            .map(drop)
    }

    /// Checks the index of a library.
    ///
    /// # Errors
    ///
    /// `ClusterSetup` says what is wrong; `ClusterUnavailable`.
    pub async fn check(config: &config::OpenSearch) -> Result<()> {
        let client = Client::new(config, "", &Metrics::new())?;
        let deadline = Instant::now() + config.timeout;
        Index::open(&client, &config.index, deadline)
            .await
            .map(drop)
    }

    /// Returns the checked index; checks it if no call has done so.
    async fn opened(&self, deadline: Instant) -> Result<&Index> {
        self.target.opened(&self.client, deadline).await
    }
}

#[async_trait]
impl Library for OpenSearchBackend {
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        self.opened(call.deadline).await?;
        let image = self.image(call, request.source).await?;
        let content = self.content(call, &image).await?;
        if self.is_stored(call, content, false).await? {
            let sign = cont_sign(content.first_sign())?;
            return Ok(Added::new(sign, true, new_log_id()));
        }
        let texts = (
            request.brief.into_string(),
            request.tags.as_slice().to_vec(),
        );
        if request.on_match == OnMatch::Allow {
            let (max_side, demand) = (self.max_side, demand::add(call, &image, false));
            let prepare = move || engine::PreparedImage::new(image.bytes(), max_side);
            let prepared = self.cpu.run(call, demand, prepare).await?;
            let image = prepared.map_err(|error| unusable(&error))?;
            return self.create_document(call, image.into(), texts).await;
        }
        // Held to the end: what was checked needs memory.
        let _slot = self.check_slots.of(call).acquire_owned().await.ok();
        let (image, found) = self.checked(call, image, request.match_score).await?;
        if let (OnMatch::Reject, Some(best)) = (request.on_match, found.matches.first()) {
            return Ok(Added {
                is_rejected: true,
                ..Added::new(best.cont_sign.clone(), false, new_log_id())
            }
            .with_matches(found.matches));
        }
        let added = self.create_document(call, image, texts).await?;
        Ok(if added.existed {
            added
        } else {
            added.with_matches(found.matches)
        })
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        self.opened(call.deadline).await?;
        let options = convert::query(&query.options, self.choices);
        let filter = query::tags(&query.options.tags, query.options.tag_logic);
        let prepared = self.prepared(call, query.source).await?;
        self.find(call, prepared, options, filter).await
    }

    async fn compare(&self, call: &Call, request: Compare) -> Result<Comparison> {
        self.opened(call.deadline).await?;
        let profile = self.choices.profile(request.profile);
        let query = self.prepared(call, request.first).await?;
        let second = match request.second {
            ImageRef::Sign(sign) => self.stored(call, &sign).await?.image,
            ImageRef::Source(source) => {
                let image = self.image(call, source).await?;
                let (max_side, demand) = (self.max_side, demand::add(call, &image, false));
                let prepare = move || engine::PreparedImage::new(image.bytes(), max_side);
                let prepared = self.cpu.run(call, demand, prepare).await?;
                prepared.map_err(|error| unusable(&error))?.into()
            }
        };
        let compared = self.step(call, move || second.compare(&query, profile));
        let compared = compared.await?.map_err(|error| storage(&error))?;
        Ok(convert::comparison(&compared))
    }

    async fn update(&self, call: &Call, request: Update) -> Result<Updated> {
        self.opened(call.deadline).await?;
        let sign = self.target(call, request.target).await?;
        let tags = request.tags.as_ref().map(|tags| tags.as_slice());
        self.replace_texts(call, sign, request.brief.as_ref(), tags)
            .await?;
        Ok(Updated {
            log_id: new_log_id(),
        })
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        self.opened(call.deadline).await?;
        let signs = match request.target {
            DeleteTarget::Source(source) => {
                let target = self.target(call, ImageRef::Source(source)).await;
                match target {
                    Ok(sign) => vec![Some(sign)],
                    Err(error) if error.kind() == Kind::ImageNotFound => vec![None],
                    Err(error) => return Err(error),
                }
            }
            DeleteTarget::Signs(signs) => signs.iter().map(convert::sign).collect(),
        };
        let deletions = signs.into_iter().map(|sign| self.delete_sign(call, sign));
        let outcomes = futures_util::future::join_all(deletions).await;
        // An error that is not about a single image is one of the call.
        let (mut checked, mut failed) = (Vec::with_capacity(outcomes.len()), None);
        for outcome in outcomes {
            match outcome {
                Err(error) if error.kind() != Kind::ImageNotFound => failed = Some(error),
                outcome => checked.push(outcome),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Deleted {
                outcomes: checked,
                log_ids: vec![new_log_id()],
            }),
        }
    }

    async fn delete_by_filter(
        &self,
        call: &Call,
        request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
        self.opened(call.deadline).await?;
        self.delete_admitted(call, request).await
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[
            Capability::List,
            Capability::DeleteByFilter,
            Capability::Geometry,
            Capability::MoreFormats,
            Capability::SearchBySign,
            Capability::FindDuplicates,
        ]
    }

    fn image_limits(&self, max_bytes: usize) -> ImageLimits {
        ImageLimits {
            max_bytes,
            max_side: self.max_side,
        }
    }

    fn min_score(&self) -> f64 {
        self.min_score
    }

    async fn stats(&self, call: &Call) -> Result<LibraryStats> {
        let library = self.opened(call.deadline).await?.library;
        let (images, size_bytes) =
            stats::read(&self.client, self.target.alias(), call.deadline).await?;
        Ok(LibraryStats {
            id: library.to_string(),
            images,
            capacity: self.capacity,
            size_bytes,
        })
    }

    async fn list(&self, call: &Call, request: List) -> Result<Listing> {
        self.page(call, request).await
    }

    async fn tags(&self, call: &Call) -> Result<Vec<TagCount>> {
        self.opened(call.deadline).await?;
        self.tag_counts(call).await
    }

    async fn get(&self, call: &Call, request: Get) -> Result<Record> {
        self.opened(call.deadline).await?;
        let sign = convert::sign(&request.cont_sign).ok_or_else(not_found)?;
        let fields = [&RECORD[..], &["thumbnail"]].concat();
        let found = self.read(call, sign, &fields).await?;
        found.ok_or_else(not_found)?.0.into_record()
    }

    async fn find_duplicates(
        &self,
        call: &Call,
        request: FindDuplicates,
    ) -> Result<DuplicateStream> {
        let slot = Arc::clone(&self.join_slot).try_acquire_owned();
        let slot = slot.map_err(|busy| {
            let message = "the images of a library are being compared already; one join at a time";
            Error::new(Kind::Overloaded, message).with_source(busy)
        })?;
        self.join(call, request, slot).await
    }

    fn backup(&self) -> Result<BackupStream> {
        let message = "snapshots of its index are the backups of a library in OpenSearch";
        Err(Error::new(Kind::OperationUnsupported, message))
    }

    async fn whole_images(&self, call: &Call, after: &str, limit: usize) -> Result<ImagePage> {
        self.page_after(call, after, limit).await
    }

    async fn whole_images_of(&self, call: &Call, signs: &[ContSign]) -> Result<ImagePage> {
        self.page_of(call, signs).await
    }

    async fn insert_images(
        &self,
        call: &Call,
        images: Bytes,
        replace: bool,
    ) -> Result<Vec<Insertion>> {
        self.insert_page(call, images, replace).await
    }

    /// Checks the index.
    async fn warm_up(&self) -> Result<()> {
        self.opened(Instant::now() + self.timeout).await.map(drop)
    }

    fn state(&self) -> State {
        let size = self.size.get();
        State {
            backend: "opensearch",
            id: self.target.index().map(|index| index.library.to_string()),
            images: size.map(|(images, _)| images),
            capacity: Some(self.capacity),
            size_bytes: size.map(|(_, bytes)| bytes),
            cluster: Some(self.client.state()),
            ..State::default()
        }
    }
}

impl fmt::Debug for OpenSearchBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSearchBackend").finish_non_exhaustive()
    }
}

/// Returns a number that no other library has, for practical purposes.
fn random_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}
