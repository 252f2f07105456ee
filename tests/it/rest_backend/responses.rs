//! Responses: recorded samples, every code, and invalid ones.

use samegate::domain::{RawTarget, Update};

use super::*;

/// A recorded response, by its name in `tests/data/rest`.
macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/rest/",
            $name,
            ".json"
        ))
    };
}

const SIGN: &str = "4261577168,501945506";

async fn vendor_returning(op: Operation, body: &str) -> (Vendor, RestBackend) {
    let vendor = Vendor::start().await;
    vendor.always(op, Fault::json(body));
    let library = library(&vendor);
    (vendor, library)
}

async fn update(library: &RestBackend) -> Result<u64> {
    let target = RawTarget::Signs(vec![SIGN.to_owned()]);
    let request = Update::new(target, Some("new".to_owned()), None).unwrap();
    library
        .update(&call(), request)
        .await
        .map(|updated| updated.log_id)
}

#[tokio::test]
async fn a_recorded_token_is_accepted() {
    let vendor = Vendor::start().await;
    vendor.script(Operation::Token, Fault::json(sample!("token")));
    vendor.script(Operation::Add, Fault::json(sample!("add")));

    let added = add(&library(&vendor), png(1), "a").await.unwrap();

    assert_eq!((added.cont_sign.as_str(), added.existed), (SIGN, false));
    assert_eq!(
        added.log_id, 1_820_640_012_355_862_497,
        "above 2^53 and exact"
    );
}

#[tokio::test]
async fn recorded_rejections_of_a_token_are_set_up_errors() {
    for body in [sample!("token_rejected"), sample!("token_rejected_secret")] {
        let vendor = Vendor::start().await;
        let rejection = Fault::Response {
            status: 401,
            content_type: "application/json",
            body: body.to_owned(),
        };
        vendor.script(Operation::Token, rejection);

        let error = add(&library(&vendor), png(1), "a").await.unwrap_err();

        assert_eq!(error.kind(), Kind::VendorSetup, "{body}");
    }
}

#[tokio::test]
async fn a_recorded_duplicate_is_no_error_and_carries_the_stored_sign() {
    let (_vendor, library) = vendor_returning(Operation::Add, sample!("error_216681")).await;

    let added = add(&library, png(1), "a").await.unwrap();

    assert_eq!((added.cont_sign.as_str(), added.existed), (SIGN, true));
    assert_eq!(added.log_id, 1_820_640_012_355_862_501);
}

#[tokio::test]
async fn recorded_searches_are_read_alike_with_numbers_and_booleans_as_texts() {
    for (body, scores) in [
        (sample!("search"), &[0.979_851_305_484_77][..]),
        (sample!("search_string_has_more"), &[0.979_851_305_484_77]),
        (sample!("search_texts"), &[0.979_851_305_484_77, 1.0]),
        (sample!("search_empty"), &[]),
    ] {
        let (_vendor, library) = vendor_returning(Operation::Search, body).await;
        let found = search(&library, &[], TagLogic::And, 0.0).await.unwrap();
        assert_eq!(found, scores, "{body}");
    }

    let (_vendor, library) = vendor_returning(Operation::Search, sample!("search_texts")).await;
    let query = Search::new(RawSource::Content(png(1)), &[], TagLogic::And, (0, 0), 0.0).unwrap();
    let page = library.search(&call(), query).await.unwrap();
    assert_eq!(page.matches[0].cont_sign.as_str(), SIGN);
    assert_eq!(
        (page.has_more, page.log_id),
        (true, 1_820_640_012_355_862_504)
    );
}

#[tokio::test]
async fn a_recorded_update_is_read_and_so_are_recorded_errors() {
    let (_vendor, library) = vendor_returning(Operation::Update, sample!("update")).await;
    assert_eq!(update(&library).await.unwrap(), 1_820_640_012_355_862_499);

    for (body, kind, log_id) in [
        (sample!("error_18"), Kind::RateLimited, None),
        (sample!("error_110"), Kind::VendorToken, None),
        (
            sample!("error_216680"),
            Kind::ImageNotFound,
            Some(1_820_640_012_355_862_502),
        ),
        (
            sample!("error_text_code"),
            Kind::MissingParameter,
            Some(1_820_640_012_355_862_503),
        ),
    ] {
        let (_vendor, library) = vendor_returning(Operation::Update, body).await;
        let error = update(&library).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(error.vendor_code().unwrap().log_id, log_id);
    }
}

