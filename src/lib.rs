//! samegate: a gRPC gateway for same-image search.
//!
//! Modules in the order in which a request meets them: [`proto`] is the contract; [`server`]
//! accepts the connection; [`middleware`] assigns an id, measures and authenticates the call, and
//! checks its [`quota`] and its [`admission`]; [`grpc`] or [`rest`] converts it into the checked
//! types of [`domain`]; [`library`] serves it, through [`wire`] and the vendor or with the embedded
//! engine; [`error`] turns a failure into a response of each API. [`call`] is the context of a
//! call. [`console`] is a web page that calls the API. [`config`], [`watch`], [`replicas`], [`telemetry`] and [`admin`] support them, [`app`]
//! connects everything, and [`cli`] is a client of the result.

pub mod admin;
pub mod admission;
pub mod app;
pub mod call;
pub mod cli;
pub mod config;
pub mod console;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod http_service;
pub mod jitter;
pub mod library;
pub mod media_type;
pub mod middleware;
pub mod printable;
pub mod proto;
pub mod quota;
pub mod replicas;
pub mod rest;
pub mod server;
pub mod telemetry;
pub mod watch;
pub mod wire;
