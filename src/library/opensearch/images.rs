//! Reads, writes and preparations of single images.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Method;
use same_image as engine;

use super::OpenSearchBackend;
use super::client::Request;
use super::document::Document;
use super::response::{self, Read, Version};
use super::writer::{Change, Outcome};
use crate::call::{Call, new_log_id};
use crate::domain::{Added, Brief, ContSign, ImageFile, ImageRef, ImageSource, SearchResults};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::convert::{self, cont_sign};
use crate::library::embedded::demand;
use crate::library::embedded::errors::{not_found, storage, unusable};

/// Maximum number of attempts at an update that other updates overtake.
const MAX_UPDATES: usize = 10;

// === impl OpenSearchBackend ===

impl OpenSearchBackend {
    pub(super) async fn image(&self, call: &Call, source: ImageSource) -> Result<ImageFile> {
        match source {
            ImageSource::Content(image) => Ok(image),
            ImageSource::Url(url) => self.fetcher.fetch(call, &url).await,
        }
    }

    /// Reads a document, also one that no search sees yet; without `fields` all of it.
    pub(super) async fn read(
        &self,
        call: &Call,
        sign: engine::Sign,
        fields: &[&str],
    ) -> Result<Option<(Document, Option<Version>)>> {
        self.read_of(call, sign, fields, true).await
    }

    async fn read_of(
        &self,
        call: &Call,
        sign: engine::Sign,
        fields: &[&str],
        realtime: bool,
    ) -> Result<Option<(Document, Option<Version>)>> {
        let id = sign.to_string().replace(',', "%2C");
        let request = Request {
            operation: "read",
            method: Method::GET,
            path: format!(
                "{}/_doc/{id}?realtime={realtime}&_source_includes={}",
                self.target.alias(),
                fields.join(",")
            ),
            body: Bytes::new(),
            is_idempotent: true,
            // A document is in one shard.
            needs_all_shards: false,
        };
        let response = self
            .client
            .send(call.deadline, Some(call), &request)
            .await?;
        response::parse::<Read>(&response)?.document()
    }

    /// Returns the content of the stored image that has the sign of these bytes; unless `realtime`,
    /// of one that searches see.
    async fn content_at(
        &self,
        call: &Call,
        content: engine::ContentHash,
        realtime: bool,
    ) -> Result<Option<engine::ContentHash>> {
        let found = self.read_of(call, content.first_sign(), &["content"], realtime);
        let found = found.await?;
        Ok(found.map(|(document, _)| document.image.content))
    }

    /// Returns whether these bytes are stored; unless `realtime`, whether searches see them, as they
    /// must once a caller is told so.
    ///
    /// # Errors
    ///
    /// `ImageAlreadyExists` when another file has their sign.
    pub(super) async fn is_stored(
        &self,
        call: &Call,
        content: engine::ContentHash,
        realtime: bool,
    ) -> Result<bool> {
        match self.content_at(call, content, realtime).await? {
            None => Ok(false),
            Some(stored) if stored == content => Ok(true),
            Some(_) => {
                let message = "another file has the same sign: 64 bits of their hashes are equal";
                let sign = content.first_sign().to_string();
                Err(Error::new(Kind::ImageAlreadyExists, message).with_cont_sign(sign))
            }
        }
    }

    /// Finds the target: an image means the stored one with the same bytes; a text that is no sign
    /// of the engine means no image.
    pub(super) async fn target(&self, call: &Call, target: ImageRef) -> Result<engine::Sign> {
        match target {
            ImageRef::Sign(sign) => convert::sign(&sign).ok_or_else(not_found),
            ImageRef::Source(source) => {
                let content = self.content(call, &self.image(call, source).await?).await?;
                let stored = self.content_at(call, content, true).await?;
                let stored = stored.filter(|stored| *stored == content);
                Ok(stored.ok_or_else(not_found)?.first_sign())
            }
        }
    }

    pub(super) async fn content(
        &self,
        call: &Call,
        image: &ImageFile,
    ) -> Result<engine::ContentHash> {
        let bytes = image.bytes().clone();
        let hash = move || engine::ContentHash::of(&bytes);
        self.cpu.run(call, demand::read(call), hash).await
    }

