//! Rejects calls that exceed the quota of their tenant.
//!
//! The quota is checked before the body is read, with the declared length of the body. A gRPC
//! client declares none: the bytes that arrive are charged when the handler has responded, and the
//! tenant is rejected while it owes more than it earns in a second. The head of a stream is sent at
//! once, so the items of a stream are checked one by one.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Buf;
use http::request::Parts;
use http_body::Frame;

use super::body::{BodyObserver, content_length, data_bytes};
use super::guard::{Check, Hold};
use crate::call::Tenant;
use crate::error::{Error, Kind};
use crate::quota::{ConcurrencyPermit, Quotas, TenantLimiter};

/// Checks the quota of the request's tenant.
#[derive(Clone, Debug)]
pub struct QuotaCheck(pub(super) Quotas);

/// The quota that a running call uses.
pub struct QuotaHold {
    _running: ConcurrencyPermit,
    _charge: QuotaCharge,
}

/// Charges the bytes beyond the declared length when the call ends, also for a caller that leaves
/// before the response.
struct QuotaCharge {
    limiter: TenantLimiter,
    declared: u64,
    arrived: Arc<AtomicU64>,
}

/// Counts the bytes of a body as they arrive.
pub struct ArrivedBytes(Arc<AtomicU64>);

impl Check for QuotaCheck {
    type Hold = QuotaHold;
    type Observer = ArrivedBytes;

    async fn check(&self, head: &mut Parts) -> Result<(QuotaHold, ArrivedBytes), Error> {
        let tenant = head.extensions.get::<Arc<Tenant>>();
        let tenant = tenant.ok_or_else(|| Error::new(Kind::Internal, "the call has no tenant"))?;
        let limiter = self.0.limiter(&tenant.name);
        let declared = content_length(&head.headers);
        let running = limiter.acquire(declared).await?;
        let arrived = Arc::new(AtomicU64::new(0));
        let hold = QuotaHold {
            _running: running,
            _charge: QuotaCharge {
                limiter,
                declared,
                arrived: Arc::clone(&arrived),
            },
        };
        Ok((hold, ArrivedBytes(arrived)))
    }
}

impl Hold for QuotaHold {
    type Kept = ();

    fn release(self) {}
}

impl BodyObserver for ArrivedBytes {
    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()> {
        self.0
            .fetch_add(data_bytes(frame) as u64, Ordering::Relaxed);
        ControlFlow::Continue(())
    }
}

impl Drop for QuotaCharge {
    fn drop(&mut self) {
        let arrived = self.arrived.load(Ordering::Relaxed);
        self.limiter.charge(arrived.saturating_sub(self.declared));
    }
}
