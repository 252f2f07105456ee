//! Imports during which client, connection and gateway are killed at random.
//!
//! The processes are real. A proxy between them stops at a random byte; then the client, the
//! connection or the gateway is killed. Running the same command again must store every image
//! exactly once, and report every file that is no image.
//!
//! `SEEDS=0..100 IMAGES=2000 cargo test --workspace --test it kills` runs more and longer imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use samegate::proto::v1;
use serde_json::Value;
use tokio::process::Child;

use crate::support::by_hand::variable;
use crate::support::chance::Chance;
use crate::support::images::png;
use crate::support::process::{Process, samegate};
use crate::support::proxy::{Direction, Proxy};

/// Seeds of every run; each begins with a different kind of kill. Add a seed that fails, with its
/// cause.
const SEEDS: std::ops::Range<u64> = 0..3;
const IMAGES: u64 = 90;
/// Number of kills in one import.
const KILLS: u64 = 6;
/// Approximate length of an acknowledgement.
const RESPONSE_BYTES: u64 = 100;
/// One file of this many is no image.
const BAD_FILE_INTERVAL: u64 = 20;
/// Timeout per image of an import with its kills; generous, for a machine under load.
const TIMEOUT_PER_IMAGE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
enum Kill {
    Connection,
    Client,
    Gateway,
}

/// A folder of files, a gateway, and the proxy in front of it.
struct Scene {
    folder: tempfile::TempDir,
    gateway: Process,
    proxy: Proxy,
    /// Size of all files in bytes.
    bytes: u64,
    good: BTreeSet<String>,
    bad: BTreeSet<String>,
}

#[tokio::test]
async fn kills_at_any_byte_lose_no_image_and_store_none_twice() {
    let images = variable("IMAGES").map_or(IMAGES, |count| count.parse().unwrap());
    for seed in seeds() {
        let limit = TIMEOUT_PER_IMAGE * u32::try_from(images).unwrap();
        tokio::time::timeout(limit, run_import(seed, images))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} did not finish within {limit:?}"));
    }
}

async fn run_import(seed: u64, images: u64) {
    let mut chance = Chance::new(seed);
    let mut scene = Scene::start(seed, images).await;
    let mut client = scene.import();
    for number in 0..KILLS {
        // Images are sent faster than they are stored, so half of the kills are triggered by the
        // responses.
        match chance.below(2) {
            0 => scene
                .proxy
                .stop_after(Direction::ToServer, chance.below(scene.bytes / KILLS) + 1),
            _ => {
                let max = images * RESPONSE_BYTES * 2 / KILLS;
                scene
                    .proxy
                    .stop_after(Direction::ToClient, chance.below(max) + 1);
            }
        }
        let ended = tokio::select! {
            status = client.wait() => Some(status.unwrap()),
            () = scene.proxy.stopped() => None,
        };
        if let Some(status) = ended {
            // Everything was sent before the remaining kills.
            assert_eq!(status.code(), Some(1), "seed {seed}");
            break;
        }
        let kill = [Kill::Connection, Kill::Client, Kill::Gateway]
            [usize::try_from((seed + number) % 3).unwrap()];
        match kill {
            Kill::Connection => scene.proxy.disconnect(),
            Kill::Client => {
                client.kill().await.unwrap();
                scene.proxy.disconnect();
                client = scene.import();
            }
            Kill::Gateway => scene.kill_gateway(seed).await,
        }
    }
    scene.proxy.open();
    client.wait().await.unwrap();
    scene.check(seed).await;
}

// === impl Scene ===

