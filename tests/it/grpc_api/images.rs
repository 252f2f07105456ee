//! Images are added, found, updated, listed and deleted.

use image::ImageFormat;
use samegate::proto::v1;
use samegate::proto::v1::add_image_request::Source;
use tonic::Code;
use tonic_types::StatusExt;

use super::{add, reason, search};
use crate::support::gateway::Gateway;
use crate::support::images::{file, jpeg, png};

#[tokio::test]
async fn an_image_is_added_found_and_read() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    let request = v1::AddImageRequest {
        brief: "poster".to_owned(),
        tags: vec![7],
        ..add(png(1))
    };
    let sign = client
        .add_image(request)
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let found = client
        .search_images(search(jpeg(1)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.matches[0].cont_sign, sign);
    assert_eq!(found.matches[0].tags, [7]);

    let image = v1::GetImageRequest {
        cont_sign: sign.clone(),
        ..Default::default()
    };
    let image = client
        .get_image(image)
        .await
        .unwrap()
        .into_inner()
        .image
        .unwrap();
    assert_eq!((image.width, image.height), (320, 240));
    assert!(image.thumbnail_jpeg.starts_with(b"\xff\xd8\xff"), "a JPEG");
}

#[tokio::test]
async fn a_preview_is_returned_on_request_where_one_is_stored() {
    for (setting, expected) in [("", Some((320, 240))), ("preview_side = 0", None)] {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[libraries.default]\nbackend = \"embedded\"\ndata_dir = {:?}\n{setting}\n",
            folder.path().join("data")
        );
        let gateway = Gateway::in_folder(folder, &config).await;
        let mut client = gateway.client().await;
        let added = client.add_image(add(png(1))).await.unwrap().into_inner();
        let get = |preview| v1::GetImageRequest {
            cont_sign: added.cont_sign.clone(),
            preview,
            ..Default::default()
        };

        let with = client.get_image(get(true)).await.unwrap().into_inner();
        let without = client.get_image(get(false)).await.unwrap().into_inner();
        let list = v1::ListImagesRequest {
            thumbnails: true,
            ..Default::default()
        };
        let listed = client.list_images(list).await.unwrap().into_inner();

        let with = with.image.unwrap();
        let shown = image::load_from_memory(&with.preview_jpeg).ok();
        let sides = shown.map(|shown| (shown.width(), shown.height()));
        assert_eq!(sides, expected, "{setting}");
        assert!(!with.thumbnail_jpeg.is_empty());
        assert!(without.image.unwrap().preview_jpeg.is_empty());
        assert!(listed.images[0].preview_jpeg.is_empty());
    }
}

#[tokio::test]
async fn a_copy_is_a_match_in_every_profile_and_says_how_well_it_agrees() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    client.add_image(add(png(1))).await.unwrap();

    for profile in [
        v1::Profile::Unspecified,
        v1::Profile::Loose,
        v1::Profile::Balanced,
        v1::Profile::Strict,
    ] {
        let request = v1::SearchImagesRequest {
            profile: profile.into(),
            ..search(jpeg(1))
        };
        let found = client.search_images(request).await.unwrap().into_inner();
        let [hit] = &found.matches[..] else {
            panic!("{profile:?}: {found:?}");
        };
        assert!(hit.agreement.unwrap() > 0.9, "{profile:?}: {hit:?}");
        assert!(hit.coverage.unwrap() > 0.9, "{profile:?}: {hit:?}");
    }
}

#[tokio::test]
async fn an_embedded_library_accepts_gif_webp_and_tiff() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let formats = [ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Tiff];

    for (seed, format) in (1..).zip(formats) {
        let added = client.add_image(add(file(seed, format))).await.unwrap();
        let sign = added.into_inner().cont_sign;

        let found = client.search_images(search(jpeg(seed))).await.unwrap();
        assert_eq!(found.into_inner().matches[0].cont_sign, sign, "{format:?}");
    }
}

