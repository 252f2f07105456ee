//! The backend of a library in the gateway's own engine, on the local disk.
//!
//! The engine is synchronous: decoding and searching run on the bounded CPU pool, and writes are
//! queued to the engine's writer, which groups them and calls back once they are durable. An add of
//! a duplicate costs one hash and one look-up; its image is never decoded.

mod backup;
mod candidate;
mod convert;
mod cpu;
mod demand;
mod errors;
mod fetch;
mod query_image;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use same_image as engine;
use tokio::sync::{Semaphore, oneshot};

use self::candidate::Candidate;
use self::convert::cont_sign;
use self::cpu::Demand;
use self::errors::{not_found, rejected, shut_down, storage};
use self::fetch::{AddressScope, Fetcher};
use self::query_image::QueryImage;
use crate::call::{Call, new_log_id};
use crate::config;
use crate::domain::{
    Add, Added, Compare, Comparison, ContSign, Delete, DeleteTarget, Deleted, ImageFile,
    ImageLimits, ImageRef, ImageSource, LibraryStats, List, Listing, OnMatch, Profile, Record,
    Search, SearchResults, Update, Updated,
};
use crate::error::{Error, Kind, Result, chain};
use crate::library::{BackupStream, Library, State};

pub use self::cpu::CpuPool;

/// Maximum number of additions that look for the same images at once, 4 MB each.
const MAX_CHECKS: usize = 32;

/// A library in the engine; clones share it.
#[derive(Clone)]
pub struct EmbeddedBackend {
    engine: Arc<engine::Engine>,
    cpu: CpuPool,
    fetcher: Fetcher,
    /// Of searches that name none.
    profile: Profile,
    min_score: f64,
    max_side: u32,
    /// One permit: a backup reads the whole library, and two at once gain nothing.
    backup_slot: Arc<Semaphore>,
    check_slots: Arc<Semaphore>,
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
            min_score: config.min_score,
            max_side: config.max_side,
            backup_slot: Arc::new(Semaphore::new(1)),
            check_slots: Arc::new(Semaphore::new(MAX_CHECKS)),
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

    async fn query_image(&self, call: &Call, image: ImageRef) -> Result<QueryImage> {
        Ok(match image {
            ImageRef::Source(source) => QueryImage::File(self.image(call, source).await?),
            ImageRef::Sign(sign) => QueryImage::Stored(convert::sign(&sign).ok_or_else(not_found)?),
        })
    }

    /// Finds the target: an image means the stored one with the same bytes; a text that is no sign
    /// of the engine means no image.
    async fn target(&self, call: &Call, target: ImageRef) -> Result<engine::Target> {
        match target {
            ImageRef::Sign(sign) => named(&sign).ok_or_else(not_found),
            ImageRef::Source(source) => {
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
        let record = engine::NewRecord {
            brief: request.brief.into_string(),
            tags: request.tags.as_slice().to_vec(),
        };
        let checks = request.on_match != OnMatch::Allow;
        // Held until the image is stored: what was checked needs memory.
        let _slot = match checks {
            true => self.check_slots.acquire().await.ok(),
            false => None,
        };
        let query = checks.then(|| convert::best_matches(request.match_score, self.profile));
        let demand = demand::add(call, &image, checks);
        let candidate = self
            .run(call, demand, move |engine| {
                Candidate::new(engine, &image, query)
            })
            .await??;
        match candidate {
            Candidate::Stored(sign) => Ok(Added::new(cont_sign(sign)?, true, new_log_id())),
            Candidate::New(prepared) => {
                let added = write(|done| self.engine.add(*prepared, record, done)).await?;
                let sign = cont_sign(added.sign)?;
                Ok(Added::new(sign, added.existed, new_log_id()))
            }
            Candidate::Checked(checked) => {
                let rejects = request.on_match == OnMatch::Reject;
                let write = write(|done| self.engine.add_checked(*checked, record, rejects, done));
                convert::checked(write.await?)
            }
        }
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        let options = convert::query(&query.options, self.profile);
        let image = self.query_image(call, query.source).await?;
        let response = self.run(call, demand::search(call, &image), move |engine| {
            engine
                .search(&image.prepare(engine)?, &options)
                .map_err(|error| storage(&error))
        });
        let response = response.await??;
        let matches = response.matches.into_iter().map(convert::matched);
        Ok(SearchResults {
            matches: matches.collect::<Result<_>>()?,
            has_more: response.has_more,
            log_id: new_log_id(),
        })
    }

    async fn compare(&self, call: &Call, request: Compare) -> Result<Comparison> {
        let profile = convert::profile(request.profile.unwrap_or(self.profile));
        let first = self.query_image(call, request.first).await?;
        let second = self.query_image(call, request.second).await?;
        let demand = demand::compare(call, &first, &second);
        let found = self.run(call, demand, move |engine| {
            let (query, image) = (first.prepare(engine)?, second.compared(engine)?);
            engine
                .compare(&query, &image, profile)
                .map_err(|error| storage(&error))
        });
        let found = found.await??.ok_or_else(not_found)?;
        Ok(convert::comparison(&found))
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
                let target = self.target(call, ImageRef::Source(source)).await?;
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

    fn min_score(&self) -> f64 {
        self.min_score
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
        let sign = convert::sign(&cont_sign).ok_or_else(not_found)?;
        let found = self
            .run(call, demand::read(call), move |engine| {
                engine.get(sign).map_err(|error| storage(&error))
            })
            .await??;
        let found = found.ok_or_else(not_found)?;
        record(found.record, found.thumbnail)
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

fn named(sign: &ContSign) -> Option<engine::Target> {
    convert::sign(sign).map(engine::Target::Sign)
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

fn record(found: engine::Record, thumbnail: Vec<u8>) -> Result<Record> {
    Ok(Record {
        cont_sign: cont_sign(found.sign)?,
        brief: found.brief,
        tags: found.tags,
        width: found.width,
        height: found.height,
        size_bytes: found.size_bytes,
        added_at_ms: found.added_at_ms,
        thumbnail: thumbnail.into(),
    })
}
