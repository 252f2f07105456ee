//! Fixtures, doubles and helpers of the tests.

pub mod backends;
pub mod by_hand;
pub mod canary;
pub mod certificates;
pub mod chance;
pub mod clock;
pub mod collector;
pub mod gateway;
pub mod grpc_double;
pub mod http2;
pub mod images;
pub mod issuer;
pub mod memory;
pub mod opensearch;
pub mod probe;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod vendor;
