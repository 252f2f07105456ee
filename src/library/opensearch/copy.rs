//! Copies of images to and from other libraries: documents as pages in the engine's format.
//!
//! A page is read in the order of listings, so it is no snapshot: what is added meanwhile comes at
//! its end. An image is inserted by a write that only succeeds while it is not stored, so pages that
//! are sent again, or by several commands at once, store it once.

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

/// Maximum number of attempts at an insertion that deletions overtake.
const MAX_ATTEMPTS: usize = 10;

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
        let documents = match signs.is_empty() {
            true => Vec::new(),
            false => self.read_all(call, &signs, &whole()).await?,
        };
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
            let documents = decoded(&images)?.into_iter().map(|image| {
                let document = Document::of_whole(image)?;
                let written = document.to_json()?;
                Ok((document, written))
            });
            documents.collect::<Result<Vec<_>>>()
        });
        let documents = documents.await??.into_iter();
        let inserted = documents.map(|(document, written)| {
            // Boxed: a page has hundreds of these futures.
            Box::pin(self.insert_document(call, document, written, replace))
        });
        futures_util::future::try_join_all(inserted).await
    }

    async fn insert_document(
        &self,
        call: &Call,
        document: Document,
        written: Bytes,
        replace: bool,
    ) -> Result<Insertion> {
        let (sign, content) = (document.sign(), document.image.content);
        for _ in 0..MAX_ATTEMPTS {
            let change = Change::Create(written.clone());
            if self.writer.write(call.deadline, sign, change).await? == Outcome::Done {
                return Ok(Insertion::Added);
            }
            let fields = ["content", "brief", "tags"];
            let Some((stored, _)) = self.read(call, sign, &fields).await? else {
                // Deleted meanwhile.
                continue;
            };
            if stored.image.content != content {
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
