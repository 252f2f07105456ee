//! Writes the queries of searches and listings.

use same_image as engine;
use serde_json::{Value, json};

use super::document::text;
use crate::domain::{ImageFilter, TagLogic, Tags};

/// Minimum number of terms that a candidate shares with a form; by chance nearly all images share
/// one.
const MIN_VOTES: usize = 2;

/// Writes the body of the searches for this many candidates of one colour form, in this order: by
/// words and, if the search compares hashes, by hash and, if the query is a file, the same file.
pub(super) fn candidates(
    search: &engine::DocumentSearch,
    filter: &[Value],
    (count, timeout_ms): (usize, u128),
) -> String {
    let size = search.candidates(count);
    let forms = search
        .terms()
        .each_ref()
        .map(|terms| shares("terms", terms, MIN_VOTES));
    let mut searches = vec![(size, json!({ "dis_max": { "queries": forms } }))];
    if let Some((terms, least)) = search.hash_terms() {
        searches.push((count, shares("hash_terms", &terms, least)));
    }
    if let Some(sign) = search.exact() {
        searches.push((1, json!({ "ids": { "values": [sign.to_string()] } })));
    }
    let mut body = String::new();
    for (size, query) in searches {
        let search = json!({
            "size": size,
            "track_total_hits": false,
            "timeout": format!("{timeout_ms}ms"),
            "_source": super::document::COMPARED,
            "query": { "bool": { "must": query, "filter": filter } },
        });
        body += "{\"allow_partial_search_results\":false}\n";
        body += &search.to_string();
        body += "\n";
    }
    body
}

/// Writes a query for documents that share at least this many of the terms; the score is the number
/// of those that they share.
fn shares(field: &str, terms: &[engine::Term], least: usize) -> Value {
    json!({ "match": { field: {
        "query": text(terms),
        "minimum_should_match": least,
    }}})
}

/// Writes a condition on tags; none without tags.
pub(super) fn tags(tags: &Tags, logic: TagLogic) -> Vec<Value> {
    match logic {
        _ if tags.as_slice().is_empty() => Vec::new(),
        TagLogic::And => tags
            .as_slice()
            .iter()
            .map(|tag| json!({ "term": { "tags": tag } }))
            .collect(),
        TagLogic::Or => vec![json!({ "terms": { "tags": tags.as_slice() } })],
    }
}

/// Writes a condition on stored images.
pub(super) fn filter(filter: &ImageFilter) -> Value {
    let mut conditions = tags(&filter.tags, filter.tag_logic);
    if !filter.brief_contains.is_empty() {
        let pattern = format!("*{}*", escaped(&engine::lower_case(&filter.brief_contains)));
        conditions.push(json!({ "wildcard": { "folded_brief": { "value": pattern } } }));
    }
    let mut range = json!({ "gte": filter.added_since_ms });
    if let Some(before) = filter.added_before_ms {
        range["lt"] = before.into();
    }
    if filter.added_since_ms > 0 || filter.added_before_ms.is_some() {
        conditions.push(json!({ "range": { "added_at_ms": range } }));
    }
    json!({ "bool": { "filter": conditions } })
}

/// Escapes the characters that a wildcard query gives a meaning.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "*?\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_wildcards_is_searched_as_it_is() {
        let filter = filter(&ImageFilter {
            brief_contains: "50 % *NEW*?".to_owned(),
            ..ImageFilter::default()
        });

        let pattern = &filter["bool"]["filter"][0]["wildcard"]["folded_brief"]["value"];
        assert_eq!(pattern, r"*50 % \*new\*\?*");
    }
}
