//! Backups of a running gateway and the care of a library at rest, by the real binary.

use std::io::Write as _;
use std::path::Path;
use std::process::Output;

use bytes::Bytes;
use samegate::proto::v1;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::images::{jpeg, png};
use crate::support::probe::until;
use crate::support::process::{Process, samegate};

/// Runs `samegate library ARGS`.
async fn library(args: &[&str]) -> Output {
    let mut command = samegate();
    command.arg("library").args(args).output().await.unwrap()
}

async fn succeeding(args: &[&str]) -> String {
    let output = library(args).await;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{args:?}: {}",
        error(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

async fn failing(args: &[&str]) -> Output {
    let output = library(args).await;
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    output
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Adds an image; its brief is its seed.
async fn add(gateway: &Process, seed: u64, image: Bytes) {
    let mut client = gateway.client().await;
    client.add_image(addition(seed, image)).await.unwrap();
}

fn addition(seed: u64, image: Bytes) -> v1::AddImageRequest {
    v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(image)),
        brief: seed.to_string(),
        tags: vec![7],
        ..Default::default()
    }
}

/// Starts a gateway with the images of some seeds.
async fn gateway_with(seeds: std::ops::Range<u64>) -> Process {
    let gateway = Process::start("").await.ready().await;
    for seed in seeds {
        add(&gateway, seed, png(seed)).await;
    }
    gateway
}

/// Returns the briefs in a library, in the order of adding.
async fn briefs(gateway: &Process) -> Vec<String> {
    let request = v1::ListImagesRequest {
        page_size: 1000,
        ..Default::default()
    };
    let page = gateway.client().await.list_images(request).await.unwrap();
    let images = page.into_inner().images;
    images.into_iter().map(|image| image.brief).collect()
}

/// Returns sign, brief and score of each match.
async fn matches(gateway: &Process, image: Bytes) -> Vec<(String, String, f64)> {
    let request = v1::SearchImagesRequest {
        source: Some(v1::search_images_request::Source::Content(image)),
        ..Default::default()
    };
    let response = gateway.client().await.search_images(request).await.unwrap();
    let found = response.into_inner().matches.into_iter();
    found
        .map(|found| (found.cont_sign, found.brief, found.score))
        .collect()
}

fn admin(gateway: &Process) -> String {
    format!("http://{}", gateway.admin)
}

async fn post(gateway: &Process, library: &str) -> reqwest::Response {
    let url = format!("{}/libraries/{library}/backup", admin(gateway));
    reqwest::Client::new().post(url).send().await.unwrap()
}

#[tokio::test]
async fn a_backup_of_a_busy_gateway_restores_one_state_with_the_same_matches() {
    let gateway = gateway_with(0..12).await;
    let expected = matches(&gateway, jpeg(5)).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, restored) = (folder.path().join("a.backup"), folder.path().join("data"));
    let admin = admin(&gateway);
    let args = ["backup", "--admin", &admin, "-o", text(&file), "--json"];
    let adding = async {
        for seed in 12..20 {
            add(&gateway, seed, png(seed)).await;
        }
    };

    let (line, ()) = tokio::join!(succeeding(&args), adding);
    succeeding(&["restore", text(&file), "--data", text(&restored)]).await;

    let count = json_lines(&line)[0]["image_count"].as_u64().unwrap();
    assert!((12..=20).contains(&count), "{count}");
    let config = format!(
        "[libraries.default]\nbackend = \"embedded\"\ndata_dir = \"{}\"\n\
         [tenants.local]\nlibraries = [\"default\"]\n[auth]\nanonymous = true\n",
        restored.display()
    );
    let second = Process::start(&config).await.ready().await;
    let all: Vec<String> = (0..count).map(|seed| seed.to_string()).collect();
    assert_eq!(briefs(&second).await, all);
    assert_eq!(matches(&second, jpeg(5)).await, expected);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_client_that_stands_still_blocks_neither_writes_nor_a_shutdown_and_a_gone_one_ends() {
    // More than the buffers between gateway and client.
    let config = "[limits]\ndrain_timeout = \"1s\"\nlame_duck = \"0s\"\n";
    let gateway = Process::start(config).await.ready().await;
    let client = gateway.client().await;
    let image = png(1);
    let adds = (0..200).map(|number: u8| {
        // Decoders ignore bytes after the end of a PNG.
        let image = [&image[..], &[number]].concat().into();
        let mut client = client.clone();
        let mut request = tonic::Request::new(addition(1, image));
        // Long enough that none is rejected for its deadline.
        request.set_timeout(std::time::Duration::from_mins(5));
        async move { client.add_image(request).await.unwrap() }
    });
    futures_util::future::join_all(adds).await;

    let stalled = stalled_backup(&gateway).await;
    assert_eq!(post(&gateway, "default").await.status(), 429);
    add(&gateway, 1000, png(1000)).await;
    assert_eq!(matches(&gateway, jpeg(1000)).await.len(), 1);
    drop(stalled);
    until("the slot is free", async || {
        post(&gateway, "default").await.status() == 200
    })
    .await;
    until("the log says why", async || {
        gateway.log().contains("the client has disconnected")
    })
    .await;
    let stalled = stalled_backup(&gateway).await;

    let ended = gateway.end().await;

    assert!(ended.status.success(), "{}", ended.err);
    assert!(ended.err.contains("library backup sent"), "{}", ended.err);
    drop(stalled);
}

/// Starts a backup and reads only the begin of its response.
async fn stalled_backup(gateway: &Process) -> TcpStream {
    let mut stream = None;
    until("a backup starts", async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut connection = socket.connect(gateway.admin).await.unwrap();
        let request = "POST /libraries/default/backup HTTP/1.1\r\nhost: localhost\r\n\r\n";
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        connection.read_exact(&mut status).await.unwrap();
        stream = Some(connection);
        status == *b"HTTP/1.1 200"
    })
    .await;
    stream.unwrap()
}

