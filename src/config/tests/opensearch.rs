//! Breaks every rule of a library in OpenSearch once, and reads one that has every key.

use super::rules::rejected;
use super::{Library, from_file};

#[test]
fn every_rule_about_libraries_in_opensearch_is_enforced() {
    let with = |keys: &str| {
        let begin = "[libraries.a]\nbackend = \"opensearch\"";
        format!("{begin}\nurls = [\"https://n:9200\"]\nindex = \"posters\"\n{keys}")
    };
    rejected(
        "[libraries.a]\nbackend = \"opensearch\"\nindex = \"a\"",
        "`libraries.a.urls`: must hold 1 to 16 URLs",
    );
    rejected(
        "[libraries.a]\nbackend = \"opensearch\"\nindex = \"a\"\nurls = [\"https://u:p@n\"]",
        "`libraries.a.urls`: must be an http or https URL without user",
    );
    rejected(
        "[libraries.a]\nbackend = \"opensearch\"\nurls = [\"http://n\"]\nindex = \"_All\"",
        "`libraries.a.index`: must be 1 to 200 characters",
    );
    for (keys, message) in [
        (
            "username = \"u\"",
            "`libraries.a.username`: `username` and `password` belong together",
        ),
        (
            "password = \"p\"",
            "`libraries.a.username`: `username` and `password` belong together",
        ),
        (
            "username = \"u\"\npassword = \"p\"\napi_key = \"k\"",
            "`libraries.a.api_key`: is given together with `username` or `password`",
        ),
        (
            "password = \"p\"\npassword_file = \"f\"",
            "`libraries.a.password_file`: is given together with `password`",
        ),
        ("ca = \"/no/such/file\"", "`libraries.a.ca`: cannot be read"),
        (
            "client_key = \"/no/such/file\"",
            "`libraries.a.client_key`: cannot be read",
        ),
        (
            "shards = 0",
            "`libraries.a.shards`: must be a number from 1 to 1024",
        ),
        (
            "replicas = 17",
            "`libraries.a.replicas`: must be a number from 0 to 16",
        ),
        (
            "candidates = 9",
            "`libraries.a.candidates`: must be a number from 10 to 1000",
        ),
        (
            "capacity = 0",
            "`libraries.a.capacity`: must be a number from 1",
        ),
        ("data_dir = \"x\"", "`libraries.a.data_dir`: unknown key"),
    ] {
        rejected(&with(keys), message);
    }
}

#[test]
fn a_library_in_opensearch_is_read_with_its_secrets_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let config = from_file(&format!(
        "[libraries.a]\nbackend = \"opensearch\"\nurls = \"https://one:9200,https://two:9200\"\n\
         index = \"posters\"\nusername = \"u\"\npassword_file = \"{}\"\nca = \"{}\"\n\
         [tenants.shop]\nlibraries = [\"a\"]",
        file("password", "canary\n"),
        file("ca.pem", "PEM"),
    ))
    .unwrap();

    let Library::OpenSearch(library) = &config.libraries["a"] else {
        panic!("not in OpenSearch");
    };
    assert_eq!(library.urls.len(), 2);
    assert_eq!(library.ca.as_deref(), Some("PEM"));
    assert_eq!((library.shards, library.replicas), (1, 1));
    assert_eq!((library.capacity, library.candidates), (10_000_000, 200));
    assert!(!format!("{library:?}").contains("canary"));
    assert_eq!(config.files.len(), 2, "watched: {:?}", config.files);
}
