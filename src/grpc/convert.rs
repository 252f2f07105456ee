//! Protobuf messages (`v1`) to checked requests and responses (`domain`) and back; no rules.

use std::time::{Duration, SystemTime};

use super::status;
use crate::domain::{self, ImageLimits, RawSource, RawTarget};
use crate::error::{Error, Kind, Result};
use crate::proto::v1;

/// Reads the `source` of a message; prost generates a separate type for each message.
macro_rules! source {
    ($message:ident, $source:expr) => {
        match $source {
            None => RawSource::Missing,
            Some(v1::$message::Source::Content(bytes)) => RawSource::Content(bytes),
            Some(v1::$message::Source::Url(url)) => RawSource::Url(url),
        }
    };
}

// === Requests ===

pub(super) fn add(message: v1::AddImageRequest, limits: ImageLimits) -> Result<domain::Add> {
    let source = source!(add_image_request, message.source);
    domain::Add::within(limits, source, message.brief, &message.tags)
}

pub(super) fn item(message: v1::AddImagesItem, limits: ImageLimits) -> Result<domain::Add> {
    let source = source!(add_images_item, message.source);
    domain::Add::within(limits, source, message.brief, &message.tags)
}

pub(super) fn search(
    message: v1::SearchImagesRequest,
    limits: ImageLimits,
) -> Result<domain::Search> {
    let tag_logic = tag_logic(message.tag_logic());
    let profile = profile(message.profile());
    let query = domain::Search::within(
        limits,
        source!(search_images_request, message.source),
        &message.tags,
        tag_logic,
        (message.offset, message.limit),
        message.min_score,
    )?;
    Ok(query.with_profile(profile))
}

pub(super) fn update(
    message: v1::UpdateImageRequest,
    limits: ImageLimits,
) -> Result<domain::Update> {
    use v1::update_image_request::Target;
    let target = match message.target {
        None => RawTarget::Source(RawSource::Missing),
        Some(Target::Content(bytes)) => RawTarget::Source(RawSource::Content(bytes)),
        Some(Target::Url(url)) => RawTarget::Source(RawSource::Url(url)),
        Some(Target::ContSign(sign)) => RawTarget::Signs(vec![sign]),
    };
    let tags = message.tags.map(|list| list.values);
    domain::Update::with_change(limits, target, message.brief, tags.as_deref())
}

pub(super) fn delete(
    message: v1::DeleteImagesRequest,
    limits: ImageLimits,
) -> Result<domain::Delete> {
    use v1::delete_images_request::Target;
    let target = match message.target {
        None => RawTarget::Source(RawSource::Missing),
        Some(Target::Content(bytes)) => RawTarget::Source(RawSource::Content(bytes)),
        Some(Target::Url(url)) => RawTarget::Source(RawSource::Url(url)),
        Some(Target::ContSigns(list)) => RawTarget::Signs(list.values),
    };
    domain::Delete::within(limits, target)
}

pub(super) fn list(message: v1::ListImagesRequest) -> Result<domain::List> {
    domain::List::new(message.page_size, message.page_token)
}

pub(super) fn find_duplicates(
    message: v1::FindDuplicatesRequest,
) -> Result<domain::FindDuplicates> {
    let tag_logic = tag_logic(message.tag_logic());
    let added_since = message.added_since.map_or(0, |time| {
        let seconds = u64::try_from(time.seconds).unwrap_or(0);
        let milliseconds = u64::try_from(time.nanos).unwrap_or(0) / 1_000_000;
        seconds.saturating_mul(1000).saturating_add(milliseconds)
    });
    let profile = profile(message.profile());
    let request = domain::FindDuplicates::new(
        message.min_score,
        &message.tags,
        tag_logic,
        added_since,
        message.cursor,
    )?;
    Ok(domain::FindDuplicates { profile, ..request })
}

fn profile(profile: v1::Profile) -> Option<domain::Profile> {
    match profile {
        v1::Profile::Unspecified => None,
        v1::Profile::Loose => Some(domain::Profile::Loose),
        v1::Profile::Balanced => Some(domain::Profile::Balanced),
        v1::Profile::Strict => Some(domain::Profile::Strict),
    }
}

fn tag_logic(logic: v1::TagLogic) -> domain::TagLogic {
    match logic {
        v1::TagLogic::Unspecified | v1::TagLogic::And => domain::TagLogic::And,
        v1::TagLogic::Or => domain::TagLogic::Or,
    }
}

// === Responses ===

