//! Calls with the exact bytes that clients send.

#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{
    CALLS, FORM, MAX_BODY_BYTES, NONE, RestApi, assert_rejected, assert_same_shape, error, escape,
    numbered_image,
};
use crate::support::memory::sign_of;

#[tokio::test]
async fn the_request_format_of_every_sdk_is_accepted() {
    let api = RestApi::start().await;
    let base64 = STANDARD.encode(numbered_image(1));
    let escaped = escape(&base64);
    assert!(base64.contains('+') && base64.contains('/'));

    let python = format!(
        "?access_token={}&aipSdk=python&aipVersion=4_15_13",
        api.token
    );
    let node = format!("?access_token={}?aipSdk=node&aipVersion=2.0", api.token);
    let plain = format!("?access_token={}", api.token);
    let lines = base64
        .as_bytes()
        .chunks(76)
        .collect::<Vec<_>>()
        .join(&b"\r\n"[..]);
    let lines = escape(std::str::from_utf8(&lines).unwrap());
    for (client, query, header, body) in [
        (
            "python",
            &python,
            FORM,
            format!("image={escaped}&brief=a+b&tags=1%2C2"),
        ),
        (
            "node",
            &node,
            FORM,
            format!("brief=a%20b&image={escaped}&tags=1%2C2"),
        ),
        (
            "java",
            &plain,
            FORM,
            format!("image={escaped}&brief=a%20b&tags=1%2C2&url&cont_sign"),
        ),
        (
            "php",
            &plain,
            NONE,
            format!("brief=a+b&tags=1%2C2&image={escaped}"),
        ),
        (
            ".net",
            &plain,
            FORM,
            format!("image={escaped}&brief=a%20b&tags=1,2"),
        ),
        (
            "unescaped",
            &plain,
            FORM,
            format!("image={base64}&brief=a b&tags= 1, 2"),
        ),
        (
            "mime",
            &plain,
            FORM,
            format!("image={lines}%0D%0A&brief=a+b&tags=1%2C2"),
        ),
    ] {
        let target = format!("{CALLS}/add{query}");
        let response = api.send("POST", &target, header, body.as_bytes()).await;

        assert_same_shape(&response.json, "add.json");
        assert_eq!(
            response.json["cont_sign"],
            sign_of(&numbered_image(1)),
            "{client}"
        );
        let found = api.call("search", "url=http://e.org/a&tags=1,2").await;
        assert_eq!(found["result"][0]["brief"], "a b", "{client}");
        api.call("delete", &format!("image={escaped}")).await;
    }
}

