//! Responses of the four operations.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use samegate::error::Kind;
use serde_json::json;

use super::{
    CALLS, FORM, RestApi, assert_rejected, assert_same_shape, error, escape, numbered_image,
};
use crate::support::memory::{LOG_ID, MemoryLibrary, sign_of};

#[tokio::test]
async fn a_search_filters_pages_and_counts_the_matches_of_its_page() {
    let api = RestApi::start().await;
    for (number, tags) in [(1, "1"), (2, "1,2"), (3, "2")] {
        let image = escape(&STANDARD.encode(numbered_image(number)));
        api.call("add", &format!("brief=p{number}&image={image}&tags={tags}"))
            .await;
    }
    let image = escape(&STANDARD.encode(numbered_image(2)));
    let search = |fields: &str| {
        let body = format!("image={image}{fields}");
        let api = &api;
        async move { api.call("search", &body).await }
    };

    let all = search("").await;
    assert_same_shape(&all, "search.json");
    assert_eq!(
        (&all["result_num"], &all["has_more"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(all["log_id"], LOG_ID);
    assert_eq!(
        all["result"][0],
        json!({"cont_sign": sign_of(&numbered_image(2)), "score": 1.0, "brief": "p2"})
    );
    for (fields, count, more) in [
        ("&tags=1,2", 1, false),
        ("&tags=1,2&tag_logic=0", 1, false),
        ("&tags=1,2&tag_logic=1", 3, false),
        ("&tags=&tag_logic=&pn=&rn=", 3, false),
        ("&tags=7", 0, false),
        ("&rn=2", 2, true),
        ("&pn=2&rn=1", 1, false),
        ("&pn=999&rn=1000", 0, false),
    ] {
        let page = search(fields).await;
        assert_eq!(
            (&page["result_num"], &page["has_more"]),
            (&json!(count), &json!(more)),
            "{fields}"
        );
        assert_eq!(page["result"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn an_update_changes_only_what_was_sent() {
    let api = RestApi::start().await;
    let url = "url=http://e.org/a";
    api.call("add", &format!("{url}&brief=a&tags=1")).await;
    let sign = sign_of(b"http://e.org/a");

    let response = api
        .call("update", &format!("cont_sign={sign}&tags=2"))
        .await;
    assert_same_shape(&response, "update.json");
    let found = api.call("search", &format!("{url}&tags=2")).await;
    assert_eq!(found["result"][0]["brief"], "a");

    api.call("update", &format!("{url}&brief=")).await;
    let found = api.call("search", &format!("{url}&tags=2")).await;
    assert_eq!(found["result"][0]["brief"], "");
}

#[tokio::test]
async fn an_update_without_brief_and_tags_succeeds_and_changes_nothing() {
    let api = RestApi::start().await;
    let image = escape(&STANDARD.encode(numbered_image(1)));
    // As the sample programs of the vendor's documentation send it.
    let unknown = api.call("update", &format!("image={image}")).await;
    assert_rejected(&unknown, 216_680, "item not exist");
    api.call("add", &format!("image={image}&brief=a&tags=1"))
        .await;

    let response = api.call("update", &format!("image={image}")).await;

    assert_eq!(response, json!({"log_id": LOG_ID}));
    let found = api.call("search", &format!("image={image}&tags=1")).await;
    assert_eq!(found["result"][0]["brief"], "a");
}

#[tokio::test]
async fn a_second_add_returns_the_stored_sign_and_changes_nothing() {
    let api = RestApi::start().await;
    let first = api.call("add", "url=http://e.org/a&brief=a").await;

    let second = api.call("add", "url=http://e.org/a&brief=b").await;

    assert_same_shape(&second, "error_216681.json");
    assert_rejected(&second, 216_681, "item has existed");
    assert_eq!(second["cont_sign"], first["cont_sign"]);
    let found = api.call("search", "url=http://e.org/a").await;
    assert_eq!(found["result"][0]["brief"], "a");
}

#[tokio::test]
async fn a_batch_deletion_succeeds_when_any_sign_was_stored() {
    let api = RestApi::start().await;
    let mut signs = Vec::new();
    for name in ["a", "b", "c"] {
        let body = format!("url=http://e.org/{name}&brief={name}");
        let added = api.call("add", &body).await;
        signs.push(added["cont_sign"].as_str().unwrap().to_owned());
    }
    let delete = |signs: String| {
        let api = &api;
        async move {
            api.call("delete", &format!("cont_sign={}", escape(&signs)))
                .await
        }
    };

    let both = delete(format!("{}; {};", signs[0], signs[1])).await;
    assert_same_shape(&both, "delete.json");
    let mixed = delete(format!("{};{}", signs[1], signs[2])).await;
    assert_eq!(mixed, json!({"log_id": LOG_ID}));
    for gone in [signs[0].clone(), signs.join(";")] {
        assert_rejected(&delete(gone).await, 216_680, "item not exist");
    }
}

#[tokio::test]
async fn a_batch_deletion_that_fails_in_part_is_an_error() {
    let api = RestApi::with_library(MemoryLibrary::failing(Kind::Storage, "7,7")).await;
    let added = api.call("add", "url=http://e.org/a&brief=a").await;
    let sign = added["cont_sign"].as_str().unwrap();

    let response = api.call("delete", &format!("cont_sign={sign};7,7")).await;

    assert_rejected(&response, 282_000, "internal error");
}

#[tokio::test]
async fn codes_of_the_platform_have_no_log_id() {
    let api = RestApi::with_library(MemoryLibrary::failing(Kind::RateLimited, "")).await;

    let response = api.call("search", "url=http://e.org/a").await;

    assert_same_shape(&response, "error_18.json");
    assert_eq!(response, error(18, "Open api qps request limit reached"));
}

#[tokio::test]
async fn the_library_is_named_in_the_query_or_in_the_body() {
    let api = RestApi::start().await;

    for (number, query, body) in [(1, "&library=second", ""), (2, "", "&library=second")] {
        let target = format!("{CALLS}/add?access_token={}{query}", api.token);
        let body = format!("brief=a&url=http://e.org/{number}{body}");
        let response = api.send("POST", &target, FORM, body.as_bytes()).await;
        assert_same_shape(&response.json, "add.json");
    }

    let first = api.call("search", "url=http://e.org/a").await;
    assert_eq!(first["result_num"], 0);
    let second = api
        .call("search", "url=http://e.org/a&library=second")
        .await;
    assert_eq!(second["result_num"], 2);
}
