//! The four operations.

use super::*;

#[tokio::test]
async fn adding_the_same_bytes_again_returns_the_first_sign_and_changes_nothing() {
    let client = PlainClient::start().await;
    let sign = client.add(&png(1), "first", "1,1").await;

    let image = STANDARD.encode(png(1));
    let again = client
        .call("add", &[("image", image.as_str()), ("brief", "second")])
        .await;

    assert_eq!(
        (&again["error_code"], &again["cont_sign"]),
        (&json!(216_681), &json!(sign))
    );
    assert!(again["log_id"].as_u64().unwrap() > 1 << 53);
    let stored = client.vendor.stored();
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0].image, &stored[0].cont_sign), (&png(1), &sign));
    assert_eq!(
        (stored[0].brief.as_str(), &*stored[0].tags),
        ("first", &[1, 1][..])
    );
}

#[tokio::test]
async fn a_search_finds_the_same_image_in_other_files_and_no_other_image() {
    let client = PlainClient::start().await;
    client.add(&variant(1, 7), "variant", "").await;
    client.add(&jpeg(1), "jpeg", "").await;
    client.add(&png(1), "same", "").await;
    for seed in 2..40 {
        client.add(&png(seed), "other", "").await;
    }

    let found = client.search(&png(1), &[]).await;

    assert_eq!(
        client.briefs(&png(1), &[]).await,
        ["same", "variant", "jpeg"]
    );
    assert_eq!(found["result"][0]["score"], 1.0);
    assert_eq!(found["result"][1]["score"], 0.99);
    assert_eq!(
        (&found["result_num"], &found["has_more"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(client.briefs(&png(40), &[]).await, [""; 0]);
}

#[tokio::test]
async fn tags_filter_by_and_unless_the_tag_logic_is_or() {
    let client = PlainClient::start().await;
    for (number, tags) in ["", "1", "1,65535"].into_iter().enumerate() {
        client
            .add(&variant(1, number.try_into().unwrap()), tags, tags)
            .await;
    }

    let one = variant(1, 0);
    assert_eq!(
        client.briefs(&one, &[("tags", "1")]).await,
        ["1", "1,65535"]
    );
    assert_eq!(
        client.briefs(&one, &[("tags", "1,65535")]).await,
        ["1,65535"]
    );
    let or = [("tags", "1,65535"), ("tag_logic", "1")];
    assert_eq!(client.briefs(&one, &or).await, ["1", "1,65535"]);
}

#[tokio::test]
async fn a_search_is_paged_by_offset_and_count() {
    let client = PlainClient::start().await;
    for number in 0..5 {
        client
            .add(&variant(1, number), &number.to_string(), "")
            .await;
    }

    for (pn, rn, briefs, has_more) in [
        ("0", "2", &["3", "0"][..], true),
        ("3", "2", &["2", "4"], false),
        ("5", "2", &[], false),
    ] {
        let found = client
            .search(&variant(1, 3), &[("pn", pn), ("rn", rn)])
            .await;
        assert_eq!(
            client
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
            client.search(&png(1), &[bad]).await["error_code"],
            216_100,
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn an_update_changes_the_given_fields() {
    let client = PlainClient::start().await;
    let sign = client.add(&png(1), "old", "1").await;
    let image = STANDARD.encode(png(1));

    assert_eq!(
        client
            .code("update", &[("cont_sign", &sign), ("brief", "new")])
            .await,
        0
    );
    assert_eq!(
        client
            .code("update", &[("image", &image), ("tags", "2,3")])
            .await,
        0
    );

    let stored = &client.vendor.stored()[0];
    assert_eq!((stored.brief.as_str(), &*stored.tags), ("new", &[2, 3][..]));
    assert_eq!(
        client
            .code("update", &[("cont_sign", "4,4"), ("brief", "new")])
            .await,
        216_680
    );
    assert_eq!(client.code("update", &[("brief", "new")]).await, 216_101);
}

#[tokio::test]
async fn a_batch_deletion_treats_unknown_signs_by_the_policy() {
    for (policy, code, left) in [
        (BatchDelete::WhatExists, 0, 0),
        (BatchDelete::AllOrNothing, 216_680, 2),
        (BatchDelete::AlwaysSucceeds, 0, 0),
    ] {
        let client = PlainClient::start().await;
        client.vendor.set_batch_delete(policy);
        let (one, two) = (
            client.add(&png(1), "1", "").await,
            client.add(&png(2), "2", "").await,
        );

        let signs = format!("{one}; 4,4;{two}");
        assert_eq!(
            client.code("delete", &[("cont_sign", &signs)]).await,
            code,
            "{policy:?}"
        );

        assert_eq!(client.vendor.stored().len(), left, "{policy:?}");
    }
}

#[tokio::test]
async fn a_deletion_needs_a_known_image_and_up_to_a_hundred_signs() {
    let client = PlainClient::start().await;
    client.add(&png(1), "1", "").await;
    let image = STANDARD.encode(png(1));

    assert_eq!(
        client
            .code("delete", &[("cont_sign", &vec!["4,4"; 101].join(";"))])
            .await,
        216_100
    );
    assert_eq!(
        client
            .code("delete", &[("cont_sign", &vec!["4,4"; 100].join(";"))])
            .await,
        216_680
    );
    assert_eq!(
        client
            .code("delete", &[("image", &image), ("cont_sign", "4,4")])
            .await,
        0
    );
    assert_eq!(client.code("delete", &[("image", &image)]).await, 216_680);
    assert_eq!(client.code("delete", &[]).await, 216_101);
}

#[tokio::test]
async fn an_image_can_be_given_by_its_url() {
    let client = PlainClient::start().await;
    client.vendor.publish("http://images.test/1.png", png(1));

    let near = [("url", "http://images.test/1.png"), ("brief", "far")];
    assert_eq!(client.code("add", &near).await, 0);

    assert_eq!(client.vendor.stored()[0].image, png(1));
    for (url, code) in [
        ("http://images.test/2.png".to_owned(), 282_113),
        ("ftp://images.test/1.png".to_owned(), 282_111),
        (format!("http://images.test/{}", "1".repeat(1024)), 282_114),
    ] {
        assert_eq!(
            client.code("add", &[("url", &url), ("brief", "far")]).await,
            code
        );
    }
}

#[tokio::test]
async fn an_invalid_add_is_rejected_with_the_code_of_its_error() {
    let client = PlainClient::start().await;
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
        assert_eq!(client.code("add", fields).await, code);
    }
    assert_eq!(client.vendor.stored().len(), 0);
}
