//! Real OpenSearch nodes on free ports, started and killed by the tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use samegate::config::{ClusterAuth, Effort, OpenSearch, Profile};
use serde_json::Value;

use super::process::cpu_time;

/// Folder of the jars, which `make opensearch` fills.
const JARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.tools/opensearch");
const LOGGING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/cluster/log4j2.properties"
);

/// A running node; it is killed when dropped, and ends by itself when this process does.
pub struct Node {
    /// Address of its HTTP API.
    pub url: String,
    /// Where other nodes find it.
    pub transport: String,
    process: Child,
    _stdin: ChildStdin,
    _folder: tempfile::TempDir,
}

// === impl Node ===

impl Node {
    /// Starts a node with these settings (`name=value`), and waits until it responds.
    pub fn start(settings: &[&str]) -> Self {
        // Compiled quickly, not well: a test sends few requests.
        Self::launch(
            &["-Xms256m", "-Xmx384m", "-XX:TieredStopAtLevel=1"],
            settings,
        )
    }

    /// Starts a node with these options of Java.
    pub fn launch(java: &[&str], settings: &[&str]) -> Self {
        assert!(
            Path::new(JARS).join("classes").exists(),
            "OpenSearch is in .tools/opensearch (`make opensearch` fills it)"
        );
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new("java")
            .args(java)
            .arg("-XX:+UseSerialGC")
            .arg(format!("-Dlog4j2.configurationFile={LOGGING}"))
            .arg("-Dlog4j2.disable.jmx=true")
            .args(["-cp", &format!("{JARS}/classes:{JARS}/*"), "Cluster"])
            .arg(folder.path())
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("java is installed (`make opensearch` does it)");
        let stdin = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let found = |line: String| Some(line.strip_prefix(name)?.to_owned());
            let address = lines.find_map(|line| found(line.unwrap()));
            address.expect("OpenSearch starts")
        };
        let transport = address("transport ");
        Node {
            url: format!("http://{}", address("http ")),
            transport,
            process,
            _stdin: stdin,
            _folder: folder,
        }
    }

    /// Starts two nodes of one cluster: the first manages it and has data, the second has data.
    pub fn pair(cluster: &str) -> (Self, Self) {
        let name = format!("cluster.name={cluster}");
        let managers = "cluster.initial_cluster_manager_nodes=first";
        let first = Node::start(&[&name, CLAUSES, "node.name=first", managers]);
        let second = first.join(cluster, "second");
        (first, second)
    }

    /// Starts a node with data in the cluster of this one.
    pub fn join(&self, cluster: &str, node: &str) -> Self {
        let (name, node) = (
            format!("cluster.name={cluster}"),
            format!("node.name={node}"),
        );
        let seeds = format!("discovery.seed_hosts={}", self.transport);
        Node::start(&[&name, CLAUSES, &node, "node.roles=data", &seeds])
    }

    /// Waits until every shard of the cluster has all its copies.
    pub async fn until_green(&self) {
        let path = "_cluster/health?wait_for_status=green&timeout=60s";
        assert_eq!(self.request("GET", path, None).await.0, 200);
    }

    /// Returns the CPU time that it has used so far.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.process.id())
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a request; returns the status and the response.
    pub async fn request(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/{path}", self.url);
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the setting without which searches have too many terms.
pub const CLAUSES: &str = "indices.query.bool.max_clause_count=16384";

/// Returns the node that all tests of this process share, each with an index of its own.
pub fn shared() -> &'static Node {
    static SHARED: OnceLock<Node> = OnceLock::new();
    SHARED.get_or_init(|| Node::start(&["discovery.type=single-node", CLAUSES]))
}

/// Returns the configuration of a library that no other test has.
pub fn library(node: &Node) -> OpenSearch {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    OpenSearch {
        urls: vec![node.url.parse().unwrap()],
        index: format!("library-{}-{number}", std::process::id()),
        auth: ClusterAuth::None,
        ca: None,
        client_identity: None,
        shards: 1,
        replicas: 0,
        capacity: 1000,
        candidates: 200,
        timeout: Duration::from_secs(30),
        profile: Profile::default(),
        effort: Effort::default(),
        min_score: 0.0,
        allow_private_addresses: false,
        max_side: 4096,
    }
}
