//! The rest backend against the fake vendor, through real sockets.

mod deletions;
mod failures;
mod rate_limit;
mod responses;
mod retries;
mod secrets;
mod shared_rate_limit;
mod shared_script;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use image::ImageFormat;
use samegate::admission::CallPermit;
use samegate::call::{Call, CallStats, RequestId, Tenant};
use samegate::config::{self, Credential, Service};
use samegate::domain::{Add, Added, Effort, Profile, RawSource, RawTarget, Search, TagLogic};
use samegate::error::{Kind, Result};
use samegate::library::Library;
use samegate::library::rest::RestBackend;
use samegate::telemetry::{CallTrace, Metrics};
use tokio::time::Instant;

use crate::support::images::{file, png, variant};
use crate::support::vendor::{API_KEY, Fault, Gate, Operation, SECRET_KEY, Vendor};

fn call() -> Call {
    call_within(Duration::from_secs(20))
}

fn call_within(timeout: Duration) -> Call {
    let tenant = Tenant {
        name: "test".to_owned(),
        libraries: Vec::new(),
        weight: 1,
        read_only: false,
    };
    Call {
        tenant: Arc::new(tenant),
        request_id: RequestId::default(),
        deadline: Instant::now() + timeout,
        stream_deadline: None,
        timeout,
        bulk: false,
        permit: CallPermit::default(),
        stats: CallStats::default(),
        trace: CallTrace::default(),
    }
}

async fn add(library: &RestBackend, image: Bytes, brief: &str) -> Result<Added> {
    let request = Add::new(RawSource::Content(image), brief.to_owned(), &[]).unwrap();
    library.add(&call(), request).await
}

async fn search(
    library: &RestBackend,
    tags: &[u32],
    logic: TagLogic,
    min: f64,
) -> Result<Vec<f64>> {
    let query = Search::new(RawSource::Content(png(1)), tags, logic, (0, 0), min).unwrap();
    let page = library.search(&call(), query).await?;
    Ok(page.matches.iter().map(|found| found.score).collect())
}

/// Advances the clock; sockets do not wait for a paused one.
async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn config(vendor: &Vendor) -> config::Rest {
    config::Rest {
        base_url: vendor.url().parse().unwrap(),
        service: Service::SameHq,
        credentials: vec![credential(API_KEY, SECRET_KEY)],
        // Rate limits have tests of their own.
        qps: 1000,
        timeout: Duration::from_secs(30),
        min_score: 0.0,
    }
}

fn credential(api_key: &str, secret_key: &str) -> Credential {
    Credential {
        api_key: api_key.to_owned(),
        secret_key: secret_key.to_owned().into(),
    }
}

fn open(config: &config::Rest) -> RestBackend {
    RestBackend::new(config, "", &Metrics::new(), None).unwrap()
}

fn library(vendor: &Vendor) -> RestBackend {
    open(&config(vendor))
}

#[tokio::test]
async fn images_arrive_byte_for_byte() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    for length in [0, 1, 2, 3, 47, 48, 1000, 30_000, 2_700_000] {
        // Readers stop at a PNG's end; the bytes behind it contain every escape.
        let mut image = png(1).to_vec();
        let end = image.len();
        image.resize(end + length, 0);
        blake3::Hasher::new().finalize_xof().fill(&mut image[end..]);
        let image = Bytes::from(image);

        let added = add(&library, image.clone(), "a").await.unwrap();

        let arrived = vendor.calls_of(Operation::Add).pop().unwrap().image;
        assert!(!added.existed);
        assert!(arrived == Some(image), "{length} bytes more");
    }
}

