//! The backend of a library in the gateway's own engine, on the local disk.
//!
//! The engine is synchronous: decoding and searching run on the bounded CPU pool, and writes are
//! queued to the engine's writer, which groups them and calls back once they are durable. An add of
//! a duplicate costs one hash and one look-up; its image is never decoded.

mod backup;
mod convert;
mod cpu;
mod demand;
mod duplicates;
mod fetch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use same_image as engine;
use tokio::sync::{Semaphore, oneshot};

use self::convert::{cont_sign, filter, geometry, record, storage};
use self::cpu::Demand;
use self::fetch::{AddressScope, Fetcher};
use crate::call::{Call, new_log_id};
use crate::config;
use crate::domain::{
    Add, Added, ContSign, Delete, DeleteTarget, Deleted, FindDuplicates, ImageFile, ImageLimits,
    ImageSource, LibraryStats, List, Listing, Match, Profile, Record, Search, SearchResults,
    Update, UpdateTarget, Updated,
};
use crate::error::{Error, Kind, Result, chain};
use crate::library::{BackupStream, DuplicateStream, Library, State};

pub use self::cpu::CpuPool;

/// When a caller should retry an add to a full disk.
const DISK_RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// A library in the engine; clones share it.
#[derive(Clone)]
pub struct EmbeddedBackend {
    engine: Arc<engine::Engine>,
    cpu: CpuPool,
    fetcher: Fetcher,
    /// Of searches that name none.
    profile: Profile,
    max_side: u32,
    /// One permit: a backup reads the whole library, and two at once gain nothing.
    backup_slot: Arc<Semaphore>,
    /// One permit: a join uses all idle cores, and memory for each.
    join_slot: Arc<Semaphore>,
}

// === impl EmbeddedBackend ===

impl EmbeddedBackend {
    /// Opens the library's folder, or creates it; needs seconds for a large one. Its calls share
    /// `cpu` with those of other libraries.
    ///
    /// # Errors
    ///
    /// `Storage` when the folder is in use by another process, was written by another version, or
    /// cannot be used; the message says which.
    pub fn open(config: &config::Embedded, cpu: CpuPool) -> Result<Self> {
        let options = engine::Options {
            capacity: config.capacity,
            min_free_disk: config.min_free_disk,
            max_side: config.max_side,
            ..engine::Options::default()
        };
        let engine = engine::Engine::open(&config.data_dir, options).map_err(|error| {
            let message = chain(&error);
            Error::new(Kind::Storage, message).with_source(error)
        })?;
        let scope = if config.allow_private_addresses {
            AddressScope::Any
        } else {
            AddressScope::Public
        };
        Ok(EmbeddedBackend {
            engine: Arc::new(engine),
            cpu,
            fetcher: Fetcher::new(scope)?,
            profile: match config.profile {
                config::Profile::Loose => Profile::Loose,
                config::Profile::Balanced => Profile::Balanced,
                config::Profile::Strict => Profile::Strict,
            },
            max_side: config.max_side,
            backup_slot: Arc::new(Semaphore::new(1)),
            join_slot: Arc::new(Semaphore::new(1)),
        })
    }

