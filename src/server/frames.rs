//! Cuts floods of HTTP/2 frames that carry nothing: PING, SETTINGS, PRIORITY, empty DATA and the
//! like.
//!
//! Each costs the server work, and neither hyper nor h2 limits all of them (CVE-2019-9512, 9513,
//! 9515, 9518). A connection has a budget of such frames. It grows with time, and with what the
//! connection really transfers: clients ping once in each round trip of a busy connection (grpc-go
//! measures the bandwidth so), and update the flow-control window up to twice for each DATA.
//!
//! The frames are followed below hyper, by their headers only; payloads are skipped.

use std::fmt;

use tokio::time::Instant;

/// Length of a frame's header (RFC 9113, section 4.1).
const HEADER_BYTES: usize = 9;
/// Types of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// Flag of a DATA frame that may hold nothing but padding (RFC 9113, section 6.1).
const PADDED: u8 = 8;

/// Unit of the budget: a frame costs as much as 1 KiB of a response earns. Clients acknowledge
/// frames of 16 KiB, their default, with up to three of their own.
const FRAME: u64 = 1024;
/// What a frame of a request earns. A unary call of grpc-go or grpc-java has two of them, HEADERS
/// and DATA, and up to five others: an empty DATA, PING, a reset and two updates of the window.
const EARNED_FRAMES: u64 = 4;
/// Seconds of the rate that a connection can use at once. Envoy allows 1,000 control frames in its
/// queue (`max_outbound_control_frames`), which is 10 s of our default.
const BURST_SECONDS: u64 = 10;

/// Follows the frames of a client.
#[derive(Debug)]
pub(super) struct FrameGuard {
    header: [u8; HEADER_BYTES],
    /// Bytes of the header that have arrived.
    filled: usize,
    /// Bytes of the payload that are still missing.
    payload: usize,
    budget: Budget,
}

/// Frames without content that a connection may send, in units of 1/1024 frame.
#[derive(Debug)]
struct Budget {
    available: u64,
    per_second: u64,
    refilled: Instant,
}

/// The budget is used up.
#[derive(Debug)]
pub(super) struct Flood;

// === impl FrameGuard ===

impl FrameGuard {
    /// Starts after the preface, with the full burst.
    pub(super) fn new(frames_per_second: u32) -> Self {
        let per_second = u64::from(frames_per_second) * FRAME;
        FrameGuard {
            header: [0; HEADER_BYTES],
            filled: 0,
            payload: 0,
            budget: Budget {
                available: per_second * BURST_SECONDS,
                per_second,
                refilled: Instant::now(),
            },
        }
    }

    /// Follows bytes of the client.
    pub(super) fn on_read(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER_BYTES - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER_BYTES {
                self.filled = 0;
                self.on_frame()?;
            }
        }
        Ok(())
    }

    /// Follows bytes of the server.
    pub(super) fn on_write(&mut self, bytes: usize) {
        self.budget.earn(bytes as u64);
    }

    fn on_frame(&mut self) -> Result<(), Flood> {
        let [a, b, c, kind, flags, ..] = self.header;
        self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        match kind {
            HEADERS => self.budget.earn(EARNED_FRAMES * FRAME),
            DATA if self.payload > 0 && flags & PADDED == 0 => {
                self.budget.earn(EARNED_FRAMES * FRAME)
            }
            _ => return self.budget.spend(),
        }
        Ok(())
    }
}

// === impl Budget ===

impl Budget {
    fn earn(&mut self, units: u64) {
        self.available = (self.available + units).min(self.per_second * BURST_SECONDS);
    }

    fn spend(&mut self) -> Result<(), Flood> {
        if self.available < FRAME {
            // The clock is read only here: most connections never get to this point.
            let now = Instant::now();
            let elapsed = now.duration_since(self.refilled).as_millis();
            let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
            self.refilled = now;
            self.earn(elapsed.saturating_mul(self.per_second) / 1000);
        }
        self.available = self.available.checked_sub(FRAME).ok_or(Flood)?;
        Ok(())
    }
}

// === impl Flood ===

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many frames without content")
    }
}

impl std::error::Error for Flood {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;
    /// Budget of a connection that has just opened, at the default rate.
    const BURST: usize = 1000;

    fn guard() -> FrameGuard {
        FrameGuard::new(100)
    }

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let [.., a, b, c] = length.to_be_bytes();
        let mut frame = vec![a, b, c, kind, 0, 0, 0, 0, 1];
        frame.resize(HEADER_BYTES + length, 0xff);
        frame
    }

    /// Sends frames until the guard cuts the connection; returns their number.
    fn frames_until_cut(guard: &mut FrameGuard, frame: &[u8]) -> usize {
        (0..100_000)
            .take_while(|_| guard.on_read(frame).is_ok())
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_content_are_cut_after_the_burst() {
        for (kind, length) in [
            (PING, 8),
            (SETTINGS, 6),
            (2, 5),
            (DATA, 0),
            (3, 4),
            (0xbe, 99),
        ] {
            let cut = frames_until_cut(&mut guard(), &frame(kind, length));

            assert_eq!(cut, BURST, "kind {kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn padding_is_no_content() {
        let mut padded = frame(DATA, 1);
        padded[4] = PADDED;

        assert_eq!(frames_until_cut(&mut guard(), &padded), BURST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_grows_with_time() {
        let mut guard = guard();
        let ping = frame(PING, 8);
        for _ in 0..BURST {
            guard.on_read(&ping).unwrap();
        }

        tokio::time::advance(Duration::from_secs(2)).await;

        assert_eq!(frames_until_cut(&mut guard, &ping), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_client_that_pings_in_each_round_trip_is_never_cut() {
        let mut guard = guard();
        for _ in 0..100_000 {
            guard.on_read(&frame(HEADERS, 60)).unwrap();
            guard.on_read(&frame(DATA, 30)).unwrap();
            guard.on_read(&frame(DATA, 0)).unwrap();
            guard.on_read(&frame(PING, 8)).unwrap();
            guard.on_read(&frame(WINDOW_UPDATE, 4)).unwrap();
            guard.on_read(&frame(WINDOW_UPDATE, 4)).unwrap();
        }
        // One call with a large response, which is acknowledged frame by frame.
        for _ in 0..100_000 {
            guard.on_write(16 * 1024);
            guard.on_read(&frame(PING, 8)).unwrap();
            guard.on_read(&frame(WINDOW_UPDATE, 4)).unwrap();
            guard.on_read(&frame(WINDOW_UPDATE, 4)).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_acknowledgements_of_pings_earn_no_budget_for_more() {
        let mut guard = guard();
        let ping = frame(PING, 8);
        let cut = (0..100_000)
            .take_while(|_| {
                guard.on_write(ping.len());
                guard.on_read(&ping).is_ok()
            })
            .count();

        assert!(cut < BURST + BURST / 50, "{cut}");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_found_wherever_reads_end() {
        let bytes = [frame(HEADERS, 60), frame(DATA, 70_000), frame(PING, 8)].concat();
        for size in [1, 2, 8, 9, 10, 4096] {
            let mut whole = guard();
            whole.budget.available = 0;
            for chunk in bytes.chunks(size) {
                whole.on_read(chunk).unwrap();
            }

            let expected = (2 * EARNED_FRAMES - 1) * FRAME;
            assert_eq!(whole.budget.available, expected, "reads of {size} bytes");
        }
    }
}
