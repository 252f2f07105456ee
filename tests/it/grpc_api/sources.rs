//! The kinds of query images: a file, a URL, or the sign of a stored image.

use samegate::proto::v1;
use samegate::proto::v1::compared_image::Source;
use tonic::Code;

use super::{add, reason, search, search_stored};
use crate::support::gateway::Gateway;
use crate::support::images::{jpeg, png, variant};

#[tokio::test]
async fn the_sign_of_a_stored_image_finds_the_others_that_are_the_same() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let mut signs = Vec::new();
    for image in [png(1), jpeg(1), png(2)] {
        let added = client.add_image(add(image)).await.unwrap();
        signs.push(added.into_inner().cont_sign);
    }

    let found = client.search_images(search_stored(&signs[0])).await;
    let found = found.unwrap().into_inner();
    let alone = client.search_images(search_stored(&signs[2])).await;

    assert_eq!(found.matches.len(), 1);
    assert_eq!(found.matches[0].cont_sign, signs[1]);
    assert!(!found.has_more);
    assert!(alone.unwrap().into_inner().matches.is_empty());
}

#[tokio::test]
async fn the_pages_of_a_search_by_sign_do_not_count_the_image_itself() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let mut signs = Vec::new();
    for number in 0..3 {
        let added = client.add_image(add(variant(1, number))).await.unwrap();
        signs.push(added.into_inner().cont_sign);
    }

    for (offset, has_more) in [(0, true), (1, false)] {
        let mut request = search_stored(&signs[0]);
        (request.offset, request.limit) = (offset, 1);
        let page = client.search_images(request).await.unwrap().into_inner();
        assert_eq!(page.matches[0].cont_sign, signs[offset as usize + 1]);
        assert_eq!(page.has_more, has_more, "at {offset}");
    }
}

#[tokio::test]
async fn a_sign_that_names_no_image_is_not_found() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    for (sign, code) in [
        ("4,4", Code::NotFound),
        ("no sign", Code::NotFound),
        ("", Code::InvalidArgument),
    ] {
        let rejected = client.search_images(search_stored(sign)).await.unwrap_err();
        assert_eq!(rejected.code(), code, "{sign}");
    }
    let mut nothing = search(png(1));
    nothing.source = None;
    let rejected = client.search_images(nothing).await.unwrap_err();
    assert_eq!(reason(&rejected), "MISSING_PARAMETER");
    assert!(rejected.message().contains("`source`"), "{rejected}");
}

fn compared(source: Source) -> Option<v1::ComparedImage> {
    Some(v1::ComparedImage {
        source: Some(source),
    })
}

#[tokio::test]
async fn two_images_are_compared_by_content_or_sign_and_not_stored() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let added = client.add_image(add(png(1))).await.unwrap();
    let sign = added.into_inner().cont_sign;
    let (copy, other) = (Source::Content(jpeg(1)), Source::Content(png(2)));
    let stored = Source::ContSign(sign);

    let mut scores = Vec::new();
    for (first, second) in [
        (&copy, &stored),
        (&stored, &copy),
        (&copy, &copy),
        (&other, &stored),
    ] {
        let request = v1::CompareImagesRequest {
            first: compared(first.clone()),
            second: compared(second.clone()),
            ..Default::default()
        };
        let found = client.compare_images(request).await.unwrap().into_inner();
        scores.push((found.score, found.hash_distance.unwrap() <= 31));
    }

    assert!(scores[0].0 > 0.75 && scores[0].1, "{scores:?}");
    assert!(scores[1].0 > 0.75 && scores[1].1, "{scores:?}");
    assert_eq!(scores[2..], [(1.0, true), (0.0, false)]);
    let library = client.get_library(v1::GetLibraryRequest::default()).await;
    assert_eq!(library.unwrap().into_inner().image_count, 1);
}

#[tokio::test]
async fn both_images_of_a_comparison_are_required_and_a_sign_must_be_stored() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let unknown = || compared(Source::ContSign("4,4".to_owned()));
    let request = |first, second| v1::CompareImagesRequest {
        first,
        second,
        ..Default::default()
    };

    let nothing = client.compare_images(request(None, unknown())).await;
    let content = || compared(Source::Content(png(1)));
    let first = client.compare_images(request(unknown(), content())).await;
    let second = client.compare_images(request(content(), unknown())).await;

    let nothing = nothing.unwrap_err();
    assert!(nothing.message().contains("`first.source`"), "{nothing}");
    assert_eq!(first.unwrap_err().code(), Code::NotFound);
    assert_eq!(second.unwrap_err().code(), Code::NotFound);
}
