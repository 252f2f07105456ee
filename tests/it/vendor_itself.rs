//! Holds the fake vendor to the documentation of the real one, with a plain
//! HTTP client: a fake that misbehaves would let a wrong client pass.

use std::io::Cursor;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::images::{jpeg, png, variant};
use crate::support::vendor::{API_KEY, BatchDelete, Fault, Gate, Operation, SECRET_KEY, Vendor};

const FORM: &str = "application/x-www-form-urlencoded";

/// A client without any cleverness, and the vendor that it talks to.
struct Bench {
    vendor: Vendor,
    http: Client,
    token: String,
}

type Fields<'a> = &'a [(&'a str, &'a str)];

// === impl Bench ===

impl Bench {
    async fn start() -> Self {
        let vendor = Vendor::start().await;
        let http = Client::builder().no_proxy().build().unwrap();
        let token = grant(&http, &vendor).await;
        Bench {
            vendor,
            http,
            token,
        }
    }

    async fn post(
        &self,
        operation: &str,
        content_type: &str,
        body: String,
    ) -> reqwest::Result<Bytes> {
        let (url, token) = (self.vendor.url(), &self.token);
        let url = format!(
            "{url}/rest/2.0/realtime_search/same_hq/{operation}?access_token={token}&aipVersion=1"
        );
        let request = self.http.post(url).header(CONTENT_TYPE, content_type);
        request.body(body).send().await?.bytes().await
    }

