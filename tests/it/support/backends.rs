//! The backends that the tests of the contract run against.

use std::sync::Arc;
use std::time::Duration;

use samegate::config;
use samegate::library::embedded::{CpuPool, EmbeddedBackend};
use samegate::library::opensearch::OpenSearchBackend;
use samegate::library::rest::RestBackend;
use samegate::telemetry::Metrics;

use super::gateway::Gateway;
use super::opensearch;
use super::vendor::Vendor;
use crate::contract::Fixture;

/// The engine in a folder of its own.
pub async fn embedded() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Embedded {
        data_dir: folder.path().to_owned(),
        capacity: 1000,
        min_free_disk: 0,
        profile: config::Profile::default(),
        effort: config::Effort::default(),
        allow_private_addresses: false,
        max_side: 4096,
        preview_side: 0,
        min_score: 0.0,
    };
    let library = EmbeddedBackend::open(&config, CpuPool::new(1 << 30)).unwrap();
    Fixture {
        library: Arc::new(library),
        _keep: Box::new(folder),
    }
}

/// An index of its own in the OpenSearch node that all tests share.
pub async fn opensearch() -> Fixture {
    let config = opensearch::library(opensearch::shared());
    OpenSearchBackend::create(&config).await.unwrap();
    opensearch_fixture(&config)
}

/// Another gateway of a library in OpenSearch.
pub fn opensearch_fixture(config: &config::OpenSearch) -> Fixture {
    Fixture {
        library: Arc::new(opensearch_library(config)),
        _keep: Box::new(()),
    }
}

/// Opens a library in OpenSearch.
pub fn opensearch_library(config: &config::OpenSearch) -> OpenSearchBackend {
    let cpu = CpuPool::new(1 << 30);
    OpenSearchBackend::new(config, "test", cpu, &Metrics::new()).unwrap()
}

/// The rest backend in front of a whole gateway's REST API.
pub async fn rest_to_own_rest_api() -> Fixture {
    let gateway = Gateway::start().await;
    let library = rest(&gateway.rest_url(), "local", &gateway.rest_secret());
    Fixture {
        library: Arc::new(library),
        _keep: Box::new(gateway),
    }
}

/// The rest backend in front of the fake vendor.
pub async fn rest_to_fake_vendor() -> Fixture {
    let vendor = Vendor::start().await;
    let library = rest(&vendor.url(), "key", "secret");
    Fixture {
        library: Arc::new(library),
        _keep: Box::new(vendor),
    }
}

fn rest(base_url: &str, api_key: &str, secret_key: &str) -> RestBackend {
    let credential = config::Credential {
        api_key: api_key.to_owned(),
        secret_key: secret_key.to_owned().into(),
    };
    let config = config::Rest {
        base_url: base_url.parse().unwrap(),
        service: config::Service::SameHq,
        credentials: vec![credential],
        // Rate limits have tests of their own.
        qps: 1000,
        timeout: Duration::from_secs(30),
        min_score: 0.0,
    };
    RestBackend::new(&config, "", &Metrics::new(), None).unwrap()
}
