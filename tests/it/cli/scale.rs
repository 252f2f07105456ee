//! Images that are larger than a library takes, from the command line to the library.

use std::path::PathBuf;

use samegate::cli::Exit;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Finished, path, run, samegate};
use crate::support::gateway::Gateway;
use crate::support::grpc_double::Double;
use crate::support::images::{jpeg, photo};

/// Writes an image into a folder and returns its path.
fn file(folder: &tempfile::TempDir, name: &str, content: &[u8]) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn at(gateway: &Gateway, args: &[&str]) -> Finished {
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let args = [args, &["--endpoint", &endpoint]].concat();
    run(&args, CancellationToken::new()).await
}

/// Returns the stored images: width, height and size of the file.
async fn stored(gateway: &Gateway) -> Vec<[u64; 3]> {
    let listed = at(gateway, &["list", "--json"]).await.json_lines();
    let number = |image: &Value, key: &str| image[key].as_u64().unwrap();
    let of = |image| ["width", "height", "size_bytes"].map(|key| number(image, key));
    listed.iter().map(of).collect()
}

#[tokio::test]
async fn a_photo_of_a_phone_is_taken_as_it_is() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let content = photo(1, 1800, 1350);
    assert!(
        (3_145_729..7_340_032).contains(&content.len()),
        "{}",
        content.len()
    );
    let (photo, copy) = (
        file(&folder, "photo.png", &content),
        file(&folder, "copy.jpg", &jpeg(1)),
    );

    let added = at(&gateway, &["add", &photo]).await;
    let found = at(&gateway, &["search", &copy, "--json"]).await;

    assert_eq!((added.exit, added.err.as_str()), (Exit::Done, ""));
    assert_eq!(stored(&gateway).await, [[1800, 1350, content.len() as u64]]);
    assert_eq!(found.json_lines()[0]["matches"][0]["brief"], photo);
}

#[tokio::test]
async fn an_image_that_is_larger_than_the_library_takes_is_scaled_down_and_the_command_says_so() {
    let gateway = Gateway::with_config("[limits]\nmax_image_bytes = \"100KiB\"").await;
    let folder = tempfile::tempdir().unwrap();
    let large = file(&folder, "large.png", &photo(2, 2000, 1500));
    let wide = file(&folder, "wide.png", &photo(3, 5000, 100));

    let people = at(&gateway, &["add", &large]).await;
    let programs = at(&gateway, &["add", &wide, "--json"]).await;
    let found = at(&gateway, &["search", &large, "--json"]).await;
    let deleted = at(&gateway, &["delete", "--file", &large]).await;

    assert_eq!(people.exit, Exit::Done, "{people:?}");
    assert!(
        people.err.contains("scaled down to") && people.err.contains("quality 90"),
        "{people:?}"
    );
    let scaled = &programs.json_lines()[0]["scaled"];
    assert!(scaled["width"].as_u64().unwrap() <= 4096, "{scaled}");
    assert!(
        scaled["size_bytes"].as_u64().unwrap() <= 102_400,
        "{scaled}"
    );
    assert_eq!(found.json_lines()[0]["matches"][0]["brief"], large);
    assert_eq!(deleted.exit, Exit::Done, "{deleted:?}");
}

#[tokio::test]
async fn without_permission_to_resize_a_larger_image_fails() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let wide = file(&folder, "wide.png", &photo(3, 5000, 100));

    let added = at(&gateway, &["add", &wide, "--no-resize"]).await;
    let imported = at(&gateway, &["import", path(&folder), "--no-resize"]).await;

    assert_eq!((added.exit, imported.exit), (Exit::Failed, Exit::Failed));
    assert!(
        added.err.contains("[IMAGE_SIZE]") && added.err.contains("4096 pixels"),
        "{added:?}"
    );
    assert!(imported.err.contains("1 failed"), "{imported:?}");
    assert_eq!(stored(&gateway).await, <[[u64; 3]; 0]>::default());
}

#[tokio::test]
async fn an_import_counts_what_it_scales_down_and_skips_it_the_next_time() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "small.jpg", &jpeg(1));
    file(&folder, "wide.png", &photo(3, 5000, 100));

    let first = at(&gateway, &["import", path(&folder)]).await;
    let second = at(&gateway, &["import", path(&folder), "--json"]).await;

    assert_eq!(first.exit, Exit::Done, "{first:?}");
    assert!(
        first
            .err
            .contains("1 scaled down: the library takes images of up to"),
        "{first:?}"
    );
    assert_eq!(second.json_lines().last().unwrap()["skipped"], 2);
    let stored = stored(&gateway).await;
    assert!(
        stored.iter().any(|image| image[..2] == [4096, 82]),
        "{stored:?}"
    );
}

#[tokio::test]
async fn a_library_with_a_larger_maximum_side_takes_such_images() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::with_config(&format!(
        "[libraries.default]\nbackend = \"embedded\"\ndata_dir = {data:?}\nmax_side = 8192"
    ))
    .await;
    let wide = file(&folder, "wide.png", &photo(3, 5000, 100));

    let added = at(&gateway, &["add", &wide]).await;

    assert_eq!((added.exit, added.err.as_str()), (Exit::Done, ""));
    assert_eq!(stored(&gateway).await[0][..2], [5000, 100]);
}

#[tokio::test]
async fn a_library_at_a_vendor_gets_what_the_vendor_takes() {
    let double = Double::start();
    double.store.lock().unwrap().is_rest = true;
    let folder = tempfile::tempdir().unwrap();
    let large = file(&folder, "large.png", &photo(4, 2000, 1500));

    let added = samegate(&double, &["add", &large]).await;

    assert_eq!(added.exit, Exit::Done, "{added:?}");
    let stored = double.store.lock().unwrap().stored[0].size_bytes;
    assert!(stored <= 3_145_728, "{stored}");
}
