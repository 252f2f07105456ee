//! Opens the configured libraries.

use std::sync::Arc;

use crate::config::{self, Config};
use crate::error::Result;
use crate::library::embedded::Embedded;
use crate::library::rest::Rest;
use crate::library::{Libraries, Library, Observed};
use crate::replicas::Redis;
use crate::telemetry::Metrics;

/// Opens every library; the embedded ones are also returned by themselves, to be closed.
pub(super) fn open(
    config: &Config,
    redis: Option<&Redis>,
    metrics: &Metrics,
) -> Result<(Libraries, Vec<Embedded>)> {
    let shared_rate_limits = redis.filter(|_| config.pacing == config::Store::Redis);
    let mut libraries: Vec<(String, Arc<dyn Library>)> = Vec::new();
    let mut embedded = Vec::new();
    for (name, config) in &config.libraries {
        let library: Arc<dyn Library> = match config {
            config::Library::Embedded(config) => {
                let library = Embedded::open(config)?;
                embedded.push(library.clone());
                Arc::new(Observed::new(name.as_str(), library))
            }
            config::Library::Rest(config) => {
                let library = Rest::observed(config, name, metrics, shared_rate_limits)?;
                Arc::new(Observed::new(name.as_str(), library))
            }
        };
        libraries.push((name.clone(), library));
    }
    Ok((Libraries::new(libraries), embedded))
}