impl Scene {
    async fn start(seed: u64, images: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut bytes, mut good, mut bad) = (0, BTreeSet::new(), BTreeSet::new());
        std::fs::create_dir(folder.path().join("files")).unwrap();
        for number in 0..images {
            let path = folder.path().join(format!("files/{number:05}.png"));
            let is_bad = number % BAD_FILE_INTERVAL == BAD_FILE_INTERVAL / 2;
            let content = if is_bad {
                "no image".into()
            } else {
                png(seed << 32 | number)
            };
            bytes += content.len() as u64;
            std::fs::write(&path, content).unwrap();
            let key = path.display().to_string();
            let _ = if is_bad {
                bad.insert(key)
            } else {
                good.insert(key)
            };
        }
        let gateway = Process::start("").await.ready().await;
        let proxy = Proxy::start(gateway.grpc).await;
        Scene {
            folder,
            gateway,
            proxy,
            bytes,
            good,
            bad,
        }
    }

    /// Runs the import once more, and checks the library and the failure list.
    async fn check(&self, seed: u64) {
        // Everything is stored, so this run only reports the bad files.
        let status = self.import().wait().await.unwrap();

        assert_eq!(
            status.code(),
            Some(1),
            "seed {seed}: bad files are reported"
        );
        let stored: Vec<String> = self.stored().await.into_values().collect();
        let duplicates = stored.len() - stored.iter().collect::<BTreeSet<_>>().len();
        assert_eq!(duplicates, 0, "seed {seed}");
        assert_eq!(
            stored.into_iter().collect::<BTreeSet<_>>(),
            self.good,
            "seed {seed}"
        );
        let reported: Vec<String> = self
            .lines("failures")
            .map(|line| text(&line["key"]))
            .collect();
        assert_eq!(reported.len(), self.bad.len(), "seed {seed}: {reported:?}");
        assert_eq!(
            reported.into_iter().collect::<BTreeSet<_>>(),
            self.bad,
            "seed {seed}"
        );
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the command that a user would run again.
    fn import(&self) -> Child {
        let mut command = samegate();
        let endpoint = format!("http://{}", self.proxy.address);
        command
            .args([
                "import",
                "--quiet",
                "--endpoint",
                &endpoint,
                "--attempts",
                "100",
            ])
            .arg("--journal")
            .arg(self.path("journal"))
            .arg("--failures")
            .arg(self.path("failures"))
            .arg(self.path("files"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.kill_on_drop(true).spawn().unwrap()
    }

    /// Kills the gateway and starts it on the same folder. Every acknowledged image must be stored.
    async fn kill_gateway(&mut self, seed: u64) {
        self.gateway.kill().await;
        self.proxy.disconnect();
        self.gateway.restart().await;
        let acknowledged: BTreeMap<String, String> = self
            .lines("journal")
            .filter(|line| line["sign"].is_string())
            .map(|line| (text(&line["sign"]), text(&line["key"])))
            .collect();
        let stored = self.stored().await;
        for (sign, key) in acknowledged {
            assert_eq!(stored.get(&sign), Some(&key), "seed {seed}: lost");
        }
        self.proxy.set_target(self.gateway.grpc);
        // Connections that the proxy accepted in between.
        self.proxy.disconnect();
    }

    /// Returns the briefs in the library, which are the paths, by sign.
    async fn stored(&self) -> BTreeMap<String, String> {
        let mut client = self.gateway.client().await;
        let mut stored = BTreeMap::new();
        let mut request = v1::ListImagesRequest {
            page_size: 1000,
            ..Default::default()
        };
        loop {
            let page = client
                .list_images(request.clone())
                .await
                .unwrap()
                .into_inner();
            for image in page.images {
                let duplicate = stored.insert(image.cont_sign, image.brief);
                assert_eq!(duplicate, None);
            }
            if page.next_page_token.is_empty() {
                return stored;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Returns the complete lines of a file of the import.
    fn lines(&self, name: &str) -> impl Iterator<Item = Value> {
        let text = read(&self.path(name));
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        let lines: Vec<Value> = text[..end]
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines.into_iter()
    }
}

fn seeds() -> std::ops::Range<u64> {
    let Some(range) = variable("SEEDS") else {
        return SEEDS;
    };
    let (first, end) = range.split_once("..").expect("SEEDS is FIRST..END");
    first.parse().unwrap()..end.parse().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
