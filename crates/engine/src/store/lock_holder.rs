//! Which process has a library open, for the message of the one that cannot open it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Returns the process that holds a lock on a file. Only Linux tells, and not for a process of
/// another PID namespace, such as one in another container.
pub(crate) fn of(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| pid_in(line, inode))
}

/// Reads a line of `/proc/locks`, see its manual page: `1: FLOCK ADVISORY WRITE 4711 fe:00:123 0 EOF`.
/// The device is not compared, since `stat` shows another one on some file systems.
fn pid_in(line: &str, inode: u64) -> Option<u32> {
    let mut fields = line.split_whitespace().skip(3);
    let (kind, pid, file) = (fields.next()?, fields.next()?, fields.next()?);
    let is_ours = kind == "WRITE" && file.rsplit(':').next()?.parse() == Ok(inode);
    // A process that is not visible here has number 0.
    pid.parse().ok().filter(|pid| is_ours && *pid > 0)
}

/// Names the process in a message.
pub(crate) fn name(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_writer_of_the_same_file_holds_it() {
        let holder = |line| pid_in(line, 123);

        assert_eq!(
            holder("1: FLOCK  ADVISORY  WRITE 4711 fe:00:123 0 EOF"),
            Some(4711)
        );
        for line in [
            "1: FLOCK  ADVISORY  WRITE 4711 fe:00:124 0 EOF",
            "1: FLOCK  ADVISORY  READ 4711 fe:00:123 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 0 fe:00:123 0 EOF",
            "1: OFDLCK ADVISORY  WRITE -1 fe:00:123 0 EOF",
            "1: -> FLOCK  ADVISORY  WRITE 4711 fe:00:123 0 EOF",
            "",
        ] {
            assert_eq!(holder(line), None, "{line}");
        }
    }
}
