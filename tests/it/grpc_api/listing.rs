//! Listings with order, filter and thumbnails; tags; libraries; deletion by a filter.

use samegate::proto::v1;
use samegate::proto::v1::delete_images_request::Target;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::{add, reason};
use crate::support::gateway::Gateway;
use crate::support::images::small_png;
use crate::support::vendor::Vendor;

type Client = SameImageServiceClient<Channel>;

/// A gateway with five images `Poster 0` to `Poster 4`, of which the even ones have tag 2.
async fn five() -> (Gateway, Client) {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    for seed in 0..5_u32 {
        let request = v1::AddImageRequest {
            brief: format!("Poster {seed}"),
            tags: if seed % 2 == 0 { vec![2, 9] } else { vec![9] },
            ..add(small_png(seed.into()))
        };
        client.add_image(request).await.unwrap();
    }
    (gateway, client)
}

fn tagged(tag: u32) -> v1::ImageFilter {
    v1::ImageFilter {
        tags: vec![tag],
        ..Default::default()
    }
}

fn newest(filter: v1::ImageFilter) -> v1::ListImagesRequest {
    v1::ListImagesRequest {
        page_size: 2,
        filter: Some(filter),
        order: v1::ListOrder::NewestFirst.into(),
        ..Default::default()
    }
}

fn deletion(filter: v1::ImageFilter) -> v1::DeleteImagesRequest {
    v1::DeleteImagesRequest {
        target: Some(Target::Filter(filter)),
        ..Default::default()
    }
}

/// Lists page by page; returns the briefs of all pages and their totals.
async fn listed(
    client: &mut Client,
    mut request: v1::ListImagesRequest,
) -> (Vec<String>, Vec<Option<u64>>) {
    let (mut briefs, mut totals) = (Vec::new(), Vec::new());
    loop {
        let page = client.list_images(request.clone()).await.unwrap();
        let page = page.into_inner();
        briefs.extend(page.images.into_iter().map(|image| image.brief));
        totals.push(page.total);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return (briefs, totals);
        }
    }
}

#[tokio::test]
async fn a_listing_has_order_filter_and_total() {
    let (_gateway, mut client) = five().await;

    let by_tag = listed(&mut client, newest(tagged(2))).await;
    let by_brief = v1::ImageFilter {
        brief_contains: "POSTER".to_owned(),
        ..tagged(9)
    };
    let by_brief = listed(&mut client, newest(by_brief)).await;

    let even = ["Poster 4", "Poster 2", "Poster 0"].map(str::to_owned);
    assert_eq!(by_tag, (even.to_vec(), vec![Some(3); 2]));
    assert_eq!((by_brief.0.len(), by_brief.1[0]), (5, None));
}

#[tokio::test]
async fn the_times_of_a_listing_are_those_of_its_records() {
    let (_gateway, mut client) = five().await;
    let all = v1::ListImagesRequest::default();
    let images = client.list_images(all).await.unwrap().into_inner().images;

    let since = v1::ImageFilter {
        added_since: images[4].add_time,
        ..Default::default()
    };
    let before = v1::ImageFilter {
        added_before: images[4].add_time,
        ..Default::default()
    };
    let (late, _) = listed(&mut client, newest(since)).await;
    let (early, _) = listed(&mut client, newest(before)).await;

    assert_eq!(late[0], "Poster 4");
    assert!(!early.contains(&"Poster 4".to_owned()), "{early:?}");
    assert_eq!(late.len() + early.len(), 5);
}

#[tokio::test]
async fn records_have_thumbnails_on_request() {
    let (_gateway, mut client) = five().await;

    for thumbnails in [false, true] {
        let request = v1::ListImagesRequest {
            thumbnails,
            ..Default::default()
        };
        let page = client.list_images(request).await.unwrap().into_inner();
        for image in page.images {
            assert_eq!(image.thumbnail_jpeg.starts_with(b"\xff\xd8"), thumbnails);
        }
    }
}

/// A gateway with the libraries `one`, the default, and `two`: in both, three images with tag 2.
async fn two_libraries() -> (Gateway, Client) {
    let folder = tempfile::tempdir().unwrap();
    let library = |name: &str| {
        let data = folder.path().join(name);
        format!("[libraries.{name}]\nbackend = \"embedded\"\ndata_dir = {data:?}\n")
    };
    let config = library("one") + &library("two");
    let config = config + "[tenants.me]\nlibraries = [\"one\", \"two\"]\n";
    let gateway = Gateway::in_folder(folder, &config).await;
    let mut client = gateway.client().await;
    for library in ["one", "two"] {
        for seed in 0..3 {
            let request = v1::AddImageRequest {
                library: library.to_owned(),
                tags: vec![2],
                ..add(small_png(seed))
            };
            client.add_image(request).await.unwrap();
        }
    }
    (gateway, client)
}

