//! How commands show matches.

use serde_json::{Value, json};

use super::output;
use crate::proto::v1;

/// Formats the cells of a match in a table.
pub(super) fn row(hit: &v1::Match) -> Vec<String> {
    vec![
        format!("{:.1} %", hit.score * 100.0),
        hit.cont_sign.clone(),
        output::tags(&hit.tags),
        hit.brief.clone(),
    ]
}

/// Formats a match with stable field names.
pub(super) fn match_to_json(hit: &v1::Match) -> Value {
    let mut object = json!({
        "cont_sign": hit.cont_sign,
        "score": hit.score,
        "brief": hit.brief,
        "tags": hit.tags,
    });
    if let (Some(agreement), Some(coverage)) = (hit.agreement, hit.coverage) {
        object["agreement"] = json!(agreement);
        object["coverage"] = json!(coverage);
    }
    if let Some(geometry) = &hit.geometry {
        object["geometry"] = json!({
            "query": corners(geometry.query.as_ref()),
            "stored": corners(geometry.stored.as_ref()),
            "overlap": geometry.overlap,
        });
    }
    object
}

/// Formats corners as `[[x, y], …]`.
pub(super) fn corners(shape: Option<&v1::Quadrilateral>) -> Vec<[f64; 2]> {
    shape
        .into_iter()
        .flat_map(|shape| &shape.corners)
        .map(|point| [point.x, point.y])
        .collect()
}
