//! Copies of images to and from other libraries: pages in the engine's format.

use bytes::Bytes;
use same_image as engine;

use super::page_token::ListingId;
use super::{EmbeddedBackend, convert, demand, storage, write};
use crate::call::Call;
use crate::domain::{ContSign, ImageFilter, List, ListOrder};
use crate::error::{Error, Kind, Result};
use crate::library::image_page::{ImagePage, Insertion, MAX_PAGE_IMAGES, PAGE_BYTES};

// === impl EmbeddedBackend ===

impl EmbeddedBackend {
    pub(super) async fn page_after(
        &self,
        call: &Call,
        after: &str,
        limit: usize,
    ) -> Result<ImagePage> {
        let library = self.engine.id();
        let listing = whole_listing(library);
        let after = listing.cursor(after)?;
        let page = self.run(call, demand::read(call), move |engine| {
            let read = engine.whole_images(after, limit, PAGE_BYTES);
            let (images, next) = read.map_err(|error| storage(&error))?;
            Ok::<_, Error>((encoded(library, images)?, next))
        });
        let (images, next) = page.await??;
        self.image_page(images, next.map(|next| listing.token(next)))
    }

    pub(super) async fn page_of(&self, call: &Call, signs: &[ContSign]) -> Result<ImagePage> {
        let library = self.engine.id();
        let signs: Vec<_> = signs.iter().filter_map(convert::sign).collect();
        let images = self.run(call, demand::read(call), move |engine| {
            let images = engine.whole_images_of(&signs);
            encoded(library, images.map_err(|error| storage(&error))?)
        });
        self.image_page(images.await??, None)
    }

    pub(super) async fn insert_page(
        &self,
        call: &Call,
        images: Bytes,
        replace: bool,
    ) -> Result<Vec<Insertion>> {
        let decode = move |_: &engine::Engine| decoded(&images);
        let images = self.run(call, demand::read(call), decode).await??;
        let inserted = write(|done| self.engine.insert(images, replace, done));
        Ok(inserted.await?.into_iter().map(insertion).collect())
    }

    fn image_page(&self, images: Bytes, next: Option<String>) -> Result<ImagePage> {
        let stats = self.engine.stats().map_err(|error| storage(&error))?;
        Ok(ImagePage {
            images,
            next,
            library: stats.id.to_string(),
            total: stats.images,
            capacity: stats.capacity,
        })
    }
}

/// Returns the listing whose page tokens are those of pages of whole images.
pub(in crate::library) fn whole_listing(library: engine::LibraryId) -> ListingId {
    let list = List {
        page_size: 0,
        page_token: String::new(),
        filter: ImageFilter::default(),
        order: ListOrder::OldestFirst,
        thumbnails: true,
    };
    ListingId::new(library, &list)
}

/// Writes a page of images.
///
/// # Errors
///
/// `Storage` for an image whose features this version cannot compare.
pub(in crate::library) fn encoded(
    library: engine::LibraryId,
    images: Vec<engine::WholeImage>,
) -> Result<Bytes> {
    let page = engine::write_images(library, images);
    page.map(Bytes::from).map_err(|error| storage(&error))
}

/// Reads a page of images.
///
/// # Errors
///
/// `InvalidParameter` for bytes that are no page, for more images than one may have, and for features
/// of another version.
pub(in crate::library) fn decoded(page: &[u8]) -> Result<Vec<engine::WholeImage>> {
    let read = engine::read_images(page, MAX_PAGE_IMAGES);
    let (_, images) = read.map_err(|error| {
        let message = crate::error::chain(&error);
        Error::violation("images", Kind::InvalidParameter, message)
    })?;
    Ok(images)
}

fn insertion(insertion: engine::Insertion) -> Insertion {
    match insertion {
        engine::Insertion::Added => Insertion::Added,
        engine::Insertion::Unchanged => Insertion::Unchanged,
        engine::Insertion::Replaced => Insertion::Replaced,
        engine::Insertion::Kept => Insertion::Kept,
    }
}
