//! Protobuf messages (`v1`) to checked requests and responses (`domain`) and back; no rules.

use std::time::{Duration, SystemTime};

use super::status;
use crate::domain::{self, ImageLimits, RawFilter, RawSource, RawTarget, RawTime};
use crate::error::{Error, Kind, Result};
use crate::library::{Library, State};
use crate::proto::v1;

/// Reads a minimum score; 0 means that the message has none.
fn min_score(given: f64, library: &dyn Library) -> f64 {
    if given == 0.0 {
        library.min_score()
    } else {
        given
    }
}

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

/// Reads the `source` of a message that may be a sign too.
macro_rules! image {
    ($message:ident, $source:expr) => {
        match $source {
            None => RawTarget::Source(RawSource::Missing),
            Some(v1::$message::Source::Content(bytes)) => {
                RawTarget::Source(RawSource::Content(bytes))
            }
            Some(v1::$message::Source::Url(url)) => RawTarget::Source(RawSource::Url(url)),
            Some(v1::$message::Source::ContSign(sign)) => RawTarget::Signs(vec![sign]),
        }
    };
}

// === Requests ===

pub(super) fn add(
    message: v1::AddImageRequest,
    library: &dyn Library,
    limits: ImageLimits,
) -> Result<domain::Add> {
    let on_match = (
        on_match(message.on_match()),
        min_score(message.match_score, library),
    );
    let source = source!(add_image_request, message.source);
    domain::Add::within(limits, source, message.brief, &message.tags, on_match)
}

/// What a bulk load does with an image that the library has.
#[derive(Clone, Copy)]
pub(super) struct AddSettings {
    pub(super) on_duplicate: v1::OnDuplicate,
    on_match: domain::OnMatch,
    match_score: f64,
}

impl AddSettings {
    pub(super) fn new(options: &v1::AddImagesOptions, library: &dyn Library) -> Result<Self> {
        let match_score = min_score(options.match_score, library);
        domain::Add::check_match_score(match_score)?;
        Ok(AddSettings {
            on_duplicate: options.on_duplicate(),
            on_match: on_match(options.on_match()),
            match_score,
        })
    }
}

pub(super) fn item(
    message: v1::AddImagesItem,
    settings: &AddSettings,
    limits: ImageLimits,
) -> Result<domain::Add> {
    let source = source!(add_images_item, message.source);
    let on_match = (settings.on_match, settings.match_score);
    domain::Add::within(limits, source, message.brief, &message.tags, on_match)
}

fn on_match(on_match: v1::OnMatch) -> domain::OnMatch {
    match on_match {
        v1::OnMatch::Unspecified | v1::OnMatch::Allow => domain::OnMatch::Allow,
        v1::OnMatch::Report => domain::OnMatch::Report,
        v1::OnMatch::Reject => domain::OnMatch::Reject,
    }
}

pub(super) fn search(
    message: v1::SearchImagesRequest,
    library: &dyn Library,
    limits: ImageLimits,
) -> Result<domain::Search> {
    let (profile, effort) = (profile(message.profile()), effort(message.effort()));
    let tag_logic = tag_logic(message.tag_logic());
    let query = domain::Search::within(
        limits,
        image!(search_images_request, message.source),
        &message.tags,
        tag_logic,
        (message.offset, message.limit),
        min_score(message.min_score, library),
    )?;
    Ok(query.with_profile(profile).with_effort(effort))
}

pub(super) fn search_options(
    options: &v1::BulkSearchImagesOptions,
    library: &dyn Library,
) -> Result<domain::SearchOptions> {
    domain::SearchOptions::of_bulk(
        &options.tags,
        tag_logic(options.tag_logic()),
        options.limit,
        min_score(options.min_score, library),
        profile(options.profile()),
        effort(options.effort()),
    )
}

pub(super) fn search_item(
    message: v1::BulkSearchImagesItem,
    options: &domain::SearchOptions,
    limits: ImageLimits,
) -> Result<domain::Search> {
    let image = image!(bulk_search_images_item, message.source);
    domain::Search::of_item(limits, image, options.clone())
}

pub(super) fn compare(
    message: v1::CompareImagesRequest,
    limits: ImageLimits,
) -> Result<domain::Compare> {
    let profile = profile(message.profile());
    let image = |image: Option<v1::ComparedImage>| {
        image!(compared_image, image.and_then(|image| image.source))
    };
    let (first, second) = (image(message.first), image(message.second));
    domain::Compare::within(limits, first, second, profile)
}

fn effort(effort: v1::Effort) -> Option<domain::Effort> {
    match effort {
        v1::Effort::Unspecified => None,
        v1::Effort::Fast => Some(domain::Effort::Fast),
        v1::Effort::Normal => Some(domain::Effort::Normal),
        v1::Effort::Thorough => Some(domain::Effort::Thorough),
    }
}