    /// Finishes queued writes and closes the files. Blocks until then.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Runs a job on the CPU pool with the engine.
    async fn run<T: Send + 'static>(
        &self,
        call: &Call,
        demand: Demand,
        job: impl FnOnce(&engine::Engine) -> T + Send + 'static,
    ) -> Result<T> {
        let engine = Arc::clone(&self.engine);
        self.cpu.run(call, demand, move || job(&engine)).await
    }

    async fn image(&self, call: &Call, source: ImageSource) -> Result<ImageFile> {
        match source {
            ImageSource::Content(image) => Ok(image),
            ImageSource::Url(url) => self.fetcher.fetch(call, &url).await,
        }
    }

    /// Finds the target: an image means the stored one with the same bytes; a text that is no sign
    /// of the engine means no image.
    async fn target(&self, call: &Call, target: UpdateTarget) -> Result<engine::Target> {
        match target {
            UpdateTarget::Sign(sign) => named(&sign).ok_or_else(not_found),
            UpdateTarget::Source(source) => {
                let image = self.image(call, source).await?;
                self.run(call, demand::read(call), move |_| {
                    engine::Target::Content(engine::ContentHash::of(image.bytes()))
                })
                .await
            }
        }
    }

    async fn delete_all(&self, targets: Vec<engine::Target>) -> Result<Vec<Result<()>>> {
        let deleted = write(|done| self.engine.delete(targets, done)).await?;
        Ok(deleted
            .into_iter()
            .map(|sign| sign.map(drop).ok_or_else(not_found))
            .collect())
    }
}