#[tokio::test]
async fn every_code_of_the_vendor_has_its_class() {
    let vendor = Vendor::start().await;
    // The vendor's error table, row by row; token codes have tests of their own.
    for (codes, kind) in [
        (
            &[1, 2, 216_630, 216_634, 282_000][..],
            Kind::VendorUnavailable,
        ),
        (
            &[3, 6, 14, 15, 216_017, 216_102, 216_110],
            Kind::VendorSetup,
        ),
        (&[4], Kind::VendorBusy),
        (&[17], Kind::DailyQuotaExceeded),
        (&[18], Kind::RateLimited),
        (&[19], Kind::TotalQuotaExceeded),
        (&[216_100], Kind::InvalidParameter),
        (&[216_101, 282_003], Kind::MissingParameter),
        (&[216_103], Kind::ParameterTooLong),
        (&[216_200], Kind::ImageEmpty),
        (&[216_201], Kind::ImageFormat),
        (&[216_202], Kind::ImageSize),
        (&[216_203], Kind::ImageEncoding),
        (&[216_680], Kind::ImageNotFound),
        // Without the sign of the stored image, a duplicate is an error.
        (&[216_681], Kind::ImageAlreadyExists),
        (&[282_005, 282_006], Kind::BatchRejected),
        (&[282_111], Kind::UrlFormat),
        (&[282_112], Kind::UrlTimeout),
        (&[282_113], Kind::UrlUnreachable),
        (&[282_114], Kind::UrlSize),
        (&[282_810], Kind::VendorRecognition),
        (&[283_300], Kind::ImageMalformed),
        (&[0, -1, 5, 216_682, 999_999], Kind::VendorProtocol),
    ] {
        for code in codes {
            vendor.always(Operation::Add, Fault::code(*code));
            let error = add(&library(&vendor), png(1), "a").await.unwrap_err();
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(error.vendor_code().unwrap().code, *code);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_response_of_the_api_is_never_a_success() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"log_id\":",
        "<html>busy</html>",
        "{\"result\":\"ok\"}",
        "{\"log_id\":1,\"error_code\":\"SDK100\"}",
        "{\"error_code\":null,\"log_id\":1,\"cont_sign\":\"1,2\",\"result\":[]}",
        "{\"error_code\":{},\"log_id\":1,\"cont_sign\":\"1,2\",\"result\":[]}",
        "{\"error_code\":true,\"log_id\":1,\"cont_sign\":\"1,2\",\"result\":[]}",
    ] {
        let vendor = Vendor::start().await;
        for op in [Operation::Add, Operation::Search, Operation::Update] {
            vendor.always(op, Fault::json(body));
        }
        let library = library(&vendor);
        let outcomes = [
            add(&library, png(1), "a").await.map(drop),
            search(&library, &[], TagLogic::And, 0.0).await.map(drop),
            update(&library).await.map(drop),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.expect_err(body).kind(), Kind::VendorProtocol);
        }
    }
}

#[tokio::test]
async fn a_token_with_an_unreadable_error_code_is_not_used() {
    let vendor = Vendor::start().await;
    let body = "{\"error_code\":null,\"access_token\":\"24.t\",\"expires_in\":1000}";
    vendor.script(Operation::Token, Fault::json(body));

    let error = add(&library(&vendor), png(1), "a").await.unwrap_err();

    assert_eq!(error.kind(), Kind::VendorProtocol);
}

#[tokio::test]
async fn matches_beyond_the_requested_number_are_cut() {
    let hit = |score| format!("{{\"cont_sign\":\"1,2\",\"score\":{score},\"brief\":\"\"}}");
    let body = format!(
        "{{\"log_id\":1,\"result_num\":3,\"result\":[{},{},{}],\"has_more\":false}}",
        hit(0.9),
        hit(0.8),
        hit(0.7)
    );
    let (_vendor, library) = vendor_returning(Operation::Search, &body).await;
    for (limit, min_score, count, has_more) in
        [(2, 0.0, 2, true), (3, 0.0, 3, false), (2, 0.85, 1, false)]
    {
        let window = (0, limit);
        let image = RawSource::Content(png(1));
        let query = Search::new(image, &[], TagLogic::And, window, min_score).unwrap();

        let page = library.search(&call(), query).await.unwrap();

        assert_eq!((page.matches.len(), page.has_more), (count, has_more));
    }
}

#[tokio::test]
async fn unusable_signs_and_scores_are_protocol_errors() {
    for sign in ["", "1,2;3,4", &"1".repeat(129)] {
        let body = format!("{{\"log_id\":1,\"cont_sign\":\"{sign}\"}}");
        let (_vendor, library) = vendor_returning(Operation::Add, &body).await;
        let error = add(&library, png(1), "a").await.unwrap_err();
        assert_eq!(error.kind(), Kind::VendorProtocol, "{sign}");
    }
    for hit in [
        "\"cont_sign\":\" \",\"score\":1",
        "\"cont_sign\":\"1,2\",\"score\":\"nan\"",
    ] {
        let body =
            format!("{{\"log_id\":1,\"result_num\":1,\"result\":[{{{hit},\"brief\":\"\"}}]}}");
        let (_vendor, library) = vendor_returning(Operation::Search, &body).await;
        let error = search(&library, &[], TagLogic::And, 0.0).await.unwrap_err();
        assert_eq!(error.kind(), Kind::VendorProtocol, "{hit}");
    }
}

#[tokio::test]
async fn broken_connections_and_other_http_statuses_are_classified() {
    let vendor = Vendor::start().await;
    let named = sample!("error_216680");
    let failed = |body: &str| Fault::Response {
        status: 500,
        content_type: "application/json",
        body: body.to_owned(),
    };
    for (fault, kind) in [
        (Fault::Reset, Kind::VendorUnavailable),
        (Fault::HalfBody, Kind::VendorUnavailable),
        (Fault::html(500), Kind::VendorUnavailable),
        (Fault::html(503), Kind::VendorUnavailable),
        (Fault::html(429), Kind::VendorBusy),
        (Fault::html(404), Kind::VendorProtocol),
        (Fault::html(302), Kind::VendorProtocol),
        (failed(named), Kind::ImageNotFound),
        (failed(sample!("add")), Kind::VendorUnavailable),
        (Fault::json(&"x".repeat(5 << 20)), Kind::VendorProtocol),
    ] {
        let shown = format!("{fault:.60?}").chars().take(60).collect::<String>();
        vendor.always(Operation::Add, fault);
        let error = add(&library(&vendor), png(1), "a").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}");
    }
}
