//! Knows for how long a connection has had no open stream.
//!
//! A stream is one request and its response, over HTTP/1 as well. It is open until the last byte of
//! its response has been handed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The streams of a connection; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begin: Instant,
    open: AtomicUsize,
    /// When the last stream ended, in milliseconds since the beginning.
    last_end_ms: AtomicU64,
}

/// Counts a stream as open until it is dropped.
#[derive(Debug)]
pub(super) struct OpenStream(Activity);

// === impl Activity ===

impl Activity {
    /// Starts without streams.
    pub(super) fn new() -> Self {
        Activity(Arc::new(Inner {
            begin: Instant::now(),
            open: AtomicUsize::new(0),
            last_end_ms: AtomicU64::new(0),
        }))
    }

    /// Counts a stream that begins.
    pub(super) fn begin_stream(&self) -> OpenStream {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        OpenStream(self.clone())
    }

    /// Ends when no stream has been open for `limit`; never if that is zero.
    pub(super) async fn idle(&self, limit: Duration) {
        if limit.is_zero() {
            return std::future::pending().await;
        }
        loop {
            let idle = self.idle_time();
            if idle >= limit {
                return;
            }
            tokio::time::sleep(limit - idle).await;
        }
    }

    fn idle_time(&self) -> Duration {
        // Pairs with the release in `drop`: who sees the end of the last stream sees its time.
        if self.0.open.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let last_end = Duration::from_millis(self.0.last_end_ms.load(Ordering::Relaxed));
        self.0.begin.elapsed().saturating_sub(last_end)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Inner {
            begin,
            open,
            last_end_ms,
        } = &*self.0.0;
        let now = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        last_end_ms.store(now, Ordering::Relaxed);
        open.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(5);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_end_of_its_last_stream() {
        let (activity, begin) = (Activity::new(), Instant::now());
        let (one, other) = (activity.begin_stream(), activity.begin_stream());
        let ends = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_mins(7)).await;
            drop(one);
            tokio::time::sleep(Duration::from_mins(60)).await;
            drop(other);
        });

        activity.idle(LIMIT).await;

        assert_eq!(begin.elapsed(), Duration::from_mins(67) + LIMIT);
        ends.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_any_stream_is_idle_from_its_beginning() {
        let (activity, begin) = (Activity::new(), Instant::now());

        activity.idle(LIMIT).await;

        assert_eq!(begin.elapsed(), LIMIT);
    }
}
