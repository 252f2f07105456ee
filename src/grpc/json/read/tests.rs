use proptest::prelude::*;
use prost_reflect::DynamicMessage;

use super::*;
use crate::grpc::contract::Contract;

fn descriptor(name: &str) -> MessageDescriptor {
    let contract = Contract::compiled_in().unwrap();
    contract.message(&format!("samegate.v1.{name}")).unwrap()
}

/// Returns the message as prost-reflect writes it.
fn read(name: &str, json: &str) -> serde_json::Value {
    let descriptor = descriptor(name);
    let message = message(json.as_bytes(), &descriptor, Vec::new()).unwrap();
    let message = DynamicMessage::decode(descriptor, message.as_slice()).unwrap();
    serde_json::to_value(message).unwrap()
}

fn error(name: &str, json: &[u8]) -> String {
    let error = message(json, &descriptor(name), Vec::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidParameter);
    error.message().to_owned()
}

#[test]
fn every_type_of_the_contract_is_read() {
    for (name, json, expected) in [
        (
            "AddImageRequest",
            r#"{"library": "l", "content": "AAEC_w", "brief": "\u4e2d\n", "tags": [1, "2", 3.0, "4.0", "5e0"],
                "onDuplicate": "ON_DUPLICATE_ACCEPT", "on_match": 3, "matchScore": 0.5}"#,
            r#"{"library": "l", "content": "AAEC/w==", "brief": "中\n", "tags": [1, 2, 3, 4, 5],
                "onDuplicate": "ON_DUPLICATE_ACCEPT", "onMatch": "ON_MATCH_REJECT", "matchScore": 0.5}"#,
        ),
        (
            "ListImagesRequest",
            r#"{"filter": {"addedSince": "2026-01-02T03:04:05Z", "tags": []}, "thumbnails": true}"#,
            r#"{"filter": {"addedSince": "2026-01-02T03:04:05Z"}, "thumbnails": true}"#,
        ),
        (
            "CompareImagesRequest",
            r#"{"first": {"content": "AAEC/w=="}, "second": {"url": null, "contSign": "s"}}"#,
            r#"{"first": {"content": "AAEC/w=="}, "second": {"contSign": "s"}}"#,
        ),
        // Values that a request never has, and a message may.
        (
            "FindDuplicatesProgress",
            r#"{"total": "18446744073709551615"}"#,
            r#"{"total": "18446744073709551615"}"#,
        ),
        ("Status", r#"{"code": -1}"#, r#"{"code": -1}"#),
        (
            "SearchImagesRequest",
            r#"{"minScore": "NaN"}"#,
            r#"{"minScore": "NaN"}"#,
        ),
        (
            "SearchImagesRequest",
            r#"{"minScore": 1e-3, "limit": 1e1}"#,
            r#"{"minScore": 0.001, "limit": 10}"#,
        ),
        ("GetLibraryRequest", " {} ", "{}"),
        ("GetLibraryRequest", "", "{}"),
    ] {
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(read(name, json), expected, "{json}");
    }
}

