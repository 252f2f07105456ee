//! The journal, the measurement of the sending rate, and violations of the format.

use std::io::Cursor;

use super::*;

#[tokio::test]
async fn the_journal_records_the_fields_of_each_call() {
    let client = PlainClient::start().await;
    let sign = client.add(&png(1), "图片 a+b & c=d%20", "1").await;
    client.code("delete", &[("cont_sign", &sign)]).await;

    let add = &client.vendor.calls()[0];
    assert_eq!((add.operation, &add.token), (Operation::Add, &client.token));
    assert_eq!(
        (add.fields["brief"].as_str(), add.fields["tags"].as_str()),
        ("图片 a+b & c=d%20", "1")
    );
    assert_eq!(add.image, Some(png(1)));
    let delete = &client.vendor.calls_of(Operation::Delete)[0];
    assert_eq!((&delete.fields["cont_sign"], &delete.image), (&sign, &None));
    assert!(delete.arrival >= add.arrival);
    for operation in Operation::CALLS {
        let expected = usize::from(matches!(operation, Operation::Add | Operation::Delete));
        assert_eq!(
            client.vendor.calls_of(operation).len(),
            expected,
            "{operation:?}"
        );
    }
}

#[tokio::test]
async fn the_rate_is_measured_over_every_window_of_a_second() {
    let client = PlainClient::start().await;
    tokio::time::pause();

    for wait in [0, 900, 50, 949, 101, 5000] {
        tokio::time::advance(Duration::from_millis(wait)).await;
        client.call("delete", &[("cont_sign", "4,4")]).await;
    }

    // At 0, 900, 950, 1899, 2000 and 7000 ms: no calendar second has three.
    assert_eq!(client.vendor.max_in_any_second(), 3);
}

#[tokio::test]
async fn every_violation_of_the_format_is_recorded() {
    let client = PlainClient::start().await;
    let image = STANDARD.encode(png(1));
    assert!(image.contains('+'), "else the unescaped form is valid");
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
        client.post(path, content_type, form).await.unwrap();
        let violations = client.vendor.take_violations();
        assert_eq!(violations.len(), 1, "{path}: {violations:?}");
    }
}

#[tokio::test]
async fn a_call_without_a_token_is_rejected_and_a_violation() {
    let mut client = PlainClient::start().await;
    client.token.clear();

    assert_eq!(client.code("delete", &[("cont_sign", "4,4")]).await, 100);

    assert_eq!(client.vendor.take_violations().len(), 1);
}

#[tokio::test]
#[should_panic(expected = "violations of the format")]
async fn dropping_the_vendor_fails_the_test_after_a_violation() {
    let client = PlainClient::start().await;

    client
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