#[async_trait]
impl Library for EmbeddedBackend {
    async fn add(&self, call: &Call, request: Add) -> Result<Added> {
        let image = self.image(call, request.source).await?;
        let candidate = self
            .run(call, demand::add(call, &image), move |engine| {
                look_up(engine, &image)
            })
            .await??;
        let (sign, existed) = match candidate {
            LookUp::Stored(sign) => (sign, true),
            LookUp::New(prepared) => {
                let record = engine::NewRecord {
                    brief: request.brief.into_string(),
                    tags: request.tags.as_slice().to_vec(),
                };
                let added = write(|done| self.engine.add(*prepared, record, done)).await?;
                (added.sign, added.existed)
            }
        };
        Ok(Added {
            cont_sign: cont_sign(sign)?,
            existed,
            log_id: new_log_id(),
        })
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        let engine_query = engine::Query {
            filter: filter(&query.tags, query.tag_logic),
            offset: query.offset as usize,
            limit: query.limit as usize,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "scores are single precision"
            )]
            min_score: query.min_score as f32,
            profile: profile(query.profile.unwrap_or(self.profile)),
        };
        let image = self.image(call, query.source).await?;
        let response = self.run(call, demand::search(&image), move |engine| {
            let prepared = engine
                .prepare_query(image.bytes())
                .map_err(|error| unusable(&error))?;
            engine
                .search(&prepared, &engine_query)
                .map_err(|error| storage(&error))
        });
        let response = response.await??;
        let matches = response
            .matches
            .into_iter()
            .map(matched)
            .collect::<Result<_>>()?;
        Ok(SearchResults {
            matches,
            has_more: response.has_more,
            log_id: new_log_id(),
        })
    }

    async fn update(&self, call: &Call, request: Update) -> Result<Updated> {
        let target = self.target(call, request.target).await?;
        let change = engine::RecordUpdate {
            brief: request.brief.map(crate::domain::Brief::into_string),
            tags: request.tags.map(|tags| tags.as_slice().to_vec()),
        };
        write(|done| self.engine.update(target, change, done)).await?;
        Ok(Updated {
            log_id: new_log_id(),
        })
    }

    async fn delete(&self, call: &Call, request: Delete) -> Result<Deleted> {
        let outcomes = match request.target {
            DeleteTarget::Source(source) => {
                let target = self.target(call, UpdateTarget::Source(source)).await?;
                self.delete_all(vec![target]).await?
            }
            DeleteTarget::Signs(signs) => {
                let known = signs.iter().filter_map(named).collect();
                let mut deleted = self.delete_all(known).await?.into_iter();
                // A text that is no sign of the engine means no image.
                let outcome = |sign| {
                    named(sign)
                        .and_then(|_| deleted.next())
                        .unwrap_or_else(|| Err(not_found()))
                };
                signs.iter().map(outcome).collect()
            }
        };
        Ok(Deleted {
            outcomes,
            log_ids: vec![new_log_id()],
        })
    }

    fn image_limits(&self, max_bytes: usize) -> ImageLimits {
        ImageLimits {
            max_bytes,
            max_side: self.max_side,
        }
    }

    async fn stats(&self, call: &Call) -> Result<LibraryStats> {
        let stats = self
            .run(call, demand::read(call), |engine| {
                engine.stats().map_err(|error| storage(&error))
            })
            .await??;
        Ok(LibraryStats {
            id: stats.id.to_string(),
            images: stats.images,
            capacity: stats.capacity,
            size_bytes: stats.disk_bytes,
        })
    }

    async fn list(&self, call: &Call, request: List) -> Result<Listing> {
        let after = cursor(&request.page_token)?;
        let limit = request.page_size as usize;
        let everything = engine::TagFilter::default();
        let page = self.run(call, demand::read(call), move |engine| {
            engine
                .list(after, limit, &everything)
                .map_err(|error| storage(&error))
        });
        let page = page.await??;
        let records = page
            .records
            .into_iter()
            .map(|found| record(found, Vec::new()))
            .collect::<Result<_>>()?;
        Ok(Listing {
            records,
            next_page_token: page.next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    async fn get(&self, call: &Call, cont_sign: ContSign) -> Result<Record> {
        let sign = engine::Sign::parse(cont_sign.as_str()).ok_or_else(not_found)?;
        let found = self
            .run(call, demand::read(call), move |engine| {
                engine.get(sign).map_err(|error| storage(&error))
            })
            .await??;
        let found = found.ok_or_else(not_found)?;
        record(found.record, found.thumbnail)
    }

    async fn find_duplicates(
        &self,
        call: &Call,
        request: FindDuplicates,
    ) -> Result<DuplicateStream> {
        let slot = Arc::clone(&self.join_slot).try_acquire_owned();
        let slot = slot.map_err(|busy| {
            let message = "the images of this library are being compared already";
            Error::new(Kind::Overloaded, message).with_source(busy)
        })?;
        let profile = profile(request.profile.unwrap_or(self.profile));
        let query = duplicates::query(&request, profile)?;
        let join = self
            .run(call, demand::read(call), move |engine| {
                engine
                    .join(&query)
                    .map_err(|error| duplicates::failure(&error))
            })
            .await??;
        let engine = Arc::clone(&self.engine);
        Ok(duplicates::start(
            call,
            engine,
            self.cpu.clone(),
            join,
            slot,
        ))
    }

    fn backup(&self) -> Result<BackupStream> {
        let slot = Arc::clone(&self.backup_slot).try_acquire_owned();
        let slot = slot.map_err(|busy| {
            let message = "a backup of this library is running already";
            Error::new(Kind::Overloaded, message).with_source(busy)
        })?;
        Ok(backup::start(Arc::clone(&self.engine), slot))
    }

    /// Writes to the disk, if storage errors persist: returns once it accepts writes again.
    async fn warm_up(&self) -> Result<()> {
        if !self.is_storage_failing() {
            return Ok(());
        }
        write(|done| self.engine.probe(done)).await
    }

    fn is_storage_failing(&self) -> bool {
        self.engine.health().is_failing
    }

    fn state(&self) -> State {
        let health = self.engine.health();
        let stats = self.engine.stats().ok();
        State {
            backend: "embedded",
            images: stats.as_ref().map(|stats| stats.images),
            capacity: stats.as_ref().map(|stats| stats.capacity),
            size_bytes: stats.as_ref().map(|stats| stats.disk_bytes),
            free_disk_bytes: self.engine.free_disk_bytes(),
            storage_failures: Some(health.failures),
            is_storage_failing: Some(health.is_failing),
            credentials: Vec::new(),
        }
    }
}

impl fmt::Debug for EmbeddedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBackend").finish_non_exhaustive()
    }
}

/// Result of an add before anything is written.
enum LookUp {
    Stored(engine::Sign),
    New(Box<engine::PreparedImage>),
}

