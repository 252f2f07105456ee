//! The priority of fields, and the error code of every invalid field.

#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{RestApi, assert_rejected, assert_same_shape, bitmap, escape, numbered_image};
use crate::support::memory::sign_of;

#[tokio::test]
async fn image_has_priority_over_url_and_url_over_cont_sign() {
    let api = RestApi::start().await;
    let image = escape(&STANDARD.encode(numbered_image(1)));
    let url = "http://e.org/a.jpg";

    let both = api
        .call("add", &format!("brief=a&image={image}&url={url}"))
        .await;
    assert_eq!(both["cont_sign"], sign_of(&numbered_image(1)));
    let only_url = api.call("add", &format!("brief=b&image=&url={url}")).await;
    assert_eq!(only_url["cont_sign"], sign_of(url.as_bytes()));

    let sign = sign_of(&numbered_image(1));
    let all = format!("image&url={url}&cont_sign={sign}");
    assert_same_shape(&api.call("delete", &all).await, "delete.json");
    let remaining = api.call("search", &format!("url={url}")).await;
    assert_eq!(remaining["result_num"], 1);
    assert_eq!(remaining["result"][0]["brief"], "a");
}

#[tokio::test]
async fn invalid_fields_get_the_vendors_codes() {
    let api = RestApi::start().await;
    let url = "url=http://e.org/a";
    let image = |bytes: &[u8]| format!("brief=a&image={}", escape(&STANDARD.encode(bytes)));
    let signs = vec!["1,1"; 101].join(";");

    for (operation, body, code, message) in [
        ("add", url.to_owned(), 216_101, "param brief not exist"),
        (
            "add",
            format!("{url}&brief={}", "x".repeat(257)),
            216_103,
            "brief too long",
        ),
        (
            "add",
            format!("{url}&brief=%c4%e3"),
            216_100,
            "invalid param",
        ),
        ("add", "brief=a".to_owned(), 216_101, "not enough param"),
        ("add", "brief=a&image=".to_owned(), 216_200, "empty image"),
        ("add", "brief=a&image".to_owned(), 216_200, "empty image"),
        (
            "add",
            "brief=a&image=%".to_owned(),
            216_203,
            "image size error",
        ),
        (
            "add",
            "brief=a&image=data:image/png;base64,AAAA".to_owned(),
            216_203,
            "image size error",
        ),
        ("add", image(b"%PDF-1.7"), 216_201, "image format error"),
        (
            "add",
            image(&bitmap(49, 64, 1)),
            216_202,
            "image size error",
        ),
        (
            "add",
            image(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00"),
            283_300,
            "image recognize error",
        ),
        ("add", "brief=a&url=".to_owned(), 282_114, "url size error"),
        (
            "add",
            format!("brief=a&url=http://e.org/{}", "x".repeat(1024)),
            282_114,
            "url size error",
        ),
        (
            "add",
            "brief=a&url=a.jpg".to_owned(),
            282_111,
            "url format illegal",
        ),
        ("search", String::new(), 216_101, "not enough param"),
        ("search", format!("{url}&tags=a"), 216_100, "invalid param"),
        (
            "search",
            format!("{url}&tags=1,2,3"),
            216_100,
            "invalid param",
        ),
        ("search", format!("{url}&tags=0"), 216_100, "invalid param"),
        (
            "search",
            format!("{url}&tags=65536"),
            216_100,
            "invalid param",
        ),
        ("search", format!("{url}&tags=1,"), 216_100, "invalid param"),
        (
            "search",
            format!("{url}&tag_logic=2"),
            216_100,
            "invalid param",
        ),
        ("search", format!("{url}&pn=1000"), 216_100, "invalid param"),
        ("search", format!("{url}&pn=-1"), 216_100, "invalid param"),
        ("search", format!("{url}&rn=0"), 216_100, "invalid param"),
        ("search", format!("{url}&rn=1001"), 216_100, "invalid param"),
        (
            "search",
            format!("{url}&rn=99999999999"),
            216_100,
            "invalid param",
        ),
        (
            "update",
            "cont_sign=1,1".to_owned(),
            216_680,
            "item not exist",
        ),
        (
            "update",
            "cont_sign=1,1;2,2&brief=a".to_owned(),
            216_100,
            "invalid param",
        ),
        ("update", "brief=a".to_owned(), 216_101, "not enough param"),
        (
            "update",
            "cont_sign=9,9&brief=a".to_owned(),
            216_680,
            "item not exist",
        ),
        ("delete", String::new(), 216_101, "not enough param"),
        (
            "delete",
            "cont_sign=;".to_owned(),
            216_101,
            "not enough param",
        ),
        (
            "delete",
            format!("cont_sign={}", "1".repeat(129)),
            216_103,
            "cont_sign too long",
        ),
        (
            "delete",
            format!("cont_sign={signs}"),
            282_006,
            "batch task limit reached",
        ),
        (
            "search",
            format!("{url}&library=other"),
            216_017,
            "not initialized",
        ),
    ] {
        let response = api.call(operation, &body).await;

        let body: String = body.chars().take(60).collect();
        assert_eq!(response["error_code"], code, "{operation} {body}");
        assert_rejected(&response, code, message);
    }
}