#[tokio::test]
async fn an_image_too_long_when_encoded_is_rejected_before_it_is_sent() {
    let vendor = Vendor::start().await;
    // All `/` as base64, three characters each as a form value.
    let mut image = png(1).to_vec();
    image.resize(2_000_000, 0xff);

    let error = add(&library(&vendor), image.into(), "a").await.unwrap_err();

    assert_eq!(error.kind(), Kind::ImageSize);
    assert_eq!(
        (
            vendor.calls_of(Operation::Add).len(),
            vendor.token_requests()
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_format_that_the_vendor_does_not_read_is_rejected_without_a_call() {
    let vendor = Vendor::start().await;
    let image = file(1, ImageFormat::WebP);

    let error = add(&library(&vendor), image, "a").await.unwrap_err();

    assert_eq!(error.kind(), Kind::ImageFormat);
    let expected = "WebP; this library accepts JPEG, PNG, BMP";
    assert_eq!(error.violations()[0].message, expected);
    assert!(vendor.calls_of(Operation::Add).is_empty());
}

#[tokio::test]
async fn a_url_is_forwarded_and_not_fetched() {
    let vendor = Vendor::start().await;
    let url = "https://images.invalid/a b.jpg?x=1&y=2";
    vendor.publish("https://images.invalid/a%20b.jpg?x=1&y=2", png(1));
    let request = Add::new(RawSource::Url(url.to_owned()), "a".to_owned(), &[]).unwrap();

    library(&vendor).add(&call(), request).await.unwrap();

    let form = vendor.calls_of(Operation::Add).pop().unwrap().fields;
    assert_eq!(form["url"], "https://images.invalid/a%20b.jpg?x=1&y=2");
}

#[tokio::test]
async fn the_form_of_a_search_holds_window_tags_and_their_logic() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    let query = |tags, logic, window| {
        Search::new(RawSource::Content(png(1)), tags, logic, window, 0.0).unwrap()
    };

    for (tags, logic, window, expected) in [
        (&[][..], TagLogic::And, (0, 0), "pn=0 rn=300"),
        (
            &[1, 65_535],
            TagLogic::And,
            (10, 20),
            "pn=10 rn=20 tag_logic=0 tags=1,65535",
        ),
        (
            &[7],
            TagLogic::Or,
            (900, 500),
            "pn=900 rn=100 tag_logic=1 tags=7",
        ),
    ] {
        library
            .search(&call(), query(tags, logic, window))
            .await
            .unwrap();

        let search = vendor.calls_of(Operation::Search).pop().unwrap();
        let fields: Vec<_> = search
            .fields
            .iter()
            .map(|(name, text)| format!("{name}={text}"))
            .collect();
        assert_eq!(fields.join(" "), expected);
    }
}

#[tokio::test]
async fn a_min_score_ends_the_pages_behind_it() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    for number in 0..3 {
        add(&library, variant(1, number), "a").await.unwrap();
    }
    let query = |min_score| {
        Search::new(
            RawSource::Content(variant(1, 0)),
            &[],
            TagLogic::And,
            (0, 2),
            min_score,
        )
        .unwrap()
    };

    let page = library.search(&call(), query(0.5)).await.unwrap();
    assert_eq!((page.matches.len(), page.has_more), (2, true));

    let page = library.search(&call(), query(1.0)).await.unwrap();
    assert_eq!((page.matches.len(), page.has_more), (1, false));
}

#[tokio::test]
async fn profile_and_effort_are_rejected_before_the_vendor_is_called() {
    let vendor = Vendor::start().await;
    let query =
        || Search::new(RawSource::Content(png(1)), &[], TagLogic::And, (0, 0), 0.0).unwrap();
    let queries = [
        ("profile", query().with_profile(Some(Profile::Balanced))),
        ("effort", query().with_effort(Some(Effort::Normal))),
    ];

    for (field, query) in queries {
        let error = library(&vendor).search(&call(), query).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidParameter);
        assert_eq!(error.violations()[0].field, field);
    }
    assert_eq!(vendor.calls_of(Operation::Search).len(), 0);
}

#[tokio::test]
async fn a_search_with_a_stored_image_is_unsupported_and_not_sent() {
    let vendor = Vendor::start().await;
    let stored = RawTarget::Signs(vec!["1,2".to_owned()]);
    let query = Search::new(stored, &[], TagLogic::And, (0, 0), 0.0).unwrap();

    let error = library(&vendor).search(&call(), query).await.unwrap_err();

    assert_eq!(error.kind(), Kind::OperationUnsupported);
    assert_eq!(vendor.calls_of(Operation::Search).len(), 0);
}

#[tokio::test]
async fn a_call_without_a_response_ends_at_its_deadline() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    vendor.always(Operation::Add, Fault::Head(Gate::closed()));
    let request = || Add::new(RawSource::Content(png(1)), "a".to_owned(), &[]).unwrap();

    let add = async {
        let call = call_within(Duration::from_secs(20));
        library.add(&call, request()).await.unwrap_err()
    };
    let wait = async {
        vendor
            .until("the call", || vendor.calls_of(Operation::Add).len() == 1)
            .await;
        advance(Duration::from_secs(20)).await;
    };
    let (error, ()) = tokio::join!(add, wait);
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    vendor
        .until("the aborted request", || vendor.aborted() == 1)
        .await;

    let sent = vendor.calls_of(Operation::Add).len();
    let error = library
        .add(&call_within(Duration::ZERO), request())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert_eq!(
        vendor.calls_of(Operation::Add).len(),
        sent,
        "nothing is sent after the deadline"
    );
}

#[tokio::test]
async fn a_vendor_slower_than_configured_is_unavailable() {
    let vendor = Vendor::start().await;
    let mut config = config(&vendor);
    config.timeout = Duration::from_millis(200);
    let library = open(&config);
    vendor.always(Operation::Add, Fault::Head(Gate::closed()));

    let error = add(&library, png(1), "a").await.unwrap_err();

    assert_eq!(error.kind(), Kind::VendorUnavailable);
}

#[tokio::test]
async fn a_dropped_call_aborts_its_upstream_request() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    vendor.always(Operation::Add, Fault::Head(Gate::closed()));
    let task = tokio::spawn(async move { add(&library, png(1), "a").await });
    vendor
        .until("the call", || vendor.calls_of(Operation::Add).len() == 1)
        .await;

    task.abort();

    vendor
        .until("the aborted request", || vendor.aborted() == 1)
        .await;
}

#[tokio::test]
async fn a_vendor_that_cannot_be_reached_is_unavailable() {
    let vendor = Vendor::start().await;
    let library = library(&vendor);
    drop(vendor);

    let error = add(&library, png(1), "a").await.unwrap_err();

    assert_eq!(error.kind(), Kind::VendorUnavailable);
}
