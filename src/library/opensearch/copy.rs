//! Copies of images to and from other libraries: documents as pages in the engine's format.
//!
//! Pages are read in the order of listings, by the time of the add, so they are no snapshot: what is
//! added meanwhile with an earlier time is not read. An image is inserted by a write that only succeeds
//! while it is not stored, so pages that are sent again, or by several commands at once, store it
//! once. Those that are stored are looked up first, by one request for a page: a library that is full
//! rejects new documents without a look at what they are. Previews are left out.

use std::collections::HashMap;

use bytes::Bytes;
use same_image as engine;

use super::OpenSearchBackend;
use super::document::{COMPARED, Document};
use super::listing::{PageQuery, Position};
use super::response::Hit;
use super::writer::{Change, Outcome};
use crate::call::Call;
use crate::domain::{Brief, ContSign, ImageFilter, ListOrder};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::convert;
use crate::library::embedded::copy::{decoded, encoded, whole_listing};
use crate::library::image_page::{ImagePage, Insertion, PAGE_BYTES};

/// The fields that are compared with those of an image that is sent.
const COMPARED_TEXTS: [&str; 3] = ["content", "brief", "tags"];
/// Maximum number of writes and comparisons of an insertion that deletions overtake.
const MAX_ATTEMPTS: usize = 20;

// === impl OpenSearchBackend ===

impl OpenSearchBackend {
    pub(super) async fn page_after(
        &self,
        call: &Call,
        after: &str,
        limit: usize,
    ) -> Result<ImagePage> {
        let library = self.opened(call.deadline).await?.library;
        let listing = whole_listing(library);
        let fields = whole();
        let query = PageQuery {
            filter: &ImageFilter::default(),
            order: ListOrder::OldestFirst,
            after: listing.cursor(after)?,
            // One more tells whether there is another page.
            size: limit + 1,
            fields: &fields,
        };
        let found = self.documents(call, &query).await?;
        let total = found.total();
        let (mut documents, mut bytes) = (Vec::new(), 0);
        let hits = found.into_hits();
        let count = hits.len();
        for document in hits.into_iter().take(limit).map(Hit::document) {
            let document = document?;
            bytes += document.image.features.len() + document.image.thumbnail.len();
            documents.push(document);
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        let last = documents.last().filter(|_| documents.len() < count);
        let next = last.map(|last| listing.token(Position::of(last)));
        self.image_page(call, documents, next, total).await
    }

    pub(super) async fn page_of(&self, call: &Call, signs: &[ContSign]) -> Result<ImagePage> {
        self.opened(call.deadline).await?;
        let signs: Vec<_> = signs.iter().filter_map(convert::sign).collect();
        let documents = self.read_signs(call, &signs, &whole()).await?;
        let total = self.count(call, &ImageFilter::default(), None).await?;
        self.image_page(call, documents, None, total).await
    }

    pub(super) async fn insert_page(
        &self,
        call: &Call,
        images: Bytes,
        replace: bool,
    ) -> Result<Vec<Insertion>> {
        self.opened(call.deadline).await?;
        let documents = self.step(call, move || {
            let documents = decoded(&images)?.into_iter().map(Document::of_whole);
            documents.collect::<Result<Vec<_>>>()
        });
        let documents = documents.await??;
        let signs: Vec<_> = documents.iter().map(Document::sign).collect();
        let stored = self.read_signs(call, &signs, &COMPARED_TEXTS).await?;
        let mut stored: HashMap<_, _> = stored
            .into_iter()
            .map(|document| (document.sign(), document))
            .collect();
        // In one step, and only those that are not stored.
        let begun = self.step(call, move || {
            let begun = documents.into_iter().map(|document| {
                let existing = stored.remove(&document.sign());
                let written = match existing {
                    Some(_) => None,
                    None => Some(document.to_json()?),
                };
                Ok((document, existing, written))
            });
            begun.collect::<Result<Vec<_>>>()
        });
        let inserted = begun.await??.into_iter().map(|image| {
            // Boxed: a page has hundreds of these futures.
            Box::pin(self.insert_document(call, image, replace))
        });
        futures_util::future::try_join_all(inserted).await
    }

    /// Reads the documents with these signs; those that are not stored are left out.
    async fn read_signs(
        &self,
        call: &Call,
        signs: &[engine::Sign],
        fields: &[&str],
    ) -> Result<Vec<Document>> {
        match signs.is_empty() {
            true => Ok(Vec::new()),
            false => self.read_all(call, signs, fields).await,
        }
    }

    /// Inserts a document, given the one that is stored or what is to be written.
    async fn insert_document(
        &self,
        call: &Call,
        (document, mut stored, mut written): (Document, Option<Document>, Option<Bytes>),
        replace: bool,
    ) -> Result<Insertion> {
        let sign = document.sign();
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = stored.take() else {
                let line = match written.take() {
                    Some(line) => line,
                    None => {
                        let document = document.clone();
                        self.step(call, move || document.to_json()).await??
                    }
                };
                let change = Change::Create(line.clone());
                if self.writer.write(call.deadline, sign, change).await? == Outcome::Done {
                    return Ok(Insertion::Added);
                }
                written = Some(line);
                // Added meanwhile, and maybe deleted again.
                let found = self.read(call, sign, &COMPARED_TEXTS).await?;
                stored = found.map(|(document, _)| document);
                continue;
            };
            if stored.image.content != document.image.content {
                return Err(other_sign(sign));
            }
            if stored.brief == document.brief && stored.tags == document.tags {
                return Ok(Insertion::Unchanged);
            }
            if !replace {
                return Ok(Insertion::Kept);
            }
            let brief = Brief::new(document.brief.clone())?;
            let replaced = self.replace_texts(call, sign, Some(&brief), Some(&document.tags));
            match replaced.await {
                Err(error) if error.kind() == Kind::ImageNotFound => {}
                replaced => return replaced.map(|()| Insertion::Replaced),
            }
        }
        let message = format!("image {sign} is added and deleted by others, each time");
        Err(Error::new(Kind::ClusterBusy, message))
    }

