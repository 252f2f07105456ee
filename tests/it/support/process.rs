//! The real binary as a process, with everything that it prints.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use super::certificates::replace;
use super::probe::{get, until};

/// Message of the line of a JSON log that replaces the banner.
const STARTED: &str = r#""message":"gateway started""#;

/// Returns a command of the binary, without standard input and without variables of this process.
pub fn samegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samegate"));
    command
        .env_clear()
        .envs(coverage_file())
        .stdin(Stdio::null());
    command
}

/// Returns the variable that tells a binary of `make coverage` where to write what it has run.
fn coverage_file() -> Option<(&'static str, OsString)> {
    let name = "LLVM_PROFILE_FILE";
    std::env::var_os(name).map(|file| (name, file))
}

/// A running `samegate serve` on free ports; it is killed when dropped.
pub struct Process {
    /// Where its gRPC API listens.
    pub grpc: SocketAddr,
    /// Where its REST API listens.
    pub rest: SocketAddr,
    /// Where its probes listen.
    pub admin: SocketAddr,
    folder: tempfile::TempDir,
    running: Running,
}

/// The process itself, and what it prints.
struct Running {
    child: Child,
    out: Printed,
    err: Printed,
    /// Starts to read standard error.
    read_log: Option<oneshot::Sender<()>>,
}

/// How a process is started.
#[derive(Default)]
pub struct Launch<'a> {
    /// Its whole environment.
    pub variables: &'a [(&'a str, &'a str)],
    /// Arguments of `ulimit`: `-n 1024`.
    pub ulimit: Option<&'a str>,
    /// Whether its standard error is read only after [`Process::read_log`].
    pub is_log_unread: bool,
}

/// Exit status and output of a process.
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// Everything on standard output.
    pub out: String,
    /// Everything on standard error.
    pub err: String,
}

/// Output that is read from one pipe.
struct Printed {
    text: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

/// Returns the CPU time of a process (proc(5), `stat`: user and system, in ticks of 10 ms).
pub fn cpu_time(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

impl Process {
    /// Starts with a configuration file in its own folder, which is also its working directory.
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    /// Starts like [`Process::start`], with these variables as its whole environment.
    pub async fn start_with(config: &str, variables: &[(&str, &str)]) -> Self {
        let launch = Launch {
            variables,
            ..Launch::default()
        };
        Self::launch(config, &launch).await
    }

    /// Starts like [`Process::start`], under other circumstances.
    pub async fn launch(config: &str, launch: &Launch<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("samegate.toml"), config).unwrap();
        let (running, [grpc, rest, admin]) = Running::start(folder.path(), launch).await;
        Process {
            grpc,
            rest,
            admin,
            folder,
            running,
        }
    }

    /// Kills the process: a crash.
    pub async fn kill(&mut self) {
        self.running.child.kill().await.unwrap();
    }

    /// Starts it again in its folder, on other ports.
    pub async fn restart(&mut self) {
        let addresses;
        (self.running, addresses) = Running::start(self.folder.path(), &Launch::default()).await;
        [self.grpc, self.rest, self.admin] = addresses;
    }

    /// Waits until it accepts traffic.
    pub async fn ready(self) -> Self {
        let ready = async || get(self.admin, "/readyz").await.0 == 200;
        until("the gateway is ready", ready).await;
        self
    }

    /// Returns the path of a file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces its configuration file.
    pub fn configure(&self, config: &str) {
        replace(&self.path("samegate.toml"), config);
    }

    /// Sends a signal: `TERM`, `HUP`.
    pub async fn signal(&self, name: &str) {
        let id = self.running.child.id().unwrap().to_string();
        let mut kill = Command::new("kill");
        let kill = kill.args([&format!("-{name}"), &id]).status();
        assert!(kill.await.unwrap().success());
    }

    /// Makes all writes to files fail, or lets them succeed again.
    pub async fn reject_writes(&self, rejected: bool) {
        let id = self.running.child.id().unwrap().to_string();
        let limit = if rejected {
            "--fsize=0:"
        } else {
            "--fsize=unlimited:"
        };
        let set = Command::new("prlimit").args(["--pid", &id, limit]).status();
        assert!(set.await.unwrap().success());
    }

    /// Shuts it down gracefully and waits for its end.
    pub async fn end(mut self) -> Ended {
        self.signal("TERM").await;
        let status = self.running.child.wait().await.unwrap();
        Ended {
            status,
            out: self.running.out.whole().await,
            err: self.running.err.whole().await,
        }
    }

    /// Returns the status if it ends within `limit`; `None` if it still runs then.
    pub async fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let ended = tokio::time::timeout(limit, self.running.child.wait()).await;
        ended.ok().map(Result::unwrap)
    }

