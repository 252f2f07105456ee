//! Metrics of libraries, quotas and admission, read from their owners at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::admission::InFlightBudget;
use crate::library::embedded::CpuPool;
use crate::library::{ClassState, CpuState, CredentialState, Libraries, State};
use crate::quota::{Rejections, Store};
use crate::telemetry::names::{self, Metric};

/// The parts that are read for their metrics.
#[derive(Clone, Debug)]
pub struct MetricSources {
    /// Libraries; also shown by `/state`.
    pub libraries: Libraries,
    /// What embedded libraries share; also shown by `/state`.
    pub cpu: CpuPool,
    /// Requests and bytes in flight.
    pub budget: InFlightBudget,
    /// Where quotas are counted.
    pub quotas: Arc<dyn Store>,
    /// Rejections by quotas.
    pub rejections: Rejections,
}

/// Reads the state of every library.
#[derive(Debug)]
pub(super) struct LibraryCollector(pub(super) Libraries);

/// Reads what limits callers: admission, quotas and the CPU pool.
#[derive(Debug)]
pub(super) struct LimitsCollector(pub(super) MetricSources);

type OfLibrary = fn(&State) -> Option<f64>;
type CountOfLibrary = fn(&State) -> Option<u64>;
type ClassOf = fn(&CpuState) -> ClassState;
type OfClass = fn(ClassState) -> u64;
type OfCredential = fn(&CredentialState) -> Option<f64>;

#[expect(clippy::cast_precision_loss, reason = "gauges show magnitudes")]
const OF_LIBRARIES: [(Metric, OfLibrary); 6] = [
    (names::LIBRARY_IMAGES, |state| Some(state.images? as f64)),
    (names::LIBRARY_CAPACITY, |state| {
        Some(state.capacity? as f64)
    }),
    (names::LIBRARY_SIZE, |state| Some(state.size_bytes? as f64)),
    (names::LIBRARY_FREE_DISK, |state| {
        Some(state.free_disk_bytes? as f64)
    }),
    (names::STORAGE_FAILING, |state| {
        Some(f64::from(u8::from(state.is_storage_failing?)))
    }),
    (names::CLUSTER_REACHABLE, |state| {
        Some(f64::from(u8::from(state.cluster?.is_reachable)))
    }),
];

const COUNTS_OF_LIBRARIES: [(Metric, CountOfLibrary); 4] = [
    (names::STORAGE_FAILURES, |state| state.storage_failures),
    (names::CLUSTER_CANDIDATES, |state| {
        Some(state.cluster?.candidates)
    }),
    (names::CLUSTER_SENT, |state| Some(state.cluster?.sent_bytes)),
    (names::CLUSTER_RECEIVED, |state| {
        Some(state.cluster?.received_bytes)
    }),
];

const OF_CLASSES: [(Metric, OfClass); 2] = [
    (names::CPU_RUNNING, |class| class.running),
    (names::CPU_WAITING, |class| class.waiting),
];

/// Classes of the CPU pool, by the value of their label.
const CLASSES: [(&str, ClassOf); 3] = [
    ("search", |state| state.search),
    ("single", |state| state.single),
    ("bulk", |state| state.bulk),
];

#[expect(clippy::cast_precision_loss, reason = "gauges show magnitudes")]
const OF_CREDENTIALS: [(Metric, OfCredential); 7] = [
    (names::TOKEN_AGE, |state| state.token_age_seconds),
    (names::TOKEN_REMAINING, |state| {
        state.token_remaining_seconds
    }),
    (names::AVAILABLE_SLOTS, |state| state.available_slots),
    (names::QUEUE, |state| Some(state.queue? as f64)),
    (names::CREDENTIAL_IN_FLIGHT, |state| {
        Some(state.in_flight as f64)
    }),
    (names::BREAKER, |state| {
        Some(f64::from(state.breaker? as u8))
    }),
    (names::RATE_LIMIT_SHARED, |state| {
        Some(f64::from(u8::from(state.rate_limit_shared?)))
    }),
];

impl Collector for LibraryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let states: Vec<(&str, State)> = self
            .0
            .iter()
            .map(|(name, library)| (name, library.state()))
            .collect();
        for (metric, read) in OF_LIBRARIES {
            let values = states.iter().filter_map(|(name, state)| {
                let labels = vec![("library", (*name).to_owned())];
                Some((labels, read(state)?))
            });
            family(&mut encoder, metric, values)?;
        }
        for (metric, read) in COUNTS_OF_LIBRARIES {
            let values = states.iter().filter_map(|(name, state)| {
                let labels = vec![("library", (*name).to_owned())];
                Some((labels, read(state)?))
            });
            counters(&mut encoder, metric, values)?;
        }
        for (metric, read) in OF_CREDENTIALS {
            let values = states.iter().flat_map(|(name, state)| {
                state.credentials.iter().filter_map(move |credential| {
                    let labels = vec![
                        ("library", (*name).to_owned()),
                        ("credential", credential.name.clone()),
                    ];
                    Some((labels, read(credential)?))
                })
            });
            family(&mut encoder, metric, values)?;
        }
        Ok(())
    }
}

impl Collector for LimitsCollector {
    #[expect(clippy::cast_precision_loss, reason = "gauges show magnitudes")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let MetricSources {
            cpu,
            budget,
            quotas,
            rejections,
            ..
        } = &self.0;
        let state = cpu.state();
        for (metric, value) in [
            (names::ADMITTED, budget.requests() as f64),
            (names::ADMITTED_BYTES, budget.bytes() as f64),
            (names::QUOTA_STORE, f64::from(u8::from(quotas.is_up()))),
            (names::CPU_DECODED_BYTES, state.decoded_bytes as f64),
        ] {
            let gauge =
                encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        for (metric, read) in OF_CLASSES {
            let values = CLASSES.into_iter().map(|(name, class)| {
                let labels = vec![("class", name.to_owned())];
                (labels, read(class(&state)) as f64)
            });
            family(&mut encoder, metric, values)?;
        }
        let rejections = rejections.by_tenant().into_iter();
        let rejections = rejections.map(|(tenant, count)| {
            let labels = vec![("tenant", tenant.to_string())];
            (labels, count)
        });
        counters(&mut encoder, names::QUOTA_REJECTIONS, rejections)
    }
}

/// Encodes the counters of one metric.
fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    Metric { name, help, .. }: Metric,
    values: impl Iterator<Item = (Vec<(&'static str, String)>, u64)>,
) -> fmt::Result {
    // The encoder appends `_total` to every counter.
    let name = name.strip_suffix("_total").unwrap_or(name);
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Encodes the gauges of one metric.
fn family(
    encoder: &mut DescriptorEncoder<'_>,
    metric: Metric,
    values: impl Iterator<Item = (Vec<(&'static str, String)>, f64)>,
) -> fmt::Result {
    let mut family =
        encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