/// Applies the caller's `on_duplicate` to the result of an addition.
///
/// # Errors
///
/// `ImageAlreadyExists` with the stored sign, unless `on_duplicate` accepts it.
pub(super) fn apply_on_duplicate(
    added: domain::Added,
    on_duplicate: v1::OnDuplicate,
) -> Result<domain::Added> {
    match on_duplicate {
        v1::OnDuplicate::Unspecified | v1::OnDuplicate::Reject if added.existed => {
            let message = "the image is in the library already";
            Err(Error::new(Kind::ImageAlreadyExists, message)
                .with_cont_sign(added.cont_sign.as_str()))
        }
        v1::OnDuplicate::Accept | v1::OnDuplicate::Unspecified | v1::OnDuplicate::Reject => {
            Ok(added)
        }
    }
}

pub(super) fn added(added: &domain::Added) -> v1::AddImageResponse {
    v1::AddImageResponse {
        cont_sign: added.cont_sign.to_string(),
        existed: added.existed,
        log_id: added.log_id,
    }
}

pub(super) fn search_results(results: domain::SearchResults) -> v1::SearchImagesResponse {
    v1::SearchImagesResponse {
        matches: results.matches.into_iter().map(matched).collect(),
        has_more: results.has_more,
        log_id: results.log_id,
    }
}

fn matched(matched: domain::Match) -> v1::Match {
    v1::Match {
        cont_sign: matched.cont_sign.to_string(),
        score: matched.score,
        brief: matched.brief,
        tags: matched.tags.into_iter().map(u32::from).collect(),
        geometry: matched.geometry.as_ref().map(geometry),
        agreement: matched.agreement.map(f64::from),
        coverage: matched.coverage.map(f64::from),
    }
}

fn geometry(geometry: &domain::Geometry) -> v1::Geometry {
    v1::Geometry {
        query: Some(quadrilateral(geometry.query)),
        stored: Some(quadrilateral(geometry.stored)),
        overlap: f64::from(geometry.overlap),
    }
}

fn quadrilateral(corners: [[f32; 2]; 4]) -> v1::Quadrilateral {
    let point = |[x, y]: [f32; 2]| v1::Point {
        x: f64::from(x),
        y: f64::from(y),
    };
    v1::Quadrilateral {
        corners: corners.map(point).to_vec(),
    }
}

/// Writes one result per sign of the request, in its order.
///
/// # Errors
///
/// The error of the image, when the request names one by content or URL.
pub(super) fn deleted(
    target: &domain::DeleteTarget,
    deleted: domain::Deleted,
) -> Result<v1::DeleteImagesResponse> {
    let signs = match target {
        domain::DeleteTarget::Signs(signs) => signs.as_slice(),
        domain::DeleteTarget::Source(_) => &[],
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

pub(super) fn library_stats(
    library: &str,
    stats: domain::LibraryStats,
    limits: ImageLimits,
) -> v1::GetLibraryResponse {
    v1::GetLibraryResponse {
        library: library.to_owned(),
        image_count: stats.images,
        image_capacity: stats.capacity,
        size_bytes: stats.size_bytes,
        id: stats.id,
        max_image_bytes: limits.max_bytes as u64,
        max_side: limits.max_side,
    }
}

pub(super) fn listing(listing: domain::Listing) -> v1::ListImagesResponse {
    v1::ListImagesResponse {
        images: listing.records.into_iter().map(record).collect(),
        next_page_token: listing.next_page_token,
    }
}

pub(super) fn duplicate_event(event: domain::DuplicateEvent) -> v1::FindDuplicatesResponse {
    use v1::find_duplicates_response::Event;

    let event = match event {
        domain::DuplicateEvent::Group(group) => Event::Group(duplicate_group(group)),
        domain::DuplicateEvent::Progress(progress) => Event::Progress(v1::FindDuplicatesProgress {
            compared: progress.compared,
            total: progress.total,
            cursor: progress.cursor,
        }),
    };
    v1::FindDuplicatesResponse { event: Some(event) }
}

fn duplicate_group(group: domain::DuplicateGroup) -> v1::DuplicateGroup {
    let sign = |position: usize| group.images[position].cont_sign.to_string();
    let pairs = group.pairs.iter().map(|pair| v1::DuplicatePair {
        a: sign(pair.a),
        b: sign(pair.b),
        score: pair.score,
        geometry: pair.geometry.as_ref().map(geometry),
    });
    v1::DuplicateGroup {
        pairs: pairs.collect(),
        images: group.images.into_iter().map(record).collect(),
    }
}

pub(super) fn record(record: domain::Record) -> v1::Image {
    let added_at = SystemTime::UNIX_EPOCH + Duration::from_millis(record.added_at_ms);
    v1::Image {
        cont_sign: record.cont_sign.to_string(),
        brief: record.brief,
        tags: record.tags.into_iter().map(u32::from).collect(),
        width: record.width,
        height: record.height,
        size_bytes: record.size_bytes,
        add_time: Some(added_at.into()),
        thumbnail_jpeg: record.thumbnail,
    }
}
