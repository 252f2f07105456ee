//! Opens the configured libraries.

use std::sync::Arc;

use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::library::embedded::{CpuPool, EmbeddedBackend};
use crate::library::instrumented::InstrumentedLibrary;
use crate::library::opensearch::OpenSearchBackend;
use crate::library::rest::RestBackend;
use crate::library::{Libraries, Library};
use crate::replicas::Redis;
use crate::telemetry::Metrics;

/// Checks the index of each library in OpenSearch; returns the errors with the names of the libraries.
pub async fn check_clusters(config: &Config) -> Vec<(&str, Error)> {
    let mut errors = Vec::new();
    for (name, library) in &config.libraries {
        if let config::Library::OpenSearch(library) = library
            && let Err(error) = OpenSearchBackend::check(library).await
        {
            errors.push((name.as_str(), error));
        }
    }
    errors
}

/// Opens every library; the embedded ones share `cpu`, and are also returned by themselves, to be
/// closed.
pub(super) fn open(
    config: &Config,
    cpu: &CpuPool,
    redis: Option<&Redis>,
    metrics: &Metrics,
) -> Result<(Libraries, Vec<EmbeddedBackend>)> {
    let shared_rate_limits = redis.filter(|_| config.rate_limit == config::Store::Redis);
    let mut libraries: Vec<(String, Arc<dyn Library>)> = Vec::new();
    let mut embedded = Vec::new();
    for (name, config) in &config.libraries {
        let library: Arc<dyn Library> = match config {
            config::Library::Embedded(config) => {
                let library = EmbeddedBackend::open(config, cpu.clone())?;
                embedded.push(library.clone());
                Arc::new(InstrumentedLibrary::new(name.as_str(), library))
            }
            config::Library::Rest(config) => {
                let library = RestBackend::new(config, name, metrics, shared_rate_limits)?;
                Arc::new(InstrumentedLibrary::new(name.as_str(), library))
            }
            config::Library::OpenSearch(config) => {
                let library = OpenSearchBackend::new(config, name, cpu.clone(), metrics)?;
                Arc::new(InstrumentedLibrary::new(name.as_str(), library))
            }
        };
        libraries.push((name.clone(), library));
    }
    Ok((Libraries::new(libraries), embedded))
}
