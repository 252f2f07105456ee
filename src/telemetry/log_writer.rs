//! Writes log lines in a thread of its own, so that no call waits for a reader of the log.
//!
//! A write to a full pipe blocks until the other end reads; in a thread of the runtime it would stop
//! every call. So lines go into a queue with a maximum in bytes, from which one thread writes them,
//! all that there are at once. Lines that do not fit are dropped and counted, and a line of the log
//! says how many, as soon as there is room.
//!
//! `tracing-appender` bounds its queue by lines and allocates for each, and it reports no losses in
//! the log.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Capacity up to which a buffer is kept for the next lines; more is needed at peaks only.
const KEPT_BYTES: usize = 64 * 1024;

/// Lines that this process has dropped. There is one log, whatever the number of gateways.
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Returns the counter of dropped log lines of this process.
pub(super) fn dropped_lines() -> Counter {
    DROPPED.clone()
}

/// Accepts log lines; clones write to the same log.
#[derive(Clone, Debug)]
pub(super) struct LogWriter(Arc<Queue>);

/// The lines that are not written yet.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Lines have arrived in an empty queue, or it was closed.
    filled: Condvar,
    /// The thread has ended.
    ended: Condvar,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines dropped since the last report.
    dropped: u64,
    is_closed: bool,
    has_ended: bool,
}

// === impl LogWriter ===

impl LogWriter {
    /// Starts the thread that writes to `sink`; up to `max_bytes` wait for it.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(super) fn start(sink: impl Write + Send + 'static, max_bytes: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            ended: Condvar::new(),
            max_bytes,
        });
        let writer = LogWriter(Arc::clone(&queue));
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || queue.write_to(sink))?;
        Ok(writer)
    }

    /// Adds a line, or drops it if there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        self.0.push(line);
    }

    /// Closes the log, and waits up to `timeout` until all lines are written.
    pub(super) fn close(&self, timeout: Duration) {
        let mut state = self.0.state();
        state.is_closed = true;
        self.0.filled.notify_one();
        // Nothing is left to do after a timeout: the reader does not read.
        let _ = self
            .0
            .ended
            .wait_timeout_while(state, timeout, |state| !state.has_ended);
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Queue;

    fn make_writer(&'a self) -> &'a Queue {
        &self.0
    }
}

/// Gets one line with each call of `write`.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Queue ===

impl Queue {
    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.is_closed || state.lines.len() + line.len() > self.max_bytes {
            state.dropped += 1;
            DROPPED.inc();
            return;
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Writes all lines until the queue is closed and empty.
    fn write_to(&self, mut sink: impl Write) {
        let mut lines = Vec::new();
        while let Some(dropped) = self.take(&mut lines) {
            if dropped > 0 {
                // Goes into the queue, which is empty now, and so behind the lines before the loss.
                tracing::warn!(count = dropped, "log lines dropped");
            }
            if sink.write_all(&lines).and_then(|()| sink.flush()).is_err() {
                // Standard error was closed: there is no other place to report it.
                DROPPED.inc_by(lines.iter().filter(|byte| **byte == b'\n').count() as u64);
            }
            lines.clear();
            lines.shrink_to(KEPT_BYTES);
        }
        self.state().has_ended = true;
        self.ended.notify_all();
    }

    /// Waits for lines, and exchanges them for an empty buffer; returns how many were dropped after
    /// them. Returns `None` at the end.
    fn take(&self, buffer: &mut Vec<u8>) -> Option<u64> {
        let is_waiting = |state: &mut State| state.lines.is_empty() && !state.is_closed;
        let mut state = self
            .filled
            .wait_while(self.state(), is_waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if state.lines.is_empty() {
            return None;
        }
        std::mem::swap(&mut state.lines, buffer);
        Some(std::mem::take(&mut state.dropped))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked, except for want of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that takes what is written only when it is asked to.
    struct SlowSink {
        written: Sender<Vec<u8>>,
        permits: Receiver<()>,
    }

    impl Write for SlowSink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).unwrap();
            // The sender is gone when the test has ended.
            let _ = self.permits.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow_log(max_bytes: usize) -> (LogWriter, Receiver<Vec<u8>>, Sender<()>) {
        let ((written, lines), (permit, permits)) = (channel(), channel());
        let log = LogWriter::start(SlowSink { written, permits }, max_bytes).unwrap();
        (log, lines, permit)
    }

    #[test]
    fn a_line_does_not_wait_for_the_reader_and_the_queue_is_bounded() {
        let (log, written, permit) = slow_log(100);
        log.push(b"first\n");
        assert_eq!(written.recv().unwrap(), b"first\n");

        let line = [b'x'; 30];
        for _ in 0..1000 {
            log.push(&line);
        }

        let state = log.0.state();
        assert_eq!((state.lines.len(), state.dropped), (90, 997));
        drop(state);
        permit.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), line.repeat(3));
        // The thread has taken the count, to report it.
        assert_eq!(log.0.state().dropped, 0);
    }

    #[test]
    fn closing_writes_what_waits() {
        let (log, written, permit) = slow_log(100);
        log.push(b"one\n");
        assert_eq!(written.recv().unwrap(), b"one\n");
        log.push(b"two\n");
        permit.send(()).unwrap();
        permit.send(()).unwrap();

        log.close(Duration::from_secs(60));

        assert_eq!(written.recv().unwrap(), b"two\n");
        assert!(log.0.state().has_ended);
    }

    #[test]
    fn closing_does_not_wait_for_a_reader_that_never_reads() {
        let (log, written, _permit) = slow_log(100);
        log.push(b"one\n");
        written.recv().unwrap();

        log.close(Duration::from_millis(1));

        assert!(!log.0.state().has_ended);
    }
}