    /// Reads or computes what a search compares.
    pub(super) async fn prepared(
        &self,
        call: &Call,
        image: ImageRef,
    ) -> Result<engine::PreparedQuery> {
        let max_side = self.max_side;
        match image {
            ImageRef::Source(source) => {
                let image = self.image(call, source).await?;
                let demand = demand::search_with(call, Some(&image));
                let prepare = move || engine::PreparedQuery::new(image.bytes(), max_side);
                let prepared = self.cpu.run(call, demand, prepare).await?;
                prepared.map_err(|error| unusable(&error))
            }
            ImageRef::Sign(sign) => {
                let image = self.stored(call, &sign).await?.image;
                let query = self.step(call, move || image.query()).await?;
                query.map_err(|error| storage(&error))
            }
        }
    }

    pub(super) async fn stored(&self, call: &Call, sign: &ContSign) -> Result<Document> {
        let sign = convert::sign(sign).ok_or_else(not_found)?;
        let found = self.read(call, sign, &[]).await?;
        Ok(found.ok_or_else(not_found)?.0)
    }

    /// Stores an image that was not stored when it was looked up.
    pub(super) async fn create_document(
        &self,
        call: &Call,
        image: engine::ImageDocument,
        (brief, tags): (String, Vec<u16>),
    ) -> Result<Added> {
        let content = image.content;
        let document = Document {
            image,
            brief,
            tags,
            added_at_ms: now_ms(),
        };
        let sign = document.sign();
        let written = self.step(call, move || document.to_json()).await??;
        let outcome = self
            .writer
            .write(call.deadline, sign, Change::Create(written))
            .await?;
        // Another call has added it meanwhile.
        let existed = outcome == Outcome::Conflict;
        if existed {
            self.is_stored(call, content, true).await?;
        }
        Ok(Added::new(cont_sign(sign)?, existed, new_log_id()))
    }

    /// Decodes an image and searches for others that are the same; returns what is stored of it.
    pub(super) async fn checked(
        &self,
        call: &Call,
        image: ImageFile,
        match_score: f64,
    ) -> Result<(engine::ImageDocument, SearchResults)> {
        let (max_side, demand) = (self.max_side, demand::add(call, &image, true));
        let prepare = move || engine::prepare_both(image.bytes(), max_side);
        let prepared = self.cpu.run(call, demand, prepare).await?;
        let (image, query) = prepared.map_err(|error| unusable(&error))?;
        let options = convert::best_matches(match_score, self.choices);
        let found = self.find(call, query, options, Vec::new()).await?;
        Ok((image.into(), found))
    }

    /// Replaces brief and tags of a document, in whatever version it is.
    pub(super) async fn replace_texts(
        &self,
        call: &Call,
        sign: engine::Sign,
        brief: Option<&Brief>,
        tags: Option<&[u16]>,
    ) -> Result<()> {
        for _ in 0..MAX_UPDATES {
            let found = self.read(call, sign, &[]).await?;
            let (mut document, version) = found.ok_or_else(not_found)?;
            let Some(version) = version.filter(|_| brief.is_some() || tags.is_some()) else {
                return Ok(());
            };
            if let Some(brief) = brief {
                document.brief = brief.as_str().to_owned();
            }
            if let Some(tags) = tags {
                document.tags = tags.to_vec();
            }
            let written = self.step(call, move || document.to_json()).await??;
            let change = Change::Replace(written, version);
            if self.writer.write(call.deadline, sign, change).await? == Outcome::Done {
                return Ok(());
            }
        }
        let message = "other updates of the image came first, each time";
        Err(Error::new(Kind::ClusterBusy, message))
    }

    pub(super) async fn delete_sign(&self, call: &Call, sign: Option<engine::Sign>) -> Result<()> {
        let sign = sign.ok_or_else(not_found)?;
        let change = Change::Delete(None);
        match self.writer.write(call.deadline, sign, change).await? {
            Outcome::Done => Ok(()),
            Outcome::NotFound | Outcome::Conflict => Err(not_found()),
        }
    }
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}
