//! Runs the commands of docs/tutorial.md and compares their output with the document.
//!
//! `WRITE=1 cargo test --workspace --test it tutorial` writes the output into the document instead.

use std::path::Path;

use tokio::process::Command;

use super::read;
use crate::support::by_hand::variable;
use crate::support::process::Process;

const FILE: &str = "docs/tutorial.md";
/// Begin and end of a block of commands and their output.
const BLOCK: [&str; 2] = ["```console", "```"];

/// A folder of the reader, and the gateway of the first terminal.
struct Terminal {
    folder: tempfile::TempDir,
    gateway: Process,
}

#[tokio::test]
async fn the_commands_of_the_tutorial_print_what_it_says() {
    let terminal = Terminal::open().await;
    let document = read(FILE);
    let mut written = String::new();
    let mut lines = document.lines().peekable();
    let mut is_block = false;
    let mut commands = 0;
    while let Some(line) = lines.next() {
        written += &format!("{line}\n");
        is_block = line == BLOCK[0] || (is_block && line != BLOCK[1]);
        let Some(first) = line.strip_prefix("$ ").filter(|_| is_block) else {
            continue;
        };
        let mut command = first.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            written += &format!("{more}\n");
            command += &format!("\n{}", &more[2..]);
        }
        let is_output = |line: &&str| *line != BLOCK[1] && !line.starts_with("$ ");
        let mut expected = Vec::new();
        while let Some(output) = lines.next_if(is_output) {
            expected.push(comparable(output));
        }

        let output = terminal.run(&command).await;

        commands += 1;
        let output = output.lines().filter(|line| !is_progress(line));
        if variable("WRITE").is_some() {
            written.extend(output.map(|line| format!("{line}\n")));
        } else {
            assert_eq!(
                output.map(comparable).collect::<Vec<_>>(),
                expected,
                "{command}"
            );
        }
    }
    assert!(commands > 5, "{commands}");
    if variable("WRITE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        std::fs::write(path, written).unwrap();
    }
}

/// Whether a line says how far a command is, which depends on the time.
fn is_progress(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words[..], [_, "of", _, what, ..] if what.starts_with("files") || what.starts_with("images"))
}

/// Cuts size, time and rate off the summary of an import, and makes all times and cursors equal.
fn comparable(line: &str) -> String {
    let line = match line.split_once("; ") {
        Some((counts, _)) if counts.contains(" added, ") => counts,
        Some(_) | None => line,
    };
    // A time has as many decimals as it needs, so columns vary too.
    let words = line.split_whitespace().map(|word| {
        let is_time = word.ends_with('Z') && word.matches([':', '-']).count() == 4;
        if is_time { "TIME" } else { word }
    });
    let mut words: Vec<&str> = words.collect();
    if let [.., "--cursor", cursor] = &mut words[..] {
        *cursor = "CURSOR";
    }
    words.join(" ")
}

// === impl Terminal ===

impl Terminal {
    /// Opens it where the reader has cloned the repository and started the gateway.
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        std::os::unix::fs::symlink(docs, folder.path().join("docs")).unwrap();
        let gateway = Process::start("").await.ready().await;
        Terminal { folder, gateway }
    }

    /// Runs a command and returns what it prints.
    async fn run(&self, command: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_samegate"));
        let path = binary.parent().unwrap().display();
        let script = format!("exec 2>&1; PATH={path}:$PATH\n{command}");
        let ran = Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("SAMEGATE_ENDPOINT", format!("http://{}", self.gateway.grpc))
            .output();
        String::from_utf8(ran.await.unwrap().stdout).unwrap()
    }
}