fn profile(profile: v1::Profile) -> Option<domain::Profile> {
    match profile {
        v1::Profile::Unspecified => None,
        v1::Profile::Loose => Some(domain::Profile::Loose),
        v1::Profile::Balanced => Some(domain::Profile::Balanced),
        v1::Profile::Strict => Some(domain::Profile::Strict),
    }
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

/// A deletion: its target decides which operation of the library it is.
pub(super) enum Deletion {
    /// Of images that the request names.
    Named(domain::Delete),
    /// Of all images that a filter admits.
    Filtered(domain::DeleteByFilter),
}

pub(super) fn delete(message: v1::DeleteImagesRequest, limits: ImageLimits) -> Result<Deletion> {
    use v1::delete_images_request::Target;
    let (expected_count, dry_run) = (message.expected_count, message.dry_run);
    let target = match message.target {
        None => RawTarget::Source(RawSource::Missing),
        Some(Target::Content(bytes)) => RawTarget::Source(RawSource::Content(bytes)),
        Some(Target::Url(url)) => RawTarget::Source(RawSource::Url(url)),
        Some(Target::ContSigns(list)) => RawTarget::Signs(list.values),
        Some(Target::Filter(filter)) => {
            let filter = image_filter(filter);
            let request = domain::DeleteByFilter::new(filter, expected_count, dry_run)?;
            return Ok(Deletion::Filtered(request));
        }
    };
    domain::Delete::without_filter(limits, target, expected_count, dry_run).map(Deletion::Named)
}

pub(super) fn list(message: v1::ListImagesRequest) -> Result<domain::List> {
    let order = match message.order() {
        v1::ListOrder::Unspecified | v1::ListOrder::OldestFirst => domain::ListOrder::OldestFirst,
        v1::ListOrder::NewestFirst => domain::ListOrder::NewestFirst,
    };
    domain::List::new(
        message.page_size,
        message.page_token,
        message.filter.map(image_filter).unwrap_or_default(),
        order,
        message.thumbnails,
    )
}

fn time(time: prost_types::Timestamp) -> RawTime {
    RawTime {
        seconds: time.seconds,
        nanos: time.nanos,
    }
}

fn image_filter(filter: v1::ImageFilter) -> RawFilter {
    RawFilter {
        tag_logic: tag_logic(filter.tag_logic()),
        tags: filter.tags,
        brief_contains: filter.brief_contains,
        added_since: filter.added_since.map(time),
        added_before: filter.added_before.map(time),
    }
}

fn tag_logic(logic: v1::TagLogic) -> domain::TagLogic {
    match logic {
        v1::TagLogic::Unspecified | v1::TagLogic::And => domain::TagLogic::And,
        v1::TagLogic::Or => domain::TagLogic::Or,
    }
}

pub(super) fn find_duplicates(
    message: v1::FindDuplicatesRequest,
    library: &dyn Library,
) -> Result<domain::FindDuplicates> {
    let tag_logic = tag_logic(message.tag_logic());
    let profile = profile(message.profile());
    let request = domain::FindDuplicates::new(
        min_score(message.min_score, library),
        &message.tags,
        tag_logic,
        message.added_since.map(time),
        message.cursor,
    )?;
    Ok(domain::FindDuplicates { profile, ..request })
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

pub(super) fn added(added: domain::Added) -> v1::AddImageResponse {
    v1::AddImageResponse {
        cont_sign: added.cont_sign.to_string(),
        existed: added.existed,
        log_id: added.log_id,
        matches: matches(added.matches),
    }
}

pub(super) fn matches(matches: Vec<domain::Match>) -> Vec<v1::Match> {
    matches.into_iter().map(matched).collect()
}

pub(super) fn search_results(results: domain::SearchResults) -> v1::SearchImagesResponse {
    v1::SearchImagesResponse {
        matches: matches(results.matches),
        has_more: results.has_more,
        log_id: results.log_id,
    }
}

pub(super) fn comparison(found: &domain::Comparison) -> v1::CompareImagesResponse {
    v1::CompareImagesResponse {
        score: found.score,
        geometry: found.geometry.as_ref().map(geometry),
        agreement: found.agreement.map(f64::from),
        coverage: found.coverage.map(f64::from),
        hash_distance: found.hash_distance,
        log_id: found.log_id,
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
        ..Default::default()
    })
}

pub(super) fn deleted_by_filter(deleted: &domain::DeletedByFilter) -> v1::DeleteImagesResponse {
    v1::DeleteImagesResponse {
        log_ids: vec![deleted.log_id],
        matched_count: deleted.matched,
        deleted_count: deleted.deleted,
        matched_cont_signs: deleted.cont_signs.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
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
        total: listing.total,
    }
}

pub(super) fn tags(tags: Vec<domain::TagCount>) -> v1::ListTagsResponse {
    let count = |count: domain::TagCount| v1::TagCount {
        tag: count.tag.into(),
        image_count: count.images,
    };
    v1::ListTagsResponse {
        tags: tags.into_iter().map(count).collect(),
    }
}

pub(super) fn library_info(
    library: &str,
    state: State,
    limits: ImageLimits,
    capabilities: &[domain::Capability],
) -> v1::LibraryInfo {
    let capability = |capability: &domain::Capability| match capability {
        domain::Capability::List => v1::Capability::List,
        domain::Capability::DeleteByFilter => v1::Capability::DeleteByFilter,
        domain::Capability::Geometry => v1::Capability::Geometry,
        domain::Capability::MoreFormats => v1::Capability::MoreFormats,
        domain::Capability::SearchBySign => v1::Capability::SearchBySign,
        domain::Capability::FindDuplicates => v1::Capability::FindDuplicates,
        domain::Capability::Preview => v1::Capability::Preview,
    };
    v1::LibraryInfo {
        library: library.to_owned(),
        id: state.id.unwrap_or_default(),
        backend: state.backend.to_owned(),
        image_count: state.images,
        image_capacity: state.capacity,
        size_bytes: state.size_bytes,
        max_image_bytes: limits.max_bytes as u64,
        max_side: limits.max_side,
        capabilities: capabilities
            .iter()
            .map(|known| capability(known).into())
            .collect(),
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
        preview_jpeg: record.preview,
    }
}