    /// Starts to read a log that was unread.
    pub fn read_log(&mut self) {
        let read_log = self.running.read_log.take().unwrap();
        read_log.send(()).unwrap();
    }

    /// Returns its peak memory in MiB.
    pub fn peak_memory_mib(&self) -> u64 {
        self.status_kib("VmHWM:") / 1024
    }

    /// Returns the CPU time of all its threads so far.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.running.child.id().unwrap())
    }

    /// Returns its current memory without mapped files, in KiB.
    pub fn anonymous_memory_kib(&self) -> u64 {
        self.status_kib("RssAnon:")
    }

    /// Returns its limit of file descriptors, the soft one.
    pub fn descriptor_limit(&self) -> u64 {
        let id = self.running.child.id().unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let mut values = limits
            .lines()
            .filter_map(|line| line.strip_prefix("Max open files"));
        let soft = values.next().unwrap().split_whitespace().next();
        soft.unwrap().parse().unwrap()
    }

    /// Reads a value from Linux' `/proc/PID/status`.
    fn status_kib(&self, name: &str) -> u64 {
        let id = self.running.child.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        value
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    /// Returns what it has logged so far.
    pub fn log(&self) -> String {
        self.running.err.text()
    }

    /// Connects a gRPC client.
    pub async fn client(&self) -> SameImageServiceClient<Channel> {
        let endpoint = format!("http://{}", self.grpc);
        SameImageServiceClient::connect(endpoint).await.unwrap()
    }
}

impl Running {
    async fn start(folder: &Path, launch: &Launch<'_>) -> (Self, [SocketAddr; 3]) {
        let free = "127.0.0.1:0";
        // Without the signal, a write beyond the limit of a file's size is an error.
        let limit = launch
            .ulimit
            .map_or_else(String::new, |limit| format!("ulimit {limit} && "));
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("trap '' XFSZ; {limit}exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_samegate"))
            .args(["serve", "--config", "samegate.toml"])
            .args(["--grpc", free, "--rest", free, "--admin", free])
            .env_clear()
            .envs(coverage_file())
            .envs(launch.variables.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (read_log, log_is_read) = oneshot::channel();
        let out = Printed::of(child.stdout.take().unwrap(), None);
        let err = Printed::of(child.stderr.take().unwrap(), Some(log_is_read));
        let mut read_log = Some(read_log);
        if !launch.is_log_unread
            && let Some(read_log) = read_log.take()
        {
            read_log.send(()).unwrap();
        }
        until("the gateway says where it listens", async || {
            let said = out.text().contains("Try it") || err.text().contains(STARTED);
            said || out.reading.is_finished()
        })
        .await;
        let addresses = addresses(&out.text(), &err.text());
        let running = Running {
            child,
            out,
            err,
            read_log,
        };
        (running, addresses)
    }
}

/// Reads the addresses of gRPC, REST and admin from the banner, or from the log in JSON.
pub fn addresses(banner: &str, log: &str) -> [SocketAddr; 3] {
    if let Some(line) = log.lines().find(|line| line.contains(STARTED)) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        return ["grpc", "rest", "admin"].map(|name| line[name].as_str().unwrap().parse().unwrap());
    }
    ["gRPC", "REST", "probes"].map(|listener| {
        let mut lines = banner
            .lines()
            .filter_map(|line| line.trim().strip_prefix(listener));
        let address = lines
            .next()
            .unwrap_or_else(|| panic!("no banner, but: {log}"));
        let address = address.split_whitespace().next().unwrap();
        let address = address
            .split_once("://")
            .map_or(address, |(_, address)| address);
        address.trim_end_matches("/readyz").parse().unwrap()
    })
}

impl Printed {
    /// Reads a pipe, from the time when `begin` says so.
    fn of(
        mut pipe: impl AsyncRead + Unpin + Send + 'static,
        begin: Option<oneshot::Receiver<()>>,
    ) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let into = text.clone();
        let reading = tokio::spawn(async move {
            if let Some(begin) = begin
                && begin.await.is_err()
            {
                return;
            }
            let mut chunk = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
                into.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Printed { text, reading }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    async fn whole(self) -> String {
        self.reading.await.unwrap();
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}
