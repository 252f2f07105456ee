//! docs/rest-api.md against the error table and the fields of forms; docs/vendor-sdks.md against the
//! programs that the tests of other clients run.

use std::collections::BTreeMap;

use samegate::error::Kind;

use super::{read, section, table};

/// Code of the recipes, from the begin of one line to the begin of another.
const RECIPES: [(&str, &str, &str); 3] = [
    (
        "tests/clients/python/sdk_baidu_aip.py",
        "def sdk(",
        "\n\n\ndef checked",
    ),
    (
        "tests/clients/node/sdk.js",
        "function useGateway",
        "\n\nasync function",
    ),
    (
        "tests/clients/java/Sdk.java",
        "class GatewayImageSearch",
        "\n}\n",
    ),
];

#[test]
fn every_error_code_is_documented_with_its_message_and_reasons() {
    let mut expected = BTreeMap::<i64, (String, Vec<String>)>::new();
    for kind in Kind::all() {
        let (code, message) = kind.same_hq();
        let (documented, reasons) = expected.entry(code).or_default();
        message.clone_into(documented);
        reasons.push(format!("`{}`", kind.reason()));
    }
    let expected = expected
        .into_iter()
        .map(|(code, (message, reasons))| vec![code.to_string(), message, reasons.join(", ")]);

    let section = section("docs/rest-api.md", "## Error codes");
    let (codes, _) = section.split_once("Some causes").unwrap();
    assert_eq!(table(codes), expected.collect::<Vec<_>>());
}

#[test]
fn every_field_of_a_form_is_documented() {
    let form = read("src/rest/form.rs");
    let (_, names) = form.split_once("const NAMES: [&str;").unwrap();
    let (names, _) = names.split_once("];").unwrap();
    let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 10, "{names:?}");
    let documented = read("docs/rest-api.md");

    for name in names {
        assert!(documented.contains(&format!("\n| `{name}` | ")), "{name}");
    }
}

#[test]
fn the_recipes_for_sdks_are_those_that_the_tests_run() {
    let documented = read("docs/vendor-sdks.md");
    for (file, begin, end) in RECIPES {
        let code = read(file);
        let code = &code[code.find(begin).unwrap()..];
        let code = &code[..code.find(end).unwrap()];
        assert!(code.len() > 100 && documented.contains(code), "{file}");
    }
}

#[test]
fn the_versions_of_sdks_are_those_that_the_tests_install() {
    let documented = table(&read("docs/vendor-sdks.md"));
    for (file, before, after, row) in [
        (
            "tests/clients/python/requirements.txt",
            "baidu-aip==",
            "\n",
            0,
        ),
        (
            "tests/clients/node/package.json",
            "\"baidu-aip-sdk\": \"^",
            "\"",
            1,
        ),
        (
            "tests/clients/java/pom.xml",
            "<artifactId>java-sdk</artifactId>\n      <version>",
            "<",
            2,
        ),
    ] {
        let text = read(file);
        let (_, version) = text.split_once(before).unwrap();
        let (version, _) = version.split_once(after).unwrap();
        let cell = &documented[row][1];
        assert_eq!(cell.split(',').next(), Some(version), "{file}");
    }
}
