//! `samegate library copy` between libraries of running gateways: an embedded one, and one in a real
//! OpenSearch node.

use std::process::Stdio;

use bytes::Bytes;
use same_image::WholeImage;
use samegate::config::OpenSearch;
use samegate::library::opensearch::OpenSearchBackend;
use samegate::proto::v1;
use serde_json::Value;
use tokio::process::Child;

use crate::support::chance::Chance;
use crate::support::images::{jpeg, png, small_png};
use crate::support::opensearch::{library, shared};
use crate::support::process::{Process, samegate};
use crate::support::proxy::{Direction, Proxy};

const IMAGES: u64 = 12;

/// Starts a gateway with the embedded libraries `photos` and `again`, `posters` in OpenSearch, and
/// `vendor`.
async fn gateway() -> (Process, OpenSearch) {
    let posters = library(shared());
    OpenSearchBackend::create(&posters).await.unwrap();
    let gateway = Process::start(&config(&posters)).await.ready().await;
    (gateway, posters)
}

fn config(posters: &OpenSearch) -> String {
    format!(
        "[limits]\ndrain_timeout = \"1s\"\nlame_duck = \"0s\"\n\
         [libraries.photos]\nbackend = \"embedded\"\ndata_dir = \"./photos\"\n\
         [libraries.again]\nbackend = \"embedded\"\ndata_dir = \"./again\"\n\
         [libraries.small]\nbackend = \"embedded\"\ndata_dir = \"./small\"\ncapacity = 1\n\
         [libraries.posters]\nbackend = \"opensearch\"\nurls = [\"{}\"]\nindex = \"{}\"\n\
         [libraries.vendor]\nbackend = \"rest\"\nbase_url = \"http://127.0.0.1:1\"\n\
         credentials = [{{ api_key = \"k\", secret_key = \"s\" }}]\n\
         [tenants.local]\n\
         libraries = [\"photos\", \"again\", \"small\", \"posters\", \"vendor\"]\n\
         [auth]\nanonymous = true\n",
        posters.urls[0], posters.index
    )
}

async fn add(gateway: &Process, library: &str, seed: u64, image: Bytes, brief: &str) {
    let request = v1::AddImageRequest {
        library: library.to_owned(),
        source: Some(v1::add_image_request::Source::Content(image)),
        brief: brief.to_owned(),
        tags: vec![u32::try_from(seed % 7 + 1).unwrap()],
        ..Default::default()
    };
    gateway.client().await.add_image(request).await.unwrap();
}

/// Fills `photos`.
async fn fill(gateway: &Process) {
    for seed in 0..IMAGES {
        add(gateway, "photos", seed, png(seed), &seed.to_string()).await;
    }
}

fn address(gateway: &Process, library: &str) -> String {
    format!("http://{}/{library}", gateway.admin)
}

fn command(from: &str, to: &str, options: &[&str]) -> tokio::process::Command {
    let mut command = samegate();
    let copy = ["library", "copy", from, to, "--json"];
    command.args(copy).args(options);
    command
}

/// Runs the command; returns its status and what it prints.
async fn copy(gateway: &Process, from: &str, to: &str, options: &[&str]) -> (i32, Value) {
    let (from, to) = (address(gateway, from), address(gateway, to));
    let mut command = command(&from, &to, &["--page-images", "5"]);
    let output = command.args(options).output().await.unwrap();
    let object = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap(), object)
}

/// Returns everything that is stored of the images of a library.
async fn whole(gateway: &Process, library: &str) -> Vec<WholeImage> {
    let url = format!("http://{}/libraries/{library}/images", gateway.admin);
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("samegate-next"));
    let page = response.bytes().await.unwrap();
    same_image::read_page(&page).unwrap().1
}

/// Returns sign, score and brief of each match.
async fn matches(gateway: &Process, library: &str, image: Bytes) -> Vec<(String, f64, String)> {
    let request = v1::SearchImagesRequest {
        library: library.to_owned(),
        source: Some(v1::search_images_request::Source::Content(image)),
        ..Default::default()
    };
    let response = gateway.client().await.search_images(request).await.unwrap();
    let found = response.into_inner().matches.into_iter();
    found
        .map(|found| (found.cont_sign, found.score, found.brief))
        .collect()
}

#[tokio::test]
async fn a_copy_in_opensearch_and_back_has_everything_and_finds_the_same() {
    let (gateway, _) = gateway().await;
    fill(&gateway).await;

    let (status, there) = copy(&gateway, "photos", "posters", &[]).await;
    assert_eq!((status, &there["added"]), (0, &12.into()), "{there}");
    assert_eq!(
        (&there["compared"], &there["to_image_count"]),
        (&12.into(), &12.into())
    );
    let (status, back) = copy(&gateway, "posters", "again", &[]).await;
    assert_eq!((status, &back["added"]), (0, &12.into()), "{back}");
    let (status, repeated) = copy(&gateway, "photos", "posters", &[]).await;

    assert_eq!((status, &repeated["added"]), (0, &0.into()), "{repeated}");
    assert_eq!(repeated["unchanged"], 12);
    let photos = whole(&gateway, "photos").await;
    assert_eq!(photos.len(), 12);
    // The index has images of one millisecond in another order.
    let sorted = |mut images: Vec<WholeImage>| {
        images.sort_by_key(|image| (image.added_at_ms, image.sign.to_string()));
        images
    };
    assert!(sorted(whole(&gateway, "posters").await) == sorted(photos.clone()));
    assert!(sorted(whole(&gateway, "again").await) == sorted(photos));
    for seed in [0, 5, 11, 99] {
        let found = matches(&gateway, "photos", jpeg(seed)).await;
        assert_eq!(found.len(), usize::from(seed < IMAGES));
        assert_eq!(matches(&gateway, "posters", jpeg(seed)).await, found);
        assert_eq!(matches(&gateway, "again", jpeg(seed)).await, found);
    }
}