#[tokio::test]
async fn multipart_bodies_are_accepted_and_their_text_is_not_unescaped() {
    let api = RestApi::start().await;
    let target = format!("{CALLS}/add?access_token={}", api.token);
    let header = "Content-Type: multipart/form-data; boundary=----x\r\n";
    let part = |name: &str, value: &str| {
        format!("------x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let image = STANDARD.encode(numbered_image(1));
    let parts = [
        part("other", "%"),
        part("image", &image),
        part("brief", "50%+1"),
    ];
    let body = format!("{}------x--\r\n", parts.concat());

    let response = api.send("POST", &target, header, body.as_bytes()).await;
    assert_eq!(response.json["cont_sign"], sign_of(&numbered_image(1)));
    let found = api.call("search", "url=http://e.org/a").await;
    assert_eq!(found["result"][0]["brief"], "50%+1");

    for broken in [&body[..body.len() - 20], "no part at all"] {
        let response = api.send("POST", &target, header, broken.as_bytes()).await;
        assert_eq!(response.json["error_code"], 216_100);
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_rejected_whatever_it_contains() {
    let api = RestApi::start().await;
    let target = format!("{CALLS}/add?access_token={}", api.token);
    let image = STANDARD.encode(numbered_image(1));
    let form: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("image", &image)
        .append_pair("brief", "a")
        .finish();
    let json = json!({"image": image, "brief": "a"}).to_string();
    let message = "invalid param: content-type must be application/x-www-form-urlencoded or \
                   multipart/form-data";

    for (kind, body) in [
        ("application/json", &json),
        // What a form of a web page can have, besides the two form types.
        ("text/plain", &form),
        ("text/plain;charset=UTF-8", &form),
        ("application/x-www-form-urlencodedx", &form),
        ("", &form),
    ] {
        let header = format!("Content-Type: {kind}\r\n");
        let response = api.send("POST", &target, &header, body.as_bytes()).await;

        assert_rejected(&response.json, 216_100, message);
    }
    for kind in [
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded ; charset=utf-8",
    ] {
        let header = format!("Content-Type: {kind}\r\n");
        let response = api.send("POST", &target, &header, form.as_bytes()).await;

        assert_eq!(
            response.json["cont_sign"],
            sign_of(&numbered_image(1)),
            "{kind}"
        );
        api.call("delete", &format!("image={}", image.replace('+', "%2B")))
            .await;
    }
}

#[tokio::test]
async fn a_form_in_a_declared_charset_is_read_in_it() {
    let api = RestApi::start().await;
    let target = format!("{CALLS}/add?access_token={}", api.token);
    let brief = "商品图, 50 %";
    let (bytes, _, _) = encoding_rs::GBK.encode(brief);
    let escaped: String = form_urlencoded::byte_serialize(&bytes).collect();
    // Not escaped, but for what separates fields.
    let raw = bytes.to_vec().into_iter().flat_map(|byte| match byte {
        b'%' => b"%25".to_vec(),
        byte => vec![byte],
    });
    let raw: Vec<u8> = raw.collect();
    assert!(std::str::from_utf8(&raw).is_err());

    for (kind, brief_sent) in [
        ("charset=GBK", escaped.as_bytes()),
        ("Charset=\"gb2312\"", escaped.as_bytes()),
        ("x=y; charset=gb18030", &raw),
        ("charset=gbk", &raw),
        ("charset=utf-8", escape(brief).as_bytes()),
        ("charset=ISO-8859-1", escape(brief).as_bytes()),
    ] {
        let header = format!("Content-Type: application/x-www-form-urlencoded; {kind}\r\n");
        let body = [b"url=http://e.org/a&brief=", brief_sent, b"&tags=1"].concat();
        let response = api.send("POST", &target, &header, &body).await;

        assert_same_shape(&response.json, "add.json");
        let found = api.call("search", "url=http://e.org/a&tags=1").await;
        assert_eq!(found["result"][0]["brief"], brief, "{kind}");
        api.call("delete", "url=http://e.org/a").await;
    }
}

#[tokio::test]
async fn a_charset_that_cannot_be_read_is_one_clear_error() {
    let api = RestApi::start().await;
    let target = format!("{CALLS}/add?access_token={}", api.token);
    let form = "Content-Type: application/x-www-form-urlencoded; charset=";
    let message = "invalid param: charset must be one of the WHATWG Encoding Standard that \
                   contains ASCII, such as UTF-8 or GBK";

    for charset in ["klingon", "utf-16", "iso-2022-jp", "\"\"", ""] {
        let header = format!("{form}{charset}\r\n");
        let body = b"url=http://e.org/a&brief=a";
        let response = api.send("POST", &target, &header, body).await;

        assert_rejected(&response.json, 216_100, message);
    }
    // A text that is not in its charset is never changed.
    let header = format!("{form}gbk\r\n");
    let body = b"url=http://e.org/a&brief=%ff";
    let response = api.send("POST", &target, &header, body).await;
    assert_rejected(&response.json, 216_100, "invalid param");
}

#[tokio::test]
async fn a_body_is_accepted_up_to_the_limit_and_rejected_above_it() {
    let api = RestApi::start().await;
    let call = format!(
        "brief=a&url=http://e.org/a&x={}",
        "x".repeat(MAX_BODY_BYTES)
    );

    let at_limit = api.call("add", &call[..MAX_BODY_BYTES]).await;
    assert_same_shape(&at_limit, "add.json");
    for body in [&call[..=MAX_BODY_BYTES], &call.repeat(2)] {
        assert_rejected(&api.call("add", body).await, 216_202, "image size error");
    }
}

#[tokio::test]
async fn a_client_that_reads_only_after_sending_its_body_gets_the_error() {
    let api = RestApi::start().await;
    // More than the buffers at both ends of a connection.
    let body = vec![b'x'; 16 * 1024 * 1024];

    for (path, code) in [
        (format!("{CALLS}/add?access_token={}", api.token), 216_202),
        (format!("{CALLS}/add?access_token=x"), 110),
        (format!("{CALLS}/list"), 3),
    ] {
        let response = api.send("POST", &path, FORM, &body).await;
        assert_eq!(response.json["error_code"], code);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_unsupported() {
    let api = RestApi::start().await;

    for (method, path) in [
        ("POST", "/rest/2.0/realtime_search/same_hq/list"),
        ("POST", "/rest/2.0/realtime_search/same_hq/add/"),
        ("GET", "/rest/2.0/realtime_search/same_hq/add"),
        ("PUT", "/oauth/2.0/token"),
        ("GET", "/%ff"),
        ("GET", "/"),
    ] {
        let response = api.send(method, path, NONE, b"").await;

        assert_eq!(response.status, 200);
        assert!(response.head.contains("content-type: application/json"));
        assert_eq!(
            response.json,
            error(3, "Unsupported openapi method"),
            "{method} {path}"
        );
    }
}
