//! samegate: a gRPC gateway for same-image search.
//!
//! Modules in the order in which a request meets them: [`proto`] is the
//! promise; [`server`] accepts the connection; [`middleware`] names, times and
//! authenticates the call, and asks [`quota`] and [`admission`] whether it may
//! run; [`grpc`] or [`rest`] reads it into the checked types
//! of [`domain`]; [`library`] answers, through [`wire`] and the vendor or from
//! the embedded engine; [`error`] gives a failure its faces. [`config`],
//! [`watch`], [`replicas`], [`telemetry`] and [`admin`] stand beside that way, [`app`] puts
//! everything together, and [`cli`] is a client of the result.

pub mod admin;
pub mod admission;
pub mod app;
pub mod call;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod jitter;
pub mod library;
pub mod middleware;
pub mod proto;
pub mod quota;
pub mod replicas;
pub mod rest;
pub mod server;
pub mod telemetry;
pub mod watch;
pub mod wire;