#[tokio::test]
async fn a_page_token_is_valid_only_in_its_library_with_its_filter_and_order() {
    let (_gateway, mut client) = two_libraries().await;
    let request = v1::ListImagesRequest {
        page_size: 1,
        ..newest(tagged(2))
    };
    let page = client.list_images(request.clone()).await.unwrap();
    let page_token = page.into_inner().next_page_token;
    let valid = v1::ListImagesRequest {
        page_token: page_token.clone(),
        page_size: 2,
        thumbnails: true,
        ..request
    };

    client.list_images(valid.clone()).await.unwrap();
    let library = "two".to_owned();
    let order = v1::ListOrder::OldestFirst.into();
    let since = v1::ImageFilter {
        added_since: Some(prost_types::Timestamp::default()),
        ..tagged(3)
    };
    let number = page_token.split('.').next().unwrap().to_owned();
    for invalid in [
        v1::ListImagesRequest {
            library,
            ..valid.clone()
        },
        v1::ListImagesRequest {
            order,
            ..valid.clone()
        },
        v1::ListImagesRequest {
            filter: None,
            ..valid.clone()
        },
        v1::ListImagesRequest {
            filter: Some(since),
            ..valid.clone()
        },
        v1::ListImagesRequest {
            page_token: number,
            ..valid.clone()
        },
        v1::ListImagesRequest {
            page_token: format!("{page_token}0"),
            ..valid
        },
    ] {
        let rejected = client.list_images(invalid).await.unwrap_err();
        let details = rejected.get_details_bad_request().unwrap();
        assert_eq!(rejected.code(), Code::InvalidArgument);
        assert_eq!(details.field_violations[0].field, "page_token");
    }
}

#[tokio::test]
async fn a_filter_reports_each_invalid_condition() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let time = prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    };
    let filter = v1::ImageFilter {
        tags: vec![1, 2, 3],
        brief_contains: "x".repeat(257),
        added_since: Some(time),
        ..Default::default()
    };

    let rejected = client.list_images(newest(filter)).await.unwrap_err();

    let details = rejected.get_details_bad_request().unwrap();
    let fields = details.field_violations.iter().map(|found| &*found.field);
    assert_eq!(
        fields.collect::<Vec<_>>(),
        ["filter.tags", "filter.added_since", "filter.brief_contains"]
    );
}

#[tokio::test]
async fn tags_are_listed_with_the_number_of_their_images() {
    let (_gateway, mut client) = five().await;

    let request = v1::ListTagsRequest::default();
    let tags = client.list_tags(request).await.unwrap().into_inner().tags;

    let tags: Vec<_> = tags.iter().map(|tag| (tag.tag, tag.image_count)).collect();
    assert_eq!(tags, [(2, 3), (9, 5)]);
}

#[tokio::test]
async fn a_caller_lists_its_libraries_of_every_backend_and_what_they_can_do() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::start().await;
    let config = format!(
        "[libraries.mine]\nbackend = \"embedded\"\ndata_dir = {:?}\ncapacity = 7\nmax_side = 8192\n\
         [libraries.other]\nbackend = \"embedded\"\ndata_dir = {:?}\n\
         [libraries.vendor]\nbackend = \"rest\"\nbase_url = \"{}\"\n\
         credentials = [{{ api_key = \"key\", secret_key = \"secret\" }}]\n\
         [tenants.me]\nlibraries = [\"vendor\", \"mine\"]\n",
        folder.path().join("mine"),
        folder.path().join("other"),
        vendor.url(),
    );
    let gateway = Gateway::in_folder(folder, &config).await;
    let mut client = gateway.client().await;

    let request = v1::ListLibrariesRequest {};
    let listed = client.list_libraries(request).await.unwrap().into_inner();

    let [vendor, mine] = &listed.libraries[..] else {
        panic!("{listed:?}");
    };
    assert_eq!((&*vendor.library, &*vendor.backend), ("vendor", "rest"));
    assert_eq!((vendor.image_count, &*vendor.id), (None, ""));
    assert_eq!((vendor.max_image_bytes, vendor.max_side), (3_145_728, 4096));
    assert!(vendor.capabilities.is_empty(), "{vendor:?}");
    assert_eq!((&*mine.library, &*mine.backend), ("mine", "embedded"));
    assert_eq!((mine.image_count, mine.image_capacity), (Some(0), Some(7)));
    assert!(mine.size_bytes.is_some_and(|bytes| bytes > 0));
    assert_eq!((mine.id.len(), mine.max_side), (16, 8192));
    let can: Vec<_> = mine.capabilities().collect();
    assert!(can.contains(&v1::Capability::List), "{can:?}");
    assert!(can.contains(&v1::Capability::Preview), "{can:?}");
}

