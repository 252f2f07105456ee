//! Protobuf messages ↔ domain types, and nothing else.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::status;
use crate::domain::{
    Add, Added, Delete, DeleteTarget, Deleted, Geometry, List, Listing, Match, Page, Query,
    RawSource, RawTarget, Record, Stats, TagLogic, Update,
};
use crate::error::{Error, Kind, Result};
use crate::proto::v1;

/// Reads the `source` of a message; each message has a type of its own for it.
macro_rules! source {
    ($message:ident, $source:expr) => {
        match $source {
            None => RawSource::Missing,
            Some(v1::$message::Source::Content(bytes)) => RawSource::Content(bytes),
            Some(v1::$message::Source::Url(url)) => RawSource::Url(url),
        }
    };
}

pub(super) fn add(message: v1::AddImageRequest) -> Result<Add> {
    Add::new(
        source!(add_image_request, message.source),
        message.brief,
        &message.tags,
    )
}

pub(super) fn item(message: v1::AddImagesItem) -> Result<Add> {
    Add::new(
        source!(add_images_item, message.source),
        message.brief,
        &message.tags,
    )
}

pub(super) fn query(message: v1::SearchImagesRequest) -> Result<Query> {
    let tag_logic = match message.tag_logic() {
        v1::TagLogic::Unspecified | v1::TagLogic::And => TagLogic::And,
        v1::TagLogic::Or => TagLogic::Or,
    };
    let window = (message.offset, message.limit);
    let source = source!(search_images_request, message.source);
    Query::new(source, &message.tags, tag_logic, window, message.min_score)
}

pub(super) fn update(message: v1::UpdateImageRequest) -> Result<Update> {
    use v1::update_image_request::Target;
    let target = match message.target {
        None => RawTarget::Source(RawSource::Missing),
        Some(Target::Content(bytes)) => RawTarget::Source(RawSource::Content(bytes)),
        Some(Target::Url(url)) => RawTarget::Source(RawSource::Url(url)),
        Some(Target::ContSign(sign)) => RawTarget::Signs(vec![sign]),
    };
    let tags = message.tags.map(|list| list.values);
    Update::new(target, message.brief, tags.as_deref())
}

pub(super) fn delete(message: v1::DeleteImagesRequest) -> Result<Delete> {
    use v1::delete_images_request::Target;
    Delete::new(match message.target {
        None => RawTarget::Source(RawSource::Missing),
        Some(Target::Content(bytes)) => RawTarget::Source(RawSource::Content(bytes)),
        Some(Target::Url(url)) => RawTarget::Source(RawSource::Url(url)),
        Some(Target::ContSigns(list)) => RawTarget::Signs(list.values),
    })
}

pub(super) fn list(message: v1::ListImagesRequest) -> Result<List> {
    List::new(message.page_size, message.page_token)
}

/// Applies the caller's wish about images that are stored already.
///
/// # Errors
///
/// `ImageAlreadyExists` with the stored sign, unless the caller accepts it.
pub(super) fn accept(added: Added, wish: v1::OnDuplicate) -> Result<Added> {
    match wish {
        v1::OnDuplicate::Accept => Ok(added),
        v1::OnDuplicate::Unspecified | v1::OnDuplicate::Reject if added.existed => {
            let message = "the image is in the library already";
            Err(Error::new(Kind::ImageAlreadyExists, message)
                .with_cont_sign(added.cont_sign.as_str()))
        }
        v1::OnDuplicate::Unspecified | v1::OnDuplicate::Reject => Ok(added),
    }
}

pub(super) fn added(added: Added) -> v1::AddImageResponse {
    let Added {
        cont_sign,
        existed,
        log_id,
    } = added;
    v1::AddImageResponse {
        cont_sign: cont_sign.to_string(),
        existed,
        log_id,
    }
}

pub(super) fn page(page: Page) -> v1::SearchImagesResponse {
    let matches = page.matches.into_iter().map(matched).collect();
    v1::SearchImagesResponse {
        matches,
        has_more: page.has_more,
        log_id: page.log_id,
    }
}

fn matched(found: Match) -> v1::Match {
    v1::Match {
        cont_sign: found.cont_sign.to_string(),
        score: found.score,
        brief: found.brief,
        tags: found.tags.into_iter().map(u32::from).collect(),
        geometry: found.geometry.map(|geometry| geometry_message(&geometry)),
    }
}

fn geometry_message(geometry: &Geometry) -> v1::Geometry {
    let quadrilateral = |corners: [[f32; 2]; 4]| v1::Quadrilateral {
        corners: corners
            .map(|[x, y]| v1::Point {
                x: f64::from(x),
                y: f64::from(y),
            })
            .to_vec(),
    };
    v1::Geometry {
        query: Some(quadrilateral(geometry.query)),
        stored: Some(quadrilateral(geometry.stored)),
        overlap: f64::from(geometry.overlap),
    }
}

/// Answers a deletion: one result per sign that was asked for, in its order.
///
/// # Errors
///
/// That of the image, when the deletion named one by content or address.
pub(super) fn deleted(target: &DeleteTarget, deleted: Deleted) -> Result<v1::DeleteImagesResponse> {
    let signs = match target {
        DeleteTarget::Signs(signs) => signs.as_slice(),
        DeleteTarget::Source(_) => &[],
    };
    let mut results = Vec::with_capacity(deleted.outcomes.len());
    for (index, outcome) in deleted.outcomes.into_iter().enumerate() {
        let cont_sign = signs.get(index).map(ToString::to_string);
        let status = match outcome {
            Ok(()) => v1::Status::default(),
            Err(error) if cont_sign.is_none() => return Err(error),
            Err(error) => status::item(&error),
        };
        results.push(v1::DeleteImagesResult {
            cont_sign: cont_sign.unwrap_or_default(),
            status: Some(status),
        });
    }
    Ok(v1::DeleteImagesResponse {
        results,
        log_ids: deleted.log_ids,
    })
}

pub(super) fn stats(library: &str, stats: Stats) -> v1::GetLibraryResponse {
    v1::GetLibraryResponse {
        library: library.to_owned(),
        image_count: stats.images,
        image_capacity: stats.capacity,
        size_bytes: stats.size_bytes,
    }
}

pub(super) fn listing(listing: Listing) -> v1::ListImagesResponse {
    let images = listing.records.into_iter().map(record).collect();
    v1::ListImagesResponse {
        images,
        next_page_token: listing.next_page_token,
    }
}

pub(super) fn record(record: Record) -> v1::Image {
    let added_at = SystemTime::UNIX_EPOCH + Duration::from_millis(record.added_at_ms);
    v1::Image {
        cont_sign: record.cont_sign.to_string(),
        brief: record.brief,
        tags: record.tags.into_iter().map(u32::from).collect(),
        width: record.width,
        height: record.height,
        size_bytes: record.size_bytes,
        add_time: Some(added_at.into()),
        thumbnail_jpeg: Bytes::clone(&record.thumbnail),
    }
}
