//! A real Redis on a free port, started and killed by the tests.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use redis::aio::MultiplexedConnection;
use samegate::{config, replicas};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running `redis-server`; it is killed when dropped.
pub struct Redis {
    port: u16,
    process: Child,
    folder: tempfile::TempDir,
}

impl Redis {
    /// Starts a server without persistence.
    pub async fn start() -> Self {
        for _ in 0..100 {
            let port = next_port();
            let folder = tempfile::tempdir().unwrap();
            if let Some(process) = launch(port, &folder).await {
                return Redis {
                    port,
                    process,
                    folder,
                };
            }
        }
        panic!("redis-server does not start");
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Connects as one of this many replicas.
    pub fn connection(&self, replicas: u32) -> replicas::Redis {
        let url = self.url().into();
        replicas::Redis::connect(&config::Redis { url, replicas }).unwrap()
    }

    /// Kills it, as a crash would.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again on its port, empty.
    pub async fn restart(&mut self) {
        let process = launch(self.port, &self.folder).await;
        self.process = process.expect("redis-server starts again on its port");
    }

    /// Stops it, as a machine without a free core would: it does not respond, and runs the commands
    /// later.
    pub async fn hang(&self) {
        self.signal("STOP").await;
    }

    /// Ends [`Redis::hang`].
    pub async fn resume(&self) {
        self.signal("CONT").await;
    }

    /// Returns the number of used slots of the shared rate limit.
    pub async fn used_slots(&self) -> usize {
        self.slots_after(0.0).await
    }

    /// Returns how many of them wait for their send: a sent call occupies its slot for 1.02 s.
    pub async fn unsent_slots(&self) -> usize {
        self.slots_after(1.02).await
    }

    async fn slots_after(&self, seconds: f64) -> usize {
        let mut connection = self.client().await;
        let keys = redis::cmd("KEYS").arg("samegate:*:slots").clone();
        let keys: Vec<String> = keys.query_async(&mut connection).await.unwrap();
        // Scores are seconds since a recent epoch.
        let min = self.time().await - 1_700_000_000.0 + seconds;
        let mut slots = 0;
        for key in keys {
            let count = redis::cmd("ZCOUNT").arg(key).arg(min).arg("+inf").clone();
            slots += count.query_async::<usize>(&mut connection).await.unwrap();
        }
        slots
    }

    /// Returns how often scripts ran, and for how many microseconds.
    pub async fn script_stats(&self) -> String {
        let mut connection = self.client().await;
        let info = redis::cmd("INFO").arg("commandstats").clone();
        let info: String = info.query_async(&mut connection).await.unwrap();
        let lines = info.lines().filter(|line| line.contains("evalsha"));
        lines.collect()
    }

    /// Returns the seconds of its clock.
    pub async fn time(&self) -> f64 {
        let mut connection = self.client().await;
        let time = redis::cmd("TIME").query_async(&mut connection).await;
        let (seconds, micros): (f64, f64) = time.unwrap();
        seconds + micros / 1e6
    }

    /// Connects to it.
    pub async fn client(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn signal(&self, name: &str) {
        let id = self.process.id().unwrap().to_string();
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(kill.await.unwrap().success());
    }
}

/// Returns a port that no other test of this process gets, below the ephemeral ports of Linux (from
/// 32768), so that it is still free after a restart of Redis.
fn next_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Two concurrent runs start far from each other.
    let port = 10_000 + (std::process::id().wrapping_mul(97) + number) % 22_000;
    u16::try_from(port).unwrap()
}

/// Starts a server and waits until it is ready; `None` when it ends instead.
async fn launch(port: u16, folder: &tempfile::TempDir) -> Option<Child> {
    let mut process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed (`make test` does it)");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("Ready to accept connections") {
            // Its later output must not fill the pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(process);
        }
    }
    process.wait().await.unwrap();
    None
}