#[tokio::test]
async fn another_brief_is_kept_and_reported_or_replaced_in_both_backends() {
    let (gateway, _) = gateway().await;
    add(&gateway, "photos", 1, png(1), "new").await;
    for target in ["posters", "again"] {
        add(&gateway, target, 2, png(1), "old").await;

        let (status, kept) = copy(&gateway, "photos", target, &[]).await;
        assert_eq!((status, &kept["kept"]), (1, &1.into()), "{kept}");
        assert_eq!(whole(&gateway, target).await[0].brief, "old");

        let (status, replaced) = copy(&gateway, "photos", target, &["--replace"]).await;
        assert_eq!(
            (status, &replaced["replaced"]),
            (0, &1.into()),
            "{replaced}"
        );
        let image = whole(&gateway, target).await.remove(0);
        assert_eq!(
            (image.brief.as_str(), image.tags.as_slice()),
            ("new", &[2][..])
        );
        // The terms are still those of the image.
        assert_eq!(matches(&gateway, target, jpeg(1)).await.len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_copied_is_rejected_before_anything_is() {
    let (gateway, posters) = gateway().await;
    add(&gateway, "photos", 1, png(1), "1").await;
    add(&gateway, "photos", 2, png(2), "2").await;
    let rejected = async |from: &str, to: &str, options: &[&str], reason: &str| {
        let (status, object) = copy(&gateway, from, to, options).await;
        let message = object["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 1 && message.contains(reason), "{object}");
    };

    rejected("photos", "photos", &[], "the same library").await;
    rejected("photos", "nothing", &[], "no library `nothing`").await;
    rejected("vendor", "photos", &[], "the vendor's API cannot").await;
    rejected("photos", "vendor", &[], "the vendor's API cannot").await;
    rejected(
        "photos",
        "small",
        &[],
        "FROM has 2 images, and TO takes up to 1",
    )
    .await;
    rejected(
        "photos",
        "again",
        &["--after", "0.1"],
        "no `next_page_token`",
    )
    .await;
    let path = format!("{}-*", posters.index);
    assert_eq!(shared().request("DELETE", &path, None).await.0, 200);
    rejected("photos", "posters", &[], "samegate library init").await;

    assert_eq!(whole(&gateway, "again").await, []);
}

#[tokio::test]
async fn a_page_that_is_damaged_or_too_long_and_unknown_parameters_are_rejected() {
    let (gateway, _) = gateway().await;
    add(&gateway, "photos", 1, png(1), "1").await;
    let url = |parameters: &str| {
        format!(
            "http://{}/libraries/again/images{parameters}",
            gateway.admin
        )
    };
    let client = reqwest::Client::new();
    let page = reqwest::get(url("").replace("again", "photos"))
        .await
        .unwrap();
    let mut page = page.bytes().await.unwrap().to_vec();
    let last = page.len() - 1;
    page[last] ^= 1;

    for (parameters, body) in [
        ("", page),
        ("", b"no page".to_vec()),
        ("", vec![0; 17 << 20]),
        ("?replace=true&what=1", Vec::new()),
    ] {
        let response = client
            .post(url(parameters))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{}", response.text().await.unwrap());
    }
    for parameters in ["?limit=0", "?limit=257", "?sign=%20", "?size=1"] {
        let response = reqwest::get(url(parameters)).await.unwrap();
        assert_eq!(response.status(), 400, "{parameters}");
    }
    assert_eq!(whole(&gateway, "again").await, []);
}

#[tokio::test]
async fn kills_of_gateway_connection_and_command_lose_no_image_of_a_copy() {
    let (source, posters) = gateway().await;
    for seed in 0..60 {
        add(&source, "photos", seed, small_png(seed), &seed.to_string()).await;
    }
    let mut target = Process::start(&config(&posters)).await.ready().await;
    let proxy = Proxy::start(target.admin).await;
    for library in ["again", "posters"] {
        let mut chance = Chance::new(7);
        let from = address(&source, "photos");
        let to = format!("http://{}/{library}", proxy.address);
        let start = || -> Child {
            let mut command = command(&from, &to, &["--page-images", "2"]);
            command
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap()
        };
        let mut running = start();
        for kill in 0..6 {
            // 2 images have some 20 kB.
            proxy.stop_after(Direction::ToServer, chance.below(200_000) + 1);
            tokio::select! {
                _ = running.wait() => break,
                () = proxy.stopped() => {}
            }
            match kill % 3 {
                0 => {
                    target.kill().await;
                    target.restart().await;
                    target = target.ready().await;
                    proxy.set_target(target.admin);
                }
                1 => {
                    running.kill().await.unwrap();
                    running = start();
                }
                _ => {}
            }
            proxy.disconnect();
        }
        proxy.open();
        proxy.disconnect();

        let output = running.wait_with_output().await.unwrap();

        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{library}: {printed}");
        let copied = whole(&target, library).await;
        assert_eq!(copied.len(), 60);
        let images = whole(&source, "photos").await;
        assert!(
            images.iter().all(|image| copied.contains(image)),
            "{library}"
        );
    }
}