/// Requests to list images, and their errors.
const INVALID: &[(&str, &str)] = &[
    (
        r#"{"filtre": {}}"#,
        "`filtre`: is no field of ListImagesRequest",
    ),
    (
        r#"{"filter": {"tag": 1}}"#,
        "`filter.tag`: is no field of ImageFilter",
    ),
    (
        r#"{"filter": {"tags": [1, "x"]}}"#,
        "`filter.tags[1]`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"filter": {"tags": [1, null]}}"#,
        "`filter.tags[1]`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"filter": {"tags": 1}}"#,
        "`filter.tags`: must be a list",
    ),
    (
        r#"{"filter": {"tags": [[1]]}}"#,
        "`filter.tags[0]`: must be an integer from 0 to 4294967295",
    ),
    (r#"{"filter": []}"#, "`filter`: must be an object"),
    (
        r#"{"filter": {"addedSince": {"seconds": 1}}}"#,
        "`filter.added_since`: must be a time such as \"2026-01-02T03:04:05Z\"",
    ),
    (
        r#"{"filter": {"addedSince": "today"}}"#,
        "`filter.added_since`: must be a time such as \"2026-01-02T03:04:05Z\"",
    ),
    (
        r#"{"pageSize": -1}"#,
        "`page_size`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"pageSize": 1.5}"#,
        "`page_size`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"pageSize": "1.5"}"#,
        "`page_size`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"pageSize": "inf"}"#,
        "`page_size`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"pageSize": 1e300}"#,
        "`page_size`: must be an integer from 0 to 4294967295",
    ),
    (
        r#"{"order": "NEWEST"}"#,
        "`order`: must be a name or number of ListOrder",
    ),
    (
        r#"{"thumbnails": "true"}"#,
        "`thumbnails`: must be true or false",
    ),
    (r#"{"library": 1}"#, "`library`: must be a string"),
    (
        r#"{"library": "a", "library": "b"}"#,
        "`library`: is given twice",
    ),
    (
        r#"{"pageSize": 1, "page_size": 1}"#,
        "`page_size`: is given twice",
    ),
    ("[]", "`body`: must be an object"),
    ("null", "`body`: must be an object"),
    ("\"secret\"", "`body`: must be an object"),
    ("7", "`body`: must be an object"),
    (
        "{",
        "`body`: is no valid JSON: EOF while parsing an object at line 1 column 1",
    ),
    (
        "{} {}",
        "`body`: is no valid JSON: trailing characters at line 1 column 4",
    ),
    (
        r#"{"library": secret}"#,
        "`library`: is no valid JSON: expected value at line 1 column 13",
    ),
    (
        r#"{"pageSize": 1e999}"#,
        "`page_size`: is no valid JSON: number out of range at line 1 column 18",
    ),
    (
        r#"{"pageSize": NaN}"#,
        "`page_size`: is no valid JSON: expected value at line 1 column 14",
    ),
    (
        r#"{"library": "\ud800"}"#,
        "`library`: is no valid JSON: unexpected end of hex escape at line 1 column 20",
    ),
];

#[test]
fn an_error_names_the_path_of_the_invalid_field_and_quotes_no_value() {
    for (json, expected) in INVALID {
        assert_eq!(
            error("ListImagesRequest", json.as_bytes()),
            *expected,
            "{json}"
        );
    }
    let both = br#"{"url": "https://secret.test", "content": "AAAA"}"#;
    let expected = "`content`: only one of content, url may be given";
    assert_eq!(error("AddImageRequest", both), expected);
    for text in [
        "A", "AA=A", "AA AA", "AA==AA", "AAA==", "AAAA=", "AB==", "ÄÄÄÄ", "A-A/",
    ] {
        let json = format!(r#"{{"content": "{text}"}}"#);
        let expected = "`content`: must be a string in base64";
        assert_eq!(
            error("AddImageRequest", json.as_bytes()),
            expected,
            "{text}"
        );
    }
}

/// Texts that documents are made of.
const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    " ",
    "null",
    "true",
    "0",
    "-1",
    "1e2",
    "1.5",
    "\"\"",
    "\"7\"",
    "\"AA==\"",
    "\"_w\"",
    "\"NaN\"",
    "\"ON_MATCH_REJECT\"",
    "\"2026-01-02T03:04:05.5+01:00\"",
    "\"content\":",
    "\"url\":",
    "\"tags\":",
    "\"brief\":",
    "\"onMatch\":",
    "\"match_score\":",
    "\"filter\":",
    "\"addedSince\":",
    "\"pageSize\":",
    "\"thumbnails\":",
    "\"expectedCount\":",
];

/// Returns whether an error is the one by which prost-reflect differs from proto3 JSON: it reads no
/// `"3.0"` or `"1e2"` as an integer.
fn is_of_integer_in_string(error: &serde_json::Error) -> bool {
    error
        .to_string()
        .starts_with("invalid digit found in string")
}

proptest! {
    /// A document of tokens is seldom valid, so that of a valid one a part is replaced.
    #[test]
    fn what_is_read_is_what_prost_reflect_reads(
        document in prop::sample::select(&[
            ("AddImageRequest", r#"{"content":"AAEC","tags":[1,"2"],"onMatch":3,"matchScore":1e-3}"#),
            ("DeleteImagesRequest", r#"{"filter":{"addedSince":"2026-01-02T03:04:05Z"},"expectedCount":"7"}"#),
            ("ListImagesRequest", r#"{"pageSize":7,"filter":{"tags":[]},"thumbnails":true,"order":null}"#),
        ][..]),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, 0..PARTS.len()), 0..4),
    ) {
        let (name, json) = document;
        let mut json = json.to_owned();
        for (at, length, part) in cuts {
            let at = at.index(json.len() + 1);
            let end = json.len().min(at + length);
            json.replace_range(at..end, PARTS[part]);
        }
        let descriptor = descriptor(name);
        if let Ok(read) = message(json.as_bytes(), &descriptor, Vec::new()) {
            let mut deserializer = serde_json::Deserializer::from_str(&json);
            match descriptor.clone().deserialize(&mut deserializer) {
                Ok(expected) => {
                    let read = DynamicMessage::decode(descriptor, read.as_slice()).unwrap();
                    prop_assert_eq!(read.encode_to_vec(), expected.encode_to_vec(), "{}", json);
                }
                Err(error) => prop_assert!(is_of_integer_in_string(&error), "{json} {error}"),
            }
        }
    }
}

#[test]
fn what_is_far_too_much_costs_little() {
    let deep = "[".repeat(1 << 20);
    let nested = format!(r#"{{"filter": {}"#, r#"{"filter": "#.repeat(1 << 16));
    let name = format!(r#"{{"{}": 1}}"#, "x".repeat(1 << 20));
    let number = format!(r#"{{"pageSize": {}}}"#, "9".repeat(1 << 20));
    let list = |length| {
        format!(
            r#"{{"filter": {{"tags": [{}1]}}}}"#,
            "1,".repeat(length - 1)
        )
    };

    assert_eq!(
        error("ListImagesRequest", deep.as_bytes()),
        "`body`: must be an object"
    );
    assert_eq!(
        error("ListImagesRequest", nested.as_bytes()),
        "`filter.filter`: is no field of ImageFilter"
    );
    let expected = format!("`{}`: is no field of ListImagesRequest", "x".repeat(32));
    assert_eq!(error("ListImagesRequest", name.as_bytes()), expected);
    assert!(error("ListImagesRequest", number.as_bytes()).len() < 200);
    let longest = read("ListImagesRequest", &list(MAX_ELEMENTS));
    assert_eq!(
        longest["filter"]["tags"].as_array().unwrap().len(),
        MAX_ELEMENTS
    );
    for length in [MAX_ELEMENTS + 1, 1 << 20] {
        assert_eq!(
            error("ListImagesRequest", list(length).as_bytes()),
            "`filter.tags`: has more than 10000 elements"
        );
    }
}

#[test]
fn invalid_utf_8_is_no_json() {
    let error = error("GetLibraryRequest", b"{\"library\": \"\xff\"}");

    assert!(
        error.starts_with("`library`: is no valid JSON: invalid unicode"),
        "{error}"
    );
}

/// Read from JSON: the types of all requests. A new one needs a reader.
#[test]
fn requests_have_no_fields_of_other_types() {
    let contract = Contract::compiled_in().unwrap();
    let mut pending: Vec<_> = contract
        .method_names()
        .iter()
        .map(|name| contract.method(&format!("/{name}")).unwrap().input())
        .collect();
    let mut seen = Vec::new();
    while let Some(message) = pending.pop() {
        for field in message.fields() {
            let shape = Shape::of(&field);
            let element = if let Shape::List(element) = &shape {
                element
            } else {
                &shape
            };
            let is_supported = !matches!(element, Shape::Unsupported);
            assert!(is_supported, "{}", field.full_name());
            if let Shape::Object(inner) = element
                && !seen.contains(inner)
            {
                seen.push(inner.clone());
                pending.push(inner.clone());
            }
        }
    }
    let seen: Vec<_> = seen.iter().map(MessageDescriptor::name).collect();
    assert!(seen.contains(&"ImageFilter"), "{seen:?}");
}
