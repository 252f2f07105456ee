//! `samegate library copy` between libraries of running gateways: an embedded one, and one in a real
//! OpenSearch node.

use std::process::Stdio;

use bytes::Bytes;
use same_image::{LibraryId, WholeImage, read_images, write_images};
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

/// Starts a gateway with the embedded libraries `photos`, `again` and `small`, `posters` in OpenSearch,
/// and `vendor`. The last ones but `vendor` take `capacity` images.
async fn gateway(capacity: u64) -> (Process, OpenSearch) {
    let posters = OpenSearch {
        capacity,
        ..library(shared())
    };
    OpenSearchBackend::create(&posters).await.unwrap();
    let gateway = Process::start(&config(&posters)).await.ready().await;
    (gateway, posters)
}

fn config(posters: &OpenSearch) -> String {
    format!(
        "[limits]\ndrain_timeout = \"1s\"\nlame_duck = \"0s\"\n\
         [libraries.photos]\nbackend = \"embedded\"\ndata_dir = \"./photos\"\n\
         [libraries.again]\nbackend = \"embedded\"\ndata_dir = \"./again\"\n\
         [libraries.small]\nbackend = \"embedded\"\ndata_dir = \"./small\"\ncapacity = {2}\n\
         [libraries.posters]\nbackend = \"opensearch\"\nurls = [\"{0}\"]\nindex = \"{1}\"\n\
         capacity = {2}\n\
         [libraries.vendor]\nbackend = \"rest\"\nbase_url = \"http://127.0.0.1:1\"\n\
         credentials = [{{ api_key = \"k\", secret_key = \"s\" }}]\n\
         [tenants.local]\n\
         libraries = [\"photos\", \"again\", \"small\", \"posters\", \"vendor\"]\n\
         [auth]\nanonymous = true\n",
        posters.urls[0], posters.index, posters.capacity
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

async fn delete(gateway: &Process, library: &str, sign: String) {
    let request = v1::DeleteImagesRequest {
        library: library.to_owned(),
        target: Some(v1::delete_images_request::Target::ContSigns(
            v1::ContSignList { values: vec![sign] },
        )),
        ..Default::default()
    };
    let mut client = gateway.client().await;
    client.delete_images(request).await.unwrap();
}

async fn update(gateway: &Process, library: &str, sign: String, brief: &str) {
    let request = v1::UpdateImageRequest {
        library: library.to_owned(),
        target: Some(v1::update_image_request::Target::ContSign(sign)),
        brief: Some(brief.to_owned()),
        ..Default::default()
    };
    let mut client = gateway.client().await;
    client.update_image(request).await.unwrap();
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
    assert_eq!(response.headers()["samegate-next"], "end");
    let page = response.bytes().await.unwrap();
    read_images(&page, 256).unwrap().1
}

/// Sorts images: an index has those of one millisecond in another order.
fn sorted(mut images: Vec<WholeImage>) -> Vec<WholeImage> {
    images.sort_by_key(|image| (image.added_at_ms, image.sign.to_string()));
    images
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
    let (gateway, _) = gateway(IMAGES).await;
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
    let (status, embedded) = copy(&gateway, "photos", "small", &[]).await;
    assert_eq!((status, &embedded["added"]), (0, &12.into()), "{embedded}");
    let mut photos = whole(&gateway, "photos").await;
    assert_eq!(photos.len(), 12);
    assert!(photos.iter().all(|image| !image.preview.is_empty()));
    assert!(whole(&gateway, "small").await == photos);
    // An index stores no previews.
    for image in &mut photos {
        image.preview.clear();
    }
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
    let (gateway, _) = gateway(IMAGES).await;
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
async fn a_library_that_is_full_takes_the_same_images_again_and_briefs_and_the_rest_once_there_is_room()
 {
    let (gateway, _) = gateway(IMAGES).await;
    fill(&gateway).await;
    for target in ["posters", "small"] {
        add(&gateway, target, 50, png(50), "other").await;
        let other = whole(&gateway, target).await.remove(0).sign.to_string();

        let (status, full) = copy(&gateway, "photos", target, &[]).await;

        let error = &full["error"];
        let message = error["message"].as_str().unwrap();
        assert!(status == 1 && message.contains("12 images"), "{full}");
        // The second page ends at it.
        let position = error["metadata"]["position"].as_str().unwrap();
        delete(&gateway, target, other).await;
        let (status, rest) = copy(&gateway, "photos", target, &["--after", position]).await;
        assert_eq!(
            (status, &rest["added"], &rest["unchanged"]),
            (0, &1.into(), &1.into()),
            "{rest}"
        );

        let changed = whole(&gateway, target).await.remove(0).sign.to_string();
        update(&gateway, target, changed, "changed").await;
        let (status, again) = copy(&gateway, "photos", target, &["--replace"]).await;
        assert_eq!(
            (status, &again["replaced"], &again["unchanged"]),
            (0, &1.into(), &11.into()),
            "{again}"
        );
    }
}

#[tokio::test]
async fn a_page_ends_at_8_mib_and_the_next_one_continues_behind_it() {
    let (gateway, _) = gateway(IMAGES).await;
    fill(&gateway).await;
    let mut images = whole(&gateway, "photos").await;
    for image in &mut images {
        image.image.thumbnail = vec![7; 1_000_000];
        image.preview.clear();
    }
    let library = LibraryId::parse("0000000000000001").unwrap();
    let page = Bytes::from(write_images(library, images.clone()).unwrap());
    for target in ["posters", "small"] {
        let url = format!("http://{}/libraries/{target}/images", gateway.admin);
        let request = reqwest::Client::new().post(&url).body(page.clone());
        assert_eq!(request.send().await.unwrap().status(), 200);

        let first = reqwest::get(&url).await.unwrap();
        let after = first.headers()["samegate-next"].to_str().unwrap();
        let second = reqwest::get(format!("{url}?after={after}")).await.unwrap();

        assert_eq!(second.headers()["samegate-next"], "end");
        let (_, mut read) = read_images(&first.bytes().await.unwrap(), 256).unwrap();
        assert_eq!(read.len(), 9, "{target}");
        let (_, rest) = read_images(&second.bytes().await.unwrap(), 256).unwrap();
        read.extend(rest);
        assert!(sorted(read) == sorted(images.clone()), "{target}");
    }
}

#[tokio::test]
async fn what_cannot_be_copied_is_rejected_before_anything_is() {
    let (gateway, posters) = gateway(1).await;
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
    let (gateway, _) = gateway(IMAGES).await;
    add(&gateway, "photos", 1, png(1), "1").await;
    let url = |parameters: &str| {
        format!(
            "http://{}/libraries/again/images{parameters}",
            gateway.admin
        )
    };
    // The gateway closes the connection of a page that is too long.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0);
    let client = client.build().unwrap();
    let page = reqwest::get(url("").replace("again", "photos"))
        .await
        .unwrap();
    let mut page = page.bytes().await.unwrap().to_vec();
    let (library, images) = read_images(&page, 1).unwrap();
    let too_many = write_images(library, vec![images[0].clone(); 257]).unwrap();
    let last = page.len() - 1;
    page[last] ^= 1;

    for (parameters, body, reason) in [
        ("", page, "damaged"),
        ("", b"no page".to_vec(), "not a backup"),
        ("", too_many, "257 images; max 256"),
        ("", vec![0; 17 << 20], "more than 16777216 bytes"),
        ("?replace=true&what=1", Vec::new(), "what"),
    ] {
        let response = client
            .post(url(parameters))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{reason}");
        let message = response.text().await.unwrap();
        assert!(message.contains(reason), "{message}");
    }
    for parameters in ["?limit=0", "?limit=257", "?sign=%20", "?size=1"] {
        let response = reqwest::get(url(parameters)).await.unwrap();
        assert_eq!(response.status(), 400, "{parameters}");
    }
    assert_eq!(whole(&gateway, "again").await, []);
}

#[tokio::test]
async fn images_that_change_in_both_libraries_during_a_copy_are_no_failure() {
    let (gateway, _) = gateway(60).await;
    for seed in 0..60 {
        add(&gateway, "photos", seed, small_png(seed), "old").await;
    }
    let proxy = Proxy::start(gateway.admin).await;
    for target in ["again", "posters"] {
        // 2 images have some 20 kB.
        proxy.stop_after(Direction::ToServer, 100_000);
        let to = format!("http://{}/{target}", proxy.address);
        let mut command = command(&address(&gateway, "photos"), &to, &["--page-images", "2"]);
        let running = command.stdout(Stdio::piped()).spawn().unwrap();
        proxy.stopped().await;
        let copied = whole(&gateway, target).await;
        let [deleted, changed] = [0, 1].map(|at| copied[at].sign.to_string());
        for library in ["photos", target] {
            delete(&gateway, library, deleted.clone()).await;
            update(&gateway, library, changed.clone(), target).await;
        }
        proxy.open();

        let output = running.wait_with_output().await.unwrap();

        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{printed}");
        let [from, to] = ["from_image_count", "to_image_count"].map(|name| &printed[name]);
        assert_eq!(from, to);
        assert_eq!(printed["compared"], printed["added"]);
    }
}

#[tokio::test]
async fn kills_of_gateway_connection_and_command_lose_no_image_of_a_copy() {
    let (source, posters) = gateway(60).await;
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
