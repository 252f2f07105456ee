//! What the fuzz targets share.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let builder = Builder::new_current_thread().enable_all().build();
    builder.expect("a runtime without threads can be built")
});

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}
