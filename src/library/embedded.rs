//! The backend of a library in the gateway's own engine, on the local disk.
//!
//! The engine is synchronous: decoding and searching run on the bounded CPU pool, and writes are
//! queued to the engine's writer, which groups them and calls back once they are durable. An add of
//! a duplicate costs one hash and one look-up; its image is never decoded.

mod backup;
pub(in crate::library) mod candidate;
pub(in crate::library) mod choices;
pub(in crate::library) mod convert;
pub(in crate::library) mod copy;
pub(in crate::library) mod cpu;
pub(in crate::library) mod demand;
mod duplicates;
pub(in crate::library) mod errors;
pub(in crate::library) mod fetch;
mod listing;
pub(in crate::library) mod page_token;
mod query_image;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use same_image as engine;
use tokio::sync::{Semaphore, oneshot};

use self::candidate::{Candidate, CheckSlots};
use self::choices::Choices;
use self::convert::{cont_sign, record};
use self::cpu::Demand;
use self::errors::{not_found, rejected, shut_down, storage};
use self::fetch::{AddressScope, Fetcher};
use self::query_image::QueryImage;
use crate::call::{Call, new_log_id};
use crate::config;
use crate::domain::{
    Add, Added, Capability, Compare, Comparison, ContSign, Delete, DeleteByFilter, DeleteTarget,
    Deleted, DeletedByFilter, FindDuplicates, Get, ImageFile, ImageLimits, ImageRef, ImageSource,
    LibraryStats, List, Listing, OnMatch, Record, Search, SearchResults, TagCount, Update, Updated,
};
use crate::error::{Error, Kind, Result, chain};
use crate::library::image_page::{ImagePage, Insertion};
use crate::library::{BackupStream, DuplicateStream, Library, State};

pub use self::cpu::CpuPool;

/// A library in the engine; clones share it.
#[derive(Clone)]
pub struct EmbeddedBackend {
    engine: Arc<engine::Engine>,
    cpu: CpuPool,
    fetcher: Fetcher,
    choices: Choices,
    min_score: f64,
    max_side: u32,
    /// One permit: a backup reads the whole library, and two at once gain nothing.
    backup_slot: Arc<Semaphore>,
    check_slots: CheckSlots,
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
            preview_side: config.preview_side,
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
            choices: Choices::new(config.profile, config.effort),
            min_score: config.min_score,
            max_side: config.max_side,
            backup_slot: Arc::new(Semaphore::new(1)),
            check_slots: CheckSlots::new(),
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
        // Held until the image is written, also when the call has ended: what was checked needs memory.
        let slot = match checks {
            true => self.check_slots.of(call).acquire_owned().await.ok(),
            false => None,
        };
        let query = checks.then(|| convert::best_matches(request.match_score, self.choices));
        let demand = demand::add(call, &image, checks);
        let candidate = self
            .run(call, demand, move |engine| {
                Candidate::new(engine, &image, query)
            })
            .await??;
        // It waits for the disk with the image.
        call.permit.charge(candidate.preview_bytes()).await?;
        match candidate {
            Candidate::Stored(sign) => Ok(Added::new(cont_sign(sign)?, true, new_log_id())),
            Candidate::New(prepared) => {
                let added = write(|done| self.engine.add(*prepared, record, done)).await?;
                let sign = cont_sign(added.sign)?;
                Ok(Added::new(sign, added.existed, new_log_id()))
            }
            Candidate::Checked(checked) => {
                let rejects = request.on_match == OnMatch::Reject;
                let write = write(|done| {
                    let done = move |added| {
                        drop(slot);
                        done(added);
                    };
                    self.engine.add_checked(*checked, record, rejects, done);
                });
                convert::checked(write.await?)
            }
        }
    }

    async fn search(&self, call: &Call, query: Search) -> Result<SearchResults> {
        let options = convert::query(&query.options, self.choices);
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
        let profile = self.choices.profile(request.profile);
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

    async fn delete_by_filter(
        &self,
        call: &Call,
        request: DeleteByFilter,
    ) -> Result<DeletedByFilter> {
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
            Capability::Preview,
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
        self.page(call, request).await
    }

    async fn tags(&self, call: &Call) -> Result<Vec<TagCount>> {
        let counts = self.run(call, demand::read(call), engine::Engine::tag_counts);
        let counts = counts.await?.into_iter();
        Ok(counts
            .map(|(tag, images)| TagCount { tag, images })
            .collect())
    }

    async fn get(&self, call: &Call, request: Get) -> Result<Record> {
        let sign = convert::sign(&request.cont_sign).ok_or_else(not_found)?;
        let read = move |engine: &engine::Engine| {
            let preview = match request.preview {
                true => engine.preview(sign)?,
                false => None,
            };
            Ok((engine.get(sign)?, preview.unwrap_or_default()))
        };
        let (found, preview) = self
            .run(call, demand::read(call), move |engine| {
                read(engine).map_err(|error: engine::StoreError| storage(&error))
            })
            .await??;
        let found = found.ok_or_else(not_found)?;
        Ok(Record {
            preview: preview.into(),
            ..record(found.record, found.thumbnail)?
        })
    }

    async fn find_duplicates(
        &self,
        call: &Call,
        request: FindDuplicates,
    ) -> Result<DuplicateStream> {
        let slot = self.cpu.join_slot().try_acquire_owned();
        let slot = slot.map_err(|busy| {
            let message = "the images of a library are being compared already; one join at a time";
            Error::new(Kind::Overloaded, message).with_source(busy)
        })?;
        let profile = self.choices.profile(request.profile);
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
            id: Some(self.engine.id().to_string()),
            images: stats.as_ref().map(|stats| stats.images),
            capacity: stats.as_ref().map(|stats| stats.capacity),
            size_bytes: stats.as_ref().map(|stats| stats.disk_bytes),
            free_disk_bytes: self.engine.free_disk_bytes(),
            storage_failures: Some(health.failures),
            is_storage_failing: Some(health.is_failing),
            ..State::default()
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
