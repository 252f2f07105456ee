//! What the gateway and the engine call differently: filters, records, places, errors.

use same_image as engine;

use crate::domain::{ContSign, Geometry, Record, TagLogic, Tags};
use crate::error::{Error, Kind, Result, chain};

pub(super) fn storage(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(Kind::Storage, chain(error))
}

pub(super) fn cont_sign(sign: engine::Sign) -> Result<ContSign> {
    ContSign::new(&sign.to_string()).map_err(Error::from)
}

pub(super) fn filter(tags: &Tags, logic: TagLogic) -> engine::TagFilter {
    let logic = match logic {
        TagLogic::And => engine::TagLogic::And,
        TagLogic::Or => engine::TagLogic::Or,
    };
    engine::TagFilter {
        tags: tags.as_slice().to_vec(),
        logic,
    }
}

pub(super) fn geometry(found: engine::Geometry) -> Geometry {
    Geometry {
        query: found.query,
        stored: found.stored,
        overlap: found.overlap,
    }
}

pub(super) fn record(found: engine::Record, thumbnail: Vec<u8>) -> Result<Record> {
    Ok(Record {
        cont_sign: cont_sign(found.sign)?,
        brief: found.brief,
        tags: found.tags,
        width: found.width,
        height: found.height,
        size_bytes: found.size_bytes,
        added_at_ms: found.added_at_ms,
        thumbnail: thumbnail.into(),
    })
}
