//! Differences between the vendor's image search services: path, filter, brief.

use crate::config::Service;
use crate::domain::TagLogic;
use crate::error::{Error, Kind, Result};
use crate::wire::SAME_HQ_PATH;

/// A field of a form.
pub(super) type Field = (&'static str, String);

/// One of the vendor's services.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Prefix of the operations' paths.
    pub(super) path: &'static str,
    filter: Filter,
    /// Whether an update requires a brief.
    pub(super) brief_on_update: bool,
}

/// The fields of the numbers that searches filter by.
#[derive(Clone, Copy, Debug)]
enum Filter {
    /// `tags`, and `tag_logic` to combine them.
    TagsWithLogic,
    /// `tags`, always all of them.
    Tags,
    /// `class_id1` and `class_id2`, always both.
    Classes,
    /// None that is documented.
    None,
}

// === impl Dialect ===

impl Dialect {
    /// Returns the dialect of a service (source: the vendor's page of each service).
    pub(super) fn of(service: Service) -> Self {
        let (path, filter, brief_on_update) = match service {
            Service::SameHq => (SAME_HQ_PATH, Filter::TagsWithLogic, false),
            Service::Similar => (
                "/rest/2.0/image-classify/v1/realtime_search/similar",
                Filter::TagsWithLogic,
                false,
            ),
            Service::Product => (
                "/rest/2.0/image-classify/v1/realtime_search/product",
                Filter::Classes,
                false,
            ),
            Service::Materiel => (
                "/rest/2.0/image-classify/v1/realtime_search/materiel",
                Filter::None,
                true,
            ),
            Service::Picturebook => (
                "/rest/2.0/imagesearch/v1/realtime_search/picturebook",
                Filter::Tags,
                false,
            ),
        };
        Dialect {
            path,
            filter,
            brief_on_update,
        }
    }

    /// Returns the fields that store tags with an image.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for tags in a service that has none.
    pub(super) fn stored(&self, tags: &[u16]) -> Result<Vec<Field>> {
        match (self.filter, tags) {
            (Filter::None, [_, ..]) => Err(violation("tags", "this service has no tags")),
            (Filter::None, []) => Ok(Vec::new()),
            (Filter::Classes, _) => Ok(["class_id1", "class_id2"]
                .into_iter()
                .zip(tags.iter().map(u16::to_string))
                .collect()),
            (Filter::Tags | Filter::TagsWithLogic, _) => Ok(vec![("tags", joined(tags))]),
        }
    }

    /// Returns the fields that filter a search; none without tags.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for tags, or a combination of two, that the service cannot express.
    pub(super) fn filter(&self, tags: &[u16], logic: TagLogic) -> Result<Vec<Field>> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let mut fields = self.stored(tags)?;
        match (self.filter, logic) {
            (Filter::TagsWithLogic, TagLogic::And) => fields.push(("tag_logic", "0".to_owned())),
            (Filter::TagsWithLogic, TagLogic::Or) => fields.push(("tag_logic", "1".to_owned())),
            (Filter::Tags | Filter::Classes | Filter::None, TagLogic::Or) if tags.len() > 1 => {
                return Err(violation(
                    "tag_logic",
                    "this service cannot search for either of two tags",
                ));
            }
            (Filter::Tags | Filter::Classes | Filter::None, _) => {}
        }
        Ok(fields)
    }
}

fn joined(tags: &[u16]) -> String {
    let texts: Vec<_> = tags.iter().map(u16::to_string).collect();
    texts.join(",")
}

fn violation(field: &str, message: &str) -> Error {
    Error::violation(field, Kind::InvalidParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fields: Result<Vec<Field>>) -> Option<String> {
        let fields = fields.ok()?;
        let texts: Vec<_> = fields
            .iter()
            .map(|(name, text)| format!("{name}={text}"))
            .collect();
        Some(texts.join(" "))
    }

    #[test]
    fn each_service_has_its_own_path_filter_and_limits() {
        use TagLogic::{And, Or};
        for (service, path, both, either) in [
            (
                Service::SameHq,
                "/rest/2.0/realtime_search/same_hq",
                Some("tags=5,6 tag_logic=0"),
                Some("tags=5,6 tag_logic=1"),
            ),
            (
                Service::Similar,
                "/rest/2.0/image-classify/v1/realtime_search/similar",
                Some("tags=5,6 tag_logic=0"),
                Some("tags=5,6 tag_logic=1"),
            ),
            (
                Service::Product,
                "/rest/2.0/image-classify/v1/realtime_search/product",
                Some("class_id1=5 class_id2=6"),
                None,
            ),
            (
                Service::Materiel,
                "/rest/2.0/image-classify/v1/realtime_search/materiel",
                None,
                None,
            ),
            (
                Service::Picturebook,
                "/rest/2.0/imagesearch/v1/realtime_search/picturebook",
                Some("tags=5,6"),
                None,
            ),
        ] {
            let dialect = Dialect::of(service);

            assert_eq!(dialect.path, path);
            assert_eq!(shown(dialect.filter(&[5, 6], And)).as_deref(), both);
            assert_eq!(shown(dialect.filter(&[5, 6], Or)).as_deref(), either);
            assert_eq!(shown(dialect.filter(&[], Or)).as_deref(), Some(""));
            assert_eq!(dialect.brief_on_update, service == Service::Materiel);
        }
    }

    #[test]
    fn one_tag_needs_no_logic_and_an_update_can_remove_all_tags() {
        let product = Dialect::of(Service::Product);
        let filter = product.filter(&[5], TagLogic::Or);
        assert_eq!(shown(filter).as_deref(), Some("class_id1=5"));

        let same = Dialect::of(Service::SameHq);
        assert_eq!(shown(same.stored(&[])).as_deref(), Some("tags="));
    }
}
