//! No output of a gateway holds a secret or an image: a process at its most verbose log level gets
//! valid and invalid calls at both APIs, and everything that it prints, exports or sends is
//! searched.

mod calls;

use sha2::{Digest, Sha256};

use crate::support::canary::{Canaries, Seen, secret};
use crate::support::collector::Collector;
use crate::support::images::png;
use crate::support::issuer::Issuer;
use crate::support::probe::{get, until_metric};
use crate::support::process::{Process, samegate};
use crate::support::vendor::Vendor;

const RELOAD: &str = "samegate_config_reload_success";
const REQUEST_ID: &str = "harmless-request-id";
const LIBRARY: &str = "cloud";

/// A gateway in front of the vendor, and all of its output.
struct Scene {
    vendor: Vendor,
    collector: Collector,
    issuer: Issuer,
    process: Process,
    seen: Seen,
    canaries: Canaries,
}

impl Scene {
    async fn start() -> Self {
        let (vendor, collector) = (Vendor::start().await, Collector::start().await);
        vendor.open_account(&secret("vendor-id"), &secret("vendor-secret"));
        let issuer = Issuer::start().await;
        let config = config(&vendor, &collector, &issuer);
        Scene {
            vendor,
            collector,
            issuer,
            process: Process::start(&config).await.ready().await,
            seen: Seen::default(),
            canaries: Canaries::new(),
        }
    }

    /// Reads every page of the admin port.
    async fn read_admin_pages(&mut self) {
        for page in ["/livez", "/readyz", "/metrics", "/state", "/log-level"] {
            let (status, text) = get(self.process.admin, page).await;
            assert_eq!(status, 200, "{page}");
            self.seen.note(page, text);
        }
    }

    /// Reloads invalid configurations, each followed by the valid one.
    async fn reload_invalid(&mut self) {
        let valid = config(&self.vendor, &self.collector, &self.issuer);
        for (from, to) in mistakes() {
            assert!(valid.contains(&from), "{from}");
            let invalid = valid.replace(&from, &to);
            self.process.configure(&invalid);
            self.process.signal("HUP").await;
            until_metric(self.process.admin, RELOAD, 0.0).await;
            let file = self.process.path("bad.toml");
            std::fs::write(&file, invalid).unwrap();
            let checked = self
                .run(&["config", "check", file.to_str().unwrap()], "")
                .await;
            assert_eq!(checked, Some(2), "{to}");
            self.process.configure(&valid);
            self.process.signal("HUP").await;
            until_metric(self.process.admin, RELOAD, 1.0).await;
        }
    }