    async fn call(&self, operation: &str, fields: Fields<'_>) -> Value {
        let body = self.post(operation, FORM, encode(fields)).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    async fn add(&self, image: &Bytes, brief: &str, tags: &str) -> String {
        let fields = [
            ("image", &*STANDARD.encode(image)),
            ("brief", brief),
            ("tags", tags),
        ];
        let response = self.call("add", &fields).await;
        response["cont_sign"].as_str().unwrap().to_owned()
    }

    async fn briefs(&self, image: &Bytes, more: Fields<'_>) -> Vec<String> {
        let found = self.search(image, more).await;
        let hits = found["result"].as_array().unwrap();
        hits.iter()
            .map(|hit| hit["brief"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn search(&self, image: &Bytes, more: Fields<'_>) -> Value {
        let image = STANDARD.encode(image);
        self.call("search", &[&[("image", image.as_str())], more].concat())
            .await
    }

    async fn code(&self, operation: &str, fields: Fields<'_>) -> i64 {
        let response = self.call(operation, fields).await;
        response["error_code"].as_i64().unwrap_or(0)
    }
}

async fn grant(http: &Client, vendor: &Vendor) -> String {
    let (_, body) = ask_for_token(http, vendor, API_KEY, SECRET_KEY).await;
    body["access_token"].as_str().unwrap().to_owned()
}

async fn ask_for_token(http: &Client, vendor: &Vendor, id: &str, secret: &str) -> (u16, Value) {
    let form = encode(&[
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ]);
    let url = format!("{}/oauth/2.0/token", vendor.url());
    let response = http.post(url).body(form).send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
    )
}

fn encode(fields: Fields<'_>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

// === Tokens ===

#[tokio::test]
async fn a_token_is_granted_in_all_three_styles_of_the_sdks() {
    let Bench { vendor, http, .. } = Bench::start().await;
    let url = format!("{}/oauth/2.0/token", vendor.url());
    let form =
        format!("grant_type=client_credentials&client_id={API_KEY}&client_secret={SECRET_KEY}");

    for request in [
        http.get(format!("{url}?{form}")),
        http.post(format!("{url}?{form}")),
        http.post(&url).body(form),
    ] {
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let grant: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(grant["expires_in"], 2_592_000);
        assert!(grant["access_token"].as_str().unwrap().starts_with("24."));
        assert!(grant["scope"].as_str().unwrap().contains("brain_all_scope"));
    }

    assert_eq!(vendor.token_requests(), 4);
    assert_eq!(vendor.token_arrivals().len(), 4);
}

#[tokio::test]
async fn wrong_keys_get_no_token() {
    let Bench { vendor, http, .. } = Bench::start().await;

    for (id, secret, why) in [
        ("other", SECRET_KEY, "unknown client id"),
        (API_KEY, "other", "Client authentication failed"),
    ] {
        let rejection = json!({ "error": "invalid_client", "error_description": why });
        assert_eq!(
            ask_for_token(&http, &vendor, id, secret).await,
            (401, rejection)
        );
    }
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_rejected_without_a_log_id() {
    let mut bench = Bench::start().await;
    let old = bench.token.clone();
    bench.token = grant(&bench.http, &bench.vendor).await;

    bench.vendor.expire_tokens();
    let expired = bench.search(&png(1), &[]).await;
    bench.vendor.revoke_tokens();
    let revoked = bench.search(&png(1), &[]).await;

    assert_ne!(old, bench.token);
    assert_eq!(
        expired,
        json!({ "error_code": 111, "error_msg": "Access token expired" })
    );
    assert_eq!(revoked["error_code"], 110);
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_says() {
    let mut bench = Bench::start().await;
    tokio::time::pause();
    bench.vendor.set_token_life(60);
    bench.token = grant(&bench.http, &bench.vendor).await;

    tokio::time::advance(Duration::from_secs(55)).await;
    assert_eq!(bench.search(&png(1), &[]).await["result_num"], 0);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(bench.search(&png(1), &[]).await["error_code"], 111);
}

// === The library ===

#[tokio::test]
async fn adding_the_same_bytes_again_answers_the_first_sign_and_changes_nothing() {
    let bench = Bench::start().await;
    let sign = bench.add(&png(1), "first", "1,1").await;

    let image = STANDARD.encode(png(1));
    let again = bench
        .call("add", &[("image", image.as_str()), ("brief", "second")])
        .await;

    assert_eq!(
        (&again["error_code"], &again["cont_sign"]),
        (&json!(216_681), &json!(sign))
    );
    assert!(again["log_id"].as_u64().unwrap() > 1 << 53);
    let stored = bench.vendor.stored();
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0].image, &stored[0].cont_sign), (&png(1), &sign));
    assert_eq!(
        (stored[0].brief.as_str(), &*stored[0].tags),
        ("first", &[1, 1][..])
    );
}

#[tokio::test]
async fn a_search_finds_the_same_image_in_other_files_and_no_other_image() {
    let bench = Bench::start().await;
    bench.add(&variant(1, 7), "variant", "").await;
    bench.add(&jpeg(1), "jpeg", "").await;
    bench.add(&png(1), "same", "").await;
    for seed in 2..40 {
        bench.add(&png(seed), "other", "").await;
    }

    let found = bench.search(&png(1), &[]).await;

    assert_eq!(
        bench.briefs(&png(1), &[]).await,
        ["same", "variant", "jpeg"]
    );
    assert_eq!(found["result"][0]["score"], 1.0);
    assert_eq!(found["result"][1]["score"], 0.99);
    assert_eq!(
        (&found["result_num"], &found["has_more"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(bench.briefs(&png(40), &[]).await, [""; 0]);
}

#[tokio::test]
async fn tags_filter_by_and_unless_told_to_by_or() {
    let bench = Bench::start().await;
    for (number, tags) in ["", "1", "1,65535"].into_iter().enumerate() {
        bench
            .add(&variant(1, number.try_into().unwrap()), tags, tags)
            .await;
    }

    let one = variant(1, 0);
    assert_eq!(bench.briefs(&one, &[("tags", "1")]).await, ["1", "1,65535"]);
    assert_eq!(
        bench.briefs(&one, &[("tags", "1,65535")]).await,
        ["1,65535"]
    );
    let or = [("tags", "1,65535"), ("tag_logic", "1")];
    assert_eq!(bench.briefs(&one, &or).await, ["1", "1,65535"]);
}

#[tokio::test]
async fn a_search_is_paged_by_offset_and_count() {
    let bench = Bench::start().await;
    for number in 0..5 {
        bench
            .add(&variant(1, number), &number.to_string(), "")
            .await;
    }

    for (pn, rn, briefs, has_more) in [
        ("0", "2", &["3", "0"][..], true),
        ("3", "2", &["2", "4"], false),
        ("5", "2", &[], false),
    ] {
        let found = bench
            .search(&variant(1, 3), &[("pn", pn), ("rn", rn)])
            .await;
        assert_eq!(
            bench
                .briefs(&variant(1, 3), &[("pn", pn), ("rn", rn)])
                .await,
            briefs
        );
        assert_eq!(
            (&found["result_num"], &found["has_more"]),
            (&json!(briefs.len()), &json!(has_more))
        );
    }
    for bad in [
        ("pn", "1000"),
        ("rn", "0"),
        ("rn", "1001"),
        ("tag_logic", "2"),
        ("tags", "0"),
        ("tags", "1,2,3"),
    ] {
        assert_eq!(
            bench.search(&png(1), &[bad]).await["error_code"],
            216_100,
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let bench = Bench::start().await;
    let sign = bench.add(&png(1), "old", "1").await;
    let image = STANDARD.encode(png(1));

    assert_eq!(
        bench
            .code("update", &[("cont_sign", &sign), ("brief", "new")])
            .await,
        0
    );
    assert_eq!(
        bench
            .code("update", &[("image", &image), ("tags", "2,3")])
            .await,
        0
    );

    let stored = &bench.vendor.stored()[0];
    assert_eq!((stored.brief.as_str(), &*stored.tags), ("new", &[2, 3][..]));
    assert_eq!(
        bench
            .code("update", &[("cont_sign", "4,4"), ("brief", "new")])
            .await,
        216_680
    );
    assert_eq!(bench.code("update", &[("brief", "new")]).await, 216_101);
}

#[tokio::test]
async fn a_batch_deletion_treats_unknown_signs_as_told() {
    for (policy, code, left) in [
        (BatchDelete::WhatExists, 0, 0),
        (BatchDelete::AllOrNothing, 216_680, 2),
        (BatchDelete::NeverComplains, 0, 0),
    ] {
        let bench = Bench::start().await;
        bench.vendor.set_batch_delete(policy);
        let (one, two) = (
            bench.add(&png(1), "1", "").await,
            bench.add(&png(2), "2", "").await,
        );

        let signs = format!("{one}; 4,4;{two}");
        assert_eq!(
            bench.code("delete", &[("cont_sign", &signs)]).await,
            code,
            "{policy:?}"
        );

        assert_eq!(bench.vendor.stored().len(), left, "{policy:?}");
    }
}

#[tokio::test]
async fn a_deletion_needs_a_known_image_and_at_most_a_hundred_signs() {
    let bench = Bench::start().await;
    bench.add(&png(1), "1", "").await;
    let image = STANDARD.encode(png(1));

    assert_eq!(
        bench
            .code("delete", &[("cont_sign", &vec!["4,4"; 101].join(";"))])
            .await,
        216_100
    );
    assert_eq!(
        bench
            .code("delete", &[("cont_sign", &vec!["4,4"; 100].join(";"))])
            .await,
        216_680
    );
    assert_eq!(
        bench
            .code("delete", &[("image", &image), ("cont_sign", "4,4")])
            .await,
        0
    );
    assert_eq!(bench.code("delete", &[("image", &image)]).await, 216_680);
    assert_eq!(bench.code("delete", &[]).await, 216_101);
}

#[tokio::test]
async fn an_image_can_be_named_by_its_address() {
    let bench = Bench::start().await;
    bench.vendor.publish("http://images.test/1.png", png(1));

    let near = [("url", "http://images.test/1.png"), ("brief", "far")];
    assert_eq!(bench.code("add", &near).await, 0);

    assert_eq!(bench.vendor.stored()[0].image, png(1));
    for (url, code) in [
        ("http://images.test/2.png".to_owned(), 282_113),
        ("ftp://images.test/1.png".to_owned(), 282_111),
        (format!("http://images.test/{}", "1".repeat(1024)), 282_114),
    ] {
        assert_eq!(
            bench.code("add", &[("url", &url), ("brief", "far")]).await,
            code
        );
    }
}

#[tokio::test]
async fn what_cannot_be_added_is_rejected_with_the_code_of_its_fault() {
    let bench = Bench::start().await;
    let (image, mut broken) = (STANDARD.encode(png(1)), png(1).to_vec());
    broken.truncate(broken.len() / 2);
    let (broken, long) = (STANDARD.encode(broken), "x".repeat(257));

    for (fields, code) in [
        (&[("image", image.as_str())][..], 216_101),
        (&[("brief", "b")], 216_101),
        (&[("image", &image), ("brief", &long)], 216_103),
        (&[("image", ""), ("brief", "b")], 216_200),
        (&[("image", "R0lGODlh"), ("brief", "b")], 216_201),
        (&[("image", &broken), ("brief", "b")], 283_300),
    ] {
        assert_eq!(bench.code("add", fields).await, code);
    }
    assert_eq!(bench.vendor.stored().len(), 0);
}

// === ConfigErrors ===

#[tokio::test]
async fn queued_faults_come_first_and_then_the_standing_one() {
    let bench = Bench::start().await;
    bench.vendor.always(Operation::Search, Fault::code(18));
    bench.vendor.script(Operation::Search, Fault::code(216_630));
    bench
        .vendor
        .script(Operation::Search, Fault::code_with_log_id(4, 5));

    let scripted = |code: i64| json!({ "error_code": code, "error_msg": "scripted" });
    assert!(bench.search(&png(1), &[]).await["log_id"].is_u64());
    assert_eq!(bench.search(&png(1), &[]).await["log_id"], 5);
    for _ in 0..2 {
        assert_eq!(bench.search(&png(1), &[]).await, scripted(18));
    }
    bench.vendor.behave(Operation::Search);
    assert_eq!(bench.search(&png(1), &[]).await["result_num"], 0);
}

#[tokio::test]
async fn scripted_bodies_are_sent_as_they_are() {
    let bench = Bench::start().await;
    bench
        .vendor
        .script(Operation::Token, Fault::invalid_client());
    bench
        .vendor
        .script(Operation::Token, Fault::json("{\"access_token\":"));
    bench.vendor.script(Operation::Token, Fault::html(500));
    let url = format!(
        "{}/oauth/2.0/token?grant_type=client_credentials",
        bench.vendor.url()
    );

    for (status, start) in [
        (401, "{\"error\":"),
        (200, "{\"access_token\":"),
        (500, "<html>"),
    ] {
        let response = bench.http.get(&url).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert!(response.text().await.unwrap().starts_with(start));
    }
}

#[tokio::test]
async fn quoted_scalars_leave_no_number_and_no_boolean() {
    let bench = Bench::start().await;
    bench.add(&png(1), "1", "").await;
    bench.vendor.script(Operation::Search, Fault::QuotedScalars);

    let found = bench.search(&png(1), &[]).await;

    assert_eq!(
        (&found["has_more"], &found["result_num"]),
        (&json!("false"), &json!("1"))
    );
    assert_eq!(found["result"][0]["score"], "1.0");
    assert!(found["log_id"].is_string());
}

#[tokio::test]
async fn a_broken_connection_takes_effect_only_where_the_fault_says_so() {
    for (fault, stored) in [
        (Fault::Reset, 0),
        (Fault::LostResponse, 1),
        (Fault::HalfBody, 1),
    ] {
        let bench = Bench::start().await;
        bench.vendor.script(Operation::Add, fault.clone());
        let image = STANDARD.encode(png(1));

        let form = encode(&[("image", &image), ("brief", "1")]);
        let response = bench.post("add", FORM, form).await;

        assert!(response.is_err(), "{fault:?}");
        assert_eq!(bench.vendor.stored().len(), stored, "{fault:?}");
        assert_eq!(bench.vendor.aborted(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn half_a_body_arrives_before_the_connection_breaks() {
    let bench = Bench::start().await;
    for fault in [Fault::HalfBody, Fault::SlowBody(Gate::closed())] {
        bench.vendor.script(Operation::Token, fault);
        let form =
            format!("grant_type=client_credentials&client_id={API_KEY}&client_secret={SECRET_KEY}");
        let url = format!("{}/oauth/2.0/token?{form}", bench.vendor.url());

        let mut response = bench.http.get(url).send().await.unwrap();

        assert!(response.chunk().await.unwrap().unwrap().starts_with(b"{"));
    }
}

#[tokio::test]
async fn a_gate_holds_a_call_until_it_opens() {
    for hold in [Fault::Head, Fault::LateHead, Fault::SlowBody] {
        let bench = Bench::start().await;
        let (gate, image) = (Gate::closed(), png(1));
        bench.vendor.always(Operation::Search, hold(gate.clone()));
        let search = bench.search(&image, &[]);
        let held = async {
            bench
                .vendor
                .until("two searches are held", || gate.held() == 2)
                .await;
            gate.pass(1);
            bench
                .vendor
                .until("one of them went", || gate.held() == 1)
                .await;
            gate.open();
        };

        let (one, two, ()) = tokio::join!(search, bench.search(&image, &[]), held);

        assert_eq!(
            (&one["result_num"], &two["result_num"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(
            (bench.vendor.max_concurrent(), bench.vendor.aborted()),
            (2, 0)
        );
    }
}

#[tokio::test]
async fn a_call_that_its_client_gives_up_counts_as_aborted() {
    for (number, hold) in [Fault::Head, Fault::LateHead, Fault::SlowBody]
        .into_iter()
        .enumerate()
    {
        let bench = Bench::start().await;
        let (gate, image) = (Gate::closed(), png(1));
        bench.vendor.always(Operation::Search, hold(gate.clone()));

        tokio::select! {
            _ = bench.search(&image, &[]) => panic!("the gate is closed"),
            () = bench.vendor.until("it is held", || gate.held() == 1) => {}
        }

        let given_up = || bench.vendor.aborted() == 1 && gate.held() == 0;
        bench
            .vendor
            .until(&format!("fault {number} notices"), given_up)
            .await;
    }
}

// === The journal ===

#[tokio::test]
async fn the_journal_tells_what_each_call_held() {
    let bench = Bench::start().await;
    let sign = bench.add(&png(1), "图片 a+b & c=d%20", "1").await;
    bench.code("delete", &[("cont_sign", &sign)]).await;

    let add = &bench.vendor.calls()[0];
    assert_eq!((add.operation, &add.token), (Operation::Add, &bench.token));
    assert_eq!(
        (add.fields["brief"].as_str(), add.fields["tags"].as_str()),
        ("图片 a+b & c=d%20", "1")
    );
    assert_eq!(add.image, Some(png(1)));
    let delete = &bench.vendor.calls_of(Operation::Delete)[0];
    assert_eq!((&delete.fields["cont_sign"], &delete.image), (&sign, &None));
    assert!(delete.arrival >= add.arrival);
    for operation in Operation::CALLS {
        let expected = usize::from(matches!(operation, Operation::Add | Operation::Delete));
        assert_eq!(
            bench.vendor.calls_of(operation).len(),
            expected,
            "{operation:?}"
        );
    }
}

#[tokio::test]
async fn the_referee_counts_over_every_window_of_a_second() {
    let bench = Bench::start().await;
    tokio::time::pause();

    for wait in [0, 900, 50, 949, 101, 5000] {
        tokio::time::advance(Duration::from_millis(wait)).await;
        bench.call("delete", &[("cont_sign", "4,4")]).await;
    }

    // At 0, 900, 950, 1899, 2000 and 7000 ms: no calendar second has three.
    assert_eq!(bench.vendor.max_in_any_second(), 3);
}

#[tokio::test]
async fn every_broken_rule_of_the_format_is_a_complaint() {
    let bench = Bench::start().await;
    let image = STANDARD.encode(png(1));
    assert!(image.contains('+'), "else the unescaped form is legal");
    let unescaped = format!("brief=1&image={}", image.replace('/', "%2F"));
    let form = encode(&[("image", &image)]);
    let add = |image: &str| encode(&[("image", image), ("brief", "1")]);

    for (path, content_type, form) in [
        ("add", "application/json", add(&image)),
        ("add", FORM, unescaped),
        ("add", FORM, add(&format!("data:image/png;base64,{image}"))),
        ("add", FORM, add(&"A".repeat((4 << 20) + 4))),
        ("add", FORM, add(&STANDARD.encode(blank(49, 50)))),
        ("add", FORM, add(&STANDARD.encode(blank(50, 4097)))),
        ("search", FORM, format!("{form}&brief=1")),
        ("search", FORM, format!("{form}&{form}")),
        ("delete", FORM, "cont_sign=4,4&cont_sign=5,5".to_owned()),
        ("list", FORM, String::new()),
    ] {
        bench.post(path, content_type, form).await.unwrap();
        let complaints = bench.vendor.take_complaints();
        assert_eq!(complaints.len(), 1, "{path}: {complaints:?}");
    }
}

#[tokio::test]
async fn a_call_without_a_token_is_rejected_and_a_complaint() {
    let mut bench = Bench::start().await;
    bench.token.clear();

    assert_eq!(bench.code("delete", &[("cont_sign", "4,4")]).await, 100);

    assert_eq!(bench.vendor.take_complaints().len(), 1);
}

#[tokio::test]
#[should_panic(expected = "the vendor complains")]
async fn dropping_the_vendor_fails_the_test_when_a_rule_was_broken() {
    let bench = Bench::start().await;

    bench
        .post("delete", "text/plain", "cont_sign=4,4".to_owned())
        .await
        .unwrap();
}

fn blank(width: u32, height: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let image = image::RgbImage::new(width, height);
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}