#[tokio::test]
async fn an_image_is_updated_and_deleted_by_its_sign() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let added = client.add_image(add(png(1))).await.unwrap();
    let sign = added.into_inner().cont_sign;

    let target = Some(v1::update_image_request::Target::ContSign(sign.clone()));
    let update = v1::UpdateImageRequest {
        target,
        brief: Some("new".to_owned()),
        ..Default::default()
    };
    client.update_image(update).await.unwrap();
    let listed = client
        .list_images(v1::ListImagesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.images[0].brief, "new");

    let signs = v1::ContSignList { values: vec![sign] };
    let target = Some(v1::delete_images_request::Target::ContSigns(signs));
    let deleted = client
        .delete_images(v1::DeleteImagesRequest {
            target,
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(
        deleted.into_inner().results[0]
            .status
            .as_ref()
            .unwrap()
            .code,
        0
    );
    let library = client
        .get_library(v1::GetLibraryRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (library.library.as_str(), library.image_count),
        ("default", 0)
    );
    assert!(u64::from_str_radix(&library.id, 16).is_ok_and(|id| id != 0));
    assert_eq!(library.id.len(), 16);
}

#[tokio::test]
async fn a_listing_returns_pages_oldest_image_first() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    for seed in 0..5 {
        let request = v1::AddImageRequest {
            brief: seed.to_string(),
            ..add(png(seed))
        };
        client.add_image(request).await.unwrap();
    }

    let (mut briefs, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListImagesRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = client.list_images(request).await.unwrap().into_inner();
        briefs.extend(page.images.into_iter().map(|image| image.brief));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }

    assert_eq!(briefs, ["0", "1", "2", "3", "4"]);
    let request = v1::ListImagesRequest {
        page_token: "nonsense".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        client.list_images(request).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_duplicate_is_rejected_with_its_sign_or_accepted_on_request() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let sign = client
        .add_image(add(png(1)))
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let rejected = client.add_image(add(png(1))).await.unwrap_err();
    assert_eq!(rejected.code(), Code::AlreadyExists);
    assert_eq!(
        rejected.get_details_error_info().unwrap().metadata["cont_sign"],
        sign
    );

    let accepted = client
        .add_image(v1::AddImageRequest {
            on_duplicate: v1::OnDuplicate::Accept.into(),
            ..add(png(1))
        })
        .await
        .unwrap();
    let accepted = accepted.into_inner();
    assert_eq!((accepted.cont_sign, accepted.existed), (sign, true));
}

#[tokio::test]
async fn each_sign_of_a_deletion_has_its_own_outcome() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let sign = client
        .add_image(add(png(1)))
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let values = ["4,4".to_owned(), sign, "no sign".to_owned()].to_vec();
    let target = Some(v1::delete_images_request::Target::ContSigns(
        v1::ContSignList { values },
    ));
    let request = v1::DeleteImagesRequest {
        target,
        ..Default::default()
    };
    let results = client
        .delete_images(request)
        .await
        .unwrap()
        .into_inner()
        .results;

    let codes: Vec<_> = results
        .into_iter()
        .map(|result| result.status.unwrap().code)
        .collect();
    assert_eq!(codes, [Code::NotFound as i32, 0, Code::NotFound as i32]);
}

#[tokio::test]
async fn an_image_is_not_fetched_from_a_url_inside_the_network() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    for url in [
        format!("{}/a.png", gateway.rest_url()),
        "http://localhost/a.png".to_owned(),
    ] {
        let source = Some(Source::Url(url));
        let rejected = client
            .add_image(v1::AddImageRequest {
                source,
                ..Default::default()
            })
            .await
            .unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::FailedPrecondition, "URL_UNREACHABLE")
        );
    }
}

#[tokio::test]
async fn images_are_kept_over_a_restart() {
    let gateway = Gateway::start().await;
    let sign = gateway
        .client()
        .await
        .add_image(add(png(1)))
        .await
        .unwrap()
        .into_inner()
        .cont_sign;

    let gateway = Gateway::in_folder(gateway.stop().await, "").await;

    let found = gateway
        .client()
        .await
        .search_images(search(png(1)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.matches[0].cont_sign, sign);
}