#[tokio::test]
async fn a_dry_run_counts_and_shows_the_first_signs() {
    let (_gateway, mut client) = five().await;

    let request = v1::DeleteImagesRequest {
        dry_run: true,
        ..deletion(tagged(2))
    };
    let dry = client.delete_images(request).await.unwrap().into_inner();

    let all = v1::ListImagesRequest::default();
    let images = client.list_images(all).await.unwrap().into_inner().images;
    let signs = [0, 2, 4].map(|seed: usize| images[seed].cont_sign.clone());
    assert_eq!((dry.matched_count, dry.deleted_count), (3, 0));
    assert_eq!(dry.matched_cont_signs, signs);
    assert_eq!(images.len(), 5);
}

#[tokio::test]
async fn another_number_of_images_than_expected_deletes_nothing() {
    let (_gateway, mut client) = five().await;

    for dry_run in [false, true] {
        let request = v1::DeleteImagesRequest {
            expected_count: Some(4),
            dry_run,
            ..deletion(tagged(2))
        };
        let rejected = client.delete_images(request).await.unwrap_err();

        assert_eq!(rejected.code(), Code::FailedPrecondition);
        assert_eq!(reason(&rejected), "COUNT_MISMATCH");
        let message = rejected.message();
        assert!(message.contains('3') && message.contains('4'), "{message}");
    }
    let library = v1::GetLibraryRequest::default();
    let library = client.get_library(library).await.unwrap().into_inner();
    assert_eq!(library.image_count, 5);
}

#[tokio::test]
async fn the_images_of_a_filter_are_deleted_and_no_other() {
    let (_gateway, mut client) = five().await;
    let by_brief = v1::ImageFilter {
        brief_contains: "poster 3".to_owned(),
        ..Default::default()
    };

    let request = v1::DeleteImagesRequest {
        expected_count: Some(3),
        ..deletion(tagged(2))
    };
    let by_tag = client.delete_images(request).await.unwrap().into_inner();
    let by_brief = client.delete_images(deletion(by_brief)).await.unwrap();
    let by_brief = by_brief.into_inner();
    let nothing = client.delete_images(deletion(tagged(2))).await.unwrap();

    assert_eq!((by_tag.matched_count, by_tag.deleted_count), (3, 3));
    assert_eq!((by_brief.matched_count, by_brief.deleted_count), (1, 1));
    assert_eq!(nothing.into_inner().matched_count, 0);
    let all = v1::ListImagesRequest::default();
    assert_eq!(listed(&mut client, all).await.0, ["Poster 1"]);
}

#[tokio::test]
async fn everything_is_deleted_only_with_its_number() {
    let (_gateway, mut client) = five().await;
    let everything = deletion(v1::ImageFilter::default());

    let rejected = client.delete_images(everything.clone()).await.unwrap_err();
    let request = v1::DeleteImagesRequest {
        expected_count: Some(5),
        ..everything
    };
    let deleted = client.delete_images(request).await.unwrap().into_inner();

    let details = rejected.get_details_bad_request().unwrap();
    assert_eq!(details.field_violations[0].field, "expected_count");
    assert_eq!(deleted.deleted_count, 5);
}

#[tokio::test]
async fn a_dry_run_of_a_deletion_by_sign_is_rejected_and_deletes_nothing() {
    let (_gateway, mut client) = five().await;
    let all = v1::ListImagesRequest::default();
    let images = client.list_images(all.clone()).await.unwrap();
    let values = vec![images.into_inner().images[0].cont_sign.clone()];

    let request = v1::DeleteImagesRequest {
        target: Some(Target::ContSigns(v1::ContSignList { values })),
        expected_count: Some(1),
        dry_run: true,
        ..Default::default()
    };
    let rejected = client.delete_images(request).await.unwrap_err();

    let details = rejected.get_details_bad_request().unwrap();
    let fields = details.field_violations.iter().map(|found| &*found.field);
    assert_eq!(fields.collect::<Vec<_>>(), ["expected_count", "dry_run"]);
    assert_eq!(listed(&mut client, all).await.0.len(), 5);
}
