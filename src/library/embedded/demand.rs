//! What jobs need of the CPU pool: estimates from the header of their image.

use same_image as engine;

use super::cpu::{Class, Demand};
use super::query_image::QueryImage;
use crate::call::Call;
use crate::domain::{ImageFile, ImageFilter};

/// Pixels of one unit of cost.
const PIXELS: u64 = 1024;
/// Cost of a search beyond that of its pixels: extraction at a fixed size, and the index. Measured:
/// a search with 0.4 megapixels takes 61 ms (docs/benchmarks.md), of which decoding is a third.
const SEARCH: u64 = 512;
/// Cost of an add beyond that of its pixels. Measured: two cores load 55 images of 0.4 megapixels a
/// second (docs/benchmarks.md), 36 ms each.
const ADD: u64 = 128;
/// Cost of a job without pixels, about a millisecond: a hash of 3 MB, or reads of records.
const READ: u64 = 16;
/// Cost of a page of a listing that searches briefs: up to 10,000 records, about 20 ms.
const SEARCH_BRIEFS: u64 = 20 * READ;

/// Returns the demand of a search in the engine.
pub(super) fn search(call: &Call, image: &QueryImage) -> Demand {
    match image {
        QueryImage::File(image) => search_with(call, Some(image)),
        QueryImage::Stored(_) => search_with(call, None),
    }
}

/// Returns the demand of a search with a file, or with a stored image.
pub(in crate::library) fn search_with(call: &Call, image: Option<&ImageFile>) -> Demand {
    let class = if call.bulk {
        Class::Bulk
    } else {
        Class::Search
    };
    match image {
        Some(image) => of_image(class, SEARCH, image),
        None => Demand {
            class,
            cost: SEARCH,
            bytes: 0,
        },
    }
}

/// Returns the demand of an add; that of a stored image is less, which shows only when it runs.
pub(in crate::library) fn add(call: &Call, image: &ImageFile, with_search: bool) -> Demand {
    let fixed = if with_search { ADD + SEARCH } else { ADD };
    of_image(class(call), fixed, image)
}

/// Returns the demand of a comparison: the images are decoded one after the other.
pub(super) fn compare(call: &Call, first: &QueryImage, second: &QueryImage) -> Demand {
    let (first, second) = (search(call, first), search(call, second));
    Demand {
        class: first.class,
        cost: first.cost + second.cost,
        bytes: first.bytes.max(second.bytes),
    }
}

/// Returns the demand of a job that decodes no image.
pub(in crate::library) fn read(call: &Call) -> Demand {
    Demand {
        class: class(call),
        cost: READ,
        bytes: 0,
    }
}

/// Returns the demand of a page of a listing.
pub(super) fn list(call: &Call, filter: &ImageFilter) -> Demand {
    let cost = if filter.brief_contains.is_empty() {
        READ
    } else {
        SEARCH_BRIEFS
    };
    Demand { cost, ..read(call) }
}

fn of_image(class: Class, fixed: u64, image: &ImageFile) -> Demand {
    Demand {
        class,
        cost: image.header().pixels() / PIXELS + fixed,
        bytes: engine::prepare_memory(image.header()),
    }
}

fn class(call: &Call) -> Class {
    if call.bulk {
        Class::Bulk
    } else {
        Class::Single
    }
}