fn look_up(engine: &engine::Engine, image: &ImageFile) -> Result<LookUp> {
    if let Some(sign) = engine
        .find_exact(image.bytes())
        .map_err(|error| storage(&error))?
    {
        return Ok(LookUp::Stored(sign));
    }
    let prepared = engine
        .prepare(image.bytes())
        .map_err(|error| unusable(&error))?;
    Ok(LookUp::New(Box::new(prepared)))
}

/// Queues a write and waits until it is durable. A write whose caller goes away is not cancelled:
/// it may be half on the disk already.
async fn write<T: Send + 'static>(
    queue: impl FnOnce(Box<dyn FnOnce(Result<T, engine::WriteError>) + Send>),
) -> Result<T> {
    let (done, response) = oneshot::channel();
    queue(Box::new(move |result| {
        // The caller may have gone away; the write is done anyway.
        let _ = done.send(result);
    }));
    let response = response.await.map_err(|_| shut_down())?;
    response.map_err(|error| rejected(&error))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine may get more errors; a new one is one of storage"
)]
fn rejected(error: &engine::WriteError) -> Error {
    match error {
        engine::WriteError::Full { capacity } => {
            let message = format!("the library holds {capacity} images, its capacity");
            Error::new(Kind::LibraryFull, message)
        }
        engine::WriteError::DiskReserve { reserve } => disk_full(format!(
            "less than {reserve} bytes of the library's disk are free: images can be deleted and \
             updated, not added"
        )),
        engine::WriteError::Storage(engine::StoreError::DiskFull) => {
            disk_full("the disk of the library is full".to_owned())
        }
        engine::WriteError::NotFound => not_found(),
        engine::WriteError::Closed => shut_down(),
        other => storage(other),
    }
}

/// Makes the error for a full disk; space returns when the operator acts, not within a second.
fn disk_full(message: String) -> Error {
    Error::new(Kind::DiskFull, message).with_retry_after(DISK_RETRY_INTERVAL)
}

fn shut_down() -> Error {
    Error::new(
        Kind::ShuttingDown,
        "the library is closed: the gateway is shutting down",
    )
}

fn not_found() -> Error {
    Error::new(Kind::ImageNotFound, "no such image in the library")
}

/// Classifies the error of an image with a valid header that cannot be decoded.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine may get more errors; a new one is one of the image"
)]
fn unusable(error: &engine::DecodeError) -> Error {
    let kind = match error {
        engine::DecodeError::Empty => Kind::ImageEmpty,
        engine::DecodeError::UnknownFormat => Kind::ImageFormat,
        engine::DecodeError::FileTooLarge { .. } | engine::DecodeError::Sides { .. } => {
            Kind::ImageSize
        }
        _ => Kind::ImageMalformed,
    };
    Error::violation("content", kind, error.to_string())
}

fn named(sign: &ContSign) -> Option<engine::Target> {
    engine::Sign::parse(sign.as_str()).map(engine::Target::Sign)
}

fn cursor(token: &str) -> Result<Option<engine::Cursor>> {
    if token.is_empty() {
        return Ok(None);
    }
    let violation = |_| {
        let message = "not the `next_page_token` of an earlier page";
        Error::violation("page_token", Kind::InvalidParameter, message)
    };
    token.parse().map(Some).map_err(violation)
}

fn profile(profile: Profile) -> engine::Profile {
    match profile {
        Profile::Loose => engine::Profile::Loose,
        Profile::Balanced => engine::Profile::Balanced,
        Profile::Strict => engine::Profile::Strict,
    }
}

fn matched(hit: engine::Hit) -> Result<Match> {
    Ok(Match {
        cont_sign: cont_sign(hit.sign)?,
        score: f64::from(hit.score),
        brief: hit.brief,
        tags: hit.tags,
        geometry: hit.geometry.map(geometry),
        agreement: hit.agreement,
        coverage: hit.coverage,
    })
}