#[tokio::test]
async fn the_admin_call_names_what_is_wrong() {
    let config = "[libraries.default]\nbackend = \"embedded\"\ndata_dir = \"data\"\n\
         [libraries.cloud]\nbackend = \"rest\"\nbase_url = \"http://127.0.0.1:1\"\n\
         credentials = [{ api_key = \"a\", secret_key = \"b\" }]\n\
         [limits]\nwarmup_timeout = \"0s\"\n[tenants.local]\nlibraries = [\"default\"]\n";
    let gateway = Process::start(config).await.ready().await;
    let admin = admin(&gateway);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.backup");
    let args = ["backup", "--admin", &admin, "-o", text(&file)];

    assert_eq!(post(&gateway, "other").await.status(), 404);
    assert_eq!(post(&gateway, "cloud").await.status(), 501);
    let url = format!("{admin}/libraries/default/backup");
    assert_eq!(reqwest::get(url).await.unwrap().status(), 405);
    let unknown = failing(&[&args[..], &["--library", "other"]].concat()).await;

    assert!(
        error(&unknown).contains("no library `other`"),
        "{}",
        error(&unknown)
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_library_in_use_is_left_alone_and_the_way_out_is_named() {
    let gateway = gateway_with(0..1).await;
    let data = gateway.path("samegate-data");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.backup");
    let verified = succeeding(&["verify", "--admin", &admin(&gateway)]).await;
    assert!(verified.contains("1 images"), "{verified}");

    for (args, advice) in [
        (&["backup", "-o", text(&file)][..], "--admin"),
        (&["verify"], "--admin"),
        (&["export"], "samegate list --json"),
        (&["compact"], "stop the gateway"),
    ] {
        let failed = failing(&[args, &["--data", text(&data)]].concat()).await;
        let error = error(&failed);
        assert!(
            error.contains("in use") && error.contains(advice),
            "{args:?}: {error}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(briefs(&gateway).await, ["0"]);
}

#[tokio::test]
async fn a_cut_off_or_changed_backup_is_not_restored() {
    let gateway = gateway_with(0..3).await;
    let backup = post(&gateway, "default").await.bytes().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("a.backup"), folder.path().join("data"));
    let mut changed = backup.to_vec();
    changed[backup.len() / 2] ^= 1;

    for content in [&backup[..backup.len() - 1], &backup[..100], &changed[..]] {
        std::fs::write(&file, content).unwrap();
        failing(&["verify", text(&file)]).await;
        let failed = failing(&["restore", text(&file), "--data", text(&data)]).await;
        assert!(error(&failed).contains("the backup"), "{}", error(&failed));
        assert!(!data.exists());
    }
    std::fs::write(&file, &backup).unwrap();
    succeeding(&["restore", text(&file), "--data", text(&data)]).await;
    let exists = failing(&["restore", text(&file), "--data", text(&data)]).await;
    assert!(error(&exists).contains("--replace"), "{}", error(&exists));
    succeeding(&["restore", text(&file), "--data", text(&data), "--replace"]).await;
}

#[tokio::test]
async fn a_library_at_rest_is_backed_up_verified_and_compacted() {
    let gateway = gateway_with(0..3).await;
    let data = gateway.path("samegate-data");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("data");
    for old in ["20250101", "20250102", "20250103"] {
        let name = format!("default-{old}T000000Z.backup");
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let mut gateway = gateway;
    gateway.kill().await;
    let to = ["--folder", text(folder.path()), "--keep", "2", "--json"];

    let line = succeeding(&[&["backup", "--data", text(&data)], &to[..]].concat()).await;
    let line = &json_lines(&line)[0];
    assert_eq!(line["image_count"], 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let file = line["file"].as_str().unwrap();
    succeeding(&["restore", file, "--data", text(&copy)]).await;

    let sizes = json_lines(&succeeding(&["compact", "--data", text(&copy), "--json"]).await);
    assert!(sizes[0]["before_bytes"].as_u64() >= sizes[0]["after_bytes"].as_u64());
    let whole = succeeding(&["verify", "--data", text(&copy), "--json"]).await;
    assert_eq!(json_lines(&whole)[0]["damages"], serde_json::json!([]));
    damage(&copy.join("library.redb"));
    let damaged = failing(&["verify", "--data", text(&copy)]).await;
    let damaged = String::from_utf8(damaged.stdout).unwrap();
    assert!(damaged.contains("library.redb: "), "{damaged}");
}

/// Changes a bit of the tags and brief of the second image.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let jpeg = bytes
        .windows(3)
        .position(|window| window == [0xff, 0xd8, 0xff]);
    bytes[jpeg.unwrap() + 100] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn exported_records_can_be_edited_and_imported() {
    let mut gateway = gateway_with(0..2).await;
    let data = gateway.path("samegate-data");
    gateway.kill().await;

    let exported = succeeding(&["export", "--data", text(&data)]).await;
    let lines = json_lines(&exported);
    assert_eq!(lines[0]["brief"], "0");
    assert_eq!(lines[1]["tags"], serde_json::json!([7]));
    assert_eq!(
        (&lines[0]["width"], &lines[0]["height"]),
        (&320.into(), &240.into())
    );
    let mut edited = tempfile::NamedTempFile::new().unwrap();
    let path = edited.path().to_owned();
    write!(
        edited,
        "{}",
        exported.replace("\"brief\":\"1\"", "\"brief\":\"one\"")
    )
    .unwrap();
    writeln!(edited, "{{\"cont_sign\":\"1,2\",\"tags\":[]}}").unwrap();
    let args = ["import", text(&path), "--data", text(&data), "--json"];
    let imported = failing(&args).await;
    let imported = json_lines(&String::from_utf8(imported.stdout).unwrap());
    assert_eq!(
        imported[0],
        serde_json::json!({ "updated": 2, "missing": 1 })
    );
    write!(
        edited,
        "{{\"cont_sign\":\"1;2\"}}\n{{\"cont_sign\":\"1,2\",\"tags\":[0]}}"
    )
    .unwrap();
    let invalid = error(&failing(&args[..4]).await);
    assert!(
        invalid.contains("line 4: ") && invalid.contains("line 5: "),
        "{invalid}"
    );

    gateway.restart().await;
    let gateway = gateway.ready().await;
    assert_eq!(briefs(&gateway).await, ["0", "one"]);
}