    async fn image_page(
        &self,
        call: &Call,
        documents: Vec<Document>,
        next: Option<String>,
        total: u64,
    ) -> Result<ImagePage> {
        let library = self.opened(call.deadline).await?.library;
        let images = self.step(call, move || {
            let images = documents.into_iter().map(Document::into_whole);
            encoded(library, images.collect())
        });
        Ok(ImagePage {
            images: images.await??,
            next,
            library: library.to_string(),
            total,
            capacity: self.capacity,
        })
    }
}

// === impl Document ===

impl Document {
    fn of_whole(whole: engine::WholeImage) -> Result<Self> {
        let document = Document {
            // Without the preview: each read of a document reads all of its source.
            image: whole.image,
            brief: whole.brief,
            tags: whole.tags,
            added_at_ms: whole.added_at_ms,
        };
        match document.sign() == whole.sign {
            true => Ok(document),
            false => Err(other_sign(whole.sign)),
        }
    }

    fn into_whole(self) -> engine::WholeImage {
        engine::WholeImage {
            sign: self.sign(),
            image: self.image,
            preview: Vec::new(),
            brief: self.brief,
            tags: self.tags,
            added_at_ms: self.added_at_ms,
        }
    }
}

/// The fields of everything that is stored.
fn whole() -> Vec<&'static str> {
    [&COMPARED[..], &["thumbnail"]].concat()
}

/// Makes the error of two files whose hashes share their first 64 bits.
fn other_sign(sign: engine::Sign) -> Error {
    let message = format!("image {sign} cannot be stored: another file has the same sign");
    Error::new(Kind::ImageAlreadyExists, message).with_cont_sign(sign.to_string())
}