    /// Imports a folder with valid images and a broken one.
    async fn import(&mut self) {
        let folder = self.process.path("images");
        std::fs::create_dir(&folder).unwrap();
        for number in 60..63 {
            std::fs::write(folder.join(format!("{number}.png")), png(number)).unwrap();
            self.canaries.add_image("an imported image", &png(number));
        }
        std::fs::write(folder.join("bad.png"), &png(63)[..3000]).unwrap();
        self.canaries.add_image("a broken image", &png(63)[..3000]);
        let endpoint = format!("http://{}", self.process.grpc);
        let journal = self.process.path("journal");
        let import = ["import", folder.to_str().unwrap(), "--endpoint", &endpoint];
        let journalled = ["--journal", journal.to_str().unwrap(), "--attempts", "1"];
        let args = [import, journalled].concat();

        assert_eq!(self.run(&args, &secret("wrong-key")).await, Some(1));
        assert_eq!(self.run(&args, &secret("key")).await, Some(1));

        assert!(self.seen.holds("samegate import", "3 added"));
        assert!(self.seen.holds("samegate import", "1 failed"));
        for file in std::fs::read_dir(journal.parent().unwrap()).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with("journal") {
                self.seen
                    .note("journal", std::fs::read(file.path()).unwrap());
            }
        }
    }

    /// Runs a command of the binary; returns its exit status.
    async fn run(&mut self, args: &[&str], key: &str) -> Option<i32> {
        let ran = samegate().args(args).env("SAMEGATE_API_KEY", key).output();
        let ran = ran.await.unwrap();
        let output = format!("samegate {}", args[0]);
        self.seen.note(&output, ran.stdout);
        self.seen.note(&output, ran.stderr);
        ran.status.code()
    }

    /// Ends the process and searches all of its output for every canary.
    async fn assert_no_leak(mut self) {
        for call in self.vendor.calls() {
            self.canaries.add("the vendor's token", &call.token);
        }
        let port = self.vendor.url().rsplit(':').next().unwrap().to_owned();
        self.canaries
            .add("an address of the vendor", &format!(":{port}/"));
        // Part of every token of the vendor, refreshed ones included.
        self.canaries.add("part of a token", ".282335-1");
        let ended = self.process.end().await;
        assert!(ended.status.success(), "{}", ended.err);
        self.seen.note("stdout", ended.out);
        self.seen.note("stderr", ended.err);
        self.seen.note("traces", self.collector.raw());

        for (output, harmless) in [
            ("stdout", "is running with"),
            ("stderr", REQUEST_ID),
            ("stderr", LIBRARY),
            ("stderr", "library call failed"),
            ("stderr", "quota store unavailable, quotas fell back"),
            ("stderr", "DEBUG"),
            ("traces", LIBRARY),
            ("traces", REQUEST_ID),
            ("/metrics", LIBRARY),
            ("/state", LIBRARY),
            ("gRPC", REQUEST_ID),
            ("gRPC", "VENDOR_SETUP"),
            ("REST", "error_code"),
            ("samegate config", "secret_key"),
        ] {
            assert!(
                self.seen.holds(output, harmless),
                "no {harmless} in {output}"
            );
        }
        let found = self.canaries.found(&self.seen);
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// Returns a configuration with every kind of secret.
fn config(vendor: &Vendor, collector: &Collector, issuer: &Issuer) -> String {
    let key = Sha256::digest(secret("key"));
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let of = |name: &str| secret(name);
    [
        format!("[libraries.{LIBRARY}]\nbackend = \"rest\"\nqps = 1000\n"),
        format!("base_url = \"{}\"\n", vendor.url()),
        format!("credentials = [{{ api_key = \"{}\", ", of("vendor-id")),
        format!("secret_key = \"{}\" }}]\n", of("vendor-secret")),
        format!("[tenants.local]\nlibraries = [\"{LIBRARY}\"]\n"),
        format!("api_keys = [\"sha256:{key}\"]\n"),
        format!("rest_keys = [{{ api_key = \"{}\", ", of("rest-key")),
        format!("secret_key = \"{}\" }}]\n", of("rest-secret")),
        "quota = { requests_per_second = 1000 }\n".to_owned(),
        "[limits]\nlame_duck = \"0s\"\n".to_owned(),
        // No server listens there: the store fails at every call.
        format!(
            "[redis]\nurl = \"redis://me:{}@127.0.0.1:1/0\"\n\
             [quota]\nstore = \"redis\"\n[rate_limit]\nstore = \"redis\"\n",
            of("redis")
        ),
        issuer.config("30s"),
        collector.config(),
        "log_level = \"trace\"\n".to_owned(),
    ]
    .concat()
}

/// Typical mistakes in lines with secrets: a text and its replacement.
fn mistakes() -> [(String, String); 5] {
    let of = |name: &str| secret(name);
    [
        // The closing quote is missing: the parser stops here.
        (
            format!("\"{}\" }}]\nquota", of("rest-secret")),
            format!("\"{}", of("rest-secret")),
        ),
        (
            format!("\"{}\" }}]\n[tenants", of("vendor-secret")),
            format!("[\"{}\"] }}]\n[tenants", of("vendor-secret")),
        ),
        (
            format!("\"{}\"", of("vendor-id")),
            format!("{{ {} = 1 }}", of("vendor-id")),
        ),
        (
            "\"sha256:".to_owned(),
            format!("\"{}\", \"sha256:", of("unhashed-key")),
        ),
        ("redis://".to_owned(), "redis/".to_owned()),
    ]
}

#[tokio::test]
async fn no_output_of_a_gateway_holds_a_secret_or_an_image() {
    let mut scene = Scene::start().await;

    scene.grpc_valid().await;
    scene.grpc_invalid().await;
    scene.rest().await;
    scene.import().await;
    scene.read_admin_pages().await;
    scene.reload_invalid().await;
    scene.vendor_failures().await;
    scene.read_admin_pages().await;

    scene.assert_no_leak().await;
}
