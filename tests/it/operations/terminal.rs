//! A gateway that a person started from a terminal ends when that terminal is closed.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::probe::until;

/// Starts a gateway in a terminal of its own, with what the shell does before; the last of it replaces
/// the shell. Returns the process that has the terminal, and the address of the probes.
async fn start(folder: &Path, before: &str) -> (Child, String) {
    let samegate = env!("CARGO_BIN_EXE_samegate");
    let free = "--grpc 127.0.0.1:0 --rest 127.0.0.1:0 --admin 127.0.0.1:0";
    let serve = format!("{before} {samegate} serve --data data {free} 2> log");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &serve, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(terminal.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(probes) = line.trim().strip_prefix("probes     http://") {
            let address = probes.trim_end_matches("/readyz").to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (terminal, address);
        }
    }
    panic!("no banner");
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap()
}

#[tokio::test]
async fn a_closed_terminal_ends_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    // The tests themselves may run under nohup, and a shell does not undo that.
    let (mut terminal, address) = start(folder.path(), "exec env --default-signal=HUP").await;

    terminal.kill().await.unwrap();

    until("the gateway ends", async || {
        TcpStream::connect(&address).await.is_err()
    })
    .await;
    assert!(log(folder.path()).contains("terminal closed"));
}

#[tokio::test]
async fn a_gateway_that_ignores_the_hang_up_survives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (mut terminal, address) = start(folder.path(), "echo $$ > pid; trap '' HUP; exec").await;
    terminal.kill().await.unwrap();

    until("the gateway gets the signal", async || {
        log(folder.path()).contains("configuration reloaded")
    })
    .await;
    assert!(TcpStream::connect(&address).await.is_ok());
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    let ended = Command::new("kill").arg(pid.trim()).status().await;
    assert!(ended.unwrap().success());
}
